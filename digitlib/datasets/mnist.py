"""MNIST: 60,000 training digits, of which 5,000 are held out for validation, and 10,000 to test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import check_file, download_folder, missing_error, refetch

MNIST_VALIDATION = 5_000  # of the 60,000 training images, drawn once and for all
SPLIT_SEED = 1998  # of the permutation that holds digits out; MNIST's year

# SHA-256 of the unpacked files. torchvision checks the MD5 of the packed ones.
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked files of a split, checked; downloaded if they are missing.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    raw = root / "MNIST" / "raw"
    if not _is_complete(raw):
        if not download:
            raise missing_error("MNIST", raw, "downloads are switched off")
        fetch(root, replace=False)
    prefix = "t10k" if split == "test" else "train"
    return _check(raw, prefix)


def _is_complete(raw: Path) -> bool:
    return all((raw / name).exists() for name in MNIST_FILES)


def _check(raw: Path, prefix: str = "") -> list[Path]:
    """The files that start with ``prefix``, checked."""
    paths = [raw / name for name in MNIST_FILES if name.startswith(prefix)]
    for path in paths:
        check_file(path, MNIST_FILES[path.name], refetch("mnist"))
    return paths


def fetch(root: Path, *, replace: bool = True) -> None:
    """Download all files; without ``replace``, only if some are missing.

    Raises:
        DataMissingError: the download failed.
    """
    from torchvision.datasets import MNIST

    raw = root / "MNIST" / "raw"
    with download_folder("MNIST", raw, root) as partial:
        if replace or not _is_complete(raw):
            MNIST(str(partial), download=True)
            found = _check(partial / "MNIST" / "raw")
            raw.mkdir(parents=True, exist_ok=True)
            for path in found:
                path.replace(raw / path.name)


@register("mnist", find=find, cached=False)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The digits of a split, as torchvision reads them."""
    from torchvision.datasets import MNIST

    source = MNIST(str(files[0].parents[2]), train=split != "test")
    return hold_out(name, split, source.data, source.targets)


def hold_out(name: str, split: str, images: torch.Tensor, labels: torch.Tensor) -> DigitData:
    """The test set as it is; the training set without, or only, the digits held out for validation.

    Args:
        name, split: of the data set.
        images: uint8 ``[N, 28, 28]``, of the test set or of the whole training set.
        labels: int64 ``[N]``.
    """
    data = DigitData(name, split, images, labels)
    if split == "test":
        return data
    # NumPy's frozen generator: the same permutation with every version.
    order = torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(len(data)))
    held_out, kept = order[:MNIST_VALIDATION], order[MNIST_VALIDATION:]
    return data.select((held_out if split == "validation" else kept).sort().values)
