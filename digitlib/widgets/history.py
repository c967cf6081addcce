"""Pen strokes or a picture with undo and redo, without any widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = Sequence[float]  # x right, y down, in px of the pad; a pointer adds ms and pressure
Stroke = NDArray[np.float64]  # [n, 2] points


class Content(NamedTuple):
    """The content of a pad: strokes, or a picture (uint8, ``[H, W]`` or in color), or nothing."""

    traces: list[Stroke]
    image: NDArray[np.uint8] | None = None


class History:
    """The content of a pad, the stroke in progress, and the steps to undo and redo.

    Each stroke, replacement and clearing is one undo step. You can undo a clearing until something
    new is drawn on the empty canvas.

    Attributes:
        content: the current content; its list of strokes is a new one after each change. Strokes
            are ``[n, 2]``, or ``[n, 4]`` with ms and pressure, and include the one in progress.
        pen_down: the last stroke is in progress.
    """

    def __init__(self) -> None:
        self.content = Content([])
        self.pen_down = False
        self._past: list[Content] = []  # to undo, the newest last
        self._future: list[Content] = []  # to redo

    def __repr__(self) -> str:
        steps = f"{len(self._past)} to undo, {len(self._future)} to redo"
        return f"History({len(self.content.traces)} strokes, {steps})"

    @property
    def empty(self) -> bool:
        """There are no strokes and no picture."""
        return not self.content.traces and self.content.image is None

    @property
    def strokes(self) -> list[Stroke]:
        """The strokes without ms and pressure, ``[n, 2]``."""
        return [trace[:, :2] for trace in self.content.traces]

    @property
    def can_undo(self) -> bool:
        """There is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """There is a step to redo."""
        return bool(self._future)

    def begin(self, *points: Point) -> None:
        """Start a stroke, which replaces a picture; a stroke in progress ends here."""
        self._step(Content([*self.content.traces, np.array(points, float)]))
        self.pen_down = True

    def add(self, *points: Point) -> bool:
        """Continue the stroke; False if none is in progress."""
        if self.pen_down:
            *others, last = self.content.traces
            stroke = np.concatenate([last, np.array(points, float)])
            self.content = Content([*others, stroke])
        return self.pen_down

    def end(self) -> bool:
        """End the stroke; False if none is in progress."""
        in_progress, self.pen_down = self.pen_down, False
        return in_progress

    def cancel(self) -> bool:
        """Remove the stroke in progress without an undo step; False if there is none."""
        if in_progress := self.end():
            self.content = self._past.pop()
        return in_progress

    def replace(self, strokes: Sequence[Stroke], image: NDArray[np.uint8] | None = None) -> None:
        """Set other content as one step, unless both are empty."""
        self.pen_down = False
        if strokes or image is not None or not self.empty:
            self._step(Content([*strokes], image))

    def clear(self) -> None:
        """Remove everything as one step."""
        self.replace([])

    def undo(self) -> None:
        """Undo the last step, if any."""
        self.pen_down = False
        if self._past:
            self._future.append(self.content)
            self.content = self._past.pop()

    def redo(self) -> None:
        """Redo the last step, if any."""
        self.pen_down = False
        if self._future:
            self._past.append(self.content)
            self.content = self._future.pop()

    def _step(self, content: Content) -> None:
        if self.empty:
            self._past.clear()
        self._past.append(self.content)
        self._future.clear()
        self.content = content


def from_zero(traces: Sequence[Stroke]) -> list[Stroke]:
    """Traces with time starting at 0, because the time of the page is private."""
    timed = [trace for trace in traces if trace.shape[1] == 4]
    start = timed[0][0, 2] if timed else 0.0
    return [trace - [0, 0, start, 0] if trace.shape[1] == 4 else trace for trace in traces]
