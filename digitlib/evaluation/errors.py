"""Misread drawings, grouped by a computed cause or by the pair of true and predicted digit.

A cause follows from the drawing (a stray mark, a missing stroke) or from the predictions (a label
in doubt), never from the number of a drawing, so it holds for other networks, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from digitlib.datasets.pen import PenDrawing
from digitlib.evaluation.compare import Predictions
from digitlib.preprocessing.frame import FRAME_SIZE
from digitlib.preprocessing.strokes import Strokes, validate_strokes

STRAY, UNCROSSED, DOUBTED, OTHER = (
    "stray mark", "four without a crossing", "label in doubt", "other",
)  # fmt: skip
CONFIDENT = 0.9  # least probability of every network where a label is in doubt
STRAY_SIZE, STRAY_GAP = 0.2, 0.2  # of a stray mark: at most, at least; shares of the drawing's size
ENLARGED = 4  # times a frame's pixels, in figures
ROUNDS = 2000  # of dealing out mistakes at random
FREQUENT = 3  # least number of mistakes with the same two digits that make a group

Groups = dict[str, dict[str, list[int]]]  # group → network → rows of drawings


def crossings(strokes: Strokes) -> int:
    """Number of points where pen strokes cross, themselves or each other, without touching."""
    starts, stops = [], []
    for stroke in validate_strokes(strokes):
        moved = np.concatenate([[True], (np.diff(stroke, axis=0) != 0).any(axis=1)])
        starts.append(stroke[moved][:-1])
        stops.append(stroke[moved][1:])
    first, last = np.concatenate(starts), np.concatenate(stops)

    def side(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The side of each segment (rows) on which each point (columns) lies: -1, 0 or 1."""
        along = (last - first)[:, None]
        off = points[None] - first[:, None]
        return np.sign(along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])

    parted = side(first) * side(last) < 0  # the segment of the column ends on both sides
    return int(np.triu(parted & parted.T).sum())


def has_stray_mark(strokes: Strokes) -> bool:
    """Whether a stroke is small and far from the others."""
    arrays = validate_strokes(strokes)
    extent = float(np.ptp(np.concatenate(arrays), axis=0).max())
    for n, stroke in enumerate(arrays):
        rest = arrays[:n] + arrays[n + 1 :]
        if not rest or np.ptp(stroke, axis=0).max() > STRAY_SIZE * extent:
            continue
        apart = stroke[:, None] - np.concatenate(rest)[None]
        if np.hypot(apart[..., 0], apart[..., 1]).min() > STRAY_GAP * extent:
            return True
    return False


def group_errors(drawings: Sequence[PenDrawing], predictions: Mapping[str, Predictions]) -> Groups:
    """Group the drawings that networks misread, the largest group first.

    The first group that fits: a computed cause (:func:`cause`); a pair of true and predicted
    digit with at least ``FREQUENT`` such mistakes of one network; ``OTHER``, which comes last.
    """
    rows = [
        (name, row, cause(drawings[row], row, predictions),
         (drawings[row].label, int(found.predicted[row])))
        for name, found in predictions.items()
        for row in map(int, np.flatnonzero(~found.right))
    ]  # fmt: skip
    pairs = Counter((name, pair) for name, _, known, pair in rows if not known)
    frequent = {pair for (_, pair), count in pairs.items() if count >= FREQUENT}
    groups: Groups = {}
    for name, row, known, pair in rows:
        group = known or ("{} read as {}".format(*pair) if pair in frequent else OTHER)
        groups.setdefault(group, {n: [] for n in predictions})[name].append(row)
    size = {group: sum(map(len, each.values())) for group, each in groups.items()}
    order = sorted(groups, key=lambda group: (group == OTHER, -size[group], group))
    return {group: groups[group] for group in order}


def cause(digit: PenDrawing, row: int, predictions: Mapping[str, Predictions]) -> str:
    """The computed cause of a mistake, the same for all networks; empty where there is none."""
    if has_stray_mark(digit.strokes):
        return STRAY
    if digit.label == 4 and len(digit.strokes) == 1 and not crossings(digit.strokes):
        return UNCROSSED
    seen = {int(found.predicted[row]) for found in predictions.values()}
    least = min(float(found.probabilities[row].max()) for found in predictions.values())
    agree = len(predictions) > 1 and len(seen) == 1 and digit.label not in seen
    return DOUBTED if agree and least >= CONFIDENT else ""


def group_table(groups: Groups, drawings: Sequence[PenDrawing]) -> pd.DataFrame:
    """Mistakes of each network, and the share of the most frequent writer, by group."""
    table = {}
    for group, each in groups.items():
        writers = Counter(drawings[row].writer for row in set().union(*each.values()))
        (writer, most), *_ = writers.most_common(1)
        table[group] = {name: len(rows) for name, rows in each.items()} | {
            "drawings": writers.total(),
            "of one writer": f"{most} (writer {writer})",
        }
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("group")


def group_rows(groups: Groups, count: int) -> dict[str, list[int]]:
    """Up to ``count`` drawings of each group, of all networks together."""
    return {name: sorted(set().union(*each.values()))[:count] for name, each in groups.items()}


def photo_errors(
    photos: Predictions, strokes: Predictions, rows: NDArray[np.integer[Any]]
) -> dict[str, int]:
    """Misread photos, by whether the same network reads the same drawings as strokes.

    Args:
        photos: predictions for photos ``[M]``.
        strokes: predictions for all drawings as strokes ``[N]``.
        rows: which of the drawings the photos show ``[M]``.
    """
    wrong, read = ~photos.right, strokes.right[rows]
    return {"photo only": int((wrong & read).sum()), "strokes too": int((wrong & ~read).sum())}


def thumbnails(images: Iterable[Image.Image]) -> NDArray[np.uint8]:
    """Pictures as grey squares ``[N, 112, 112]``, uncropped, with white margins."""
    side = ENLARGED * FRAME_SIZE
    squares = [
        ImageOps.pad(image.convert("L"), (side, side), color=255, centering=(0.5, 0.5))
        for image in images
    ]
    return np.stack([np.asarray(square) for square in squares])


def enlarge(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames ``[N, 28, 28]`` with every pixel repeated, of the size of :func:`thumbnails`."""
    return frames.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)


def writers_hit(wrong: NDArray[np.bool_], writers: NDArray[np.integer[Any]]) -> dict[str, float]:
    """How many writers have a mistake, and how many would if mistakes fell on digits at random.

    Args:
        wrong: mistakes, bool ``[N]``.
        writers: numbers ``[N]``.

    Returns:
        ``mistakes``, ``writers`` with any; of the random rounds the mean number of writers,
        ``expected``, and ``low`` and ``high``, between which 95 % of the numbers lie.
    """
    random = np.random.RandomState(0)
    dealt = [len(np.unique(writers[random.permutation(wrong)])) for _ in range(ROUNDS)]
    low, high = np.percentile(dealt, (2.5, 97.5))
    return {
        "mistakes": int(wrong.sum()),
        "writers": len(np.unique(writers[wrong])),
        "expected": float(np.mean(dealt)),
        "low": float(low),
        "high": float(high),
    }
