"""MNIST: 60,000 training digits, of which 5,000 are held out for validation, and 10,000 to test."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import DigitData, missing_error, remove_empty_folders
from digitlib.errors import DataDamagedError

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
    raw = root / "MNIST" / "raw"
    if not all((raw / name).exists() for name in MNIST_FILES):
        _download(root, raw, download)
    prefix = "t10k" if split == "test" else "train"
    files = [raw / name for name in MNIST_FILES if name.startswith(prefix)]
    for path in files:
        _check(path)
    return files


def _download(root: Path, raw: Path, allowed: bool) -> None:
    from torchvision.datasets import MNIST

    try:
        if not allowed:
            raise FileNotFoundError("downloads are switched off")
        MNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        remove_empty_folders(raw, root)
        raise missing_error("MNIST", raw, error) from error


def _check(path: Path) -> None:
    known = MNIST_FILES[path.name]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known:
        raise DataDamagedError(
            f"{path} is damaged (SHA-256 {found[:12]}…, not {known[:12]}…): "
            "delete it, and it is downloaded again."
        )


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
