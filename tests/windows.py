"""Some rules of files on Windows, simulated on Linux.

A file that this process has open or mapped cannot be replaced, renamed or removed. Text is written
with ``\\r\\n`` by default.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch


@contextmanager
def like_windows() -> Iterator[None]:
    """These rules in a block."""
    with ExitStack() as stack:
        for name in ("replace", "rename", "remove", "unlink"):
            guarded = partial(_refuse_in_use, getattr(os, name))
            stack.enter_context(patch.object(os, name, guarded))
        for module in (io, builtins):
            stack.enter_context(patch.object(module, "open", partial(_open, module.open)))
        yield


def _refuse_in_use(function: Callable[..., None], *paths: Any, **options: Any) -> None:
    for path in paths:
        if in_use(path):
            raise PermissionError(13, "The process cannot access the file: it is in use", str(path))
    function(*paths, **options)


def in_use(path: str | os.PathLike[str]) -> bool:
    """This process has the file open, or a part of it mapped into its memory."""
    name = os.path.realpath(path)
    descriptors = (os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd"))
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return name in descriptors or any(line.rstrip("\n").endswith(name) for line in maps)


def _open(
    function: Callable[..., Any], file: Any, mode: str = "r", buffering: int = -1,
    encoding: str | None = None, errors: str | None = None, newline: str | None = None, *more: Any,
    **options: Any,
) -> Any:  # fmt: skip
    if newline is None and "b" not in mode and set(mode) & set("wax+"):
        newline = "\r\n"
    return function(file, mode, buffering, encoding, errors, newline, *more, **options)
