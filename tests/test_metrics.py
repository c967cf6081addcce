"""Every number against scikit-learn, scipy or a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn import metrics as sklearn_metrics

from digitlib.evaluation import metrics
from digitlib.evaluation.metrics import Proportion

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


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_the_interval_is_wilsons(total: int, share: float) -> None:
    successes = round(share * total)
    expected = binomtest(successes, total).proportion_ci(method="wilson")
    assert Proportion(successes, total).interval == pytest.approx(tuple(expected), abs=1e-12)


def test_z_is_the_normal_quantile() -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-14) == metrics.Z95


def test_the_interval_stays_between_none_and_all() -> None:
    assert Proportion(0, 7).interval[0] == Proportion(0, 2120).interval[0] == 0
    assert Proportion(7, 7).interval[1] == Proportion(60, 60).interval[1] == 1
    assert Proportion(7, 7).interval[0] < 1


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
def test_the_confusion_matrix(data: Made) -> None:
    probabilities, labels = data
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    found = metrics.confusion_matrix(predicted, labels, classes)
    expected = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(classes))
    np.testing.assert_array_equal(found, expected)


@given(made)
def test_precision_recall_and_f1(data: Made) -> None:
    probabilities, labels = data
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(predicted, labels, classes)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(classes), zero_division=np.nan
    )
    found = metrics.per_class(matrix)
    np.testing.assert_allclose(found["precision"], precision)
    np.testing.assert_allclose(found["recall"], recall)
    # scikit-learn gives 0 where a class is only predicted or only there: so do we.
    np.testing.assert_allclose(found["f1"], f1)


def test_a_class_that_is_nowhere_has_no_numbers() -> None:
    matrix = np.diag([3, 0, 2])
    found = metrics.per_class(matrix)
    for name in ("precision", "recall", "f1"):
        np.testing.assert_array_equal(found[name], [1, np.nan, 1])


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


def test_nothing_is_confused_where_all_is_right() -> None:
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


def test_fifteen_bins_without_a_number() -> None:
    data = make(3)
    assert len(metrics.reliability(*data)["count"]) == 15
    assert metrics.expected_calibration_error(*data) == metrics.expected_calibration_error(
        *data, 15
    )


def test_certainty_falls_into_the_last_bin() -> None:
    sure = np.eye(10)[[3, 4]]
    found = metrics.reliability(sure, np.array([3, 5]), bins=10)
    assert found["count"].tolist() == [0] * 9 + [2]
    assert found["accuracy"][-1] == 0.5
    assert metrics.expected_calibration_error(sure, np.array([3, 5])) == 0.5


@given(made)
def test_log_loss(data: Made) -> None:
    probabilities, labels = data
    expected = sklearn_metrics.log_loss(labels, probabilities, labels=range(probabilities.shape[1]))
    assert metrics.negative_log_likelihood(*data) == pytest.approx(expected)


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


def test_the_brier_score_of_two_classes_is_twice_scikit_learns() -> None:
    probabilities, labels = make(1, classes=2)
    expected = sklearn_metrics.brier_score_loss(labels, probabilities[:, 1])
    assert metrics.brier_score(probabilities, labels) == pytest.approx(2 * expected)


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


def test_a_score_that_knows_its_errors_has_less_risk() -> None:
    right = np.arange(100) >= 20
    best = metrics.area_under_risk_coverage(right.astype(float), right)
    worst = metrics.area_under_risk_coverage(-right.astype(float), right)
    assert best < 0.03
    assert worst > 0.4
    assert metrics.area_under_risk_coverage(np.arange(5.0), np.ones(5, bool)) == 0


@given(
    st.lists(st.integers(-4, 8).map(float), min_size=1, max_size=60),
    st.lists(st.integers(-8, 4).map(float), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.01, 0.1, 0.5]),
)
@settings(max_examples=200)
def test_rejection(digits: list[float], others: list[float], rate: float) -> None:
    found = metrics.rejection(np.array(digits), np.array(others), rate)
    truth = [1] * len(digits) + [0] * len(others)
    assert found["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(truth, digits + others))
    threshold = found["threshold"]
    assert threshold == pytest.approx(np.quantile(digits, rate))
    rejected = [sum(score < threshold for score in scores) for scores in (digits, others)]
    assert found["digits_rejected"] == pytest.approx(rejected[0] / len(digits))
    assert found["others_rejected"] == pytest.approx(rejected[1] / len(others))
    assert found["digits_rejected"] <= rate + 1e-9 or rejected[0] <= math.ceil(rate * len(digits))


def test_one_digit_in_a_hundred_may_be_rejected() -> None:
    random = np.random.RandomState(0)
    found = metrics.rejection(random.randn(5000) + 3, random.randn(5000))
    assert found["digits_rejected"] == pytest.approx(0.01, abs=0.0005)


# --- together ------------------------------------------------------------------------------


def test_the_summary_has_the_usual_numbers() -> None:
    probabilities, labels = make(5)
    right = probabilities.argmax(axis=1) == labels
    found = metrics.summary(probabilities, labels)
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
    exact = metrics.summary(probabilities, labels)
    found = metrics.summary(probabilities.astype(np.float32), labels)
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
def test_shapes_that_do_not_fit_are_refused(
    function: object, probabilities: np.ndarray, labels: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"\[N, C\]"):
        function(probabilities, labels)


def test_confusion_needs_as_many_predictions_as_labels() -> None:
    with pytest.raises(ValueError, match=r"predicted is \(3,\), labels is \(4,\)"):
        metrics.confusion_matrix(np.zeros(3, int), np.zeros(4, int))
