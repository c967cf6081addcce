"""Labeled predictions of networks, and the measurements of weights files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import GroupedProportion, Proportion
from digitlib.models.networks import CLASSES
from digitlib.models.recognizer import Recognizer


@dataclass(frozen=True)
class Predictions:
    """Predictions of one network for labeled digits.

    Attributes:
        probabilities: float ``[N, 10]``.
        labels: int ``[N]``.
        right: bool ``[N]``; False for frames without ink.
        rejected: bool ``[N]``, classified as not a digit.
        groups: group numbers ``[N]`` of digits that aren't independent, or None.
        unit: of the groups, ``writers`` or ``drawings``.
    """

    probabilities: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]]
    right: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    groups: NDArray[np.integer[Any]] | None = None
    unit: str = "writers"

    @property
    def predicted(self) -> NDArray[np.integer[Any]]:
        """The most probable digits ``[N]``."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> Proportion:
        """Share of correct predictions."""
        return self._share(self.right)

    @property
    def rejection_rate(self) -> Proportion:
        """Share of digits classified as not a digit."""
        return self._share(self.rejected)

    def _share(self, hits: NDArray[np.bool_]) -> Proportion:
        if self.groups is None:
            return Proportion.of(hits)
        return GroupedProportion.of_groups(hits, self.groups, self.unit)

    def accuracy_by(self, groups: NDArray[np.integer[Any]]) -> dict[int, Proportion]:
        """Accuracy of each group of ``groups``, int ``[N]``, in rising order."""
        return {
            int(group): Proportion.of(self.right[groups == group]) for group in np.unique(groups)
        }


def predict(
    recognizer: Recognizer,
    frames: Tensor,
    labels: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]] | None = None,
    unit: str = "writers",
) -> Predictions:
    """Predictions for frames.

    Args:
        recognizer: the network.
        frames: frames or images, as for :meth:`Recognizer.predict_batch`.
        labels: int ``[N]``.
        groups, unit: see :class:`Predictions`.
    """
    probabilities, _, rejected = recognizer.predict_batch(frames)
    has_ink = (frames.flatten(1) > 0).any(dim=1).numpy()
    right = has_ink & (probabilities.argmax(axis=1) == labels)
    return Predictions(probabilities, labels, right, rejected, groups, unit)


def predict_data(recognizer: Recognizer, data: DigitData, *, strokes: bool = True) -> Predictions:
    """Predictions for a data set, grouped by writers where they are known.

    ``strokes=False`` reads pen data as pictures, without stroke direction and order.
    """
    frames = data.frames() if strokes else data.images
    return predict(recognizer, frames, data.labels.numpy(), known_writers(data))


def known_writers(data: DigitData) -> NDArray[np.integer[Any]] | None:
    """Numbers of the writers ``[N]``, or None if the data set has none."""
    if data.writers is None or int(data.writers.min()) < 0 or data.name in SYNTHETIC:
        return None
    return data.writers.numpy()


SYNTHETIC = ("styles",)  # its writers are styles

# Every weights file is measured on these. No choice depends on the test splits.
REPORTED = (
    ("mnist", "test"),
    ("mnist", "validation"),
    ("unipen", "test"),
    ("unipen", "validation"),
    ("pendigits", "validation"),
    ("styles", "validation"),
    ("letters", "test"),
    ("letters", "validation"),
    ("signs", "test"),
    ("signs", "validation"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def measure(recognizer: Recognizer, data: DigitData) -> dict[str, Any]:
    """Accuracy with its interval, calibration, and rejection rate on one data set.

    Data sets of non-digits have no accuracy. If writers are known, the intervals are over writers,
    and ``rejected by writer`` has the interval of the rejection rate. Pen data are read as strokes;
    ``pictures`` has the same numbers without stroke direction and order.
    """
    numbers = _measure(predict_data(recognizer, data))
    numbers |= {"count": len(data), "digest": data.digest}
    if data.strokes is not None:
        numbers["pictures"] = _measure(predict_data(recognizer, data, strokes=False))
    return numbers


def _measure(found: Predictions) -> dict[str, Any]:
    numbers: dict[str, Any] = {"rejected": found.rejection_rate.value}
    if found.groups is not None:
        numbers["rejected by writer"] = found.rejection_rate.as_dict()
    if int(found.labels.max()) < len(CLASSES):
        numbers |= metrics.summarize(found.probabilities, found.labels)
        numbers["accuracy"] = found.accuracy.as_dict()
    return numbers


def measure_weights(weights_file: Path, root: str | None = None) -> dict[str, Any]:
    """The card of a weights file with its measurements on the data sets of ``REPORTED``.

    Raises:
        DataMissingError: a data set is missing.
    """
    recognizer = Recognizer.load(weights_file)
    numbers: dict[str, dict[str, Any]] = {}
    for name, split in REPORTED:
        data = catalog.load(name, split, root)
        numbers.setdefault(name, {})[split] = measure(recognizer, data)
    size = recognizer.parameters
    return recognizer.card.to_json() | {"parameters": size, "measured": numbers}
