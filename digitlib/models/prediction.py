"""Predictions: of one drawing, with its display in notebooks, and of many frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import image_html, planes_html
from digitlib.preprocessing.frame import Frame
from digitlib.preprocessing.strokes import Planes

FRAME_SIDE, PLANE_SIDE = 140, 66  # px on screen: two planes are as high as the frame


@dataclass(frozen=True)
class Prediction:
    """The result for one drawing.

    Attributes:
        probabilities: of the digits 0 to 9, 10 floats that sum to 1.
        frame: uint8 ``[28, 28]``, the input of the network.
        rejected: the drawing is probably no digit at all.
        score: of being a digit at all, higher is more; below the threshold it is rejected.
        planes: float32 ``[3, 28, 28]``, the way of the pen, as the network got it; None for a
            picture, and for a network that takes none.
    """

    probabilities: tuple[float, ...]
    frame: Frame
    rejected: bool
    score: float
    planes: Planes | None = None

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
        order = np.argsort(-np.asarray(self.probabilities), kind="stable")[:k]
        return [(int(digit), self.probabilities[digit]) for digit in order]

    def __repr__(self) -> str:
        best = ", ".join(f"{digit}: {share:.1%}" for digit, share in self.top(3))
        return f"Prediction({best}{', rejected' if self.rejected else ''})"

    def _repr_html_(self) -> str:
        """Frame and bars for notebooks, in light and dark themes."""
        bars = "".join(
            f'<tr><td style="text-align:right;padding:0 .5em">{digit}</td>'
            '<td style="width:12em;padding:0"><div style="height:.7em;border-radius:.2em;'
            f'width:{100 * share:.1f}%;background:{"#d55e00" if digit == self.digit else "#888"}">'
            f'</div></td><td style="text-align:right;padding:0 .5em">{share:.1%}</td></tr>'
            for digit, share in enumerate(self.probabilities)
        )
        verdict = "probably no digit" if self.rejected else f"{self.confidence:.1%}"
        return (
            '<div style="display:flex;gap:1.5em;align-items:center">'
            f'<div style="display:flex;gap:12px">{self._pictures()}</div>'
            f'<div style="text-align:center"><div style="font-size:3em;line-height:1.1">'
            f"{self.digit}</div>{verdict}</div>"
            f'<table style="font-size:.8em;line-height:1.2">{bars}</table></div>'
        )

    def _pictures(self) -> str:
        """The frame; beside it direction and time, where the network got them."""
        frame = image_html(self.frame, FRAME_SIDE, "the 28 by 28 frame")
        if self.planes is None:
            return frame
        rows = "".join(
            f'<div style="display:flex;gap:8px;align-items:center">{picture}'
            f'<div style="line-height:1.6">{name}<br>{legend}</div></div>'
            for name, (picture, legend) in planes_html(self.frame, self.planes, PLANE_SIDE).items()
        )
        return (
            f"{frame}<div "
            'style="display:flex;flex-direction:column;justify-content:space-between;'
            f'font-size:.8em">{rows}</div>'
        )


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
