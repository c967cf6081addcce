"""Predictions: of one drawing, with its display in notebooks, and of many frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.models.labels import NO_DIGIT
from digitlib.preprocessing.frame import Frame

if TYPE_CHECKING:
    from digitlib.models.memory import StoredDrawing


@dataclass(frozen=True)
class Prediction:
    """The result for one drawing.

    Attributes:
        probabilities: of the digits 0 to 9, 10 floats that sum to 1.
        frame: float32 ``[4, 28, 28]``, the input of the network.
        score: how much the drawing looks like a digit; higher is more.
        threshold: a drawing with a lower score is rejected.
        because: the stored drawing that decided, if the label would be different without the
            recognizer's memory; else None.
    """

    probabilities: tuple[float, ...]
    frame: Frame
    score: float
    threshold: float = -math.inf
    because: StoredDrawing | None = None

    @property
    def rejected(self) -> bool:
        """The drawing is probably not a digit."""
        return self.score < self.threshold

    @property
    def doubt(self) -> float:
        """Doubt that the drawing is a digit, 0-1: 0.5 at the threshold, more below it.

        If the score is the log-odds of being a digit, doubt is the odds against it, scaled to be
        even at the threshold. It is not a probability, which would depend on how often people draw
        something else.
        """
        return (1 - math.tanh((self.score - self.threshold) / 2)) / 2

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(np.argmax(self.probabilities))

    @property
    def label(self) -> int:
        """The most probable digit, or ``NO_DIGIT`` for a rejected drawing."""
        return NO_DIGIT if self.rejected else self.digit

    @property
    def confidence(self) -> float:
        """The probability of that digit, 0-1."""
        return max(self.probabilities)

    def top(self, k: int = 3) -> list[tuple[int, float]]:
        """The ``k`` most probable digits with their probabilities, best first."""
        if not 1 <= k <= len(self.probabilities):
            raise ValueError(f"k must be 1 to {len(self.probabilities)}, not {k}.")
        order = np.argsort(-np.asarray(self.probabilities), kind="stable")[:k]
        return [(int(digit), float(self.probabilities[digit])) for digit in order]

    def __repr__(self) -> str:
        best = ", ".join(f"{digit}: {share:.1%}" for digit, share in self.top(3))
        return f"Prediction({best}{', rejected' if self.rejected else ''})"

    def _repr_html_(self) -> str:
        from digitlib.models.display import prediction_html

        return prediction_html(self)


class BatchPrediction(NamedTuple):
    """Predictions for many frames.

    Attributes:
        probabilities: of the digits 0 to 9, float32 ``[N, 10]``.
        scores: how much each frame looks like a digit, float32 ``[N]``; higher is more.
        rejected: bool ``[N]``; the score is below the threshold.
    """

    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    rejected: NDArray[np.bool_]
