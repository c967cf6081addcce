"""A drawing of pen strokes with undo and redo, without any widget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]  # px of the screen, x right, y down
Stroke = NDArray[np.float64]  # [n, 2] points


class StrokeHistory:
    """The strokes of a drawing, the stroke in progress, and the drawings before and after.

    Each stroke, replacement and clearing is one step of undo.

    Attributes:
        strokes: the drawing, the stroke in progress included; a new list after each change.
    """

    def __init__(self) -> None:
        self.strokes: list[Stroke] = []
        self._open: list[Point] = []  # points of the stroke in progress
        self._past: list[list[Stroke]] = []  # drawings for undo, the newest last
        self._future: list[list[Stroke]] = []  # drawings for redo

    def __repr__(self) -> str:
        steps = f"{len(self._past)} to undo, {len(self._future)} to redo"
        return f"StrokeHistory({len(self.strokes)} strokes, {steps})"

    @property
    def pen(self) -> Point | None:
        """Last point of the stroke in progress; None while the pen is up."""
        return self._open[-1] if self._open else None

    @property
    def can_undo(self) -> bool:
        """There is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """There is a step to bring back."""
        return bool(self._future)

    def begin(self, point: Point) -> None:
        """Start a stroke; one still in progress ends where it is."""
        self._open = [point]
        self._step([*self.strokes, np.array(self._open)])

    def add(self, point: Point) -> bool:
        """Continue the stroke; False where none is in progress or the pen has not moved."""
        if self.pen in (None, point):
            return False
        self._open.append(point)
        self.strokes = [*self.strokes[:-1], np.array(self._open)]
        return True

    def end(self) -> bool:
        """End the stroke; False where none is in progress."""
        in_progress = bool(self._open)
        self._open = []
        return in_progress

    def replace(self, strokes: Sequence[Stroke]) -> None:
        """Set another drawing, as one step; nothing happens where both are empty."""
        self._open = []
        if strokes or self.strokes:
            self._step([*strokes])

    def clear(self) -> None:
        """Remove all strokes, as one step."""
        self.replace([])

    def undo(self) -> None:
        """Take the last step back; nothing happens where there is none."""
        self._move(self._past, self._future)

    def redo(self) -> None:
        """Bring the last step back; nothing happens where there is none."""
        self._move(self._future, self._past)

    def _step(self, strokes: list[Stroke]) -> None:
        self._past.append(self.strokes)
        self._future.clear()
        self.strokes = strokes

    def _move(self, source: list[list[Stroke]], target: list[list[Stroke]]) -> None:
        self._open = []
        if source:
            target.append(self.strokes)
            self.strokes = source.pop()
