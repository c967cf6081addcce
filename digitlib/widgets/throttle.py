"""An action that is wanted more often than it should run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Action = Callable[[], None]


class Throttle:
    """Runs an action now, or once within an interval, however often it is requested.

    Args:
        action: the function to run.
        interval: seconds from the first request to the run.
        guard: wraps the delayed run, whose exceptions nobody would see.
    """

    def __init__(self, action: Action, interval: float, guard: Callable[[Action], Action]) -> None:
        self.action, self.interval, self._guard = action, interval, guard
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> None:
        """Run the action; a pending request is thereby met."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.action()

    def request(self) -> None:
        """Run the action at the end of the interval; now, where no event loop runs."""
        if self._timer is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now()
        else:
            self._timer = loop.call_later(self.interval, self._guard(self.now))
