"""MNIST: 60,000 training digits, of which 5,000 are held out for validation, and 10,000 to test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import DigitData, missing_error
from digitlib.datasets.downloads import check_file, fetch_files, refetch

MNIST_VALIDATION = 5_000  # of the 60,000 training images, drawn once and for all
SPLIT_SEED = 1998  # of the permutation that holds digits out; MNIST's year

# SHA-256 of the unpacked files whose gz MD5 torchvision checks.
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def find_mnist(split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked files of a split, checked; downloaded where need be.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    raw = _folder(root)
    if not _complete(raw):
        if not download:
            raise missing_error("MNIST", raw, "downloads are switched off")
        fetch_mnist(root, lambda: not _complete(raw))
    prefix = "t10k" if split == "test" else "train"
    return _check(raw, [name for name in MNIST_FILES if name.startswith(prefix)])


def _folder(root: Path) -> Path:
    return root / "MNIST" / "raw"


def _complete(raw: Path) -> bool:
    return all((raw / name).exists() for name in MNIST_FILES)


def _check(raw: Path, names: Iterable[str]) -> list[Path]:
    for name in names:
        check_file(raw / name, MNIST_FILES[name], refetch("mnist"))
    return [raw / name for name in names]


def fetch_mnist(root: Path, needed: Callable[[], bool] = lambda: True) -> None:
    """Download all files, in place of those that are there.

    Raises:
        DataMissingError: they cannot be downloaded.
    """
    from torchvision.datasets import MNIST

    def fill(partial: Path) -> None:
        MNIST(str(partial), download=True)
        found = _check(_folder(partial), [*MNIST_FILES])
        _folder(root).mkdir(parents=True, exist_ok=True)
        for path in found:
            path.replace(_folder(root) / path.name)

    try:
        fetch_files("mnist", root, fill, needed)
    except (OSError, RuntimeError) as error:
        raise missing_error("MNIST", _folder(root), error) from error


def build_mnist(split: str, files: list[Path]) -> DigitData:
    """The digits of a split, as torchvision reads them."""
    from torchvision.datasets import MNIST

    source = MNIST(str(files[0].parents[2]), train=split != "test")
    data = DigitData("mnist", split, source.data, source.targets)
    if split == "test":
        return data
    # NumPy's frozen generator: the same permutation with every version.
    order = torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(len(data)))
    held_out, kept = order[:MNIST_VALIDATION], order[MNIST_VALIDATION:]
    return data.select((held_out if split == "validation" else kept).sort().values)
