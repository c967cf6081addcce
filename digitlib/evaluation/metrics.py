"""Numbers from predictions: accuracy with interval, calibration, risk and coverage, differences.

The functions take numpy arrays: ``probabilities`` float ``[N, C]`` with rows that sum to 1, and
``labels`` int ``[N]``. None of them uses a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Interval = tuple[Floats, Floats, Floats]  # values, lower and upper ends of the 95 % intervals


# --- shares ----------------------------------------------------------------------------------


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
        """Value, ends of the interval and count, for reports."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "count": self.total}

    def brief(self) -> str:
        """Value and interval, for cells of tables."""
        return "{:.1%} ({:.1%} to {:.1%})".format(self.value, *self.interval)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2%} (95 % interval {low:.2%} to {high:.2%}, n = {self.total:,})"


BOOTSTRAP_ROUNDS = 10_000
LARGE_GROUP = 20  # digits: in a smaller group, one digit is more than a twentieth


@dataclass(frozen=True)
class GroupedProportion(Proportion):
    """A measured share of digits that come in groups, such as those of one writer.

    Digits of a group resemble each other, so the 95 % interval is from a bootstrap over groups
    (percentiles of ``BOOTSTRAP_ROUNDS`` rounds; Efron and Tibshirani, 1993). A single group, or
    groups in which all or none succeed, have the Wilson interval over the digits instead.

    Attributes:
        counts: successes and total of each group.
        unit: of the groups, such as ``writers``.
    """

    counts: tuple[tuple[int, int], ...]
    unit: str

    @classmethod
    def of_groups(
        cls, hits: NDArray[np.bool_], groups: Integers, unit: str = "writers"
    ) -> GroupedProportion:
        """The share of true entries ``[N]``; entries with equal ``groups`` ``[N]`` are a group."""
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
        """For reports; also the number of groups, and the extremes of large groups (or of all)."""
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
    """How often each of ``size`` groups is drawn in each bootstrap round, ``[rounds, size]``."""
    random, equal = np.random.RandomState(0), np.full(size, 1 / size)
    return random.multinomial(size, equal, BOOTSTRAP_ROUNDS)


def intervals(shares: Sequence[Proportion]) -> Interval:
    """Values, lower and upper ends of shares, for figures."""
    low, high = np.array([share.interval for share in shares]).T
    return np.array([share.value for share in shares]), low, high


# --- differences -----------------------------------------------------------------------------

NORMAL_95 = 1.959964  # standard errors on either side of a 95 % interval
ROUNDING = 1e-9  # of means of hits


def grouped_difference(
    first: NDArray[Any], second: NDArray[Any], groups: Integers | None = None
) -> dict[str, float]:
    """Mean of ``first`` minus mean of ``second`` for the same digits, with a 95 % interval.

    Args:
        first, second: hits, shares or other numbers of the same digits ``[N]``.
        groups: group numbers ``[N]``, for example of writers; the interval is from a bootstrap
            over groups. None treats digits as independent; the interval is the normal one.

    Returns:
        ``value``, and the ends of the interval, ``low`` and ``high``.
    """
    gains = np.asarray(first, float) - second
    mean = float(gains.mean())
    if groups is None:
        half = NORMAL_95 * float(gains.std()) / len(gains) ** 0.5
        return {"value": mean, "low": mean - half, "high": mean + half}
    _, rows = np.unique(groups, return_inverse=True)
    gained, totals = np.bincount(rows, gains), np.bincount(rows)
    drawn = draw_groups(len(totals))
    low, high = np.percentile(drawn @ gained / (drawn @ totals), (2.5, 97.5))
    return {"value": mean, "low": float(low), "high": float(high)}


def is_significant(difference: Mapping[str, float]) -> bool:
    """Whether the 95 % interval of :func:`grouped_difference` excludes 0."""
    return difference["low"] > ROUNDING or difference["high"] < -ROUNDING


def in_points(difference: Mapping[str, float]) -> str:
    """A difference of shares and its interval, as text in percentage points."""
    value, low, high = (100 * difference[name] + 0.0 for name in ("value", "low", "high"))
    return f"{value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"


def mcnemar_test(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Exact test of McNemar (1947) on two networks' hits for the same digits, bool ``[N]``.

    Returns:
        the digits that only the first network reads correctly, those that only the second does,
        and the p-value: the probability of a split at least as uneven if both are equally good.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, total).pvalue) if total else 1.0


# --- probabilities ---------------------------------------------------------------------------


def _check(probabilities: Floats, labels: Integers) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            f"probabilities are [N, C] and labels [N] with N > 0, not {probabilities.shape} "
            f"and {labels.shape}."
        )


def accuracy(probabilities: Floats, labels: Integers) -> Proportion:
    """Share of the rows in which the most probable class is the label."""
    _check(probabilities, labels)
    return Proportion.of(probabilities.argmax(axis=1) == labels)


def reliability(probabilities: Floats, labels: Integers, bins: int = 15) -> dict[str, Floats]:
    """Confidence against accuracy in equal-width bins of the top probability.

    Bins are closed on the left, as in Guo et al. (2017). scikit-learn's ``calibration_curve``
    closes them on the right and has no counts, so it would give another calibration error.

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


def area_under_risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> float:
    """AURC: mean error of the accepted digits over all coverages (Geifman and El-Yaniv, 2017)."""
    order = np.argsort(-scores, kind="stable")
    return float((np.cumsum(~right[order]) / np.arange(1, len(scores) + 1)).mean())


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
