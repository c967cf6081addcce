"""The data set ``sample``: 1,797 small digits that come with scikit-learn.

They are the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak,
CC BY 4.0): 13 writers filled in forms, which were scanned and reduced to 8x8.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets.base import DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.mnist import SPLIT_SEED
from digitlib.preprocessing.frame import frames_to_images, ink_to_frame


def sample_pictures() -> tuple[list[Image.Image], NDArray[np.int64]]:
    """The digits as 96x96 px pictures, dark ink on light paper, and their labels ``[1797]``."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)  # [1797, 64], 0-16
    small = [
        Image.fromarray(255 - np.pad(np.rint(image * 255 / 16), 2).astype(np.uint8))
        for image in images.reshape(-1, 8, 8)
    ]
    pictures = [page.resize((96, 96), Image.Resampling.BICUBIC) for page in small]
    return pictures, targets.astype(np.int64)


@register("sample")
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The digits of a split, drawn at random: 1,297 to train, 200 to validate, 300 to test."""
    pictures, targets = sample_pictures()
    inks = [(255 - np.asarray(picture, np.float32)) / 255 for picture in pictures]
    frames = np.stack([ink_to_frame(ink) for ink in inks])
    images = torch.from_numpy(frames_to_images(frames))
    whole = DigitData(name, split, images, torch.from_numpy(targets))
    order = np.random.RandomState(SPLIT_SEED).permutation(len(targets))
    bounds = {"validation": slice(0, 200), "test": slice(200, 500), "train": slice(500, None)}
    return whole.select(torch.from_numpy(np.sort(order[bounds[split]])))
