"""HTML of why a drawing is read as it is: steps, saliency, feature maps, nearest digits.

The functions behind are those of :mod:`digitlib.models.explain`; colouring needs numpy alone.
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
from digitlib.models.display import ALT, answer_style, frame_url, image_url, plane_legends
from digitlib.models.explain import Explainer
from digitlib.models.prediction import Prediction, ranked
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.colors import picture_planes
from digitlib.preprocessing.frame import frame_steps
from digitlib.widgets.drawn import outline_path, placed_svg, strokes_svg
from digitlib.widgets.history import Stroke
from digitlib.widgets.html import named
from digitlib.widgets.pad import DrawingPad, Reader

View = tuple[str, str]  # HTML: a note or legend for its heading, and its pictures

STEPS = "Steps"
MAPS = 12  # of each stage, the strongest
MAP_SIDE, MAP_GAP = 48, 2  # px of the picture: a multiple of every stage's side
NEAREST = 10  # training digits; a wide page shows the first eight, in one row
STEP_SIDE = 192  # px; steps of larger pictures are reduced
FOR, AGAINST = (214, 64, 50), (44, 123, 210)  # sRGB; told apart by colour-blind people, too
GAP = 255  # the level that stands for no map
# Activations from none to the most: black, through the blue of the best bar, to white.
RAMP = ((0, 0, 0), (0, 58, 102), (0, 114, 178), (86, 180, 233), (255, 255, 255))
_AT, _LEVELS = np.linspace(0, 1, len(RAMP)), np.linspace(0, 1, 256)
HEAT = np.transpose([np.interp(_LEVELS, _AT, part) for part in np.transpose(RAMP)]).astype(np.uint8)
NOTHING = "Nothing is drawn yet. Draw a digit: what the network makes of it will show here."
UNKNOWN = "Only the steps are known: this recognizer does not tell what its network computes."


@dataclass(frozen=True)
class Drawing:
    """What was read, and the answer.

    Attributes:
        prediction: its answer.
        strokes: ``(n, 2)`` arrays in px of the pad; empty where a picture was read.
        picture: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``, where one was read.
        extent: width and height of the pad, px.
    """

    prediction: Prediction
    strokes: Sequence[Stroke] = ()
    picture: NDArray[np.uint8] | None = None
    extent: tuple[int, int] = (400, 400)

    @classmethod
    def of(cls, pad: DrawingPad) -> Drawing | None:
        """What a pad shows; None while it has no answer."""
        if pad.prediction is None:
            return None
        return cls(pad.prediction, pad.strokes, pad.image, pad.extent)


def explain(pad: DrawingPad) -> HTML:
    """All views of what a pad shows now, for a notebook; a sentence while nothing is drawn."""
    css = resources.files("digitlib.widgets.panels").joinpath("why.css").read_text(encoding="utf-8")
    drawing, content = Drawing.of(pad), f"<p>{NOTHING}</p>"
    if drawing is not None:
        content = explanation_html(explain_reader(pad.recognizer), drawing)
    return HTML(f'{answer_style()}<style>{css}</style><div class="dp-answer">{content}</div>')


def explain_reader(reader: Reader) -> Explainer | None:
    """None where a recognizer does not tell what its network computes."""
    if isinstance(reader, Recognizer) and EMBEDDING in reader.activations:
        return Explainer(reader)
    return None


def explanation_html(
    explainer: Explainer | None, drawing: Drawing, views: Sequence[str] | None = None
) -> str:
    """The views of a drawing as one piece of HTML, in the style of ``panels/why.css``.

    Args:
        explainer: of the recognizer that read it; without one there are the steps alone.
        drawing: what was read.
        views: names in ``VIEWS``; all without. What is left out is not computed.
    """
    page = ""
    if views is None or STEPS in views:
        page += _section(STEPS, *steps_html(drawing))
    if explainer is not None:
        shown = [name for name in EXPLANATIONS if views is None or name in views]
        page += "".join(_section(name, *EXPLANATIONS[name](explainer, drawing)) for name in shown)
    return f'<div class="dp-explanation"><div class="dp-views">{page}</div></div>'


# --- the views: a note or legend for the heading, and the pictures ---------------------------


def steps_html(drawing: Drawing) -> View:
    """From the pen, or from the picture, to what the network is given."""
    if drawing.picture is not None:
        steps = _picture_steps(drawing.picture)
        return "from the picture to the frame", "".join(map(_tile, steps, steps.values()))
    prediction = drawing.prediction
    page = _figure(strokes_svg(drawing.strokes, drawing.extent), "strokes")
    page += _figure(placed_svg(drawing.strokes, prediction.frame), "centred")
    page += _tile("frame", prediction.frame, "the 28 by 28 frame")
    if prediction.planes is None:
        return "from the pen to the frame", page
    for name, picture in picture_planes(prediction.frame, prediction.planes).items():
        page += _tile(name, picture, ALT[name])
    legends = plane_legends().items()
    return "".join(f"<span><span>{name}</span> {legend}</span>" for name, legend in legends), page


def _picture_steps(picture: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The steps of preprocessing a picture, small enough to be shown."""
    steps = frame_steps(picture)
    del steps["input"]  # the frame in other units
    return {name.removesuffix("scale"): _reduced(step) for name, step in steps.items()}


def _reduced(step: NDArray[Any]) -> NDArray[np.uint8]:
    grey = step if step.dtype == np.uint8 else np.rint(255 * step.clip(0, 1)).astype(np.uint8)
    image = Image.fromarray(grey)
    image.thumbnail((STEP_SIDE, STEP_SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def saliency_html(explainer: Explainer, drawing: Drawing) -> View:
    """Which ink speaks for the answer, and which for the second most probable digit."""
    prediction, page = drawing.prediction, ""
    digits = [digit for digit, _ in ranked(prediction.probabilities, 2)]
    maps = explainer.occlusions(prediction.frame, prediction.planes, digits)
    for digit, falls in zip(digits, maps, strict=True):
        name = f"as {named(digit)}"
        about = f"read {name}: the strongest ink moves the log-odds by {np.abs(falls).max():.1f}"
        page += _figure(_saliency_svg(falls, prediction, about), name)
    return '<span class="dp-for">for</span><span class="dp-against">against</span>', page


def _saliency_svg(falls: NDArray[Any], prediction: Prediction, about: str) -> str:
    """The map's pixels under the outline of the ink."""
    return (
        f'<svg viewBox="0 0 28 28" role="img" aria-label="{about}"><title>{about}</title>'
        f'<image href="{frame_url(saliency_picture(falls))}" width="28" height="28"/>'
        f'<path d="{outline_path(prediction.frame)}"/></svg>'
    )


def saliency_picture(falls: NDArray[Any]) -> NDArray[np.uint8]:
    """A map ``[28, 28]`` as colours ``[28, 28, 4]``: red above 0, blue below, clear at 0."""
    strength = np.abs(falls) / max(float(np.abs(falls).max()), 1e-12)
    colors = np.where(falls[..., None] > 0, FOR, AGAINST)
    return np.concatenate([colors, 255 * strength[..., None]], axis=2).round().astype(np.uint8)


def maps_html(explainer: Explainer, drawing: Drawing) -> View:
    """The strongest feature maps of each stage in a row."""
    prediction = drawing.prediction
    stages = explainer.feature_maps(prediction.frame, prediction.planes)
    rows = (_stage(name, maps) for name, maps in stages.items() if maps.ndim == 3)
    return "the most active of each stage", "".join(rows)


def _stage(name: str, maps: NDArray[Any]) -> str:
    count, rows, columns = maps.shape
    name = html.escape(name)  # the file of a network names them as it likes
    about = f"the {min(MAPS, count)} strongest of {count} maps of {name}"
    strip = f'<img alt="{about}" title="{about}" src="{heat_url(maps_strip(maps))}">'
    size = f"<small>{count} maps</small><small>{rows} × {columns}</small>"
    return f'<div class="dp-stage"><span>{name}{size}</span>{strip}</div>'


def maps_strip(maps: NDArray[Any]) -> NDArray[np.uint8]:
    """The strongest maps ``[C, H, W]`` side by side, 0 to 254 where the stage is most active.

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
    """Levels ``[H, W]`` as the URL of a picture: black, blue, white; clear where there is a gap."""
    image = Image.fromarray(levels)
    image.putpalette(HEAT.tobytes())
    return image_url(image, transparency=GAP)


def nearest_html(explainer: Explainer, drawing: Drawing) -> View:
    """The training digits that are most similar to the frame, nearest first."""
    page = "".join(
        _tile(
            f"<b>{digit.label}</b> {digit.source.upper()}",
            digit.frame,
            f"training digit {digit.row} of {digit.source}, a {digit.label}: "
            f"similarity {digit.similarity:.2f}",
        )
        for digit in explainer.nearest(drawing.prediction.frame, NEAREST)
    )
    return "the most similar training digits", page


EXPLANATIONS: Mapping[str, Callable[[Explainer, Drawing], View]] = {
    "Saliency": saliency_html,
    "Feature maps": maps_html,
    "Nearest digits": nearest_html,
}
VIEWS = (STEPS, *EXPLANATIONS)


# --- pieces --------------------------------------------------------------------------------


def _section(name: str, note: str, content: str) -> str:
    kind = name.split()[0].lower()
    heading = f"<h4>{name} <small>{note}</small></h4>"
    return f'<section class="dp-view dp-{kind}">{heading}<div>{content}</div></section>'


def _tile(name: str, picture: NDArray[np.uint8], about: str = "") -> str:
    return _figure(f'<img alt="{about or name}" title="{about}" src="{frame_url(picture)}">', name)


def _figure(picture: str, name: str) -> str:
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"
