"""File modes that also apply to root, within a block."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Linux capabilities that override modes, and the version of the interface.
DAC_OVERRIDE, DAC_READ_SEARCH, VERSION = 1, 2, 0x20080522


@contextmanager
def bound_by_modes(*, for_good: bool = False) -> Iterator[None]:
    """Modes apply to this thread and those it starts, although root could ignore them.

    Args:
        for_good: for the rest of the process, and for ``os.access``.
    """
    if sys.platform != "linux":
        yield
        return
    header = (ctypes.c_uint32 * 2)(VERSION, 0)
    # Effective, permitted, inheritable: two words each.
    sets = (ctypes.c_uint32 * 6)()
    _call("capget", header, sets)
    before = sets[0]
    for kind in (0, 1) if for_good else (0,):
        sets[kind] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    _call("capset", header, sets)
    try:
        yield
    finally:
        if not for_good:
            sets[0] = before
            _call("capset", header, sets)


def _call(name: str, *arguments: ctypes.Array[ctypes.c_uint32]) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
