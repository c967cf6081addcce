"""Built data sets on disk: made once for the same sources, code and libraries."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from digitlib.errors import WriteError
from digitlib.files import REPOSITORY, digest, syntax_digest, write_bytes

# Installed libraries whose version may change a pixel of a built data set.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pillow")
ROOMS = ("preprocessing", "datasets")  # the code that data sets are built by


def cache_root() -> Path:
    """The folder of built data sets: ``$DIGITLIB_CACHE``, else ``data/cache`` in the repository."""
    return Path(os.environ.get("DIGITLIB_CACHE") or REPOSITORY / "data" / "cache")


def cached(
    name: str, sources: Iterable[Path], build: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return what ``build`` returns, from the cache where it was built before.

    A file of the cache counts only for the same source files, code and libraries, and only
    if its content is whole; otherwise it is built and written anew. Where the folder cannot be
    written, a warning says so once, and the data are built each time.

    Args:
        name: of the cache's file, without suffix.
        sources: files that ``build`` reads.
        build: makes the tensors, by name.
    """
    path, key = cache_root() / f"{name}.safetensors", cache_key(name, sources)
    if (tensors := _read(path, key)) is None:
        tensors = build()
        _write(path, key, tensors)
    return tensors


def cache_key(name: str, sources: Iterable[Path]) -> str:
    """Digest of all that a built data set depends on."""
    return digest(name.encode(), _code_and_libraries(), *(path.read_bytes() for path in sources))


@functools.cache
def _code_and_libraries() -> bytes:
    package = Path(__file__).parent.parent
    code = syntax_digest(
        *(path for room in ROOMS for path in sorted((package / room).glob("*.py")))
    )
    return " ".join([code, *map(importlib.metadata.version, LIBRARIES)]).encode()


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors of a cache file, if there is one for this key and it is whole."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("key", key) != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, SafetensorError) as error:
        _warn_damaged(path, str(error))
        return None
    if about.get("content") != content_digest(tensors):
        _warn_damaged(path, "its content is not as written")
        return None
    return tensors


def _warn_damaged(path: Path, reason: str) -> None:
    warnings.warn(f"{path} is damaged ({reason}): it is built anew.", stacklevel=4)


def _write(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    content = save(dict(tensors), {"key": key, "content": content_digest(tensors)})
    try:
        write_bytes(path, content)
    except WriteError as error:
        _warn_unwritable(path.parent, str(error.strerror))


@functools.cache  # once for each folder
def _warn_unwritable(folder: Path, reason: str) -> None:
    warnings.warn(
        f"Built data sets cannot be kept in {folder} ({reason}): they are built anew each time. "
        "DIGITLIB_CACHE names another folder.",
        stacklevel=5,
    )


def content_digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of the tensors' names and bytes."""
    parts = ((name.encode(), tensors[name].numpy().tobytes()) for name in sorted(tensors))
    return digest(*(part for pair in parts for part in pair))
