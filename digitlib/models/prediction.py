"""Predictions: of one drawing, with its display in notebooks, and of many frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import (
    answer_html,
    answer_style,
    figures_html,
    image_html,
    planes_html,
    ranked,
)
from digitlib.preprocessing.frame import Frame
from digitlib.preprocessing.strokes import Planes

FRAME_SIDE = 96  # px on screen


@dataclass(frozen=True)
class Prediction:
    """The result for one drawing.

    Attributes:
        probabilities: of the digits 0 to 9, 10 floats that sum to 1.
        frame: uint8 ``[28, 28]``, the input of the network.
        score: of being a digit at all, higher is more.
        threshold: a drawing with a lower score is probably no digit.
        planes: float32 ``[3, 28, 28]``, the way of the pen, as the network got it; None for a
            picture, and for a network that takes none.
    """

    probabilities: tuple[float, ...]
    frame: Frame
    score: float
    threshold: float = -math.inf
    planes: Planes | None = None

    @property
    def rejected(self) -> bool:
        """The drawing is probably no digit at all."""
        return self.score < self.threshold

    @property
    def doubt(self) -> float:
        """Of its being a digit, 0-1: 0.5 where the score is at its threshold, more below.

        Where the score is the log-odds of being a digit, these are the odds of being none, scaled
        so that even odds are at the threshold. It is no probability: that would depend on how
        often people draw something else.
        """
        return (1 - math.tanh((self.score - self.threshold) / 2)) / 2

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(np.argmax(self.probabilities))

    @property
    def confidence(self) -> float:
        """The probability of that digit, 0-1."""
        return max(self.probabilities)

    def top(self, k: int = 3) -> list[tuple[int, float]]:
        """The ``k`` most probable digits with their probabilities, best first."""
        if not 1 <= k <= len(self.probabilities):
            raise ValueError(f"k is 1 to {len(self.probabilities)}, not {k}.")
        return ranked(self.probabilities, k)

    def __repr__(self) -> str:
        best = ", ".join(f"{digit}: {share:.1%}" for digit, share in self.top(3))
        return f"Prediction({best}{', rejected' if self.rejected else ''})"

    def _repr_html_(self) -> str:
        """Frame, planes and the answer as in the drawing pad, in light and dark themes."""
        return (
            f'{answer_style()}<div class="dp-prediction">{self._pictures()}'
            f"{answer_html(self.probabilities, self.doubt)}</div>"
        )

    def _pictures(self) -> str:
        """The frame; beside it direction and time, where the network got them."""
        pictures = {"frame": (image_html(self.frame, FRAME_SIDE, "the 28 by 28 frame"), "")}
        if self.planes is not None:
            pictures |= planes_html(self.frame, self.planes, FRAME_SIDE)
        return figures_html(pictures)


class BatchPrediction(NamedTuple):
    """Predictions for many frames.

    Attributes:
        probabilities: of the digits 0 to 9, float32 ``[N, 10]``.
        scores: of being a digit at all, float32 ``[N]``; higher is more.
        rejected: bool ``[N]``; the score is below the threshold.
    """

    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    rejected: NDArray[np.bool_]
