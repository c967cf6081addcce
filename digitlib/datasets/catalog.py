"""The catalog of data sets: load any of them by name.

A data set is a module that registers itself with :func:`register`. The catalog imports the module
when one of its sets is first loaded. Files are in the data folder (:func:`files.data_root`);
missing ones are downloaded there. Select networks on the ``validation`` split and report on
``test``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from digitlib.datasets.base import SPLITS, DigitData
from digitlib.datasets.cache import cached
from digitlib.files import data_root

# The module of each data set that comes with digitlib.
MODULES = {
    "mnist": "mnist",
    "sample": "sample",
    "pendigits": "pendigits",
    "unipen": "unipen",
    "letters": "unipen",
    "signs": "unipen",
    "styles": "synthetic",
    "no_digits": "non_digits",
    "typeset": "typeset",
    "notmnist": "typeset",
    "drawings": "drawings",
    "no_digit_drawings": "drawings",
    "fashion": "fashion",
}
DOWNLOADED = ("mnist", "pendigits", "unipen")  # their modules have ``fetch(root)``

Build = Callable[[str, str, list[Path]], DigitData]
Find = Callable[[str, str, Path, bool], list[Path]]


_sources: dict[str, tuple[Build, Find, bool]] = {}


def register(
    *names: str, find: Find | None = None, cached: bool = True
) -> Callable[[Build], Build]:
    """Register the decorated function ``build(name, split, files)`` as the source of data sets.

    Args:
        names: of the data sets.
        find: returns the files of a set by ``(name, split, root, download)``; None for no files.
        cached: keep what was built; False if reading the files is as fast.
    """

    def decorate(build: Build) -> Build:
        for name in names:
            _sources[name] = (build, find or (lambda *_: []), cached)
        return build

    return decorate


def load(
    name: str,
    split: str = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
) -> DigitData:
    """Load one split of a data set, from the cache if it was built before.

    Args:
        name: a key of ``MODULES``, or the name of a set that you registered.
        split: ``train``, ``validation`` or ``test``.
        root: data folder; see :func:`files.data_root`.
        download: fetch missing files.

    Raises:
        ValueError: unknown name or split.
        DataMissingError: the files are missing and can't be downloaded.
        DataDamagedError: a file is truncated or altered; the message names it.
    """
    if name not in _sources and name in MODULES:
        import_module(f"digitlib.datasets.{MODULES[name]}")
    if name not in _sources:
        raise ValueError(
            f"There is no data set {name!r}. Choose one of {', '.join({**MODULES, **_sources})}."
        )
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}. Choose one of {', '.join(SPLITS)}.")
    build, find, keep = _sources[name]
    files = find(name, split, data_root(root), download)
    if not keep:
        return build(name, split, files)
    return cached(f"{name}-{split}", files, lambda: build(name, split, files))


def fetch(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Download the files of a data set and replace existing ones; return the data folder.

    Raises:
        ValueError: it is none of ``DOWNLOADED``.
        DataMissingError: the download failed.
    """
    if name not in DOWNLOADED:
        raise ValueError(f"{name!r} has no download. Choose one of {', '.join(DOWNLOADED)}.")
    import_module(f"digitlib.datasets.{name}").fetch(data_root(root))
    return data_root(root)
