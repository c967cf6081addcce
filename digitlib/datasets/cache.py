"""Built data sets on disk: built once for the same sources, code and libraries."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from joblib import Memory
from numpy.typing import NDArray
from torch import Tensor

from digitlib.files import default_folder, digest

# Installed libraries that may change a pixel of a built data set.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pillow")
CODE = ("preprocessing", "datasets")  # the subpackages that build data sets
MAX_CACHE = 2**30  # bytes; a full cache is about 100 MB for each version of the code


def cached(
    name: str, sources: Iterable[Path], build: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return the tensors that ``build`` returns, from the cache if they were built before.

    A cached result counts only for the same source files, code and libraries. joblib compresses
    it with a checksum, so damage is noticed and the data are built again. A warning says so if
    the cache folder (``$DIGITLIB_CACHE``, else ``cache`` in the
    default data folder) can't be written.

    Args:
        name: of the built data.
        sources: files that ``build`` reads.
        build: makes the tensors, by name.
    """

    def make() -> dict[str, NDArray]:
        return {key: tensor.numpy() for key, tensor in build().items()}

    folder = os.environ.get("DIGITLIB_CACHE") or default_folder() / "cache"
    key = digest(code_and_libraries(), *(path.read_bytes() for path in sources))
    try:
        memory = Memory(folder, verbose=0, compress=1)
        arrays = memory.cache(_build, ignore=["make", "memory"])(name, key, make, memory)
    except PermissionError as error:  # if it comes from ``make``, the next line raises it again
        arrays = make()
        warnings.warn(
            f"Built data sets can't be kept in {folder} ({error.strerror}). They are built again "
            "each time. Set DIGITLIB_CACHE to another folder.",
            stacklevel=2,
        )
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _build(
    name: str, key: str, make: Callable[[], dict[str, NDArray]], memory: Memory
) -> dict[str, NDArray]:
    """The function that joblib caches, by its name and key."""
    memory.reduce_size(bytes_limit=MAX_CACHE)
    return make()


@functools.cache
def code_and_libraries() -> bytes:
    """Digest of the code and the library versions that built data depend on."""
    package = Path(__file__).parent.parent
    code = (path for folder in CODE for path in sorted((package / folder).glob("*.*")))
    versions = " ".join(map(importlib.metadata.version, LIBRARIES))
    return digest(versions.encode(), *(path.read_bytes() for path in code)).encode()
