"""HTML that explains a prediction: steps, saliency, feature maps, nearest digits.

The computations are in :mod:`digitlib.models.explain`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from IPython.display import HTML
from numpy.typing import NDArray
from PIL import Image

from digitlib.models.card import EMBEDDING
from digitlib.models.display import ALT, answer_style, channel_legends, frame_url, image_url
from digitlib.models.explain import Explainer
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.colors import picture_channels
from digitlib.preprocessing.frame import (
    BOX_SIZE,
    FRAME_SIZE,
    Frame,
    frame_steps,
    frames_to_images,
)
from digitlib.preprocessing.strokes import PEN_WIDTH, drop_stray_taps
from digitlib.widgets.answers import PadRecognizer
from digitlib.widgets.history import Stroke
from digitlib.widgets.pad import DrawingPad

View = tuple[str, str]  # HTML: a note for the heading, and the pictures

STEPS = "Steps"
MAPS = 12  # strongest feature maps shown per stage
MAP_SIDE, MAP_GAP = 48, 2  # px of the picture: a multiple of every stage's side
NEAREST = 10  # training digits; a wide page shows the first eight, in one row
STEP_SIDE = 192  # px; larger steps are reduced
FOR, AGAINST = (214, 64, 50), (44, 123, 210)  # sRGB, safe for color-blind people
GAP = 255  # the level between maps
# Activations from none to the strongest: black, the blue of the best bar, white.
RAMP = ((0, 0, 0), (0, 58, 102), (0, 114, 178), (86, 180, 233), (255, 255, 255))
_AT, _LEVELS = np.linspace(0, 1, len(RAMP)), np.linspace(0, 1, 256)
HEAT = np.transpose([np.interp(_LEVELS, _AT, part) for part in np.transpose(RAMP)]).astype(np.uint8)
NOTHING = "Nothing is drawn yet. Draw a digit to see how the network reads it."
UNKNOWN = "Only the steps are available: this network does not provide its activations."
LINE = 0.05  # times the pad's shorter side: width of the strokes
INKED = 0.5  # brighter pixels are inside the outline


@dataclass(frozen=True)
class ReadDrawing:
    """A drawing or picture, and its prediction.

    Attributes:
        prediction: the prediction for it.
        strokes: ``(n, 2)`` arrays in px of the pad; empty for a picture.
        picture: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``, or None.
        extent: width and height of the pad, px.
    """

    prediction: Prediction
    strokes: Sequence[Stroke] = ()
    picture: NDArray[np.uint8] | None = None
    extent: tuple[int, int] = (400, 400)

    @classmethod
    def of(cls, pad: DrawingPad) -> ReadDrawing | None:
        """The content of a pad; None while it has no prediction."""
        if pad.prediction is None:
            return None
        return cls(pad.prediction, pad.strokes, pad.image, pad.extent)


def explain(pad: DrawingPad) -> HTML:
    """All views of a pad's drawing, for a notebook; a sentence while nothing is drawn."""
    css = resources.files("digitlib.widgets.panels").joinpath("why.css").read_text(encoding="utf-8")
    drawing, content = ReadDrawing.of(pad), f"<p>{NOTHING}</p>"
    if drawing is not None:
        content = explanation_html(make_explainer(pad.recognizer), drawing)
    return HTML(f'{answer_style()}<style>{css}</style><div class="dp-answer">{content}</div>')


def make_explainer(recognizer: PadRecognizer) -> Explainer | None:
    """An explainer; None if the network does not provide its activations."""
    if isinstance(recognizer, Recognizer) and EMBEDDING in recognizer.activations:
        return Explainer(recognizer)
    return None


def explanation_html(
    explainer: Explainer | None, drawing: ReadDrawing, views: Sequence[str] | None = None
) -> str:
    """The views of a drawing as one piece of HTML, styled by ``panels/why.css``.

    Args:
        explainer: for the recognizer that read it; None shows only the steps.
        drawing: the drawing and its prediction.
        views: names in ``VIEWS``; None means all. Other views are not computed.
    """
    page = ""
    if views is None or STEPS in views:
        page += _section(STEPS, *steps_html(drawing))
    if explainer is not None:
        shown = [name for name in EXPLANATIONS if views is None or name in views]
        page += "".join(_section(name, *EXPLANATIONS[name](explainer, drawing)) for name in shown)
    return f'<div class="dp-explanation"><div class="dp-views">{page}</div></div>'


# --- views -----------------------------------------------------------------------------------


def steps_html(drawing: ReadDrawing) -> View:
    """From the pen, or from the picture, to what the network is given."""
    if drawing.picture is not None:
        steps = _picture_steps(drawing.picture)
        return "from the picture to the frame", "".join(map(_tile, steps, steps.values()))
    prediction = drawing.prediction
    page = _figure(strokes_svg(drawing.strokes, drawing.extent), "strokes")
    page += _figure(placed_svg(drawing.strokes, prediction.frame), "centered")
    page += _tile("frame", frames_to_images(prediction.frame), "the 28 by 28 frame")
    if not prediction.frame[1:].any():
        return "from the pen to the frame", page
    for name, picture in picture_channels(prediction.frame).items():
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


def saliency_html(explainer: Explainer, drawing: ReadDrawing) -> View:
    """The ink that supports the prediction, and the ink that supports the second digit."""
    prediction, page = drawing.prediction, ""
    digits = [digit for digit, _ in prediction.top(2)]
    maps = explainer.occlusions(prediction.frame, digits)
    for digit, falls in zip(digits, maps, strict=True):
        name = f"as {digit}"
        about = f"read {name}: the strongest ink moves the log-odds by {np.abs(falls).max():.1f}"
        page += _figure(_saliency_svg(falls, prediction, about), name)
    return '<span class="dp-for">for</span><span class="dp-against">against</span>', page


def _saliency_svg(falls: NDArray[Any], prediction: Prediction, about: str) -> str:
    """The map under the outline of the ink."""
    return (
        f'<svg viewBox="0 0 28 28" role="img" aria-label="{about}"><title>{about}</title>'
        f'<image href="{frame_url(saliency_picture(falls))}" width="28" height="28"/>'
        f'<path d="{outline_path(prediction.frame)}"/></svg>'
    )


def saliency_picture(falls: NDArray[Any]) -> NDArray[np.uint8]:
    """A map ``[28, 28]`` as colors ``[28, 28, 4]``: red above 0, blue below, clear at 0."""
    strength = np.abs(falls) / max(float(np.abs(falls).max()), 1e-12)
    colors = np.where(falls[..., None] > 0, FOR, AGAINST)
    return np.concatenate([colors, 255 * strength[..., None]], axis=2).round().astype(np.uint8)


def maps_html(explainer: Explainer, drawing: ReadDrawing) -> View:
    """The strongest feature maps of each stage in a row."""
    stages = explainer.feature_maps(drawing.prediction.frame)
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


def nearest_html(explainer: Explainer, drawing: ReadDrawing) -> View:
    """The training digits most similar to the frame, nearest first."""
    page = "".join(
        _tile(
            f"<b>{digit.label}</b> {digit.source.upper()}",
            digit.image,
            f"training digit {digit.row} of {digit.source}, labeled {digit.label}: "
            f"similarity {digit.similarity:.2f}",
        )
        for digit in explainer.nearest(drawing.prediction.frame, NEAREST)
    )
    return "the most similar training digits", page


EXPLANATIONS: Mapping[str, Callable[[Explainer, ReadDrawing], View]] = {
    "Saliency": saliency_html,
    "Feature maps": maps_html,
    "Nearest digits": nearest_html,
}
VIEWS = (STEPS, *EXPLANATIONS)


# --- SVG and HTML ----------------------------------------------------------------------------


def _section(name: str, note: str, content: str) -> str:
    kind = name.split()[0].lower()
    heading = f"<h4>{name} <small>{note}</small></h4>"
    return f'<section class="dp-view dp-{kind}">{heading}<div>{content}</div></section>'


def _tile(name: str, picture: NDArray[np.uint8], about: str = "") -> str:
    return _figure(f'<img alt="{about or name}" title="{about}" src="{frame_url(picture)}">', name)


def _figure(picture: str, name: str) -> str:
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"


def strokes_svg(strokes: Sequence[Stroke], extent: tuple[int, int]) -> str:
    """Strokes on a pad, each with a dot at its start; spurious strokes are pale."""
    kept = {array.tobytes() for array in drop_stray_taps(strokes)}
    width = LINE * min(extent)
    lines = ""
    for stroke in strokes:
        stray = "" if np.asarray(stroke, float).tobytes() in kept else ' class="dp-stray"'
        x, y = stroke[0]
        lines += f'<polyline{stray} points="{_points_text(stroke)}"/>'
        lines += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{0.7 * width:.1f}"/>'
    about = f"{len(strokes)} {'stroke' if len(strokes) == 1 else 'strokes'}, as drawn"
    return _svg(extent, width, lines, about)


def placed_svg(strokes: Sequence[Stroke], frame: Frame) -> str:
    """Strokes scaled to the frame's box and moved to its center of mass."""
    lines = "".join(
        f'<polyline points="{_points_text(stroke, 2)}"/>'
        for stroke in place_strokes(strokes, frame)
    )
    left, top = box_corner(frame)
    box = f'<rect x="{left}" y="{top}" width="{BOX_SIZE}" height="{BOX_SIZE}"/>'
    middle = '<circle cx="14.5" cy="14.5" r="1"/>'
    about = "scaled to a box of 20 by 20 pixels, center of mass at the middle of the frame"
    return _svg((FRAME_SIZE, FRAME_SIZE), PEN_WIDTH, box + lines + middle, about)


def place_strokes(strokes: Sequence[Stroke], frame: Frame) -> list[Stroke]:
    """The strokes in px of the frame, where :func:`strokes.render` draws them."""
    kept = drop_stray_taps(strokes)
    points = np.concatenate(kept)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    scale = (BOX_SIZE - PEN_WIDTH) / extent if extent else 0.0
    middle = np.array(box_corner(frame)) + BOX_SIZE / 2
    return [(stroke - (low + high) / 2) * scale + middle for stroke in kept]


def box_corner(frame: Frame) -> tuple[int, int]:
    """Left and top of the 20x20 box around the middle of the frame's ink."""
    rows, columns = np.nonzero(frame[0])
    left, top = ((int(at.min()) + int(at.max()) + 1 - BOX_SIZE) / 2 for at in (columns, rows))
    return round(left), round(top)


def outline_path(frame: Frame) -> str:
    """The outline of the ink as the ``d`` of an SVG path."""
    inked = np.pad(frame[0] > INKED, 1).astype(np.int8)
    down, across = np.nonzero(np.diff(inked, axis=0)), np.nonzero(np.diff(inked, axis=1))
    flat = (f"M{x - 1} {y}h1" for y, x in zip(*down, strict=True))
    upright = (f"M{x} {y - 1}v1" for y, x in zip(*across, strict=True))
    return "".join((*flat, *upright))


def _points_text(stroke: Stroke, digits: int = 1) -> str:
    """Points in SVG syntax; a dot becomes a line of length 0 with round ends."""
    points = stroke if len(stroke) > 1 else np.repeat(stroke, 2, axis=0)
    return " ".join(f"{x:.{digits}f},{y:.{digits}f}" for x, y in points)


def _svg(extent: tuple[int, int], width: float, content: str, about: str) -> str:
    return (
        f'<svg class="dp-pen" viewBox="0 0 {extent[0]} {extent[1]}" stroke-width="{width:g}" '
        f'role="img" aria-label="{about}"><title>{about}</title>{content}</svg>'
    )
