"""Drawings that networks misread, grouped in families by what is odd about them, to be looked at.

A family follows from the drawing itself (a stray mark, a stroke that is missing) or from what the
networks take it for, never from the number of a drawing: other networks, other families.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from digitlib.datasets.unipen import PenDigit
from digitlib.evaluation.handwriting import Predictions
from digitlib.preprocessing.frame import FRAME_SIZE
from digitlib.preprocessing.strokes import Strokes, validate_strokes

STRAY, OPEN, LABEL, REST = "stray mark", "open four", "label in doubt", "one of a kind"
EXPLAINED = {
    STRAY: "A small mark lies far from the digit; it counts as ink and makes the digit smaller.",
    OPEN: "The four is one stroke that never crosses itself: its second stroke is missing, or was "
    "never meant. What is left has the outline of another digit.",
    LABEL: "Every network reads the same other digit and is sure of it. Look whether the label is "
    "right, or the drawing so far from its digit that people would err too.",
    (9, 3): "The nine's loop is small or filled and its tail a wide hook, as a three has it.",
    (1, 7): "The one has a long upstroke, which makes the angle of a seven.",
    (1, 4): "The one's upstroke runs close along its stem, as the arm of a closed four.",
    (1, 9): "The one's upstroke closes with its stem to a small loop.",
    (4, 9): "The four is closed at its top, as a nine.",
    (4, 6): "The four's arm curls at the foot, as the bowl of a six.",
    (7, 2): "The seven's cross-bar lies low, where a two has its foot.",
    (7, 9): "The seven's beginning curls to a loop.",
    REST: "No group of them is alike.",
}
SURE = 0.9  # probability from which a network counts as sure
FEW = 3  # so many mistakes of the same two digits make a family


def crossings(strokes: Strokes) -> int:
    """How often pen strokes cross, themselves or each other; touching is no crossing."""
    starts, stops = [], []
    for stroke in validate_strokes(strokes):
        moved = np.concatenate([[True], (np.diff(stroke, axis=0) != 0).any(axis=1)])
        starts.append(stroke[moved][:-1])
        stops.append(stroke[moved][1:])
    first, last = np.concatenate(starts), np.concatenate(stops)

    def side(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """On which side of each segment (rows) each point (columns) lies: -1, 0 or 1."""
        along = (last - first)[:, None]
        off = points[None] - first[:, None]
        return np.sign(along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])

    parted = side(first) * side(last) < 0  # the segment of the column ends on both sides
    return int(np.triu(parted & parted.T).sum())


def has_stray_mark(strokes: Strokes, *, size: float = 0.2, gap: float = 0.2) -> bool:
    """Whether a stroke is small and far from the others, both as shares of the drawing's size."""
    arrays = validate_strokes(strokes)
    extent = float(np.ptp(np.concatenate(arrays), axis=0).max())
    for n, stroke in enumerate(arrays):
        rest = arrays[:n] + arrays[n + 1 :]
        if not rest or np.ptp(stroke, axis=0).max() > size * extent:
            continue
        apart = stroke[:, None] - np.concatenate(rest)[None]
        if np.hypot(apart[..., 0], apart[..., 1]).min() > gap * extent:
            return True
    return False


def families(
    drawings: Sequence[PenDigit], readings: Mapping[str, Predictions]
) -> dict[str, dict[str, list[int]]]:
    """Group the drawings that networks misread: family → network → rows, largest families first.

    The first that fits: a stray mark; a four without its stem; a label in doubt; at least ``FEW``
    mistakes of any network with the same true and read digit (``9 read as 3``); the rest.
    """
    wrong = {name: np.flatnonzero(~reading.right) for name, reading in readings.items()}
    rows = sorted({int(row) for each in wrong.values() for row in each})
    known = {row: _family(drawings[row], row, readings) for row in rows}
    pairs = {
        name: [(drawings[row].label, int(readings[name].predicted[row])) for row in map(int, each)]
        for name, each in wrong.items()
    }
    often = {
        pair
        for name, each in pairs.items()
        for pair, times in Counter(
            pair for pair, row in zip(each, wrong[name], strict=True) if not known[int(row)]
        ).items()
        if times >= FEW
    }
    found: dict[str, dict[str, list[int]]] = {}
    for name, each in pairs.items():
        for pair, row in zip(each, map(int, wrong[name]), strict=True):
            family = known[row] or (f"{pair[0]} read as {pair[1]}" if pair in often else REST)
            found.setdefault(family, {n: [] for n in readings})[name].append(row)
    size = {family: sum(map(len, each.values())) for family, each in found.items()}
    order = sorted(found, key=lambda family: (family == REST, -size[family], family))
    return {family: found[family] for family in order}


def _family(digit: PenDigit, row: int, readings: Mapping[str, Predictions]) -> str:
    """The family that a drawing belongs to whoever misreads it; none is an empty name."""
    if has_stray_mark(digit.strokes):
        return STRAY
    if digit.label == 4 and len(digit.strokes) == 1 and not crossings(digit.strokes):
        return OPEN
    seen = {int(reading.predicted[row]) for reading in readings.values()}
    sure = min(float(reading.probabilities[row].max()) for reading in readings.values())
    doubted = len(readings) > 1 and len(seen) == 1 and digit.label not in seen and sure >= SURE
    return LABEL if doubted else ""


def blame(
    photos: Mapping[str, Predictions],
    strokes: Mapping[str, Predictions],
    rows: NDArray[np.integer[Any]],
) -> dict[str, dict[str, int]]:
    """Misread photos by what is at fault, for each network that has read the strokes too.

    Args:
        photos: readings of photos ``[M]``.
        strokes: readings of all drawings as strokes ``[N]``.
        rows: which of the drawings the photos show ``[M]``.

    Returns:
        name → ``photo``, drawings that are read as strokes, and ``hand``, those that are not.
    """
    found = {}
    for name, reading in strokes.items():
        wrong, read = ~photos[name].right, reading.right[rows]
        found[name] = {"photo": int((wrong & read).sum()), "hand": int((wrong & ~read).sum())}
    return found


def describe(
    found: Mapping[str, Mapping[str, Sequence[int]]], drawings: Sequence[PenDigit]
) -> list[str]:
    """A sentence or two on each family, with counts, as items of a Markdown list."""
    items = []
    for family, each in found.items():
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in each.items())
        key = (int(family[0]), int(family[-1])) if " read as " in family else family
        text = EXPLAINED.get(key, "The two digits share most of their outline.")
        rows = {row for own in each.values() for row in own}
        (writer, most), *_ = Counter(drawings[row].writer for row in rows).most_common(1)
        if len(rows) >= FEW and 2 * most > len(rows):
            text += f" {most} of these {len(rows)} drawings are by writer {writer}."
        items.append(f"- **{family}** ({counts}): {text}")
    return items


def rows_of(found: Mapping[str, Mapping[str, Sequence[int]]], count: int) -> dict[str, list[int]]:
    """Up to ``count`` drawings of each family, whoever misreads them, to be shown."""
    return {
        family: sorted({row for own in each.values() for row in own})[:count]
        for family, each in found.items()
    }


def thumbnails(images: Iterable[Image.Image], side: int = 4 * FRAME_SIZE) -> NDArray[np.uint8]:
    """Pictures as grey squares ``[N, side, side]``, whole, the rest white."""
    squares = [
        ImageOps.pad(image.convert("L"), (side, side), color=255, centering=(0.5, 0.5))
        for image in images
    ]
    return np.stack([np.asarray(square) for square in squares])


def enlarge(frames: NDArray[np.uint8], times: int = 4) -> NDArray[np.uint8]:
    """Frames ``[N, 28, 28]`` with every pixel repeated, to stand beside :func:`thumbnails`."""
    return frames.repeat(times, axis=1).repeat(times, axis=2)
