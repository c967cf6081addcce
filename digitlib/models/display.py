"""HTML of predictions, frames and planes, for notebooks and the pad, in light and dark themes."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.colors import direction_color, picture_planes, time_color
from digitlib.preprocessing.frame import Frame
from digitlib.preprocessing.strokes import Planes

if TYPE_CHECKING:
    from PIL.Image import Image

CHIP = "display:inline-block;width:1.5em;text-align:center;color:#000;line-height:1.35"
ARROWS = {"→": (1, 0), "↓": (0, 1), "←": (-1, 0), "↑": (0, -1)}  # x right, y down
ALT = {
    "direction": "direction of the pen: right orange, down green, left blue, up pink",
    "time": "time along the drawing, from violet at the start to yellow at the end",
}
NUMBERED = 0.01  # of a less probable digit there is a bar and no number


def percent(share: float) -> str:
    """A probability with one decimal, never 100 %: a network is not certain, its numbers end."""
    return ">99.9 %" if share >= 0.9995 else f"{100 * share:.1f} %"


# --- the answer ----------------------------------------------------------------------------


def answer_style() -> str:
    """The style sheet of :func:`answer_html`."""
    css = resources.files("digitlib.models").joinpath("answer.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def answer_html(
    shares: Sequence[float] | None,
    doubt: float = 0.0,
    *,
    picture: str = "",
    remark: str = "",
    error: str = "",
    top_k: int = 3,
    pen: str = "up",
) -> str:
    """The digit, or that it is none; a bar for each digit, and one for "no digit".

    Args:
        shares: probabilities of the digits 0 to 9; None where nothing is drawn.
        doubt: of its being a digit, 0-1; see :attr:`Prediction.doubt`.
        picture: HTML beside the verdict.
        remark: a sentence to somebody whose drawing is rejected.
        error: why there is no answer.
        top_k: number of bars that are highlighted.
        pen: ``down`` while the drawing goes on, else ``up``; for scripts, as ``data-pen``.
    """
    state = "failed" if error else "empty" if shares is None else "read"
    digit, verdict, detail = "", "The answer appears here", "as you draw or try an example"
    if error:
        verdict, detail = "Not read", html.escape(error)
    elif shares is not None:
        (best, share), *others = ranked(shares, top_k)
        digit, verdict = f'<div class="dp-digit">{best}</div>', percent(share)
        runners = [f"{other}: {percent(part)}" for other, part in others if part >= NUMBERED]
        detail = f"or {', '.join(runners)}" if runners else "confidence"
        if doubt > 0.5:
            state, verdict = "rejected", "No digit"
            digit, detail = "", f'closest: <b class="dp-digit">{best}</b><br>{remark}'
    return (
        f'<div class="dp-answer" data-state="{state}" data-pen="{pen}"><div class="dp-head">'
        f'{digit}<div class="dp-verdict"><b>{verdict}</b><span>{detail}</span></div>{picture}</div>'
        f"{_bars(shares, top_k)}{_doubt_bar(doubt)}</div>"
    )


def ranked(shares: Sequence[float], count: int) -> list[tuple[int, float]]:
    """The ``count`` most probable digits with their probabilities, best first."""
    order = np.argsort(-np.asarray(shares), kind="stable")[:count]
    return [(int(digit), float(shares[digit])) for digit in order]


def _bars(shares: Sequence[float] | None, top_k: int) -> str:
    """A bar for each digit; the ``top_k`` most probable stand out, those under 1 % recede."""
    best, *others = [digit for digit, _ in ranked(shares, top_k)] if shares else [None]
    bars = ""
    for digit, share in enumerate(shares or [0.0] * 10):
        number = percent(share) if share >= NUMBERED else ""
        rank = "dp-best" if digit == best else "dp-top" if digit in others and number else ""
        bars += (
            f'<li class="{rank}" title="{digit}: {percent(share)}">'
            f"<b>{digit}</b>{_bar(share)}<span>{number}</span></li>"
        )
    return f'<ol class="dp-bars" aria-label="probability of each digit">{bars}</ol>'


def _doubt_bar(doubt: float) -> str:
    """A bar without a number: how often what is drawn is no digit depends on who draws."""
    note = "Beyond the mark the drawing counts as no digit."
    return f'<div class="dp-doubt" title="{note}"><b>no digit</b>{_bar(doubt)}</div>'


def _bar(share: float) -> str:
    return f'<i><u style="width:{100 * share:.2f}%"></u></i>'


# --- pictures ------------------------------------------------------------------------------


def figures_html(pictures: Mapping[str, tuple[str, str]]) -> str:
    """Pictures side by side, each as HTML with a legend, which may be empty, below its name."""
    figures = "".join(
        f"<figure>{picture}<figcaption>{name}{f'<br>{legend}' if legend else ''}</figcaption>"
        "</figure>"
        for name, (picture, legend) in pictures.items()
    )
    return f'<div class="dp-figures">{figures}</div>'


def frame_url(picture: NDArray[np.uint8]) -> str:
    """A frame ``[28, 28]``, or a colour picture ``[H, W, 3]``, as the ``data:`` URL of a PNG."""
    from PIL import Image as PILImage

    return image_url(PILImage.fromarray(picture))


def image_url(image: Image, **options: Any) -> str:
    """A PIL image as the ``data:`` URL of a PNG; ``options`` are those of its ``save``."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def image_html(picture: NDArray[np.uint8], side: int, alt: str = "") -> str:
    """An ``img``, scaled to fit a square of ``side`` px without blurring."""
    return (
        f'<img alt="{alt}" src="{frame_url(picture)}" style="width:{side}px;height:{side}px;'
        "max-width:none;margin:0;object-fit:contain;image-rendering:pixelated;background:#000;"
        'border-radius:4px;box-shadow:0 0 0 1px #8886">'
    )


def planes_html(frame: Frame, planes: Planes, side: int) -> dict[str, tuple[str, str]]:
    """Picture and legend of ``direction`` and ``time``, each as HTML."""
    legends = plane_legends()
    return {
        name: (image_html(picture, side, ALT[name]), legends[name])
        for name, picture in picture_planes(frame, planes).items()
    }


def plane_legends() -> dict[str, str]:
    """What the colours of ``direction`` and ``time`` mean, each as HTML."""
    return {"direction": _direction_legend(), "time": _time_legend()}


def _direction_legend() -> str:
    """A chip for each of four directions: an arrow on its colour, in light and dark the same."""
    chips = "".join(
        f'<span style="{CHIP};background:{_css(direction_color(*way))}">{arrow}</span>'
        for arrow, way in ARROWS.items()
    )
    bar = "display:inline-flex;vertical-align:middle;border-radius:.3em;overflow:hidden"
    return f'<span title="{ALT["direction"]}" style="{bar}">{chips}</span>'


def _time_legend() -> str:
    """A bar with the colours from the start of the drawing to its end."""
    colors = ",".join(_css(time_color(time)) for time in np.linspace(-1, 1, 9))
    bar = (
        "display:inline-block;vertical-align:middle;width:2.6em;height:.6em;margin:0 .35em;"
        f"border-radius:.2em;background:linear-gradient(90deg,{colors})"
    )
    return (
        f'<span title="{ALT["time"]}" style="white-space:nowrap">start'
        f'<span style="{bar}"></span>end</span>'
    )


def _css(color: Any) -> str:
    red, green, blue = np.rint(255 * color).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
