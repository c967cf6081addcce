"""Networks side by side: labelled predictions, tables of shares, measured weights files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import Interval, Proportion
from digitlib.models.networks import CLASSES, count_parameters
from digitlib.models.recognizer import Recognizer


@dataclass(frozen=True)
class Predictions:
    """Predictions of one network for labelled digits.

    Attributes:
        probabilities: float ``[N, 10]``.
        labels: int ``[N]``.
        right: bool ``[N]``; never where no ink was found.
        rejected: bool ``[N]``, taken for no digit.
    """

    probabilities: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]]
    right: NDArray[np.bool_]
    rejected: NDArray[np.bool_]

    @property
    def predicted(self) -> NDArray[np.integer[Any]]:
        """The most probable digits ``[N]``."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> Proportion:
        """Share of digits read right."""
        return Proportion.of(self.right)

    @property
    def rejection_rate(self) -> Proportion:
        """Share of digits taken for no digit."""
        return Proportion.of(self.rejected)

    def accuracy_by(self, groups: NDArray[np.integer[Any]]) -> dict[int, Proportion]:
        """Accuracy in each group, by ``groups`` int ``[N]``, rising."""
        return {
            int(group): Proportion.of(self.right[groups == group]) for group in np.unique(groups)
        }


def predict(
    recognizer: Recognizer, frames: Tensor, labels: NDArray[np.integer[Any]]
) -> Predictions:
    """Predictions for frames uint8 ``[N, 28, 28]`` with labels ``[N]``."""
    probabilities, _, rejected = recognizer.predict_batch(frames)
    has_ink = (frames.flatten(1) > 0).any(dim=1).numpy()
    right = has_ink & (probabilities.argmax(axis=1) == labels)
    return Predictions(probabilities, labels, right, rejected)


def share_arrays(shares: pd.DataFrame, *, misread: bool = False) -> dict[str, Interval]:
    """Columns of ``Proportion`` as arrays for :func:`result_plots.points`; NaN where missing.

    ``misread`` turns shares read right into shares read wrong.
    """
    arrays: dict[str, Interval] = {}
    for name, column in shares.items():
        value, low, high = np.array([
            (share.value, *share.interval) if isinstance(share, Proportion) else (np.nan,) * 3
            for share in column
        ]).T  # fmt: skip
        arrays[str(name)] = (1 - value, 1 - high, 1 - low) if misread else (value, low, high)
    return arrays


# Every weights file is measured on these; nothing is chosen by the test splits.
REPORTED = (
    ("mnist", "test"),
    ("mnist", "validation"),
    ("pendigits", "validation"),
    ("styles", "validation"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def measure(recognizer: Recognizer, data: DigitData) -> dict[str, Any]:
    """Accuracy with its interval, calibration, and the share rejected, on one data set.

    A data set of things that are no digits has only ``rejected``, ``count`` and ``digest``.
    """
    probabilities, _, rejected = recognizer.predict_batch(data.images)
    numbers: dict[str, Any] = {
        "rejected": float(rejected.mean()),
        "count": len(data),
        "digest": data.digest,
    }
    if int(data.labels.max()) < len(CLASSES):
        numbers |= metrics.summarize(probabilities, data.labels.numpy())
    return numbers


def measure_weights(weights_file: Path, root: str | None = None) -> dict[str, Any]:
    """Measure a weights file on every data set of ``REPORTED``; return its card with them."""
    recognizer = Recognizer.load(weights_file)
    numbers: dict[str, dict[str, Any]] = {}
    for name, split in REPORTED:
        data = catalog.load(name, split, root)
        numbers.setdefault(name, {})[split] = measure(recognizer, data)
    size = count_parameters(recognizer.model)
    return recognizer.card.to_json() | {"parameters": size, "measured": numbers}
