"""``metrics``: every number against its formula, a library or a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import GroupedProportion, Proportion

Made = tuple[np.ndarray, np.ndarray]


def make(seed: int, count: int = 300, classes: int = 10) -> Made:
    """Probabilities of a network with an accuracy of about one half, and labels."""
    random = np.random.RandomState(seed)
    labels = random.randint(classes, size=count)
    logits = random.randn(count, classes) * 1.5
    logits[np.arange(count), labels] += 2
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), labels


# Distinct scores and ties, one example and many.
made = st.builds(make, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 12))


# --- shares ----------------------------------------------------------------------------------


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_the_interval_is_wilsons(total: int, share: float) -> None:
    successes = round(share * total)
    z, p = norm.ppf(0.975), successes / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * (p * (1 - p) / total + z**2 / (4 * total**2)) ** 0.5
    found = Proportion(successes, total).interval
    assert found == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert 0 <= found[0] <= p <= found[1] <= 1


def test_a_proportion_counts_true_entries_and_shows_its_interval() -> None:
    assert Proportion.of(np.array([True, False, True])) == Proportion(2, 3)
    share = Proportion(9957, 10_000)
    assert str(share) == "99.57% (95 % interval 99.42% to 99.68%, n = 10,000)"
    assert share.brief() == "99.6% (99.4% to 99.7%)"
    low, high = share.interval
    assert share.as_dict() == {"value": 0.9957, "low": low, "high": high, "count": 10_000}


def test_intervals_are_arrays_for_figures() -> None:
    shares = [Proportion(9, 10), Proportion(0, 4)]
    value, low, high = metrics.intervals(shares)
    np.testing.assert_array_equal(value, [0.9, 0])
    assert [*zip(low, high, strict=True)] == [share.interval for share in shares]


def grouped(shares: list[float], size: int, seed: int = 0) -> Made:
    """Hits in groups of one size, each with its own probability, shuffled; and the groups."""
    random = np.random.RandomState(seed)
    hits = np.concatenate([random.rand(size) < share for share in shares])
    groups = np.repeat(np.arange(len(shares)) * 7 + 3, size)
    order = random.permutation(len(hits))
    return hits[order], groups[order]


def test_the_grouped_interval_is_scipys_bootstrap_of_the_means_of_the_groups() -> None:
    hits, groups = grouped([0.99, 0.9, 0.6, 0.95, 0.8, 1.0, 0.7, 0.97], 50)
    found = GroupedProportion.of_groups(hits, groups)
    means = [hits[groups == group].mean() for group in np.unique(groups)]
    expected = bootstrap((means,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    assert found.value == hits.mean()
    assert found.interval == pytest.approx(expected.confidence_interval, abs=0.006)
    np.testing.assert_allclose(np.sort(found.shares), np.sort(means))


def test_the_grouped_interval_is_that_of_a_loop_over_groups_of_any_size() -> None:
    random = np.random.RandomState(0)
    groups = random.choice(8, 150, p=np.arange(1, 9) / 36)
    hits = random.rand(150) < 0.6 + 0.05 * groups
    own = [hits[groups == group] for group in np.unique(groups)]
    shares = []
    for _ in range(4000):
        drawn = [own[random.randint(len(own))] for _ in own]
        shares.append(sum(each.sum() for each in drawn) / sum(map(len, drawn)))
    found = GroupedProportion.of_groups(hits, groups).interval
    assert found == pytest.approx(np.percentile(shares, (2.5, 97.5)), abs=0.01)


def test_similar_digits_in_groups_make_the_interval_wider() -> None:
    hits, groups = grouped([1.0] * 9 + [0.2], 40)
    low, high = GroupedProportion.of_groups(hits, groups).interval
    narrow, wide = Proportion.of(hits).interval
    assert low < narrow - 0.05
    assert high > wide
    own = GroupedProportion.of_groups(hits, np.arange(len(hits))).interval
    assert own == pytest.approx((narrow, wide), abs=0.01)


@pytest.mark.parametrize(
    ("hits", "groups"),
    [([True] * 5, [0, 0, 1, 1, 2]), ([False] * 4, [0, 0, 1, 1]), ([True, False, True], [4] * 3)],
    ids=["all", "none", "one group"],
)
def test_without_variation_between_groups_the_interval_is_wilsons(
    hits: list[bool], groups: list[int]
) -> None:
    found = GroupedProportion.of_groups(np.array(hits), np.array(groups), "drawings")
    assert found.interval == Proportion.of(np.array(hits)).interval


def test_the_extremes_are_those_of_large_groups_or_of_all() -> None:
    sizes = [metrics.LARGE_GROUP, metrics.LARGE_GROUP + 5, 3]
    groups = np.repeat([2, 0, 1], sizes)
    hits = np.ones(len(groups), bool)
    hits[:5] = hits[-3:] = False  # 5 of 20, and all of the 3
    found = GroupedProportion.of_groups(hits, groups)
    numbers = found.as_dict()
    assert (numbers["writers"], numbers["lowest"], numbers["highest"]) == (3, 0.75, 1.0)
    assert (numbers["value"], numbers["count"]) == (40 / 48, 48)
    assert "n = 48, 3 writers" in str(found)
    few = GroupedProportion.of_groups(hits[:4], np.array([1, 1, 1, 2])).as_dict()
    assert (few["lowest"], few["highest"]) == (0.0, 0.0)


# --- differences -----------------------------------------------------------------------------


def test_the_grouped_difference_is_of_the_same_digits() -> None:
    first, groups = grouped([0.9] * 12, 30, seed=1)
    second = first.copy()
    second[np.flatnonzero(first)[:18]] = False
    found = metrics.grouped_difference(first, second, groups)
    assert found["value"] == pytest.approx(18 / len(first))
    assert 0 < found["low"] < found["value"] < found["high"] < 0.12
    same = metrics.grouped_difference(first, first, groups)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_difference_of_independent_digits_has_the_normal_interval() -> None:
    random = np.random.RandomState(0)
    first, second = random.rand(4000) < 0.9, random.rand(4000) < 0.8
    found = metrics.grouped_difference(first, second)
    gains = first.astype(float) - second
    half = norm.ppf(0.975) * gains.std() / 4000**0.5
    expected = (gains.mean(), gains.mean() - half, gains.mean() + half)
    assert (found["value"], found["low"], found["high"]) == pytest.approx(expected)
    assert metrics.is_significant(found)
    assert not metrics.is_significant(metrics.grouped_difference(first, first))
    assert metrics.in_points({"value": 0.0123, "low": -0.001, "high": 0.0256}) == (
        "+1.2 points (95 % interval -0.1 to +2.6)"
    )


def test_mcnemars_test_is_exact() -> None:
    first = np.array([True] * 9 + [False] + [True] * 5)
    second = np.array([False] * 9 + [True] + [True] * 5)
    assert metrics.mcnemar_test(first, second) == (9, 1, pytest.approx(2 * 11 / 1024))
    assert metrics.mcnemar_test(first, first) == (0, 0, 1.0)


# --- probabilities ---------------------------------------------------------------------------


def reliability_by_loop(data: Made, bins: int) -> list[tuple[float, float, int]]:
    probabilities, labels = data
    rows: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for shares, label in zip(probabilities, labels, strict=True):
        confidence = max(shares)
        number = next((b for b in range(bins) if confidence < (b + 1) / bins), bins - 1)
        rows[number].append((confidence, int(np.argmax(shares)) == label))
    return [
        (float(np.mean([c for c, _ in row])), float(np.mean([r for _, r in row])), len(row))
        if row
        else (math.nan, math.nan, 0)
        for row in rows
    ]


@given(made, st.integers(1, 20))
def test_reliability_and_calibration_error(data: Made, bins: int) -> None:
    expected = reliability_by_loop(data, bins)
    found = metrics.reliability(*data, bins)
    np.testing.assert_allclose(found["confidence"], [row[0] for row in expected])
    np.testing.assert_allclose(found["accuracy"], [row[1] for row in expected])
    np.testing.assert_array_equal(found["count"], [row[2] for row in expected])
    error = sum(abs(c - a) * n for c, a, n in expected if n) / len(data[1])
    assert metrics.expected_calibration_error(*data, bins) == pytest.approx(error)


def test_a_confidence_of_1_is_in_the_last_bin() -> None:
    sure = np.eye(10)[[3, 4]]
    found = metrics.reliability(sure, np.array([3, 5]), bins=10)
    assert found["count"].tolist() == [0] * 9 + [2]
    assert metrics.expected_calibration_error(sure, np.array([3, 5])) == 0.5


@given(made)
def test_log_loss_and_brier_score(data: Made) -> None:
    probabilities, labels = data
    true = probabilities[np.arange(len(labels)), labels]
    assert metrics.negative_log_likelihood(*data) == pytest.approx(-np.log(true).mean())
    truth = np.eye(probabilities.shape[1])[labels]
    expected = ((probabilities - truth) ** 2).sum(axis=1).mean()
    assert metrics.brier_score(*data) == pytest.approx(expected)


def test_a_certain_error_costs_a_finite_amount() -> None:
    found = metrics.negative_log_likelihood(np.eye(10)[[3]], np.array([5]))
    assert 20 < found < 100


@given(made)
def test_the_area_under_risk_and_coverage(data: Made) -> None:
    probabilities, labels = data
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    risks = [np.mean([not right[row] for row in order[:n]]) for n in range(1, len(order) + 1)]
    assert metrics.area_under_risk_coverage(scores, right) == pytest.approx(np.mean(risks))


def test_the_summary_has_accuracy_and_calibration_in_single_precision_too() -> None:
    probabilities, labels = make(5)
    right = probabilities.argmax(axis=1) == labels
    found = metrics.summarize(probabilities, labels)
    assert found == {
        "accuracy": metrics.accuracy(probabilities, labels).as_dict(),
        "errors": int((~right).sum()),
        "nll": metrics.negative_log_likelihood(probabilities, labels),
        "brier": metrics.brier_score(probabilities, labels),
        "ece": metrics.expected_calibration_error(probabilities, labels, bins=15),
        "aurc": metrics.area_under_risk_coverage(probabilities.max(axis=1), right),
    }
    assert found["accuracy"]["value"] == right.mean()
    single = metrics.summarize(probabilities.astype(np.float32), labels)
    for name in ("nll", "brier", "ece", "aurc"):
        assert single[name] == pytest.approx(found[name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.ones((3, 10)), np.ones(4, int)),
        (np.ones(10), np.ones(10, int)),
        (np.ones((3, 10)), np.ones((3, 1), int)),
        (np.ones((0, 10)), np.ones(0, int)),
    ],
)
def test_shapes_that_do_not_match_are_errors(probabilities: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[N, C\]"):
        metrics.accuracy(probabilities, labels)
