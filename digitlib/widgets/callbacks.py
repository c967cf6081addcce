"""Callbacks of widgets: one at a time, and no error unseen."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

Guard = Callable[[Callable[..., None]], Callable[..., None]]  # wraps a callback

# JupyterLab delivers widget events on several threads, next to the one that runs cells, and
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
