"""``Reading``: the numbers in a picture or in pen strokes, and how a notebook shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import frame_url, percent

Box = tuple[float, float, float, float]  # left, top, right, bottom
MAX_WIDTH = 640  # px on screen
SURE, UNSURE, IGNORED = "#0b7a3e", "#b3261e", "#777"  # colors of boxes


@dataclass(frozen=True)
class ReadDigit:
    """One digit of a number.

    Attributes:
        digit: the closest digit, 0-9, even if it is rejected.
        box: left, top, right, bottom, in the unit of the strokes or in px of the picture.
        line: number of its line, from 0.
        confidence: probability of the digit, 0-1.
        rejected: the network isn't sure enough which digit this is.
    """

    digit: int
    box: Box
    line: int
    confidence: float
    rejected: bool

    @property
    def text(self) -> str:
        """The digit, or ``?`` if it is rejected."""
        return "?" if self.rejected else str(self.digit)


@dataclass(frozen=True)
class Reading:
    """The numbers in a picture or in pen strokes.

    Attributes:
        digits: line by line, each from left to right; they include rejected digits.
        ignored: boxes of lines that aren't numbers, such as print.
        picture: the gray picture that was read, uint8 ``[H, W]``, 0 black to 255 white.
        extent: left, top, right and bottom of that picture in the unit of the boxes.
    """

    digits: tuple[ReadDigit, ...]
    ignored: tuple[Box, ...]
    picture: NDArray[np.uint8]
    extent: Box

    @property
    def text(self) -> str:
        """The digits, with ``?`` for a rejected digit and a newline between lines."""
        lines: dict[int, str] = {}
        for each in self.digits:
            lines[each.line] = lines.get(each.line, "") + each.text
        return "\n".join(lines.values())

    @property
    def rejected(self) -> bool:
        """A digit is rejected, or there are no digits."""
        return not self.digits or any(each.rejected for each in self.digits)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        rejected = sum(each.rejected for each in self.digits)
        return f"Reading({self.text!r}, {len(self.digits)} digits, {rejected} rejected)"

    def _repr_html_(self) -> str:
        """The text, and the picture with a box around each digit."""
        left, top, right, bottom = self.extent
        unit = (bottom - top) / self.picture.shape[0]  # of the boxes, in a px of the picture
        wide = min(self.picture.shape[1], MAX_WIDTH)
        marks = [_mark(box, IGNORED, "", "not a number", unit) for box in self.ignored]
        for each in self.digits:
            color = UNSURE if each.rejected else SURE
            title = f"{each.digit}: {percent(each.confidence)}"
            marks.append(_mark(each.box, color, each.text, title, unit))
        place = f'x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"'
        return (
            f'<div style="font-size:1.7em;white-space:pre-line">{self.text or "no number"}</div>'
            f'<svg viewBox="{left} {top} {right - left} {bottom - top}" width="{wide}" '
            f'style="max-width:100%;background:#fff">'
            f'<image href="{frame_url(self.picture)}" {place}/>{"".join(marks)}</svg>'
        )


def _mark(box: Box, color: str, text: str, title: str, unit: float) -> str:
    """A box as SVG, dashed unless it is sure, with its text inside its corner."""
    left, top, right, bottom = box
    dash = "" if color == SURE else f'stroke-dasharray="{5 * unit} {3 * unit}"'
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" '
        f'stroke="{color}" stroke-width="{2 * unit}" {dash}><title>{title}</title></rect>'
        f'<text x="{left + 2 * unit}" y="{top - 3 * unit}" font-size="{14 * unit}" '
        f'font-weight="bold" fill="{color}">{text}</text>'
    )


def box_style(box: Box, extent: Box) -> str:
    """CSS that places a box over a picture, in percent of the picture's ``extent``."""
    left, top, right, bottom = extent
    wide, high = right - left, bottom - top
    return (
        f"left:{100 * (box[0] - left) / wide:.2f}%;top:{100 * (box[1] - top) / high:.2f}%;"
        f"width:{100 * (box[2] - box[0]) / wide:.2f}%;height:{100 * (box[3] - box[1]) / high:.2f}%"
    )
