"""Callbacks of widgets: one at a time, and none fails unseen."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

# JupyterLab delivers widget events on threads beside the one that runs cells, sometimes on several,
# and ipycanvas has one command queue for all canvases: one thread at a time, for all pads.
LOCK = threading.RLock()


def guarded(
    action: Callable[..., None], report: Callable[[Exception], None]
) -> Callable[..., None]:
    """``action`` under the lock; what it raises goes to ``report``, for it would vanish."""

    @functools.wraps(action)
    def callback(*arguments: Any) -> None:
        with LOCK:
            try:
                action(*arguments)
            except Exception as problem:
                report(problem)

    return callback
