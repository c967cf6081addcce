"""Numbers from predictions: accuracy with interval, calibration, risk and coverage, rejection.

Everything takes numpy arrays: ``probabilities`` float ``[N, C]``, rows summing to 1, and
``labels`` int ``[N]``; nothing here knows a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Interval = tuple[Floats, Floats, Floats]  # values, lower and upper ends of the 95 % intervals


@dataclass(frozen=True)
class Proportion:
    """A measured share with its 95 % Wilson interval (Wilson, 1927)."""

    successes: int
    total: int

    @classmethod
    def of(cls, hits: NDArray[np.bool_]) -> Proportion:
        """The share of true entries."""
        return cls(int(hits.sum()), len(hits))

    @property
    def value(self) -> float:
        """The share, 0-1."""
        return self.successes / self.total

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval, 0-1."""
        test = binomtest(self.successes, self.total)
        low, high = test.proportion_ci(0.95, method="wilson")
        return float(low), float(high)

    def as_dict(self) -> dict[str, float]:
        """For reports."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "count": self.total}

    def brief(self) -> str:
        """Value and interval, for cells of tables."""
        return "{:.1%} ({:.1%} to {:.1%})".format(self.value, *self.interval)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2%} (95 % interval {low:.2%} to {high:.2%}, n = {self.total:,})"


BOOTSTRAP_ROUNDS = 10_000
LARGE_GROUP = 20  # digits: in a smaller group, a single one is more than a twentieth


@dataclass(frozen=True)
class GroupedProportion(Proportion):
    """A measured share of digits that come in groups: by one writer, or of one drawing.

    Digits of a group are alike, so the 95 % interval is that of a bootstrap over groups: the shares
    of as many groups drawn with replacement, ``BOOTSTRAP_ROUNDS`` times (percentiles; Efron and
    Tibshirani, 1993). Where it cannot tell anything, with a single group or where all or none
    succeed, it is the Wilson interval over the digits, which takes them for independent.

    Attributes:
        counts: successes and total of each group.
        unit: of the groups, as ``writers``.
    """

    counts: tuple[tuple[int, int], ...]
    unit: str

    @classmethod
    def of_groups(
        cls, hits: NDArray[np.bool_], groups: Integers, unit: str = "writers"
    ) -> GroupedProportion:
        """The share of true entries ``[N]``, in groups of equal numbers ``[N]``."""
        _, rows = np.unique(groups, return_inverse=True)
        successes, totals = np.bincount(rows, hits).astype(int), np.bincount(rows)
        counts = tuple(zip(successes.tolist(), totals.tolist(), strict=True))
        return cls(int(hits.sum()), len(hits), counts, unit)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval, 0-1."""
        size = len(self.counts)
        if size == 1 or self.successes in (0, self.total):
            return Proportion(self.successes, self.total).interval
        successes, totals = (draw_groups(size) @ np.array(self.counts)).T
        low, high = np.percentile(successes / totals, (2.5, 97.5))
        return float(low), float(high)

    @property
    def shares(self) -> Floats:
        """The share of each group ``[G]``."""
        successes, totals = np.array(self.counts).T
        return successes / totals

    def as_dict(self) -> dict[str, float]:
        """For reports, with the number of groups and the extremes among large ones (or all)."""
        shares, totals = self.shares, np.array(self.counts)[:, 1]
        large = shares[totals >= min(LARGE_GROUP, totals.max())]
        return super().as_dict() | {
            self.unit: len(shares),
            "lowest": float(large.min()),
            "highest": float(large.max()),
        }

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.value:.2%} (95 % interval {low:.2%} to {high:.2%}, n = {self.total:,}, "
            f"{len(self.counts)} {self.unit})"
        )


def draw_groups(size: int) -> Integers:
    """How often each of ``size`` groups is drawn in each round, ``[rounds, size]``."""
    random, equal = np.random.RandomState(0), np.full(size, 1 / size)
    return random.multinomial(size, equal, BOOTSTRAP_ROUNDS)


def intervals(shares: Sequence[Proportion]) -> Interval:
    """Values, lower and upper ends of shares, for figures."""
    low, high = np.array([share.interval for share in shares]).T
    return np.array([share.value for share in shares]), low, high


def _check(probabilities: Floats, labels: Integers) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            f"probabilities are [N, C] and labels [N] with N > 0, not {probabilities.shape} "
            f"and {labels.shape}."
        )


def accuracy(probabilities: Floats, labels: Integers) -> Proportion:
    """Share of the rows whose most probable class is the label."""
    _check(probabilities, labels)
    return Proportion.of(probabilities.argmax(axis=1) == labels)


def class_scores(predicted: Integers, labels: Integers, classes: int = 10) -> dict[str, Interval]:
    """``precision``, ``recall`` and ``F1`` of each class with 95 % intervals, NaN where undefined.

    F1 is not the share of a count, so its interval is its value.
    """
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=range(classes), zero_division=np.nan
    )
    found = np.bincount(predicted, minlength=classes)  # [C]
    right = np.bincount(labels[predicted == labels], minlength=classes)
    return {
        "precision": (precision, *_ends(right, found)),
        "recall": (recall, *_ends(right, support)),
        "F1": (f1, f1, f1),
    }


def _ends(successes: Integers, totals: Integers) -> tuple[Floats, Floats]:
    """Lower and upper ends ``[C]``, NaN where the total is 0."""
    ends = [
        Proportion(int(hits), int(total)).interval if total else (np.nan, np.nan)
        for hits, total in zip(successes, totals, strict=True)
    ]
    low, high = np.array(ends).T
    return low, high


def mcnemar_test(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Exact test of McNemar (1947) on two networks' correctness for the same digits, bool ``[N]``.

    Returns:
        digits that only the first, and only the second network reads right, and the p-value: the
        probability of a split at least as uneven if both are equally good.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, total).pvalue) if total else 1.0


def most_confused(matrix: Integers, count: int = 10) -> list[tuple[int, int, int]]:
    """The largest off-diagonal cells as (true, predicted, count), most first, without zeros."""
    errors = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-errors, axis=None, kind="stable")[:count]
    pairs = [divmod(int(cell), len(matrix)) for cell in order]
    return [(true, seen, int(errors[true, seen])) for true, seen in pairs if errors[true, seen]]


def reliability(probabilities: Floats, labels: Integers, bins: int = 15) -> dict[str, Floats]:
    """Confidence against accuracy in equal-width bins of the top probability.

    Bins are closed on the left, as in Guo et al. (2017). scikit-learn's ``calibration_curve``
    closes them on the right and counts nothing, so it would give another calibration error.

    Returns:
        ``confidence`` and ``accuracy`` (means, NaN in an empty bin) and ``count``, each ``[bins]``.
    """
    _check(probabilities, labels)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    rows = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(rows, minlength=bins)
    with np.errstate(invalid="ignore"):
        return {
            "confidence": np.bincount(rows, confidence, bins) / count,
            "accuracy": np.bincount(rows, right, bins) / count,
            "count": count.astype(float),
        }


def expected_calibration_error(probabilities: Floats, labels: Integers, bins: int = 15) -> float:
    """ECE: mean gap between confidence and accuracy, weighted by bin (Guo et al., 2017)."""
    table = reliability(probabilities, labels, bins)
    filled = table["count"] > 0
    gap = np.abs(table["confidence"] - table["accuracy"])[filled]
    return float((gap * table["count"][filled]).sum() / len(labels))


def negative_log_likelihood(probabilities: Floats, labels: Integers) -> float:
    """Mean of minus the logarithm of the true class's probability, in nats, at most 36."""
    _check(probabilities, labels)
    classes = range(probabilities.shape[1])
    return float(log_loss(labels, _in_double_precision(probabilities), labels=classes))


def brier_score(probabilities: Floats, labels: Integers) -> float:
    """Mean squared distance between the probabilities and the one-hot truth, 0 to 2."""
    _check(probabilities, labels)
    classes, exact = range(probabilities.shape[1]), _in_double_precision(probabilities)
    return float(brier_score_loss(labels, exact, labels=classes, scale_by_half=False))


def _in_double_precision(probabilities: Floats) -> Floats:
    """float64 rows that sum to 1 within the tolerance of scikit-learn."""
    exact = probabilities.astype(np.float64)
    return exact / exact.sum(axis=1, keepdims=True)


def risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> dict[str, Floats]:
    """Errors among the accepted as the threshold on ``scores`` falls.

    Returns:
        ``coverage`` (share accepted) and ``risk`` (share of those that is wrong), each ``[N]``.
    """
    order = np.argsort(-scores, kind="stable")
    accepted = np.arange(1, len(scores) + 1)
    return {
        "coverage": accepted / len(scores),
        "risk": np.cumsum(~right[order]) / accepted,
    }


def coverage_at(table: Mapping[str, Floats], risk: float) -> float:
    """The largest coverage in :func:`risk_coverage` with at most this risk."""
    kept = np.flatnonzero(table["risk"] <= risk)
    return float(table["coverage"][kept[-1]]) if len(kept) else 0.0


def area_under_risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> float:
    """AURC: mean risk over all coverages (Geifman and El-Yaniv, 2017)."""
    return float(risk_coverage(scores, right)["risk"].mean())


def rejection(digits: Floats, others: Floats, threshold: float) -> dict[str, float]:
    """Shares of digits ``[N]`` and other things ``[M]`` with scores below a threshold, and AUROC.

    AUROC is the probability that a digit scores higher than another thing, ties counting half.
    """
    is_digit = np.repeat([1, 0], [len(digits), len(others)])
    return {
        "digits rejected": float((digits < threshold).mean()),
        "others rejected": float((others < threshold).mean()),
        "AUROC": float(roc_auc_score(is_digit, np.concatenate([digits, others]))),
    }


def rejection_curve(digits: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Shares of digits and of other things rejected, from (0, 0) to (1, 1), by rising threshold."""
    is_other = np.repeat([0, 1], [len(digits), len(others)])
    scores = -np.concatenate([digits, others])
    digits_rejected, others_rejected, _ = roc_curve(is_other, scores, drop_intermediate=False)
    return digits_rejected, others_rejected


def summarize(probabilities: Floats, labels: Integers) -> dict[str, Any]:
    """Accuracy, number of errors and calibration, for reports."""
    right = probabilities.argmax(axis=1) == labels
    return {
        "accuracy": accuracy(probabilities, labels).as_dict(),
        "errors": int((~right).sum()),
        "nll": negative_log_likelihood(probabilities, labels),
        "brier": brier_score(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "aurc": area_under_risk_coverage(probabilities.max(axis=1), right),
    }
