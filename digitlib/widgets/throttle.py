"""An action that is wanted more often than it should run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Action = Callable[[], None]


class Throttle:
    """Runs an action now, or once within an interval, however often it is requested.

    A slow action takes half of the time at most: the rest is for what asks for it.

    Args:
        action: the function to run.
        interval: seconds from the first request to the run, if the last run was not slower.
        guard: wraps the delayed run, whose exceptions nobody would see.
    """

    def __init__(self, action: Action, interval: float, guard: Callable[[Action], Action]) -> None:
        self.action, self.interval, self._guard = action, interval, guard
        self._took = 0.0  # seconds of the last run
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> None:
        """Run the action; a pending request is thereby met."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        start = time.perf_counter()
        self.action()
        self._took = time.perf_counter() - start

    def request(self) -> None:
        """Run the action at the end of the interval; now, where no event loop runs."""
        if self._timer is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now()
        else:
            self._timer = loop.call_later(max(self.interval, self._took), self._guard(self.now))
