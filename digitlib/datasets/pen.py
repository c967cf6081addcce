"""Labeled pen drawings, and data sets made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from digitlib.datasets.base import BAR_DELAY, DigitData, pack, unpack
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


def pack_strokes(drawings: Sequence[PenDrawing]) -> dict[str, Tensor]:
    """Pen drawings as tensors, see :func:`base.pack`, with what is known about them."""
    return pack([drawing.strokes for drawing in drawings]) | _labels(drawings)


def unpack_strokes(tensors: dict[str, Tensor]) -> list[PenDrawing]:
    """Undo :func:`pack_strokes`; the strokes are read-only."""
    about = (tensors[name].tolist() for name in ("labels", "writers", "characters"))
    return [
        PenDrawing(drawn, label, writer, chr(code) if code else "")
        for drawn, label, writer, code in zip(unpack(tensors), *about, strict=True)
    ]


def _labels(drawings: Sequence[PenDrawing]) -> dict[str, Tensor]:
    """Labels, writers, and Unicode code points of the characters, 0 if unknown."""
    return {
        "labels": torch.tensor([drawing.label for drawing in drawings]),
        "writers": torch.tensor([drawing.writer for drawing in drawings]),
        "characters": torch.tensor([ord(drawing.character or "\0") for drawing in drawings]),
    }


def pen_data(name: str, split: str, drawings: Sequence[PenDrawing]) -> DigitData:
    """Render pen drawings as frames at the default pen width, and keep their strokes."""
    kept = [strokes.drop_stray_taps(drawing.strokes) for drawing in drawings]
    shown = tqdm(kept, f"{name} {split}", delay=BAR_DELAY, leave=False)
    images = torch.from_numpy(np.stack([frames_to_images(strokes.render(each)) for each in shown]))
    return DigitData(name, split, images, **_labels(drawings), strokes=kept)
