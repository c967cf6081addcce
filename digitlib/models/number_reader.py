"""Lines of pieces become numbers: the groups that are digits are found by the best path.

Every group of neighboring pieces is read by the network, all in one batch; the cheapest way
through the lattice of all groups (:mod:`lattice`) is the number. A second small model, a logistic
regression, says how probably each of its digits is right; what is not sure enough is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from digitlib.models.lattice import FEATURES, Lattice, narrowness
from digitlib.models.prediction import BatchPrediction, Prediction
from digitlib.models.reading import Box, ReadDigit, Reading
from digitlib.preprocessing import segmentation, strokes
from digitlib.preprocessing.ink_pieces import segment_ink
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import read_gray, reduction
from digitlib.preprocessing.segmentation import Line
from digitlib.preprocessing.stroke_pieces import segment_strokes, thin

WEIGHTS = Path(__file__).with_name("numbers.json")  # of ``python -m digitlib fit-numbers``
EVIDENCE = "constant", "share", "confidence", "score", "touching", "thin", "low", "alone"
LOW = segmentation.FORM.index("low")
MAX_SCORE = 8.0  # of a score above or below the threshold; more says nothing more
LEAST = 1e-3  # that a share or probability is from 0 and 1, for their logit

SAME_PLACE = 0.7  # of the width over two candidates that they have in common
MANY = 5  # digits of a line that may be print
MAX_LETTERS = 0.25  # of such a line that the network takes for none; more, and it is no number …
LONG = 12  # … nor if half of so many places are ones or rejected
MIN_LINE = 0.55  # of the height of the highest number on the page; lower lines are print
SIDE, MARGIN, PEN = 640, 24, 6.0  # px of the picture of pen strokes


class Reader(Protocol):
    """What reading takes of a :class:`recognizer.Recognizer`."""

    threshold: float
    stroke_threshold: float
    takes_channels: bool

    def predict_batch(self, frames: Any, channels: Any = None) -> BatchPrediction:
        """Predictions of frames ``[N, 28, 28]``."""


@dataclass(frozen=True)
class Weights:
    """How strokes, or pictures, are divided and what of them is rejected.

    Attributes:
        prices: of the lattice's ``FEATURES``, ``[F]``.
        evidence: of ``EVIDENCE``, of a digit's being right, ``[E]``.
        certain: probability of being right below which a digit is rejected.
    """

    prices: NDArray[np.float64]
    evidence: NDArray[np.float64]
    certain: float

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Weights:
        """The weights of a part of the file."""
        return cls(
            np.array([stored["prices"][name] for name in FEATURES]),
            np.array([stored["evidence"][name] for name in EVIDENCE]),
            stored["certain"],
        )


@cache
def load_weights() -> dict[str, Weights]:
    """The fitted weights: of ``strokes`` and of ``pictures``."""
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {name: Weights.from_json(stored[name]) for name in ("strokes", "pictures")}


@dataclass(frozen=True)
class ReadLine:
    """A line whose candidates the network has read.

    Attributes:
        line: its pieces and candidates.
        predictions: of the candidates.
        lattice: of both.
    """

    line: Line
    predictions: list[Prediction]
    lattice: Lattice

    def divide(self, prices: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64]]:
        """The candidates of the cheapest way, and the share of each place's digit in all ways."""
        costs = self.lattice.features @ prices
        path = [step for step in self.lattice.best_way(costs) if self.lattice.digits[step] >= 0]
        shares = self.lattice.shares(costs)[0][: len(self.predictions)]
        return path, self._alike(shares, path)

    def _alike(self, shares: NDArray[np.float64], path: list[int]) -> NDArray[np.float64]:
        """Of each place: shares of the same digit at nearly the same place, ``[P]``."""
        left, _, right, _ = np.array([each.bounds for each in self.line.candidates]).T
        digits = self.lattice.digits[: len(shares)]
        summed = []
        for place in path:
            common = np.minimum(right, right[place]) - np.maximum(left, left[place])
            whole = np.maximum(right, right[place]) - np.minimum(left, left[place])
            same = (digits == digits[place]) & (common >= SAME_PLACE * whole)
            summed.append(min(float(shares[same].sum()), 1.0))
        return np.array(summed)

    def evidence(self, path: list[int], shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """What speaks for each candidate of a path: ``EVIDENCE``, ``[P, E]``."""
        alone = len(path) == 1
        return np.array([
            [*self._evidence(place, float(share)), alone]
            for place, share in zip(path, shares, strict=True)
        ])  # fmt: skip

    def _evidence(self, place: int, share: float) -> list[float]:
        candidate, prediction = self.line.candidates[place], self.predictions[place]
        touching = bool(self.line.touching[[candidate.start, candidate.stop]].any())
        above = prediction.score - prediction.threshold
        return [
            1.0, _logit(share), _logit(prediction.confidence),
            min(max(above, -MAX_SCORE), MAX_SCORE), touching,
            narrowness(prediction, candidate, self.line), float(candidate.form[LOW]),
        ]  # fmt: skip


def _logit(share: float) -> float:
    share = min(max(share, LEAST), 1 - LEAST)
    return float(np.log(share / (1 - share)))


def read(recognizer: Reader, source: Any) -> Reading:
    """As :meth:`Recognizer.read`."""
    if isinstance(source, list | tuple):
        drawing = thin(strokes.validate_strokes(source))
        lines = segment_strokes(drawing, recognizer.takes_channels)
        picture, extent = _picture(drawing)
        return _collect(recognizer, lines, "strokes", picture, extent)
    gray = read_gray(source)
    scale = reduction(source)
    lines = segment_ink(find_ink(gray))
    picture = np.rint(255 * gray.clip(0, 1)).astype(np.uint8)
    extent = 0.0, 0.0, float(gray.shape[1]), float(gray.shape[0])
    return _collect(recognizer, lines, "pictures", picture, extent, scale)


def _picture(arrays: list[NDArray[np.float64]]) -> tuple[NDArray[np.uint8], Box]:
    """Strokes in black on white, and the picture's bounds in their unit."""
    points = np.concatenate(arrays)
    low, high = points.min(axis=0), points.max(axis=0)
    size = max(float((high - low).max()), 1e-9)
    scale = (SIDE - 2 * MARGIN) / size
    wide, tall = (int(side) for side in np.ceil((high - low) * scale) + 2 * MARGIN)
    ink = strokes.rasterize([(a - low) * scale + MARGIN for a in arrays], (tall, wide), PEN)
    left, top = (low - MARGIN / scale).tolist()
    return (
        np.rint(255 * (1 - ink)).astype(np.uint8),
        (left, top, left + wide / scale, top + tall / scale),
    )


def _collect(
    recognizer: Reader, lines: Sequence[Line], kind: str, picture: NDArray[np.uint8], extent: Box,
    scale: int = 1,
) -> Reading:  # fmt: skip
    """The reading of the lines that are numbers; px of the ink become those of the picture."""
    weights = load_weights()[kind]
    found = [(each.line, places(each, weights)) for each in read_lines(recognizer, lines)]
    highest = max((line.height for line, own in found if _is_number(own)), default=0.0)
    digits: list[ReadDigit] = []
    ignored: list[Box] = []
    number = 0
    for line, own in found:
        alone = len(lines) == 1 and len(own) < MANY
        if alone or (_is_number(own) and line.height > MIN_LINE * highest):
            digits += [replace(e, line=number, box=_scaled(e.box, scale)) for e in own]
            number += 1
        else:
            ignored.append(_scaled(segmentation.union(line.pieces), scale))
    return Reading(tuple(digits), tuple(ignored), picture, _scaled(extent, scale))


def _scaled(box: Box, scale: int) -> Box:
    left, top, right, bottom = (scale * float(side) for side in box)
    return left, top, right, bottom


def _is_number(places: Sequence[ReadDigit]) -> bool:
    """Whether what stands in a line is mostly digits, some of them perhaps not sure."""
    letters = sum(each.prediction.rejected for each in places)
    if len(places) < MANY:
        return letters < len(places)
    if len(places) >= LONG:  # letters cut into their strokes are read as ones
        letters = sum(each.rejected or each.digit == 1 for each in places)
        return letters <= len(places) / 2
    return letters <= MAX_LETTERS * len(places)


def read_lines(recognizer: Reader, lines: Sequence[Line]) -> list[ReadLine]:
    """What the network says of each line's candidates; all are read in one batch."""
    candidates = [each for line in lines for each in line.candidates]
    if not candidates:
        return []
    frames = np.stack([each.frame for each in candidates])
    ways = [each.channels for each in candidates if each.channels is not None]
    channels = np.stack(ways) if ways else None  # of pen strokes, all have them
    found = recognizer.predict_batch(frames, channels)
    threshold = recognizer.threshold if channels is None else recognizer.stroke_threshold
    every = iter([
        Prediction(tuple(shares.tolist()), each.frame, float(score), threshold, each.channels)
        for shares, score, each in zip(found.probabilities, found.scores, candidates, strict=True)
    ])  # fmt: skip
    predicted = [(line, list(islice(every, len(line.candidates)))) for line in lines]
    return [ReadLine(line, own, Lattice.of(line, own)) for line, own in predicted]


def places(read_line: ReadLine, weights: Weights) -> list[ReadDigit]:
    """The digits of a line, from left to right, all with line number 0."""
    path, shares = read_line.divide(weights.prices)
    right = 1 / (1 + np.exp(-read_line.evidence(path, shares) @ weights.evidence))
    predictions = [read_line.predictions[place] for place in path]
    alone = len(path) == 1
    return [
        ReadDigit(
            prediction, read_line.line.candidates[place].bounds, 0, float(share),
            bool(probability < weights.certain or (alone and prediction.rejected)),
        )
        for prediction, place, share, probability in zip(
            predictions, path, shares, right, strict=True
        )
    ]  # fmt: skip
