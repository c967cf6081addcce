"""Numbers from predictions: accuracy with interval, confusion, calibration, risk and coverage.

Everything takes numpy arrays: ``probabilities`` float ``[N, C]``, rows summing to 1, and
``labels`` int ``[N]``; nothing here knows a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Proportion:
    """A measured share with its 95 % Wilson interval (Wilson, 1927)."""

    successes: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0-1."""
        return self.successes / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval, 0-1."""
        n, p, z2 = self.total, self.value, Z95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
        # With none or all, one end is the share itself: exactly, not up to rounding.
        low = middle - half if self.successes else 0.0
        high = middle + half if self.successes < n else 1.0
        return low, high

    def as_dict(self) -> dict[str, float]:
        """For reports."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "count": self.total}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2%} (95 % interval {low:.2%} to {high:.2%}, n = {self.total:,})"


def _check(probabilities: Floats, labels: Integers) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            f"probabilities are [N, C] and labels [N] with N > 0, not {probabilities.shape} "
            f"and {labels.shape}."
        )


def accuracy(probabilities: Floats, labels: Integers) -> Proportion:
    """How many are read right."""
    _check(probabilities, labels)
    return Proportion(int((probabilities.argmax(axis=1) == labels).sum()), len(labels))


def confusion_matrix(predicted: Integers, labels: Integers, classes: int = 10) -> Integers:
    """Counts ``[classes, classes]``: rows are true digits, columns predicted ones."""
    if predicted.shape != labels.shape:
        raise ValueError(f"predicted is {predicted.shape}, labels is {labels.shape}.")
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def per_class(matrix: Integers) -> dict[str, Floats]:
    """``precision``, ``recall`` and ``f1`` ``[C]`` of a confusion matrix; NaN where undefined."""
    right = np.diag(matrix).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = right / matrix.sum(axis=0)
        recall = right / matrix.sum(axis=1)
        f1 = 2 * right / (matrix.sum(axis=0) + matrix.sum(axis=1))
    return {"precision": precision, "recall": recall, "f1": f1}


def most_confused(matrix: Integers, count: int = 10) -> list[tuple[int, int, int]]:
    """The largest off-diagonal cells as (true, predicted, count), most first, without zeros."""
    errors = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-errors, axis=None, kind="stable")[:count]
    pairs = [divmod(int(cell), len(matrix)) for cell in order]
    return [(true, seen, int(errors[true, seen])) for true, seen in pairs if errors[true, seen]]


def reliability(probabilities: Floats, labels: Integers, bins: int = 15) -> dict[str, Floats]:
    """Confidence against accuracy in equal-width bins of the top probability.

    Returns:
        ``confidence`` and ``accuracy`` (means, NaN in an empty bin) and ``count``, each ``[bins]``.
    """
    _check(probabilities, labels)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        return {
            "confidence": np.bincount(which, confidence, bins) / count,
            "accuracy": np.bincount(which, right, bins) / count,
            "count": count.astype(float),
        }


def expected_calibration_error(probabilities: Floats, labels: Integers, bins: int = 15) -> float:
    """ECE: mean gap between confidence and accuracy, weighted by bin (Guo et al., 2017)."""
    table = reliability(probabilities, labels, bins)
    filled = table["count"] > 0
    gap = np.abs(table["confidence"] - table["accuracy"])[filled]
    return float((gap * table["count"][filled]).sum() / len(labels))


def negative_log_likelihood(probabilities: Floats, labels: Integers) -> float:
    """Mean of minus the logarithm of the true digit's probability, in nats."""
    _check(probabilities, labels)
    true = probabilities[np.arange(len(labels)), labels].astype(float)
    return float(-np.log(np.clip(true, 1e-12, None)).mean())


def brier_score(probabilities: Floats, labels: Integers) -> float:
    """Mean squared distance between the probabilities and the one-hot truth, 0 to 2."""
    _check(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> dict[str, Floats]:
    """Errors among the accepted as the threshold on ``scores`` falls, surest first.

    Returns:
        ``coverage`` (share accepted) and ``risk`` (share of those that is wrong), each ``[N]``.
    """
    order = np.argsort(-scores, kind="stable")
    accepted = np.arange(1, len(scores) + 1)
    return {
        "coverage": accepted / len(scores),
        "risk": np.cumsum(~right[order]) / accepted,
    }


def area_under_risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> float:
    """AURC: mean risk over all coverages (Geifman and El-Yaniv, 2017)."""
    return float(risk_coverage(scores, right)["risk"].mean())


def rejection(digits: Floats, others: Floats, rate: float = 0.01) -> dict[str, float]:
    """How well a score tells digits (high) from other things (low).

    Args:
        digits: scores of real digits ``[N]``.
        others: scores of what is no digit ``[M]``.
        rate: share of digits that may be rejected; it sets the threshold.

    Returns:
        ``threshold``, ``digits_rejected``, ``others_rejected`` (shares) and ``auroc``.
    """
    threshold = float(np.quantile(digits, rate))
    ranks = np.searchsorted(np.sort(others), digits, side="left") + np.searchsorted(
        np.sort(others), digits, side="right"
    )
    return {
        "threshold": threshold,
        "digits_rejected": float((digits < threshold).mean()),
        "others_rejected": float((others < threshold).mean()),
        "auroc": float(ranks.mean() / (2 * len(others))),
    }


def summary(probabilities: Floats, labels: Integers) -> dict[str, Any]:
    """The usual numbers together, for reports."""
    right = probabilities.argmax(axis=1) == labels
    return {
        "accuracy": accuracy(probabilities, labels).as_dict(),
        "errors": int((~right).sum()),
        "nll": negative_log_likelihood(probabilities, labels),
        "brier": brier_score(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "aurc": area_under_risk_coverage(probabilities.max(axis=1), right),
    }
