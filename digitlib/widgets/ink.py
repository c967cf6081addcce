"""The layer over the canvas that draws at the pointer in the browser and sends its points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

import anywidget
import traitlets

from digitlib.widgets.callbacks import Guard
from digitlib.widgets.history import Point

Action = Literal["begin", "move", "end", "cancel", "undo", "redo", "clear"]


class InkEvent(TypedDict, total=False):
    """One action in the page; ``begin`` and ``move`` have points."""

    do: Action
    points: list[Point]  # x, y in px of the pad, ms since the page opened, pressure from 0 to 1


class InkLayer(anywidget.AnyWidget):
    """Receives the events of each page in order, each once, and acknowledges them.

    A page numbers its events. It sends events again that were not acknowledged in time, for
    example after a lost connection or while the kernel was busy.

    Args:
        size: width and height of the canvas, px of the pad.
        brush: width of the ink, px of the pad.
        color: CSS color of the ink.
        apply: called with the page's name and the new events of a message, before they are
            acknowledged; returns whether that page's stroke is in progress.
        then: called after that.
        guard: wraps the message handler.

    Attributes:
        said: the answer in words, which the page reads out to screen readers.
    """

    _esm = Path(__file__).with_name("ink.js")

    extent = traitlets.Tuple(traitlets.Int(), traitlets.Int()).tag(sync=True)
    brush = traitlets.Int().tag(sync=True)
    color = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        size: int,
        brush: int,
        color: str,
        *,
        apply: Callable[[str, list[InkEvent]], bool],
        then: Callable[[], None],
        guard: Guard,
    ) -> None:
        super().__init__(extent=(size, size), brush=brush, color=color)
        self._apply, self._then = apply, then
        self._applied: dict[str, int] = {}  # number of events by page
        self.observe(lambda _: self._answer("", False), "brush")
        self.on_msg(guard(self._receive))

    def _receive(self, _: Any, message: dict[str, Any], __: Any) -> None:
        client, first, events = message["client"], message["first"], message["events"]
        applied = self._applied.get(client, 0)
        new = events[applied - first :] if first <= applied else []  # else a gap: they come again
        self._applied[client] = applied + len(new)  # first, so that a failure is not repeated
        pen = self._apply(client, new)
        self._answer(client, pen)
        if new:
            self._then()

    def _answer(self, client: str, pen: bool) -> None:
        """Use the layout's model because anywidget's own may drop messages (see ink.js)."""
        applied = self._applied.get(client, 0)
        answer = {"client": client, "applied": applied, "pen": pen, "brush": self.brush}
        self.layout.send(answer)
