"""HTML of the wide pad: the number below the canvas, and a box around each digit on it."""

from __future__ import annotations

import html

from digitlib.models.display import percent
from digitlib.models.reading import Box, ReadDigit, Reading


def number_html(reading: Reading | None, error: str = "", *, pen: str = "up") -> str:
    """The number as a string, and each digit with a bar for its confidence.

    Args:
        reading: of the drawing; None where there is none.
        error: why it could not be read.
        pen: ``down`` while a stroke is in progress, else ``up``.
    """
    digits = () if reading is None else reading.digits
    unsure = sum(each.rejected for each in digits)
    text, verdict, detail, state = "", "The number appears here", "as you write or try one", "empty"
    if error:
        verdict, detail, state = "Not read", error, "failed"
    elif reading is not None:
        state = "rejected" if reading.rejected else "read"
        text, verdict = html.escape(reading.text), _count(len(digits))
        detail = f"not sure of {unsure}" if unsure else "sure of all" if digits else ""
    return (
        f'<div class="dp-answer dp-number" data-state="{state}" data-pen="{pen}">'
        f'<div class="dp-head"><div class="dp-text" role="status">{text}</div>'
        f'<div class="dp-verdict"><b>{verdict}</b><span>{html.escape(detail)}</span></div></div>'
        f'<ol class="dp-places" aria-label="each digit">{"".join(map(_place, digits))}</ol></div>'
    )


def _count(number: int) -> str:
    return "No digit" if not number else "1 digit" if number == 1 else f"{number} digits"


def _place(place: ReadDigit) -> str:
    """A digit with its confidence; of a rejected one what is closest."""
    share = percent(place.confidence)
    kind, note = ("dp-unsure", f"closest: {place.digit}") if place.rejected else ("", share)
    return (
        f'<li class="{kind}" title="{place.digit}: {share}"><b>{place.text}</b>'
        f'<i><u style="width:{100 * place.confidence:.2f}%"></u></i><span>{note}</span></li>'
    )


def boxes_html(reading: Reading | None, extent: Box) -> str:
    """A box around each digit, with what was read above it, over the canvas.

    Args:
        reading: of the drawing; None where there is none.
        extent: left, top, right and bottom of what the canvas shows, in the unit of the boxes.
    """
    left, top, right, bottom = extent
    wide, high = right - left, bottom - top
    return "".join(
        f'<div class="dp-box{" dp-unsure" if each.rejected else ""}" style="'
        f"left:{100 * (each.box[0] - left) / wide:.2f}%;"
        f"top:{100 * (each.box[1] - top) / high:.2f}%;"
        f"width:{100 * (each.box[2] - each.box[0]) / wide:.2f}%;"
        f'height:{100 * (each.box[3] - each.box[1]) / high:.2f}%"><b>{each.text}</b></div>'
        for each in (() if reading is None else reading.digits)
    )


def contain(picture: Box, canvas: Box) -> Box:
    """The canvas in the picture's unit, where the picture fills it in one direction at least."""
    left, top, right, bottom = picture
    wide, high = canvas[2] - canvas[0], canvas[3] - canvas[1]
    scale = max((right - left) / wide, (bottom - top) / high)
    x, y = (left + right - scale * wide) / 2, (top + bottom - scale * high) / 2
    return x, y, x + scale * wide, y + scale * high
