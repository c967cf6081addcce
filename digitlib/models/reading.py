"""``Reading``: the numbers in a picture or in pen strokes, with its display in notebooks."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.models.prediction import Prediction
from digitlib.models.reading_display import STYLE, Mark, page_html, table_html

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class ReadDigit:
    """One place of a number.

    Attributes:
        prediction: what the network says of its ink alone.
        box: left, top, right, bottom, in the drawing's unit or in px of the picture.
        line: number of its line, from 0.
        share: of all ways to divide the line, weighted, that have this digit there, 0-1.
        rejected: it is not sure which digit, or how many, are here.
    """

    prediction: Prediction
    box: Box
    line: int
    share: float
    rejected: bool

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return self.prediction.digit

    @property
    def confidence(self) -> float:
        """That there is this digit, 0-1: of the network for its ink, times :attr:`share`."""
        return self.prediction.confidence * self.share

    @property
    def text(self) -> str:
        """The digit, or ``?`` where it is rejected."""
        return "?" if self.rejected else str(self.digit)


@dataclass(frozen=True)
class Reading:
    """The numbers in a picture or in pen strokes.

    Attributes:
        digits: line by line, from left to right; those rejected among them.
        ignored: boxes of lines that are no numbers, print say.
        picture: what was read, gray ``[H, W]``, 0-255.
        extent: left, top, right and bottom of that picture in the unit of the boxes.
    """

    digits: tuple[ReadDigit, ...]
    ignored: tuple[Box, ...]
    picture: NDArray[np.uint8]
    extent: Box

    @property
    def text(self) -> str:
        """The digits as a string, ``?`` where one is rejected, a newline between lines."""
        lines = dict.fromkeys(each.line for each in self.digits)
        return "\n".join(
            "".join(each.text for each in self.digits if each.line == line) for line in lines
        )

    @property
    def rejected(self) -> bool:
        """There is no number, or a part of it is rejected."""
        return not self.digits or any(each.rejected for each in self.digits)

    def table(self) -> list[dict[str, Any]]:
        """A row for each digit, for ``pandas.DataFrame``, say."""
        return [
            {
                "line": each.line, "read": each.text, "closest": each.digit,
                "confidence": each.confidence, "rejected": each.rejected, "box": each.box,
            }
            for each in self.digits
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        doubtful = sum(each.rejected for each in self.digits)
        return f"Reading({self.text!r}, {len(self.digits)} digits, {doubtful} rejected)"

    def _repr_html_(self) -> str:
        """The text, the picture with a box around each digit, and the table."""
        marks = [Mark("", "ignored", box) for box in self.ignored] + [
            Mark(each.text, "doubt" if each.rejected else "digit", each.box) for each in self.digits
        ]
        text = html.escape(self.text) or "no number"
        return (
            f'{STYLE}<div class="dr-reading"><div class="dr-text">{text}</div>'
            f"{page_html(self.picture, self.extent, marks)}{table_html(self.table())}</div>"
        )
