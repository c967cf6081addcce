"""The data sets ``drawings`` and ``no_digit_drawings``: drawings of the pad with their labels.

They are read from the file of stored drawings (:mod:`drawing_file`) as it is at the time. A
drawing's split depends on its id alone, so new drawings move no other.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.drawing_file import (
    SWITCHED_OFF,
    DrawingFile,
    DrawingFileError,
    drawings_folder,
)
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.preprocessing.frame import frames_to_images
from digitlib.preprocessing.strokes import drop_stray_taps

# Shares of all drawings; the others are ``train``.
VALIDATION, TEST = 0.2, 0.2
HOW = (
    "Draw in the pad (notebooks/01_draw.ipynb) and click the digit you meant. To use another "
    "folder, set the environment variable DIGITLIB_DRAWINGS."
)


def split_of(identity: str) -> str:
    """The split of the drawing with this id, by the id's digest as a number from 0 to 1."""
    share = int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16) / 2**32
    if share < VALIDATION:
        return "validation"
    return "test" if share < VALIDATION + TEST else "train"


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The file of stored drawings.

    Raises:
        DataMissingError: nothing is stored, or storing is switched off.
    """
    folder = drawings_folder(root)
    if folder is None:
        raise DataMissingError(SWITCHED_OFF)
    if not (path := DrawingFile(folder).path).is_file():
        raise DataMissingError(f"There are no drawings in {folder}. {HOW}")
    return [path]


@register("drawings", "no_digit_drawings", find=find, cached=False)  # deleted drawings are gone
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The digits of a split, or the drawings that show something else: strokes and pictures.

    Pictures among strokes have no strokes. A data set of pictures alone has ``strokes`` None.

    Raises:
        DataMissingError: there are none.
        DataDamagedError: the file or a drawing can't be read; the message has the drawing's id.
    """
    store = DrawingFile(files[0].parent)
    try:
        stored = store.read()
    except DrawingFileError as error:
        raise DataDamagedError(str(error)) from error
    if store.remark:
        warnings.warn(store.remark, stacklevel=3)
    drawings = [each for each in stored if (each.label == NO_DIGIT) == (name != "drawings")]
    chosen = [drawing for drawing in drawings if split_of(drawing.id) == split]
    if not chosen:
        count = "1 drawing" if len(drawings) == 1 else f"{len(drawings)} drawings"
        raise DataMissingError(
            f"{name} has no {split} split yet: {store.path} has {count} of its kind, "
            f"three fifths of them for train, a fifth each for validation and test. {HOW}"
        )
    frames = []
    for drawing in chosen:
        try:
            frames.append(drawing.frame())
        except ValueError as error:
            raise DataDamagedError(
                f"The drawing {drawing.id} can't be read: {error} Delete it in the pad's gallery."
            ) from error
    images = torch.from_numpy(frames_to_images(np.stack(frames)))
    labels = torch.tensor([drawing.label for drawing in chosen])
    strokes = [drop_stray_taps(each.points) if each.strokes else [] for each in chosen]
    return DigitData(name, split, images, labels, strokes=strokes if any(strokes) else None)
