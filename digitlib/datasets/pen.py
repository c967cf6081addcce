"""Labeled pen drawings, and data sets made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from digitlib.datasets.base import BAR_DELAY, DigitData, pack, unpack
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import BOX_SIZE, frames_to_images

SPACING = 0.5 / BOX_SIZE  # between samples along a stroke, times the drawing's longer side
MANY = 2**15  # samples; of long drawings they are farther apart


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


def resample(drawing: strokes.Strokes) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Sample strokes evenly, ``SPACING`` apart, or farther if they are long.

    Returns:
        points ``[P, 2]``: the upper left corner of their bounding box is 0, 0, and its longer side
        has length 1; and the stroke number of each point, from 0, int16 ``[P]``.

    Raises:
        as :func:`strokes.render`.
    """
    arrays = strokes.validate_strokes(drawing)
    every = np.concatenate(arrays)
    low, side = every.min(axis=0), float(np.ptp(every, axis=0).max())
    arcs, units = [], [(stroke - low) * (1 / side if side else 0.0) for stroke in arrays]
    for unit in units:
        arcs.append(np.append(0, np.hypot(*np.diff(unit, axis=0).T).cumsum()))
    spacing = max(SPACING, sum(arc[-1] for arc in arcs) / MANY)
    samples = []
    for unit, arc in zip(units, arcs, strict=True):
        at = np.linspace(0, arc[-1], math.ceil(arc[-1] / spacing) + 1)
        samples.append(np.stack([np.interp(at, arc, column) for column in unit.T], axis=1))
    numbers = np.arange(len(samples), dtype=np.int16).repeat([*map(len, samples)])
    return np.concatenate(samples, dtype=np.float32, casting="same_kind"), numbers
