"""The data set ``fashion``: Fashion-MNIST, 70,000 pictures of clothes in MNIST's format.

Its ten classes are kinds of clothing (Xiao et al., 2017). No bundled network was trained on it.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import download_folder, missing_error
from digitlib.datasets.mnist import hold_out
from digitlib.errors import DataDamagedError
from digitlib.preprocessing.frame import FRAME_SIZE

HEADERS = (16, 8)  # bytes before the pixels and before the labels


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The packed pictures and labels of a split, checked; downloaded if they are missing.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import check_integrity

    known, raw = dict(FashionMNIST.resources), root / "FashionMNIST" / "raw"
    if not all((raw / file).exists() for file in known):
        if not download:
            raise missing_error("Fashion-MNIST", raw, "downloads are switched off")
        with download_folder("Fashion-MNIST", raw, root) as partial:
            FashionMNIST(str(partial), download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for file in known:
                path = partial / "FashionMNIST" / "raw" / file
                path.replace(raw / file)
    prefix = "t10k" if split == "test" else "train"
    files = [raw / file for file in known if file.startswith(prefix)]
    for path in files:
        if not check_integrity(str(path), known[path.name]):
            raise DataDamagedError(f"{path} is damaged: delete it to download it again.")
    return files


@register("fashion", find=find, cached=False)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The pictures of a split; 5,000 of the training set are held out for validation."""
    contents = (gzip.decompress(path.read_bytes()) for path in files)
    images, labels = (
        torch.tensor(np.frombuffer(content, np.uint8, offset=header))
        for content, header in zip(contents, HEADERS, strict=True)
    )
    return hold_out(name, split, images.reshape(-1, FRAME_SIZE, FRAME_SIZE), labels.long())
