"""``Reading``: the numbers in a picture or in pen strokes, and how a notebook shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import frame_url, percent

Box = tuple[float, float, float, float]  # left, top, right, bottom
MAX_WIDTH = 640  # px on screen

STYLE = """<style>
.dr-reading { font: 14px/1.4 system-ui, sans-serif; }
.dr-reading .dr-text { margin: 0 0 .4em; font-size: 1.7em; font-weight: 600; letter-spacing: .06em;
  white-space: pre-line; overflow-wrap: anywhere; }
.dr-reading .dr-page { position: relative; margin: 1.4em 0 1em; box-shadow: 0 0 0 1px #8886; }
.dr-reading .dr-page img { display: block; width: 100%; margin: 0; }
.dr-reading .dr-box { position: absolute; box-sizing: border-box; border-radius: 3px; }
.dr-reading .dr-box b { position: absolute; left: -2px; bottom: 100%; padding: 0 .35em;
  color: #fff; font-size: 12px; line-height: 1.35; border-radius: 3px 3px 0 0; }
.dr-reading .dr-digit { border: 2px solid #0b7a3e; }
.dr-reading .dr-digit b { background: #0b7a3e; }
.dr-reading .dr-rejected { border: 2px dashed #b3261e; }
.dr-reading .dr-rejected b { background: #b3261e; }
.dr-reading .dr-ignored { border: 1px dotted #777; }
.dr-reading table { border-collapse: collapse; margin: 0; color: inherit; }
.dr-reading th, .dr-reading td { padding: .15em .9em .15em 0; text-align: right; border: 0;
  font-variant-numeric: tabular-nums; background: none; }
.dr-reading th { font-weight: 600; border-bottom: 1px solid #8888; }
.dr-reading td:last-child, .dr-reading th:last-child { text-align: left; }
</style>"""


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

    def table(self) -> list[dict[str, Any]]:
        """One row for each digit, for example for ``pandas.DataFrame``."""
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
        rejected = sum(each.rejected for each in self.digits)
        return f"Reading({self.text!r}, {len(self.digits)} digits, {rejected} rejected)"

    def _repr_html_(self) -> str:
        """The text, the picture with a box around each digit, and the table."""
        boxes = [_mark("ignored", box, self.extent) for box in self.ignored]
        rows = []
        for each in self.digits:
            kind = "rejected" if each.rejected else "digit"
            boxes.append(_mark(kind, each.box, self.extent, f"<b>{each.text}</b>"))
            box = ", ".join(f"{side:.4g}" for side in each.box)
            rows.append(
                f"<tr><td>{each.line}</td><td>{each.text}</td><td>{each.digit}</td>"
                f"<td>{percent(each.confidence)}</td><td>{'yes' if each.rejected else ''}</td>"
                f"<td>{box}</td></tr>"
            )
        head = "".join(f"<th>{name}</th>" for row in self.table()[:1] for name in row)
        return (
            f'{STYLE}<div class="dr-reading"><div class="dr-text">{self.text or "no number"}</div>'
            f'<div class="dr-page" style="max-width:{min(self.picture.shape[1], MAX_WIDTH)}px">'
            f'<img alt="the picture that was read" src="{frame_url(self.picture)}">'
            f"{''.join(boxes)}</div>"
            + (f"<table><tr>{head}</tr>{''.join(rows)}</table></div>" if rows else "</div>")
        )


def _mark(kind: str, box: Box, extent: Box, label: str = "") -> str:
    return f'<div class="dr-box dr-{kind}" style="{box_style(box, extent)}">{label}</div>'


def box_style(box: Box, extent: Box) -> str:
    """CSS that places a box over a picture, in percent of the picture's ``extent``."""
    left, top, right, bottom = extent
    wide, high = right - left, bottom - top
    return (
        f"left:{100 * (box[0] - left) / wide:.2f}%;top:{100 * (box[1] - top) / high:.2f}%;"
        f"width:{100 * (box[2] - box[0]) / wide:.2f}%;height:{100 * (box[3] - box[1]) / high:.2f}%"
    )
