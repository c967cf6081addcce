"""Labeled pen drawings, and data sets made of them: frames, samples, stroke numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from digitlib.datasets.base import BAR_DELAY, DigitData
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import BOX_SIZE, frames_to_images

PEN_SAMPLES = 128  # points kept of a drawing; most digits need fewer
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
    """Pen drawings as tensors: all points in one ``[P, 2]``, with the lengths of the strokes."""
    every = [stroke for drawing in drawings for stroke in drawing.strokes]
    return {
        "points": torch.from_numpy(np.concatenate(every)),
        "points_of_stroke": torch.tensor([len(stroke) for stroke in every]),
        "strokes_of_drawing": torch.tensor([len(drawing.strokes) for drawing in drawings]),
        **_labels(drawings),
    }


def unpack_strokes(tensors: dict[str, Tensor]) -> list[PenDrawing]:
    """Undo :func:`pack_strokes`; the strokes are read-only."""
    points, *counts = (
        tensors[name].numpy() for name in ("points", "points_of_stroke", "strokes_of_drawing")
    )
    points.flags.writeable = False
    every = iter(np.split(points, np.cumsum(counts[0])[:-1]))
    about = (tensors[name].tolist() for name in ("labels", "writers", "characters"))
    return [
        PenDrawing([next(every) for _ in range(count)], label, writer, chr(code) if code else "")
        for count, label, writer, code in zip(counts[1].tolist(), *about, strict=True)
    ]


def _labels(drawings: Sequence[PenDrawing]) -> dict[str, Tensor]:
    """Labels, writers, and Unicode code points of the characters, 0 if unknown."""
    return {
        "labels": torch.tensor([drawing.label for drawing in drawings]),
        "writers": torch.tensor([drawing.writer for drawing in drawings]),
        "characters": torch.tensor([ord(drawing.character or "\0") for drawing in drawings]),
    }


def pen_data(name: str, split: str, drawings: Sequence[PenDrawing]) -> DigitData:
    """Render pen drawings as frames at the default pen width, and keep their samples."""
    kept = [strokes.drop_stray_taps(drawing.strokes) for drawing in drawings]
    shown = tqdm(kept, f"{name} {split}", delay=BAR_DELAY, leave=False)
    samples = [_fixed_length(*resample(drawing)) for drawing in kept]
    points, numbers = (np.stack(each) for each in zip(*samples, strict=True))
    return DigitData(
        name,
        split,
        torch.from_numpy(np.stack([frames_to_images(strokes.render(each)) for each in shown])),
        **_labels(drawings),
        points=torch.from_numpy(points),
        stroke_numbers=torch.from_numpy(numbers),
    )


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


def _fixed_length(
    points: NDArray[np.float32], numbers: NDArray[np.int16]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """``PEN_SAMPLES`` of them: the last one repeated, or evenly spaced ones left out.

    The stroke number of a repeated sample is -1.
    """
    last = len(points) - 1
    if last >= PEN_SAMPLES:
        rows = np.linspace(0, last, PEN_SAMPLES).round().astype(int)
        return points[rows], numbers[rows]
    number = np.arange(PEN_SAMPLES)
    rows = np.minimum(number, last)
    return points[rows], np.where(number > last, np.int16(-1), numbers[rows])
