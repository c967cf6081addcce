"""HTML that explains a prediction: sentences with a map, and more for those who want to know.

The computations are in :mod:`digitlib.models.explain`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from IPython.display import HTML
from numpy.typing import NDArray
from PIL import Image

from digitlib.models.card import EMBEDDING
from digitlib.models.display import ALT, answer_style, channel_legends, frame_url, image_url
from digitlib.models.explain import Explainer, TrainingDigit
from digitlib.models.labels import label_name
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.colors import picture_channels
from digitlib.preprocessing.frame import Frame, frame_steps, frames_to_images
from digitlib.widgets.answers import PadRecognizer
from digitlib.widgets.pad import DrawingPad

View = tuple[str, str]  # HTML: a note for the heading, and the pictures

MAPS = 12  # strongest feature maps shown per stage
MAP_SIDE, MAP_GAP = 48, 2  # px of the picture: a multiple of every stage's side
NEAREST = 8  # training digits
STEP_SIDE = 192  # px; larger steps are reduced
FOR, AGAINST = (44, 123, 210), (214, 64, 50)  # sRGB, safe for color-blind people
GAP = 255  # the level between maps
# Activations from none to the strongest: black, the blue of the best bar, white.
RAMP = ((0, 0, 0), (0, 58, 102), (0, 114, 178), (86, 180, 233), (255, 255, 255))
_AT, _LEVELS = np.linspace(0, 1, len(RAMP)), np.linspace(0, 1, 256)
HEAT = np.transpose([np.interp(_LEVELS, _AT, part) for part in np.transpose(RAMP)]).astype(np.uint8)
NOTHING = "Draw a digit to see how the network reads it."
ONE_DIGIT = "This panel explains one digit. Choose One digit above the answer."
UNKNOWN = "Only the steps are available: this network doesn't provide its activations."
INKED = 0.5  # brighter pixels are inside the outline
PARTS = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)
NARROW = 9  # px: a drawing that is narrower isn't divided across
FELT = 0.01  # a smaller change of the confidence isn't mentioned


def explain(pad: DrawingPad) -> HTML:
    """Everything about a pad's drawing, for a notebook; a sentence while nothing is drawn."""
    css = resources.files("digitlib.widgets.panels").joinpath("why.css").read_text(encoding="utf-8")
    content = f"<p>{ONE_DIGIT if pad.number else NOTHING}</p>"
    if isinstance(pad.prediction, Prediction):
        explainer = make_explainer(pad.recognizer)
        content = details_html(explainer, pad.prediction, pad.image)
        if explainer is not None:
            content = summary_html(explainer, pad.prediction) + content
    return HTML(f'{answer_style()}<style>{css}</style><div class="dp-answer">{content}</div>')


def make_explainer(recognizer: PadRecognizer) -> Explainer | None:
    """An explainer; None if the network does not provide its activations."""
    if isinstance(recognizer, Recognizer) and EMBEDDING in recognizer.activations:
        return Explainer(recognizer)
    return None


# --- sentences -------------------------------------------------------------------------------


def summary_html(explainer: Explainer, found: Prediction) -> str:
    """Sentences, the ink that supports the answer, and the most similar training digits."""
    (falls,) = explainer.occlusions(found.frame, [found.digit])
    part = strongest_part(explainer.recognizer, found)
    nearest = explainer.nearest(found.frame, NEAREST)
    sentences = "".join(
        f"<p>{sentence}</p>" for sentence in (reason(found, part), similar(found.digit, nearest))
    )
    picture = _saliency_svg(falls, found, f"the ink that supports {found.digit}", part)
    tiles = "".join(
        _tile(
            f"<b>{each.label}</b>",
            each.image,
            f"training digit {each.row} of {each.source}, labeled {each.label}: "
            f"similarity {each.similarity:.2f}",
        )
        for each in nearest
    )
    return _views(
        f'<section class="dp-view dp-reason">{picture}<div>{sentences}</div></section>'
        f'<section class="dp-view dp-nearest"><div>{tiles}</div></section>'
    )


class Part(NamedTuple):
    """A part of a drawing, and what the network says without it.

    Attributes:
        name: where it is.
        box: left, top, right and bottom in px of the frame.
        probabilities: of the ten digits without the ink of this part.
        rejected: without it, the rest is not a digit.
    """

    name: str
    box: tuple[int, int, int, int]
    probabilities: NDArray[np.float32]
    rejected: bool


def strongest_part(recognizer: Recognizer, found: Prediction) -> Part | None:
    """The part, of up to nine, without which the answer is least probable; None for a dot."""
    rows, columns = (_thirds(at) for at in np.nonzero(found.frame[0]))
    parts, frames = [], []
    for row, top, bottom in rows:
        for column, left, right in columns:
            frame = found.frame.copy()
            frame[:, top:bottom, left:right] = 0
            if frame[0].any():
                parts.append((PARTS[row][column], (left, top, right, bottom)))
                frames.append(frame)
    if not frames:
        return None
    without = recognizer.predict_batch(np.array(frames))
    weakest = int(without.probabilities[:, found.digit].argmin())
    shares, rejected = without.probabilities[weakest], without.rejected[weakest]
    return Part(*parts[weakest], shares, bool(rejected))


def _thirds(at: NDArray[Any]) -> list[tuple[int, int, int]]:
    """The thirds of a range of pixels: number, start and end; only the middle if it's narrow."""
    low, high = int(at.min()), int(at.max()) + 1
    if high - low < NARROW:
        return [(1, low, high)]
    edges = np.linspace(low, high, 4).round().astype(int).tolist()
    return [(third, edges[third], edges[third + 1]) for third in range(3)]


def reason(found: Prediction, part: Part | None) -> str:
    """What supports the answer, and what would change it."""
    digit = found.digit
    colors = f"The ink in <b>blue</b> supports {digit}, the ink in <b>red</b> is against it."
    if found.because is not None:
        label = label_name(found.because.label)
        return f"You marked a similar drawing as {label}, so the pad says the same of this one."
    if found.rejected:
        return (
            "The network doesn't take this for a digit. If it had to choose one, it would say "
            f"{digit}. {colors}"
        )
    if part is None:
        return colors
    if part.rejected:
        return f"{colors} Without the {part.name} part, it wouldn't look like a digit."
    other = int(part.probabilities.argmax())
    if other != digit:
        return f"{colors} Without the {part.name} part, the answer would be {other}."
    if part.probabilities[digit] < found.confidence - FELT:
        return (
            f"{colors} The {part.name} part matters most: without it, the network would be less "
            "sure."
        )
    return f"{colors} Even without the {part.name} part, the answer would be {digit}."


def similar(digit: int, nearest: Sequence[TrainingDigit]) -> str:
    """How many of the most similar training digits have this label."""
    count = sum(each.label == digit for each in nearest)
    number = {0: "None", len(nearest): "All"}.get(count, str(count))
    verb = "is" if count == 1 else "are"
    return (
        f"{number} of the {len(nearest)} most similar digits that the network learned from {verb} "
        f"labeled {digit}."
    )


# --- steps and maps --------------------------------------------------------------------------


def details_html(
    explainer: Explainer | None, found: Prediction, image: NDArray[np.uint8] | None = None
) -> str:
    """The steps to the network's input, and what the network computes from it.

    Args:
        explainer: for the recognizer that made the prediction; None shows only the steps.
        found: the prediction.
        image: the picture, uint8 ``[H, W]`` or in color, if strokes weren't read.
    """
    page = _section("Steps", *steps_html(found, image))
    if explainer is not None:
        page += _section("Saliency", *saliency_html(explainer, found))
        page += _section("Feature maps", *maps_html(explainer, found))
    return _views(page)


def steps_html(found: Prediction, image: NDArray[np.uint8] | None) -> View:
    """From the pen, or from the picture, to what the network is given."""
    if image is not None:
        steps = _picture_steps(image)
        return "from the picture to the frame", "".join(map(_tile, steps, steps.values()))
    page = _tile("frame", frames_to_images(found.frame), "the 28 by 28 frame")
    if not found.frame[1:].any():
        return "from the pen to the frame", page
    for name, picture in picture_channels(found.frame).items():
        page += _tile(name, picture, ALT[name])
    legends = channel_legends().items()
    return "".join(f"<span><span>{name}</span> {legend}</span>" for name, legend in legends), page


def _picture_steps(picture: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The steps of preprocessing a picture, small enough to be shown."""
    steps = frame_steps(picture)
    del steps["input"]  # the frame in other units
    steps["frame"] = steps["frame"][0]
    return {name.removesuffix("scale"): _reduced(step) for name, step in steps.items()}


def _reduced(step: NDArray[Any]) -> NDArray[np.uint8]:
    image = Image.fromarray(np.rint(255 * step.clip(0, 1)).astype(np.uint8))
    image.thumbnail((STEP_SIDE, STEP_SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def saliency_html(explainer: Explainer, found: Prediction) -> View:
    """The ink that supports the answer, and the ink that supports the second digit."""
    page, digits = "", [digit for digit, _ in found.top(2)]
    for digit, falls in zip(digits, explainer.occlusions(found.frame, digits), strict=True):
        name = f"as {digit}"
        about = f"read {name}: the strongest ink moves the log-odds by {np.abs(falls).max():.1f}"
        page += _figure(_saliency_svg(falls, found, about), name)
    return '<span class="dp-for">for</span><span class="dp-against">against</span>', page


def _saliency_svg(
    falls: NDArray[Any], prediction: Prediction, about: str, part: Part | None = None
) -> str:
    """The map under the outline of the ink, and a box around a part."""
    box = ""
    if part is not None:
        left, top, right, bottom = part.box
        box = f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
    return (
        f'<svg viewBox="0 0 28 28" role="img" aria-label="{about}"><title>{about}</title>'
        f'<image href="{frame_url(saliency_picture(falls))}" width="28" height="28"/>'
        f'<path d="{outline_path(prediction.frame)}"/>{box}</svg>'
    )


def saliency_picture(falls: NDArray[Any]) -> NDArray[np.uint8]:
    """A map ``[28, 28]`` as colors ``[28, 28, 4]``: blue above 0, red below, clear at 0."""
    strength = np.abs(falls) / max(float(np.abs(falls).max()), 1e-12)
    colors = np.where(falls[..., None] > 0, FOR, AGAINST)
    return np.concatenate([colors, 255 * strength[..., None]], axis=2).round().astype(np.uint8)


def maps_html(explainer: Explainer, found: Prediction) -> View:
    """The strongest feature maps of each stage in a row."""
    stages = explainer.feature_maps(found.frame)
    rows = (_stage(name, maps) for name, maps in stages.items() if maps.ndim == 3)
    return "the most active of each stage", "".join(rows)


def _stage(name: str, maps: NDArray[Any]) -> str:
    count, rows, columns = maps.shape
    name = html.escape(name)  # comes from the network's file
    about = f"the {min(MAPS, count)} strongest of {count} maps of {name}"
    strip = f'<img alt="{about}" title="{about}" src="{heat_url(maps_strip(maps))}">'
    size = f"<small>{count} maps</small><small>{rows} × {columns}</small>"
    return f'<div class="dp-stage"><span>{name}{size}</span>{strip}</div>'


def maps_strip(maps: NDArray[Any]) -> NDArray[np.uint8]:
    """The strongest maps ``[C, H, W]`` side by side; 254 is the stage's strongest activation.

    Returns:
        ``[48, 598]``, 255 between the maps.
    """
    strongest = np.argsort(-maps.sum(axis=(1, 2)), kind="stable")[:MAPS]
    times = max(MAP_SIDE // maps.shape[1], 1)
    levels = np.rint((GAP - 1) / max(float(maps.max()), 1e-12) * maps[strongest]).astype(np.uint8)
    tiles = levels.repeat(times, axis=1).repeat(times, axis=2)
    return np.hstack([*np.pad(tiles, ((0, 0), (0, 0), (0, MAP_GAP)), constant_values=GAP)])[
        :, :-MAP_GAP
    ]


def heat_url(levels: NDArray[np.uint8]) -> str:
    """Levels ``[H, W]`` as the URL of a picture: black, blue, white; gaps are transparent."""
    image = Image.fromarray(levels)
    image.putpalette(HEAT.tobytes())
    return image_url(image, transparency=GAP)


# --- SVG and HTML ----------------------------------------------------------------------------


def _views(sections: str) -> str:
    """Sections in one grid, styled by ``panels/why.css``."""
    return f'<div class="dp-explanation"><div class="dp-views">{sections}</div></div>'


def _section(name: str, note: str, content: str) -> str:
    kind = name.split()[0].lower()
    heading = f"<h4>{name} <small>{note}</small></h4>"
    return f'<section class="dp-view dp-{kind}">{heading}<div>{content}</div></section>'


def _tile(name: str, picture: NDArray[np.uint8], about: str = "") -> str:
    return _figure(f'<img alt="{about or name}" title="{about}" src="{frame_url(picture)}">', name)


def _figure(picture: str, name: str) -> str:
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"


def outline_path(frame: Frame) -> str:
    """The outline of the ink as the ``d`` of an SVG path."""
    inked = np.pad(frame[0] > INKED, 1).astype(np.int8)
    down, across = np.nonzero(np.diff(inked, axis=0)), np.nonzero(np.diff(inked, axis=1))
    flat = (f"M{x - 1} {y}h1" for y, x in zip(*down, strict=True))
    upright = (f"M{x} {y - 1}v1" for y, x in zip(*across, strict=True))
    return "".join((*flat, *upright))
