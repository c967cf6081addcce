"""Built data sets on disk: built once for the same sources, code and libraries."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import pickle
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from joblib import Memory

from digitlib.files import default_folder, digest

# Installed libraries that may change a pixel of a built data set.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pillow")
CODE = ("preprocessing", "datasets")  # the subpackages that build data sets
MAX_CACHE = 2**30  # bytes; a full cache is about 100 MB for each version of the code

Built = TypeVar("Built")


def cached(name: str, sources: Iterable[Path], build: Callable[[], Built]) -> Built:
    """Return what ``build`` returns, from the cache if it was built before.

    A cached result counts only for the same source files, code and libraries. joblib compresses
    it with a checksum, so damage is noticed and the data are built again. A warning says so if
    the cache folder (``$DIGITLIB_CACHE``, else ``cache`` in the
    default data folder) can't be written.

    Args:
        name: of the built data.
        sources: files that ``build`` reads.
        build: makes the data.
    """
    folder = os.environ.get("DIGITLIB_CACHE") or default_folder() / "cache"
    key = digest(code_and_libraries(), *(path.read_bytes() for path in sources))
    try:
        memory = Memory(folder, verbose=0, compress=1)
        return pickle.loads(
            memory.cache(_pickled, ignore=["build", "memory"])(name, key, build, memory)
        )
    except PermissionError as error:  # if it comes from ``build``, the last line raises it again
        warnings.warn(
            f"Built data sets can't be kept in {folder} ({error.strerror}). They are built again "
            "each time. Set DIGITLIB_CACHE to another folder.",
            stacklevel=2,
        )
    return build()


def _pickled(name: str, key: str, build: Callable[[], Any], memory: Memory) -> bytes:
    """The function that joblib caches, by its name and key.

    joblib itself would store each of a hundred thousand strokes as a file of its own kind.
    """
    memory.reduce_size(bytes_limit=MAX_CACHE)
    return pickle.dumps(build())


@functools.cache
def code_and_libraries() -> bytes:
    """Digest of the code and the library versions that built data depend on."""
    package = Path(__file__).parent.parent
    code = (path for folder in CODE for path in sorted((package / folder).glob("*.*")))
    versions = " ".join(map(importlib.metadata.version, LIBRARIES))
    return digest(versions.encode(), *(path.read_bytes() for path in code)).encode()
