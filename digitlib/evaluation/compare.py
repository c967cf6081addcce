"""Recognizers measured on data sets: the numbers of weights files, training runs and sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import metrics
from digitlib.models.networks import CLASSES, count_parameters
from digitlib.models.recognizer import Recognizer

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
