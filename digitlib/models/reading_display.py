"""HTML of a reading: the picture with a box around each digit, and a table, light and dark."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import frame_url, percent

MAX_WIDTH = 640  # px on screen

STYLE = """<style>
.dr-reading { font: 14px/1.4 system-ui, sans-serif; }
.dr-reading .dr-text { margin: 0 0 .4em; font-size: 1.7em; font-weight: 600; letter-spacing: .06em;
  white-space: pre-line; overflow-wrap: anywhere; }
.dr-reading .dr-page { position: relative; margin: 1.4em 0 1em; box-shadow: 0 0 0 1px #8886; }
.dr-reading .dr-page img { display: block; width: 100%; margin: 0; }
.dr-reading .dr-box { position: absolute; border: 2px solid #0b7a3e; border-radius: 3px;
  box-sizing: border-box; }
.dr-reading .dr-box b { position: absolute; left: -2px; bottom: 100%; padding: 0 .35em;
  background: #0b7a3e; color: #fff; font-size: 12px; line-height: 1.35;
  border-radius: 3px 3px 0 0; }
.dr-reading .dr-doubt { border: 2px dashed #b3261e; }
.dr-reading .dr-doubt b { background: #b3261e; }
.dr-reading .dr-ignored { border: 1px dotted #777; }
.dr-reading table { border-collapse: collapse; margin: 0; color: inherit; }
.dr-reading th, .dr-reading td { padding: .15em .9em .15em 0; text-align: right; border: 0;
  font-variant-numeric: tabular-nums; background: none; }
.dr-reading th { font-weight: 600; border-bottom: 1px solid #8888; }
.dr-reading td:last-child, .dr-reading th:last-child { text-align: left; }
</style>"""


class Mark(NamedTuple):
    """A box on the picture: what stands above it, which kind, and where it is.

    Attributes:
        label: text, may be empty.
        kind: ``digit``, ``doubt`` or ``ignored``.
        box: left, top, right, bottom.
    """

    label: str
    kind: str
    box: tuple[float, float, float, float]


def page_html(
    picture: NDArray[np.uint8], extent: tuple[float, float, float, float], marks: Sequence[Mark]
) -> str:
    """The picture with its boxes.

    Args:
        picture: gray ``[H, W]``.
        extent: left, top, right, bottom of the picture in the unit of the boxes.
        marks: to be drawn.
    """
    left, top, right, bottom = extent
    boxes = "".join(
        f'<div class="dr-box dr-{mark.kind}" style="'
        f"left:{100 * (mark.box[0] - left) / (right - left):.2f}%;"
        f"top:{100 * (mark.box[1] - top) / (bottom - top):.2f}%;"
        f"width:{100 * (mark.box[2] - mark.box[0]) / (right - left):.2f}%;"
        f'height:{100 * (mark.box[3] - mark.box[1]) / (bottom - top):.2f}%">'
        f"{f'<b>{html.escape(mark.label)}</b>' if mark.label else ''}</div>"
        for mark in marks
    )
    width = min(picture.shape[1], MAX_WIDTH)
    return (
        f'<div class="dr-page" style="max-width:{width}px">'
        f'<img alt="the picture that was read" src="{frame_url(picture)}">{boxes}</div>'
    )


def table_html(rows: Sequence[dict[str, object]]) -> str:
    """The per-digit table; shares are shown in per cent, boxes rounded."""
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return html.escape(percent(value))
    if isinstance(value, tuple):
        return ", ".join(f"{number:.4g}" for number in value)
    return html.escape(str(value))
