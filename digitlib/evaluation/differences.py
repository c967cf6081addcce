"""Differences of measured values, with their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.evaluation.metrics import Integers, draw_groups

NORMAL_95 = 1.959964  # standard errors on either side of a 95 % interval
ROUNDING = 1e-9  # of means of hits


def grouped_difference(
    first: NDArray[Any],
    second: NDArray[Any],
    groups: Integers | None = None,
) -> dict[str, float]:
    """Mean of ``first`` minus that of ``second`` for the same digits, with a 95 % interval.

    Args:
        first, second: hits (or shares, 0-1) of the same digits ``[N]``.
        groups: numbers ``[N]``, of writers, say: the interval is by bootstrap over groups; None
            takes the digits for independent: that of the normal distribution.

    Returns:
        ``value``, and ``low`` and ``high``, the ends of the 95 % interval; -1 to 1.
    """
    gains = np.asarray(first, float) - second
    if groups is None:
        half = NORMAL_95 * float(gains.std()) / len(gains) ** 0.5
        return {
            "value": float(gains.mean()),
            "low": gains.mean() - half,
            "high": gains.mean() + half,
        }
    _, rows = np.unique(groups, return_inverse=True)
    gained, totals = np.bincount(rows, gains), np.bincount(rows)
    drawn = draw_groups(len(totals))
    low, high = np.percentile(drawn @ gained / (drawn @ totals), (2.5, 97.5))
    return {"value": float(gains.mean()), "low": float(low), "high": float(high)}


def welch_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Welch's 95 % interval of the difference of two means, each of at least two runs.

    Of runs that do not differ at all, it is the difference alone.
    """
    from scipy.stats import ttest_ind

    if len({*ours}) == len({*theirs}) == 1:
        difference = statistics.fmean(ours) - statistics.fmean(theirs)
        return difference, difference
    low, high = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    return float(low), float(high)


def is_significant(difference: Mapping[str, float]) -> bool:
    """Whether the 95 % interval of :func:`grouped_difference` excludes 0."""
    return difference["low"] > ROUNDING or difference["high"] < -ROUNDING


def in_points(difference: Mapping[str, float]) -> str:
    """A difference of shares and its interval as percentage points, for sentences."""
    value, low, high = (100 * difference[name] + 0.0 for name in ("value", "low", "high"))
    return f"{value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
