"""HTML of predictions and frames for notebooks and the pad, in light and dark themes."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitlib.models.labels import NO_DIGIT
from digitlib.preprocessing.colors import direction_color, picture_channels, time_color
from digitlib.preprocessing.frame import frames_to_images

if TYPE_CHECKING:
    from PIL.Image import Image

    from digitlib.models.prediction import Prediction

FRAME_SIDE = 96  # px on screen
CHIP = "display:inline-block;width:1.5em;text-align:center;color:#000;line-height:1.35"
ARROWS = {"→": (1, 0), "↓": (0, 1), "←": (-1, 0), "↑": (0, -1)}  # x right, y down
ALT = {
    "direction": "direction of the pen: right orange, down green, left blue, up pink",
    "time": "time along the drawing, from violet at the start to yellow at the end",
}
NUMBERED = 0.01  # less probable digits have a bar without a number
SURE = {0.99: "Very sure", 0.9: "Sure", 0.6: "Fairly sure", 0.0: "Not sure"}  # from this confidence
REJECTED = "Not a digit", "It looks a little like"


def percent(share: float) -> str:
    """A probability with one decimal, never 100 %: a network is never certain."""
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
    """The digit, or "Not a digit"; a bar for each digit, and one for "not a digit".

    A rejected drawing has no percentages: they are shares among the digits, and it is none.

    Args:
        shares: probabilities of the digits 0 to 9; None if nothing is drawn.
        doubt: 0-1; see :attr:`Prediction.doubt`.
        picture: HTML next to the answer.
        remark: HTML for the user, instead of the next digits or the closest one.
        error: why there is no answer.
        top_k: number of bars that are highlighted.
        pen: ``down`` during a stroke, else ``up``; for scripts, as ``data-pen``.
    """
    state = "failed" if error else "empty" if shares is None else "read"
    ranked = sorted(enumerate(shares or ()), key=lambda pair: -pair[1])[:top_k]
    digit, verdict, detail = "", "The answer appears here", "Draw a digit, or try an example."
    if error:
        verdict, detail = "Not read", html.escape(error)
    elif shares is not None:
        (best, share), *others = ranked
        digit, verdict = f'<div class="dp-digit">{best}</div>', sureness(share)
        runners = [str(other) for other, part in others if part >= NUMBERED]
        detail = remark or (f"or perhaps {' or '.join(runners)}" if runners else "")
        if doubt > 0.5:
            (state, digit), (verdict, like) = ("rejected", ""), REJECTED
            detail = remark or f'{like} <b class="dp-digit">{best}</b>.'
    highest = [digit for digit, _ in ranked]
    bars = ""
    for number, share in enumerate(shares or [0.0] * 10):
        text = percent(share) if share >= NUMBERED and state == "read" else ""
        rank = (
            "dp-best" if [number] == highest[:1] else "dp-top" if number in highest and text else ""
        )
        bars += f'<li class="{rank}"><b>{number}</b>{_bar(share)}<span>{text}</span></li>'
    # Doubt has no number: how often people draw something else depends on the people.
    note = "Beyond the mark, your drawing counts as not a digit."
    return (
        f'<div class="dp-answer" data-state="{state}" data-pen="{pen}"><div class="dp-head">'
        f'{digit}<div class="dp-verdict"><b>{verdict}</b><span>{detail}</span></div>{picture}</div>'
        f'<ol class="dp-bars" aria-label="probability of each digit">{bars}</ol>'
        f'<div class="dp-doubt" title="{note}"><b>not a digit</b>{_bar(doubt)}</div></div>'
    )


def sureness(confidence: float) -> str:
    """A confidence, 0-1, in words."""
    return next(words for least, words in SURE.items() if confidence >= least)


def answer_text(prediction: Prediction) -> str:
    """The answer in a sentence or two, for screen readers."""
    if prediction.rejected:
        return f"{REJECTED[0]}. {REJECTED[1]} {prediction.digit}."
    return f"{prediction.digit}. {sureness(prediction.confidence)}."


def _bar(share: float) -> str:
    return f'<i><u style="width:{100 * share:.2f}%"></u></i>'


def prediction_html(prediction: Prediction) -> str:
    """A prediction for a notebook: the frame, its direction and time if known, and the answer."""
    pictures = {"frame": (frames_to_images(prediction.frame), "the 28 by 28 frame", "")}
    if prediction.frame[1:].any():
        legends = channel_legends()
        for name, picture in picture_channels(prediction.frame).items():
            pictures[name] = (picture, ALT[name], f"<br>{legends[name]}")
    figures = "".join(
        f'<figure><img alt="{alt}" src="{frame_url(picture)}" style="width:{FRAME_SIDE}px;'
        f"height:{FRAME_SIDE}px;max-width:none;margin:0;object-fit:contain;"
        "image-rendering:pixelated;background:#000;border-radius:4px;box-shadow:0 0 0 1px #8886"
        f'"><figcaption>{name}{legend}</figcaption></figure>'
        for name, (picture, alt, legend) in pictures.items()
    )
    remark = because_html(prediction)
    return (
        f'{answer_style()}<div class="dp-prediction"><div class="dp-figures">{figures}</div>'
        f"{answer_html(prediction.probabilities, prediction.doubt, remark=remark)}</div>"
    )


def because_html(prediction: Prediction) -> str:
    """The stored drawing that decided: its picture and a phrase; empty if none did."""
    if (stored := prediction.because) is None:
        return ""
    like = f"the {stored.label} you corrected"
    if stored.label == NO_DIGIT:
        like = "a drawing you marked as not a digit"
    return f'<img class="dp-because" src="{frame_url(stored.image)}" alt=""> like {like}'


# --- pictures ------------------------------------------------------------------------------


def frame_url(picture: NDArray[np.uint8]) -> str:
    """An image ``[28, 28]``, or a color picture ``[H, W, 3]``, as the ``data:`` URL of a PNG."""
    from PIL import Image as PILImage

    return image_url(PILImage.fromarray(picture))


def image_url(image: Image, **options: Any) -> str:
    """A PIL image as the ``data:`` URL of a PNG; ``options`` are those of its ``save``."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def channel_legends() -> dict[str, str]:
    """The colors of ``direction``, four arrows, and of ``time``, a bar, explained in HTML."""
    chips = "".join(
        f'<span style="{CHIP};background:{_css(direction_color(*way))}">{arrow}</span>'
        for arrow, way in ARROWS.items()
    )
    arrows = "display:inline-flex;vertical-align:middle;border-radius:.3em;overflow:hidden"
    colors = ",".join(_css(time_color(time)) for time in np.linspace(-1, 1, 9))
    bar = (
        "display:inline-block;vertical-align:middle;width:2.6em;height:.6em;margin:0 .35em;"
        f"border-radius:.2em;background:linear-gradient(90deg,{colors})"
    )
    return {
        "direction": f'<span title="{ALT["direction"]}" style="{arrows}">{chips}</span>',
        "time": f'<span title="{ALT["time"]}" style="white-space:nowrap">start'
        f'<span style="{bar}"></span>end</span>',
    }


def _css(color: Any) -> str:
    red, green, blue = np.rint(255 * color).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
