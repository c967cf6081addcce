"""A line of pieces as a semi-Markov model: every way to divide it into digits, and its price.

A way is a row of steps from border to border, each a candidate or a joint between two digits. The
price of a step is linear in its features; the weight of a way is e to the minus of its price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitlib.models.prediction import Prediction
from digitlib.preprocessing.segmentation import BORDER, FORM, Candidate, Line

# What the network says of a candidate, of any and of those cut off from their neighbors; the
# rest of the features are those of its form and of the border after it.
READ = "digit", "one", "thin", "unsure", "doubt", "confidence"
READ_CUT = "cut off", "cut off twice", "unsure, cut off", "doubt, cut off"
FEATURES = (*READ, *READ_CUT, *FORM, *BORDER, "joint")
THIN = 0.45  # line heights: digits other than 1 are usually wider
SURE = 8.0  # of a score above the threshold; more makes nothing cheaper
LEAST = 1e-6  # probability that no digit is less likely than


@dataclass(frozen=True)
class Lattice:
    """The steps of a line; its candidates come first, in their order.

    Attributes:
        count: number of pieces.
        start, stop: the border before each step and that after it, ``[S]``.
        features: ``FEATURES``, ``[S, F]``.
        digits: the most probable digit of each candidate, -1 for joints, ``[S]``.
    """

    count: int
    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    features: NDArray[np.float64]
    digits: NDArray[np.intp]

    @classmethod
    def of(cls, line: Line, predictions: Sequence[Prediction]) -> Lattice:
        """The lattice of a line whose candidates the network has read."""
        joints = np.flatnonzero(line.skippable)
        candidates = line.candidates
        start = np.array([*(each.start for each in candidates), *joints], np.intp)
        stop = np.array([*(each.stop for each in candidates), *(joints + 1)], np.intp)
        digits = np.full(len(start), -1)
        digits[: len(candidates)] = [each.digit for each in predictions]
        features = np.zeros((len(start), len(FEATURES)))
        features[: len(candidates), : -len(BORDER) - 1] = [
            [*_read(prediction, each, line), *each.form]
            for each, prediction in zip(candidates, predictions, strict=True)
        ]
        features[:, -len(BORDER) - 1 : -1] = line.borders[stop]
        features[len(candidates) :, -1] = 1
        return cls(len(line.pieces), start, stop, features, digits)

    def best_way(self, prices: NDArray[np.float64]) -> list[int]:
        """The steps of the cheapest way, joints among them."""
        least = np.full(self.count + 1, np.inf)
        least[0] = 0
        came = np.full(self.count + 1, -1)
        for step in np.argsort(self.stop, kind="stable"):
            price = least[self.start[step]] + prices[step]
            if price < least[self.stop[step]]:
                least[self.stop[step]], came[self.stop[step]] = price, step
        way, place = [], self.count
        while place:
            way.append(int(came[place]))
            place = int(self.start[came[place]])
        return way[::-1]

    def shares(self, prices: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """The share of each step in the weight of all ways, ``[S]``, and its logarithm."""
        before, after = np.full((2, self.count + 1), -np.inf)
        before[0] = after[-1] = 0
        for step in np.argsort(self.stop, kind="stable"):
            a, b = self.start[step], self.stop[step]
            before[b] = np.logaddexp(before[b], before[a] - prices[step])
        for step in np.argsort(-self.start, kind="stable"):
            a, b = self.start[step], self.stop[step]
            after[a] = np.logaddexp(after[a], after[b] - prices[step])
        total = before[-1]
        return np.exp(before[self.start] - prices + after[self.stop] - total), float(total)


def _read(prediction: Prediction, candidate: Candidate, line: Line) -> list[float]:
    """Features ``READ`` and ``READ_CUT`` of a candidate."""
    above = prediction.score - prediction.threshold
    unsure = SURE - min(max(above, 0), SURE)
    doubt = float(np.logaddexp(0, -above))
    one, thin = prediction.digit == 1, narrowness(prediction, candidate, line)
    ends = int(line.touching[[candidate.start, candidate.stop]].sum())
    off = min(ends, 1)
    wrong = -float(np.log(max(prediction.confidence, LEAST)))
    return [1, one, thin, unsure, doubt, wrong, off, ends == 2, off * unsure, off * doubt]


def narrowness(prediction: Prediction, candidate: Candidate, line: Line) -> float:
    """By how many line heights a candidate, no 1, is narrower than digits usually are."""
    width = (candidate.bounds[2] - candidate.bounds[0]) / line.height
    return 0.0 if prediction.digit == 1 else max(THIN - width, 0)
