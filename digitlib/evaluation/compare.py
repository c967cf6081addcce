"""What the notebooks look at: networks side by side, data that may be missing, several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import Proportion
from digitlib.models.networks import CLASSES, count_parameters
from digitlib.models.recognizer import Recognizer, digit_score


def measure(recognizer: Recognizer, data: DigitData) -> dict[str, Any]:
    """Accuracy with its interval, calibration and rejections on one data set.

    Of things that are no digits only ``rejected``, the share called so, means anything.
    """
    logits = recognizer.logits(data.images)
    rejected = digit_score(logits) < recognizer.threshold
    numbers: dict[str, Any] = {
        "rejected": float(rejected.double().mean()),
        "count": len(data),
        "digest": data.digest,
    }
    if int(data.labels.max()) < len(CLASSES):
        probabilities = (logits[:, :10] / recognizer.temperature).softmax(dim=1).numpy()
        numbers |= metrics.summary(probabilities, data.labels.numpy())
    return numbers


# What every release is measured on; nothing is chosen by the test splits.
REPORTED = (
    ("mnist", "test"),
    ("mnist", "validation"),
    ("pendigits", "validation"),
    ("styles", "validation"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def measure_weights(weights_file: Path, root: str | None = None) -> dict[str, Any]:
    """Measure a weights file on every data set of ``REPORTED``; return its card with them."""
    recognizer = Recognizer.load(weights_file)
    numbers: dict[str, dict[str, Any]] = {}
    for name, split in REPORTED:
        data = catalog.load(name, split, root)
        numbers.setdefault(name, {})[split] = measure(recognizer, data)
    size = count_parameters(recognizer.model)
    return recognizer.card.to_json() | {"parameters": size, "measured": numbers}


def scores(recognizer: Recognizer, sets: Mapping[str, DigitData]) -> dict[str, NDArray[Any]]:
    """How much the frames of each set are like digits: :func:`recognizer.digit_score`."""
    return {
        name: digit_score(recognizer.logits(data.images)).numpy() for name, data in sets.items()
    }


def accuracies(recognizer: Recognizer, sets: Mapping[str, DigitData]) -> dict[str, Proportion]:
    """How many digits of each data set are read right."""
    return {
        name: metrics.accuracy(recognizer.probabilities(data.images).numpy(), data.labels.numpy())
        for name, data in sets.items()
    }


def ends(shares: Sequence[Proportion]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Values, lower and upper ends of the 95 % intervals, for figures."""
    low, high = np.array([share.interval for share in shares]).T
    return np.array([share.value for share in shares]), low, high


def coverage_at(table: Mapping[str, NDArray[Any]], risk: float) -> float:
    """The largest coverage with at most this risk, of :func:`metrics.risk_coverage`."""
    good = np.flatnonzero(table["risk"] <= risk)
    return float(table["coverage"][good[-1]]) if len(good) else 0.0


def calibrations(recognizer: Recognizer, images: Tensor) -> dict[str, NDArray[Any]]:
    """Probabilities ``[N, 10]`` ``before`` and ``after`` the temperature is applied."""
    logits = recognizer.logits(images)[:, :10]
    after = logits / recognizer.temperature
    return {"before": logits.softmax(dim=1).numpy(), "after": after.softmax(dim=1).numpy()}


def class_shares(matrix: NDArray[Any]) -> dict[str, tuple[NDArray[Any], ...]]:
    """Precision, recall and F1 of each digit: value, lower and upper end of the 95 % interval.

    F1 is no share of anything counted: its ends are its value. NaN where undefined.
    """
    values = metrics.per_class(matrix)
    right = np.diag(matrix)
    shares: dict[str, tuple[NDArray[Any], ...]] = {}
    for name, totals in (("precision", matrix.sum(axis=0)), ("recall", matrix.sum(axis=1))):
        ends = [
            Proportion(int(hits), int(total)).interval if total else (np.nan, np.nan)
            for hits, total in zip(right, totals, strict=True)
        ]
        shares[name] = (values[name], *np.array(ends).T)
    return shares | {"F1": (values["f1"],) * 3}


def paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Digits that only the first, only the second network reads right, and the sign test's p.

    The exact test of McNemar (1947): how likely so uneven a split is if both are equally good.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, total).pvalue) if total else 1.0


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of one number over runs."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
