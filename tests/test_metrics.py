"""Every number against its formula or a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm
from sklearn import metrics as sklearn_metrics

from digitlib.evaluation import differences, metrics
from digitlib.evaluation.metrics import GroupedProportion, Proportion

Made = tuple[np.ndarray, np.ndarray]


def make(seed: int, count: int = 300, classes: int = 10) -> Made:
    """Probabilities of a network that is right about half the time, and labels."""
    random = np.random.RandomState(seed)
    labels = random.randint(classes, size=count)
    logits = random.randn(count, classes) * 1.5
    logits[np.arange(count), labels] += 2
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), labels


# Distinct scores and ties, one example and many.
made = st.builds(make, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 12))


# --- proportions ---------------------------------------------------------------------------


def wilson_by_hand(successes: int, total: int) -> tuple[float, float]:
    """Lower and upper end by Wilson's formula, with the 97.5 % quantile of the normal."""
    z, p = norm.ppf(0.975), successes / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * (p * (1 - p) / total + z**2 / (4 * total**2)) ** 0.5
    return middle - half, middle + half


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_the_interval_is_wilsons(total: int, share: float) -> None:
    successes = round(share * total)
    found = Proportion(successes, total).interval
    assert found == pytest.approx(wilson_by_hand(successes, total), abs=1e-12)


def test_the_interval_stays_between_none_and_all() -> None:
    assert Proportion(0, 7).interval[0] == Proportion(0, 2120).interval[0] == 0
    assert Proportion(7, 7).interval[1] == Proportion(60, 60).interval[1] == 1
    assert Proportion(7, 7).interval[0] < 1


def test_a_proportion_counts_true_entries() -> None:
    assert Proportion.of(np.array([True, False, True])) == Proportion(2, 3)


# --- proportions in groups -------------------------------------------------------------------


def grouped(shares: list[float], size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Hits in groups of one size, each with its own probability, shuffled; and the groups."""
    random = np.random.RandomState(seed)
    hits = np.concatenate([random.rand(size) < share for share in shares])
    groups = np.repeat(np.arange(len(shares)) * 7 + 3, size)
    order = random.permutation(len(hits))
    return hits[order], groups[order]


def test_the_grouped_interval_is_scipys_bootstrap_of_the_groups_means() -> None:
    hits, groups = grouped([0.99, 0.9, 0.6, 0.95, 0.8, 1.0, 0.7, 0.97], 50)
    found = GroupedProportion.of_groups(hits, groups)
    means = [hits[groups == group].mean() for group in np.unique(groups)]
    expected = bootstrap(
        (means,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert found.value == hits.mean()
    assert found.interval == pytest.approx(expected, abs=0.006)
    np.testing.assert_allclose(np.sort(found.shares), np.sort(means))


def test_alike_digits_of_a_group_make_the_interval_wider() -> None:
    hits, groups = grouped([1.0] * 9 + [0.2], 40)
    low, high = GroupedProportion.of_groups(hits, groups).interval
    narrow, wide = Proportion.of(hits).interval
    assert low < narrow - 0.05
    assert high > wide
    # of digits that are each their own group, it is about Wilson's
    own = GroupedProportion.of_groups(hits, np.arange(len(hits))).interval
    assert own == pytest.approx((narrow, wide), abs=0.01)


@pytest.mark.parametrize(
    ("hits", "groups"),
    [([True] * 5, [0, 0, 1, 1, 2]), ([False] * 4, [0, 0, 1, 1]), ([True, False, True], [4] * 3)],
    ids=["all", "none", "one group"],
)
def test_where_the_bootstrap_tells_nothing_the_interval_is_wilsons(
    hits: list[bool], groups: list[int]
) -> None:
    found = GroupedProportion.of_groups(np.array(hits), np.array(groups), "drawings")
    assert found.interval == Proportion.of(np.array(hits)).interval


def test_grouped_shares_are_reported_with_the_groups_and_their_extremes() -> None:
    hits = np.array([True, True, False, True])
    found = GroupedProportion.of_groups(hits, np.array([5, 5, 9, 9]))
    told = found.as_dict()
    assert told["writers"] == 2
    assert (told["lowest"], told["highest"]) == (0.5, 1.0)
    assert (told["value"], told["count"]) == (0.75, 4)
    assert "n = 4, 2 writers" in str(found)
    assert found.interval == GroupedProportion.of_groups(hits, np.array([1, 1, 2, 2])).interval


def test_the_extremes_are_of_large_groups_where_there_are_any() -> None:
    sizes = [metrics.LARGE_GROUP, metrics.LARGE_GROUP + 5, 3]
    groups = np.repeat([2, 0, 1], sizes)
    hits = np.ones(len(groups), bool)
    hits[:5] = hits[-3:] = False  # 5 of 20, and all of the 3
    told = GroupedProportion.of_groups(hits, groups).as_dict()
    assert (told["writers"], told["lowest"], told["highest"]) == (3, 0.75, 1.0)
    few = GroupedProportion.of_groups(hits[:4], np.array([1, 1, 1, 2])).as_dict()
    assert (few["lowest"], few["highest"]) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_grouped_interval_is_that_of_a_loop_over_groups_of_any_size(seed: int) -> None:
    random = np.random.RandomState(seed)
    groups = random.choice(8, 150, p=np.arange(1, 9) / 36)
    hits = random.rand(150) < 0.6 + 0.05 * groups
    own = [hits[groups == group] for group in np.unique(groups)]
    shares = []
    for _ in range(4000):
        drawn = [own[random.randint(len(own))] for _ in own]
        shares.append(sum(each.sum() for each in drawn) / sum(map(len, drawn)))
    found = GroupedProportion.of_groups(hits, groups).interval
    assert found == pytest.approx(np.percentile(shares, (2.5, 97.5)), abs=0.01)


def test_the_grouped_difference_is_of_the_same_digits() -> None:
    first, groups = grouped([0.9] * 12, 30, seed=1)
    second = first.copy()
    lost = np.flatnonzero(first)[:18]
    second[lost] = False
    found = differences.grouped_difference(first, second, groups)
    assert found["value"] == pytest.approx(18 / len(first))
    assert 0 < found["low"] < found["value"] < found["high"] < 0.12
    same = differences.grouped_difference(first, first, groups)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_intervals_are_arrays_for_figures() -> None:
    shares = [Proportion(9, 10), Proportion(0, 4)]
    value, low, high = metrics.intervals(shares)
    np.testing.assert_array_equal(value, [0.9, 0])
    assert [*zip(low, high, strict=True)] == [share.interval for share in shares]


def test_a_proportion_is_shown_with_its_interval() -> None:
    made = Proportion(9957, 10_000)
    assert str(made) == "99.57% (95 % interval 99.42% to 99.68%, n = 10,000)"
    low, high = made.interval
    assert made.as_dict() == {"value": 0.9957, "low": low, "high": high, "count": 10_000}


# --- accuracy and confusion ----------------------------------------------------------------


@given(made)
def test_accuracy(data: Made) -> None:
    probabilities, labels = data
    found = metrics.accuracy(probabilities, labels)
    assert found.total == len(labels)
    assert found.value == pytest.approx(
        sklearn_metrics.accuracy_score(labels, probabilities.argmax(axis=1))
    )


@given(made)
def test_precision_recall_and_f1_follow_from_the_confusion_matrix(data: Made) -> None:
    probabilities, labels = data
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (labels, predicted), 1)
    right, found, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    scores = metrics.class_scores(predicted, labels, classes)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(scores["precision"][0], right / found)
        np.testing.assert_allclose(scores["recall"][0], right / true)
        np.testing.assert_allclose(scores["F1"][0], 2 * right / (found + true))
    for name, totals in (("precision", found), ("recall", true)):
        for digit, (low, high) in enumerate(zip(*scores[name][1:], strict=True)):
            assert np.isnan(low) == np.isnan(high) == (totals[digit] == 0)
            if totals[digit]:
                share = Proportion(int(right[digit]), int(totals[digit]))
                assert (low, high) == share.interval


def test_an_absent_class_has_no_numbers() -> None:
    labels = np.array([0, 0, 2])
    for value, low, _ in metrics.class_scores(labels, labels, 3).values():
        np.testing.assert_array_equal(value, [1, np.nan, 1])
        assert np.isnan(low[1])


def test_the_sign_test_is_exact() -> None:
    first = np.array([True] * 9 + [False] + [True] * 5)
    second = np.array([False] * 9 + [True] + [True] * 5)
    assert metrics.mcnemar_test(first, second) == (9, 1, pytest.approx(2 * 11 / 1024))
    assert metrics.mcnemar_test(first, first) == (0, 0, 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_the_most_confused_pairs(seed: int, count: int) -> None:
    matrix = np.random.RandomState(seed).randint(0, 4, (10, 10))
    pairs = [
        (true, seen, int(matrix[true, seen]))
        for true in range(10)
        for seen in range(10)
        if true != seen and matrix[true, seen]
    ]
    found = metrics.most_confused(matrix, count)
    assert found == sorted(pairs, key=lambda pair: -pair[2])[:count]  # ties in reading order


def test_correct_predictions_have_no_confused_pairs() -> None:
    assert metrics.most_confused(np.diag([5] * 10)) == []


# --- probabilities -------------------------------------------------------------------------


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


def test_fifteen_bins_by_default() -> None:
    data = make(3)
    assert len(metrics.reliability(*data)["count"]) == 15
    assert metrics.expected_calibration_error(*data) == metrics.expected_calibration_error(
        *data, 15
    )


def test_a_confidence_of_1_is_in_the_last_bin() -> None:
    sure = np.eye(10)[[3, 4]]
    found = metrics.reliability(sure, np.array([3, 5]), bins=10)
    assert found["count"].tolist() == [0] * 9 + [2]
    assert found["accuracy"][-1] == 0.5
    assert metrics.expected_calibration_error(sure, np.array([3, 5])) == 0.5


@given(made)
def test_log_loss(data: Made) -> None:
    probabilities, labels = data
    true = probabilities[np.arange(len(labels)), labels]
    assert metrics.negative_log_likelihood(*data) == pytest.approx(-np.log(true).mean())


def test_a_certain_error_costs_much_but_not_infinitely() -> None:
    found = metrics.negative_log_likelihood(np.eye(10)[[3]], np.array([5]))
    assert 20 < found < 100


@given(made)
def test_the_brier_score(data: Made) -> None:
    probabilities, labels = data
    total = 0.0
    for shares, label in zip(probabilities, labels, strict=True):
        for digit, share in enumerate(shares):
            total += (share - (digit == label)) ** 2
    assert metrics.brier_score(*data) == pytest.approx(total / len(labels))


# --- risk, coverage and rejection ----------------------------------------------------------


@given(made)
def test_risk_and_coverage(data: Made) -> None:
    probabilities, labels = data
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    found = metrics.risk_coverage(scores, right)
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    risks = []
    for accepted in range(1, len(order) + 1):
        wrong = sum(not right[row] for row in order[:accepted])
        risks.append(wrong / accepted)
        assert found["coverage"][accepted - 1] == pytest.approx(accepted / len(order))
    np.testing.assert_allclose(found["risk"], risks)
    assert metrics.area_under_risk_coverage(scores, right) == pytest.approx(np.mean(risks))
    assert found["risk"][-1] == pytest.approx(1 - right.mean())  # everything is accepted


def test_a_score_that_ranks_errors_last_has_less_risk() -> None:
    right = np.arange(100) >= 20
    best = metrics.area_under_risk_coverage(right.astype(float), right)
    worst = metrics.area_under_risk_coverage(-right.astype(float), right)
    assert best < 0.03
    assert worst > 0.4
    assert metrics.area_under_risk_coverage(np.arange(5.0), np.ones(5, bool)) == 0


def test_coverage_is_the_largest_with_the_risk() -> None:
    right = np.array([True, True, False, True])
    table = metrics.risk_coverage(np.array([4.0, 3.0, 2.0, 1.0]), right)
    assert metrics.coverage_at(table, 0.0) == 0.5
    assert metrics.coverage_at(table, 0.25) == 1.0
    assert metrics.coverage_at(metrics.risk_coverage(np.ones(1), np.array([False])), 0.1) == 0


scores = st.lists(st.integers(-4, 8).map(float), min_size=1, max_size=60)


@given(scores, scores, st.integers(-5, 9))
@settings(max_examples=200)
def test_rejection(digits: list[float], others: list[float], threshold: int) -> None:
    found = metrics.rejection(np.array(digits), np.array(others), threshold)
    pairs = [(digit > other) + (digit == other) / 2 for digit in digits for other in others]
    assert found["AUROC"] == pytest.approx(np.mean(pairs))
    for name, values in (("digits rejected", digits), ("others rejected", others)):
        assert found[name] == sum(value < threshold for value in values) / len(values)


@given(scores, scores)
def test_the_rejection_curve_has_a_point_for_each_threshold(
    digits: list[float], others: list[float]
) -> None:
    thresholds = [*sorted({*digits, *others}), np.inf]
    expected = [
        [sum(value < threshold for value in values) / len(values) for threshold in thresholds]
        for values in (digits, others)
    ]
    found = metrics.rejection_curve(np.array(digits), np.array(others))
    np.testing.assert_allclose(found, expected)


# --- together ------------------------------------------------------------------------------


def test_the_summary_has_accuracy_and_calibration() -> None:
    probabilities, labels = make(5)
    right = probabilities.argmax(axis=1) == labels
    found = metrics.summarize(probabilities, labels)
    assert found == {
        "accuracy": metrics.accuracy(probabilities, labels).as_dict(),
        "errors": int((~right).sum()),
        "nll": metrics.negative_log_likelihood(probabilities, labels),
        "brier": metrics.brier_score(probabilities, labels),
        "ece": metrics.expected_calibration_error(probabilities, labels),
        "aurc": metrics.area_under_risk_coverage(probabilities.max(axis=1), right),
    }
    assert found["errors"] == found["accuracy"]["count"] * (1 - found["accuracy"]["value"])


def test_single_precision_is_good_enough() -> None:
    probabilities, labels = make(6)
    exact = metrics.summarize(probabilities, labels)
    found = metrics.summarize(probabilities.astype(np.float32), labels)
    for name in ("nll", "brier", "ece", "aurc"):
        assert found[name] == pytest.approx(exact[name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.ones((3, 10)), np.ones(4, int)),
        (np.ones(10), np.ones(10, int)),
        (np.ones((3, 10)), np.ones((3, 1), int)),
        (np.ones((0, 10)), np.ones(0, int)),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        metrics.accuracy,
        metrics.reliability,
        metrics.expected_calibration_error,
        metrics.negative_log_likelihood,
        metrics.brier_score,
    ],
)
def test_shapes_that_do_not_match_are_errors(
    function: object, probabilities: np.ndarray, labels: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"\[N, C\]"):
        function(probabilities, labels)


def test_a_difference_of_independent_digits_has_the_interval_of_a_paired_t_test() -> None:
    random = np.random.RandomState(0)
    first, second = random.rand(4000) < 0.9, random.rand(4000) < 0.8
    found = differences.grouped_difference(first, second)
    gains = first.astype(float) - second
    half = norm.ppf(0.975) * gains.std() / 4000**0.5
    assert found["value"] == pytest.approx(gains.mean())
    assert (found["low"], found["high"]) == pytest.approx(
        (gains.mean() - half, gains.mean() + half)
    )
    assert differences.is_significant(found)
    assert not differences.is_significant(differences.grouped_difference(first, first))
    assert differences.in_points({"value": 0.0123, "low": -0.001, "high": 0.0256}) == (
        "+1.2 points (95 % interval -0.1 to +2.6)"
    )
