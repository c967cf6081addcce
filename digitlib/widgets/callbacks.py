"""Callbacks of widgets: one at a time, no error unseen, and none more often than it should run."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

Action = Callable[[], None]
Guard = Callable[[Callable[..., None]], Callable[..., None]]  # wraps a callback

# JupyterLab delivers widget events on several threads, beside the one that runs cells, and
# ipycanvas has one command queue for all canvases. So one thread runs at a time, for all pads.
LOCK = threading.RLock()


def guarded(
    action: Callable[..., None], report: Callable[[Exception], None]
) -> Callable[..., None]:
    """``action`` under the lock; exceptions go to ``report`` because they would vanish."""

    @functools.wraps(action)
    def callback(*arguments: Any) -> None:
        with LOCK:
            try:
                action(*arguments)
            except Exception as problem:
                report(problem)

    return callback


class Throttle:
    """Runs an action now, or once within an interval, however often it is requested.

    A slow action takes at most half of the time. The rest is left for the requests.

    Args:
        action: the function to run.
        interval: seconds from the first request to the run, or as long as the last run took.
        guard: wraps the delayed run.
    """

    def __init__(self, action: Action, interval: float, guard: Guard) -> None:
        self._action, self._interval, self._guard = action, interval, guard
        self._took = 0.0  # seconds of the last run
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> None:
        """Run the action; this also answers a pending request."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        start = time.perf_counter()
        self._action()
        self._took = time.perf_counter() - start

    def request(self) -> None:
        """Run the action at the end of the interval, or now if no event loop runs."""
        if self._timer is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now()
        else:
            self._timer = loop.call_later(max(self._interval, self._took), self._guard(self.now))
