"""SVG of strokes, as drawn and as they lie in the frame; the outline of a frame's ink."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.frame import BOX_SIZE, FRAME_SIZE, Frame
from digitlib.preprocessing.strokes import PEN_WIDTH, drop_stray_taps
from digitlib.widgets.history import Stroke

LINE = 0.05  # of the pad's shorter side: width of the strokes
INKED = 127  # a pixel with more is inside the outline


def strokes_svg(strokes: Sequence[Stroke], extent: tuple[int, int]) -> str:
    """Strokes on a pad of this width and height, each with a dot at its start; taps are pale."""
    kept = {array.tobytes() for array in drop_stray_taps(strokes)}
    width = LINE * min(extent)
    lines = ""
    for stroke in strokes:
        stray = "" if np.asarray(stroke, float).tobytes() in kept else ' class="dp-stray"'
        x, y = stroke[0]
        lines += f'<polyline{stray} points="{points_text(stroke)}"/>'
        lines += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{0.7 * width:.1f}"/>'
    about = f"{len(strokes)} {'stroke' if len(strokes) == 1 else 'strokes'}, as drawn"
    return _svg(extent, width, lines, about)


def placed_svg(strokes: Sequence[Stroke], frame: Frame) -> str:
    """Strokes scaled to the box of the frame and moved by its centre of mass.

    Args:
        strokes: as drawn.
        frame: uint8 ``[28, 28]``, rendered from them.
    """
    lines = "".join(
        f'<polyline points="{points_text(stroke, 2)}"/>' for stroke in place_strokes(strokes, frame)
    )
    left, top = box_corner(frame)
    box = f'<rect x="{left}" y="{top}" width="{BOX_SIZE}" height="{BOX_SIZE}"/>'
    middle = '<circle cx="14.5" cy="14.5" r="1"/>'
    about = "scaled to a box of 20 by 20 pixels, centre of mass at the middle of the frame"
    return _svg((FRAME_SIZE, FRAME_SIZE), PEN_WIDTH, box + lines + middle, about)


def place_strokes(strokes: Sequence[Stroke], frame: Frame) -> list[Stroke]:
    """The strokes without stray taps, where :func:`strokes.render` draws them in the frame.

    In px of the frame; its upper left corner is 0, 0.
    """
    kept = drop_stray_taps(strokes)
    points = np.concatenate(kept)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    scale = (BOX_SIZE - PEN_WIDTH) / extent if extent else 0.0
    middle = np.array(box_corner(frame)) + BOX_SIZE / 2
    return [(stroke - (low + high) / 2) * scale + middle for stroke in kept]


def box_corner(frame: Frame) -> tuple[int, int]:
    """Left and top of the 20x20 box whose middle is the middle of the frame's ink."""
    rows, columns = np.nonzero(frame)
    return _start(columns), _start(rows)


def _start(at: NDArray[np.intp]) -> int:
    return round((int(at.min()) + int(at.max()) + 1 - BOX_SIZE) / 2)


def outline_path(frame: Frame) -> str:
    """The edges between pixels with ink and those without, as the ``d`` of an SVG path."""
    inked = np.pad(frame > INKED, 1).astype(np.int8)
    down, across = np.nonzero(np.diff(inked, axis=0)), np.nonzero(np.diff(inked, axis=1))
    flat = (f"M{x - 1} {y}h1" for y, x in zip(*down, strict=True))
    upright = (f"M{x} {y - 1}v1" for y, x in zip(*across, strict=True))
    return "".join((*flat, *upright))


def points_text(stroke: Stroke, digits: int = 1) -> str:
    """Points as SVG wants them; a dot is a line of no length, with round ends."""
    points = stroke if len(stroke) > 1 else np.repeat(stroke, 2, axis=0)
    return " ".join(f"{x:.{digits}f},{y:.{digits}f}" for x, y in points)


def _svg(extent: tuple[int, int], width: float, content: str, about: str) -> str:
    return (
        f'<svg class="dp-pen" viewBox="0 0 {extent[0]} {extent[1]}" stroke-width="{width:g}" '
        f'role="img" aria-label="{about}"><title>{about}</title>{content}</svg>'
    )
