"""The layer over the canvas that draws at the pointer, in the browser, and sends what it drew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

import anywidget
import traitlets

from digitlib.widgets.history import Point

Action = Literal["begin", "move", "end", "cancel", "undo", "redo", "clear"]


class InkEvent(TypedDict, total=False):
    """One thing that was done in the page; ``begin`` and ``move`` have points."""

    do: Action
    points: list[Point]  # x, y in px of the pad, ms since the page opened, pressure from 0 to 1


class InkLayer(anywidget.AnyWidget):
    """Receives the events of each page in their order, each once, and acknowledges them.

    A page numbers its events and sends those again that were not acknowledged in time: after a
    lost connection, or when the kernel was busy for long.

    Args:
        extent: width and height of the canvas, px of the pad.
        brush: width of the ink, px of the pad.
        color: of the ink, in CSS.
        apply: called with the new events of a message and the page's name, before they are
            acknowledged; returns whether that page's stroke is in progress.
        then: called after that.
        guard: wraps the handler of messages, whose exceptions nobody would see.
    """

    _esm = Path(__file__).with_name("ink.js")

    extent = traitlets.Tuple(traitlets.Int(), traitlets.Int()).tag(sync=True)
    brush = traitlets.Int().tag(sync=True)
    color = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        extent: tuple[int, int],
        brush: int,
        color: str,
        *,
        apply: Callable[[str, list[InkEvent]], bool],
        then: Callable[[], None],
        guard: Callable[[Callable[..., None]], Callable[..., None]],
    ) -> None:
        super().__init__(extent=extent, brush=brush, color=color)
        self._apply, self._then = apply, then
        self._applied: dict[str, int] = {}  # by page: number of events
        self.observe(lambda _: self._answer("", False), "brush")
        self.on_msg(guard(self._receive))

    def _receive(self, _: Any, message: dict[str, Any], __: Any) -> None:
        client, first, events = message["client"], message["first"], message["events"]
        applied = self._applied.get(client, 0)
        new = events[applied - first :] if first <= applied else []  # before a gap: they come again
        self._applied[client] = applied + len(new)  # first: what fails is not tried again
        pen = self._apply(client, new)
        self._answer(client, pen)
        if new:
            self._then()

    def _answer(self, client: str, pen: bool) -> None:
        """Through the layout's model: anywidget's own may drop messages (see ink.js)."""
        applied = self._applied.get(client, 0)
        answer = {"client": client, "applied": applied, "pen": pen, "brush": self.brush}
        self.layout.send(answer)
