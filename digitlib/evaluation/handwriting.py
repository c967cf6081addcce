"""Test sets of handwriting: pen strokes, tremor, low-resolution scans, and simulated pictures.

The same drawings are given as strokes, as pictures of a canvas, as photos of paper and as other
kinds of pictures. Each picture becomes a frame by digitlib's preprocessing and by the baseline
preprocessing, which separates the contributions of preprocessing and network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from digitlib.datasets import augment, picture_kinds, pictures, rendering, sample
from digitlib.datasets.base import DigitData
from digitlib.datasets.pen import PenDrawing
from digitlib.errors import BlankDrawingError
from digitlib.evaluation.compare import known_writers
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, baseline_frame, to_frame

PREPROCESSINGS = {"digitlib": to_frame, "baseline": baseline_frame}

# Of a canvas of 280 × 280 px: the brush, and the digit's longer side, px.
BRUSHES, HEIGHTS = (6, 10, 14, 20, 28), (60, 100, 150, 200, 250)
DEFAULT_CANVAS = (14, 150)

SCANS = "8×8 scans"
MORE_KINDS = f"{len(picture_kinds.KINDS)} more kinds"


# --- test sets -----------------------------------------------------------------------------


@dataclass(frozen=True)
class DigitSet:
    """Digits as frames of one or several preprocessings, with labels.

    Attributes:
        frames: preprocessing → uint8 ``[N, 28, 28]``; all 0 where no ink was found.
        labels: int ``[N]``.
        planes: of pen strokes, float32 ``[N, 3, 28, 28]``, for digitlib's frames; else None.
        groups: numbers ``[N]`` of writers or drawings whose digits are not independent, or None.
        unit: of the groups: ``writers`` or ``drawings``.
    """

    frames: Mapping[str, Tensor]
    labels: NDArray[np.integer[Any]]
    planes: Tensor | None = None
    groups: NDArray[np.integer[Any]] | None = None
    unit: str = "writers"

    @classmethod
    def of_frames(cls, data: DigitData) -> DigitSet:
        """A data set whose frames are made already; pen data as strokes."""
        planes = None if data.points is None else rendering.drawn_planes(data)
        groups = known_writers(data)
        return cls({"digitlib": data.images}, data.labels.numpy(), planes, groups)

    @classmethod
    def of_pictures(
        cls,
        images: Iterable[Image.Image],
        labels: Sequence[int] | NDArray[np.integer[Any]],
        groups: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        unit: str = "writers",
    ) -> DigitSet:
        """Pictures, made into frames by every preprocessing."""
        frames: dict[str, list[Frame]] = {name: [] for name in PREPROCESSINGS}
        for image in images:
            for name, convert in PREPROCESSINGS.items():
                try:
                    frames[name].append(convert(image))
                except BlankDrawingError:
                    frames[name].append(np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8))
        stacked = {name: torch.from_numpy(np.stack(each)) for name, each in frames.items()}
        numbers = None if groups is None else np.array(groups, dtype=int)
        return cls(stacked, np.array(labels, dtype=int), None, numbers, unit)

    @classmethod
    def concatenate(cls, sets: Sequence[DigitSet]) -> DigitSet:
        """Pictures with the same preprocessings and kind of groups, one set after the other."""
        frames = {name: torch.cat([each.frames[name] for each in sets]) for name in sets[0].frames}
        groups = [each.groups for each in sets if each.groups is not None]
        labels = np.concatenate([each.labels for each in sets])
        joined = np.concatenate(groups) if len(groups) == len(sets) else None
        return cls(frames, labels, None, joined, sets[0].unit)


def sample_rows(total: int, count: int, seed: int = 0) -> NDArray[np.integer[Any]]:
    """``count`` of ``total`` rows at random, rising; all where there are no more."""
    return np.sort(RandomState(seed).permutation(total)[:count])


def low_resolution_scans(count: int | None, seed: int = 0) -> DigitSet:
    """``count`` of scikit-learn's digits (None is all): 13 writers, 8x8 px."""
    images, labels = sample.sample_pictures()
    rows = sample_rows(len(labels), count or len(labels), seed)
    return DigitSet.of_pictures((images[row] for row in rows), labels[rows])


def with_tremor(pens: DigitData, seed: int = 0) -> DigitSet:
    """Pen strokes that tremble, start late, end early, are stretched and turned."""
    assert pens.points is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        points = augment.add_tremor(pens.points)
    rendered = rendering.render_data(replace(pens, points=points))
    frames = (rendered[:, 0] * 255).round().to(torch.uint8)
    labels = pens.labels.numpy()
    return DigitSet({"digitlib": frames}, labels, rendered[:, 1:], known_writers(pens))


# Ways of drawing the same picture: shares of strokes reversed, of drawings whose strokes come in
# another order, and of drawings in four pieces.
OTHER_WAYS = {
    "each stroke reversed": (1.0, 0.0, 0.0),
    "strokes in another order": (0.0, 1.0, 0.0),
    "four pieces, in any order and direction": (0.5, 1.0, 1.0),
}


def drawn_other_ways(pens: DigitData, seed: int = 0) -> dict[str, DigitSet]:
    """The same drawings as other hands draw them, by name; frames are the same, planes are not."""
    assert pens.points is not None
    assert pens.stroke_numbers is not None
    sets = {}
    for name, (reverse, shuffle, split) in OTHER_WAYS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            numbers = augment.split_strokes(pens.stroke_numbers, split)
            points, numbers = augment.reorder_strokes(
                pens.points, numbers, reverse=reverse, shuffle=shuffle
            )
        sets[name] = DigitSet.of_frames(replace(pens, points=points, stroke_numbers=numbers))
    return sets


def canvas_set(
    drawings: Sequence[PenDrawing], brush: int = DEFAULT_CANVAS[0], height: int = DEFAULT_CANVAS[1]
) -> DigitSet:
    """Pictures of the drawings on a canvas of 280 × 280 px, with this brush and height (px)."""
    return DigitSet.of_pictures(
        (pictures.canvas(each.strokes, brush=brush, height=height) for each in drawings),
        [drawing.label for drawing in drawings],
        [drawing.writer for drawing in drawings],
    )


def canvas_sets(drawings: Sequence[PenDrawing]) -> dict[tuple[int, int], DigitSet]:
    """Pictures of the drawings on a canvas, by brush and height (px)."""
    return {pair: canvas_set(drawings, *pair) for pair in product(BRUSHES, HEIGHTS)}


def photo(drawings: Sequence[PenDrawing], row: int, seed: int = 0) -> Image.Image:
    """The photo of one drawing: light, paper and pen follow from ``seed`` and the row."""
    return pictures.photo(drawings[row].strokes, int(RandomState([seed, row]).randint(2**31)))


def photo_set(drawings: Sequence[PenDrawing], seed: int = 0) -> DigitSet:
    """A photo of each drawing."""
    images = (photo(drawings, row, seed) for row in range(len(drawings)))
    writers = [drawing.writer for drawing in drawings]
    return DigitSet.of_pictures(images, [drawing.label for drawing in drawings], writers)


def picture_kind_sets(drawings: Sequence[PenDrawing], seed: int = 0) -> dict[str, DigitSet]:
    """Pictures of the drawings, by kind of :mod:`picture_kinds`."""
    labels = [drawing.label for drawing in drawings]
    seeds = [number % 2**32 for number in range(1000 * seed, 1000 * seed + len(drawings))]
    return {
        kind: DigitSet.of_pictures(
            (picture_kinds.make(kind, drawing.strokes, number)
             for drawing, number in zip(drawings, seeds, strict=True)),
            labels, range(len(drawings)), "drawings",
        )
        for kind in picture_kinds.KINDS
    }  # fmt: skip
