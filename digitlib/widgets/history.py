"""Pen strokes with undo and redo, without any widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = Sequence[float]  # x right, y down, in px of the pad; a pointer adds ms and pressure
Stroke = NDArray[np.float64]  # [n, 2] points


class HistoryStep(NamedTuple):
    """A change at the end of the drawing: the strokes removed and the strokes added."""

    removed: list[Stroke]
    added: list[Stroke]


class StrokeHistory:
    """The strokes of a drawing, the stroke in progress, and the steps to undo and redo.

    Each stroke, replacement and clearing is one undo step. You can undo a clearing until something
    new is drawn on the empty canvas.

    Attributes:
        traces: all strokes with the one in progress, ``[n, 2]``, or ``[n, 4]`` with ms and
            pressure; a new list after each change.
        strokes: the same without ms and pressure.
    """

    def __init__(self) -> None:
        self.traces: list[Stroke] = []
        self.strokes: list[Stroke] = []
        self._open = False  # the last stroke is in progress
        self._past: list[HistoryStep] = []  # steps to undo, the newest last
        self._future: list[HistoryStep] = []  # steps to redo

    def __repr__(self) -> str:
        steps = f"{len(self._past)} to undo, {len(self._future)} to redo"
        return f"StrokeHistory({len(self.traces)} strokes, {steps})"

    @property
    def pen(self) -> tuple[float, float] | None:
        """Last point of the stroke in progress, or None."""
        if not self._open:
            return None
        x, y = self.strokes[-1][-1]
        return float(x), float(y)

    @property
    def can_undo(self) -> bool:
        """There is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """There is a step to redo."""
        return bool(self._future)

    def begin(self, *points: Point) -> None:
        """Start a stroke; a stroke in progress ends here."""
        self._step([], [np.array(points, float)])
        self._open = True

    def add(self, *points: Point) -> bool:
        """Continue the stroke; False if none is in progress."""
        if not self._open:
            return False
        stroke = np.concatenate([self.traces[-1], np.array(points, float)])
        self._past[-1] = HistoryStep([], [stroke])
        self._swap(1, [stroke])
        return True

    def end(self) -> bool:
        """End the stroke; False if none is in progress."""
        in_progress, self._open = self._open, False
        return in_progress

    def cancel(self) -> bool:
        """Remove the stroke in progress without an undo step; False if there is none."""
        if in_progress := self.end():
            self._past.pop()
            self._swap(1, [])
        return in_progress

    def replace(self, strokes: Sequence[Stroke]) -> None:
        """Set another drawing as one step, unless both are empty."""
        self._open = False
        if strokes or self.traces:
            self._step(self.traces, [*strokes])

    def clear(self) -> None:
        """Remove all strokes as one step."""
        self.replace([])

    def undo(self) -> None:
        """Undo the last step, if any."""
        self._open = False
        if self._past:
            step = self._past.pop()
            self._future.append(step)
            self._swap(len(step.added), step.removed)

    def redo(self) -> None:
        """Redo the last step, if any."""
        self._open = False
        if self._future:
            step = self._future.pop()
            self._past.append(step)
            self._swap(len(step.removed), step.added)

    def _step(self, removed: list[Stroke], added: list[Stroke]) -> None:
        if not self.traces:
            self._past.clear()
        self._past.append(HistoryStep(removed, added))
        self._future.clear()
        self._swap(len(removed), added)

    def _swap(self, removed: int, added: list[Stroke]) -> None:
        """Replace the last strokes."""
        keep = len(self.traces) - removed
        self.traces = [*self.traces[:keep], *added]
        self.strokes = [*self.strokes[:keep], *(trace[:, :2] for trace in added)]


def from_zero(traces: Sequence[Stroke]) -> list[Stroke]:
    """Traces with time starting at 0, because the time of the page is private."""
    timed = [trace for trace in traces if trace.shape[1] == 4]
    start = timed[0][0, 2] if timed else 0.0
    return [trace - [0, 0, start, 0] if trace.shape[1] == 4 else trace for trace in traces]
