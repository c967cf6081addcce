"""Labeled pen drawings, and data sets made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from digitlib.datasets.base import BAR_DELAY, DigitData
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import frames_to_images


@dataclass(frozen=True)
class PenDrawing:
    """One labeled drawing.

    Attributes:
        strokes: ``(n, 2)`` arrays of points, x right, y down, any unit.
        label: 0 to 9, or ``base.NO_DIGIT``.
        writer: number of the writer, -1 if there is none.
        character: the character written, if it is known; a digit's is its label.
    """

    strokes: list[NDArray[np.float64]]
    label: int
    writer: int
    character: str = ""


def extent(drawing: strokes.Strokes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest and the largest x and y of the strokes of a drawing, ``[2]`` each."""
    points = np.concatenate(drawing)
    return points.min(axis=0), points.max(axis=0)


def pen_data(name: str, split: str, drawings: Sequence[PenDrawing]) -> DigitData:
    """Render pen drawings as frames at the default pen width, and keep their strokes."""
    kept = [strokes.drop_stray_taps(drawing.strokes) for drawing in drawings]
    shown = tqdm(kept, f"{name} {split}", delay=BAR_DELAY, leave=False)
    images = torch.from_numpy(np.stack([frames_to_images(strokes.render(each)) for each in shown]))
    labels = torch.tensor([drawing.label for drawing in drawings])
    writers = torch.tensor([drawing.writer for drawing in drawings])
    characters = torch.tensor([ord(drawing.character or "\0") for drawing in drawings])
    return DigitData(name, split, images, labels, writers, characters, kept)
