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
from digitlib.datasets.rendering import drawn_planes
from digitlib.errors import DataMissingError
from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import GroupedProportion, Interval, Proportion
from digitlib.models.networks import CLASSES
from digitlib.models.recognizer import Recognizer


@dataclass(frozen=True)
class Predictions:
    """Predictions of one network for labelled digits.

    Attributes:
        probabilities: float ``[N, 10]``.
        labels: int ``[N]``.
        right: bool ``[N]``; never where no ink was found.
        rejected: bool ``[N]``, taken for no digit.
        groups: numbers ``[N]`` of writers or drawings whose digits are not independent, or None.
        unit: of the groups: ``writers`` or ``drawings``.
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
        """Share of digits read right."""
        return self._share(self.right)

    @property
    def rejection_rate(self) -> Proportion:
        """Share of digits taken for no digit."""
        return self._share(self.rejected)

    def _share(self, hits: NDArray[np.bool_]) -> Proportion:
        if self.groups is None:
            return Proportion.of(hits)
        return GroupedProportion.of_groups(hits, self.groups, self.unit)

    def accuracy_by(self, groups: NDArray[np.integer[Any]]) -> dict[int, Proportion]:
        """Accuracy in each group, by ``groups`` int ``[N]``, rising."""
        return {
            int(group): Proportion.of(self.right[groups == group]) for group in np.unique(groups)
        }


def predict(
    recognizer: Recognizer,
    frames: Tensor,
    labels: NDArray[np.integer[Any]],
    planes: Tensor | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    unit: str = "writers",
) -> Predictions:
    """Predictions for frames uint8 ``[N, 28, 28]`` with labels ``[N]``.

    Args:
        recognizer: the network.
        frames, labels: of the digits.
        planes: float32 ``[N, 3, 28, 28]`` of pen strokes, for networks that take them.
        groups, unit: see :class:`Predictions`.
    """
    used = planes if recognizer.takes_planes else None
    probabilities, _, rejected = recognizer.predict_batch(frames, used)
    has_ink = (frames.flatten(1) > 0).any(dim=1).numpy()
    right = has_ink & (probabilities.argmax(axis=1) == labels)
    return Predictions(probabilities, labels, right, rejected, groups, unit)


def predict_data(recognizer: Recognizer, data: DigitData, *, strokes: bool = True) -> Predictions:
    """Predictions for a data set; its known writers are the groups.

    ``strokes=False`` reads pen data as pictures, without the way of the pen.
    """
    planes = known_planes(recognizer, data) if strokes else None
    writers = known_writers(data)
    return predict(recognizer, data.images, data.labels.numpy(), planes, writers)


def margins(recognizer: Recognizer, data: DigitData) -> NDArray[np.floating[Any]]:
    """Scores minus the threshold that goes with them ``[N]``; what is below 0 is rejected.

    Pen data have the threshold of strokes, others that of pictures.
    """
    planes = known_planes(recognizer, data)
    scores = recognizer.predict_batch(data.images, planes).scores
    return scores - (recognizer.threshold if planes is None else recognizer.stroke_threshold)


def known_planes(recognizer: Recognizer, data: DigitData) -> Tensor | None:
    """The planes of pen data, for a network that takes them; else None."""
    reads = recognizer.takes_planes and data.points is not None
    return drawn_planes(data) if reads else None


def known_writers(data: DigitData) -> NDArray[np.integer[Any]] | None:
    """Numbers of the writers ``[N]``; None where the data set has none."""
    if data.writers is None or int(data.writers.min()) < 0 or data.name in FROM_RULES:
        return None
    return data.writers.numpy()


def passing_characters(recognizer: Recognizer, data: DigitData) -> pd.DataFrame:
    """Non-digits that pass for a digit, by the character drawn, the most often passing first.

    Columns: ``drawn``, ``passed``, ``share``, and ``read as``, the most frequent digit.

    Raises:
        ValueError: the characters are unknown.
    """
    if data.characters is None:
        raise ValueError(f"The characters of {data.name} are unknown.")
    found = predict_data(recognizer, data)
    table = pd.DataFrame({
        "character": [chr(code) for code in data.characters.tolist()],
        "passed": ~found.rejected,
        "read as": found.predicted,
    })  # fmt: skip
    by = table.groupby("character")["passed"].agg(drawn="count", passed="sum", share="mean")
    passed = table[table["passed"]].groupby("character")["read as"]
    by = by[by["passed"] > 0].join(passed.agg(lambda digits: digits.mode()[0]))
    return by.sort_values(["passed", "share"], ascending=False)


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


FROM_RULES = ("styles",)  # its writers are styles

# Every weights file is measured on these; nothing is chosen by the test splits.
REPORTED = (
    ("mnist", "test"),
    ("mnist", "validation"),
    ("unipen", "test"),
    ("unipen", "validation"),
    ("pendigits", "test"),
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
OPTIONAL = (("pendigits", "test"),)  # reported where its file is there


def measure(recognizer: Recognizer, data: DigitData) -> dict[str, Any]:
    """Accuracy with its interval, calibration, and the share rejected, on one data set.

    A data set of things that are no digits has no accuracy. Where writers are known, the intervals
    are over writers, and the share rejected has one, too, as ``rejected by writer``. Pen data are
    read as strokes; for a network that takes the way of the pen, ``pictures`` has the same numbers
    without it.
    """
    numbers = _measure(predict_data(recognizer, data))
    numbers |= {"count": len(data), "digest": data.digest}
    if known_planes(recognizer, data) is not None:
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
    """Measure a weights file on every data set of ``REPORTED``; return its card with them."""
    recognizer = Recognizer.load(weights_file)
    numbers: dict[str, dict[str, Any]] = {}
    for name, split in REPORTED:
        try:
            data = catalog.load(name, split, root, download=(name, split) not in OPTIONAL)
        except DataMissingError:
            if (name, split) not in OPTIONAL:
                raise
            continue
        numbers.setdefault(name, {})[split] = measure(recognizer, data)
    size = recognizer.parameters
    return recognizer.card.to_json() | {"parameters": size, "measured": numbers}
