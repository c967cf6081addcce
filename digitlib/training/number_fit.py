"""The weights with which whole numbers are read, fitted to rows of training and validation writers.

First the prices of the lattice (:mod:`lattice_fit`). Then, on other rows, some with letters in
them, a logistic regression of whether a digit of the best way is right, and the probability below
which one is rejected. Strokes and pictures have weights of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.optimize import minimize

from digitlib.files import write_json
from digitlib.models.lattice import FEATURES
from digitlib.models.number_reader import EVIDENCE, SAME_PLACE, WEIGHTS
from digitlib.models.recognizer import Recognizer
from digitlib.training.lattice_fit import Ways, fit_prices
from digitlib.training.number_examples import (
    GAPS,
    STAGES,
    Example,
    Segment,
    read_rows,
    segment_picture_of,
    segment_strokes_of,
)

Values = NDArray[np.float64]

SPLITS = "train", "validation"
SHRINK = 0.001  # towards zero, per squared weight of the evidence
SILENT = 6.0  # rows with a rejection that are as bad as one that is wrong without any


def fit(seed: int = 0, part: float = 1.0, workers: int = -1) -> dict[str, Any]:
    """The content of ``numbers.json``.

    Args:
        seed: of the choice of rows.
        part: of the usual number of rows.
        workers: processes; -1 is one per core.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    kinds = {"strokes": segment_strokes_of, "pictures": segment_picture_of}
    return {kind: _fit_kind(segment, seed, part, workers) for kind, segment in kinds.items()} | {
        "seed": seed,
        "part": part,
        "weights of the network": Recognizer.load().weights,
    }


def write(path: Path = WEIGHTS) -> None:
    """Fit, and write the weights into the package."""
    write_json(path, fit())


def _fit_kind(segment: Segment, seed: int, part: float, workers: int) -> dict[str, Any]:
    tasks = [
        (split, gap, stage)
        for stage in STAGES
        for split in SPLITS
        for gap in (GAPS if stage != "alone" else ["wide"])
    ]
    made = Parallel(workers)(delayed(read_rows)(segment, seed, part, *task) for task in tasks)
    rows_of: dict[str, list[Example]] = {stage: [] for stage in STAGES}
    for (_, _, stage), some in zip(tasks, made, strict=True):
        rows_of[stage] += some
    known = [(each.read.lattice, each.text) for each in rows_of["prices"] if each.read is not None]
    prices = fit_prices(Ways(known))
    evidence = fit_evidence([each for stage in STAGES[1:] for each in rows_of[stage]], prices)
    certain, found = choose_certain(rows_of["evidence"], prices, evidence)
    return {
        "prices": dict(zip(FEATURES, prices.tolist(), strict=True)),
        "evidence": dict(zip(EVIDENCE, evidence.tolist(), strict=True)),
        "certain": certain,
        "on these rows": found,
    }


# --- rejection -----------------------------------------------------------------------------


def fit_evidence(examples: Sequence[Example], prices: Values) -> Values:
    """Weights ``[E]`` of ``EVIDENCE`` by logistic regression of whether a digit is right."""
    found = [_judge(each, prices) for each in examples if each.read is not None]
    evidence = np.concatenate([each.evidence for each in found])
    right = np.concatenate([each.right for each in found])

    def loss(weights: Values) -> tuple[float, Values]:
        logits = evidence @ weights
        likelihood = np.logaddexp(0, np.where(right, -logits, logits)).mean()
        slope = evidence.T @ (1 / (1 + np.exp(-logits)) - right) / len(right)
        return likelihood + SHRINK * weights @ weights / 2, slope + SHRINK * weights

    start = np.zeros(len(EVIDENCE))
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


class _Judged(NamedTuple):
    """The best way through a row: its digits, their evidence, and whether each is right."""

    text: str
    evidence: Values
    right: NDArray[np.bool_]


def _judge(example: Example, prices: Values) -> _Judged:
    read = example.read
    assert read is not None
    path, shares = read.divide(prices)
    digits = [str(read.predictions[place].digit) for place in path]
    boxes = [read.line.candidates[place].bounds for place in path]
    right = [
        any(
            sign == digit and _overlap((box[0], box[2]), span) > SAME_PLACE - 0.2
            for sign, span in zip(example.text, example.spans, strict=True)
        )
        for digit, box in zip(digits, boxes, strict=True)
    ]
    return _Judged("".join(digits), read.evidence(path, shares), np.array(right))


def _overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """The part that two spans have in common, as a share of the span over both."""
    common = min(first[1], second[1]) - max(first[0], second[0])
    return float(common / max(max(first[1], second[1]) - min(first[0], second[0]), 1e-9))


def choose_certain(
    examples: Sequence[Example], prices: Values, evidence: Values
) -> tuple[float, dict[str, Any]]:
    """The rejection threshold for digits that is best for these rows.

    A row read right counts 1, one that is wrong without a rejection minus ``SILENT``.

    Args:
        examples: rows without letters.
        prices: ``[F]``, of :func:`fit_prices`.
        evidence: ``[E]``, of :func:`fit_evidence`.

    Returns:
        the least probability of being right of a digit that is accepted, and by gap the shares of
        rows read right and silently wrong.
    """
    judged = [None if each.read is None else _judge(each, prices) for each in examples]
    least = np.array([
        0.0 if each is None else float((1 / (1 + np.exp(-each.evidence @ evidence))).min())
        for each in judged
    ])  # fmt: skip
    right = np.array([
        each is not None and each.text == example.text
        for each, example in zip(judged, examples, strict=True)
    ])  # fmt: skip
    gaps = np.array([each.gap for each in examples])
    bars = np.unique(np.round(least, 3))
    worth = [float((right - SILENT * ~right)[least >= bar].sum()) for bar in bars]
    bar = float(bars[int(np.argmax(worth))])
    return bar, {
        gap: {
            "rows": int((gaps == gap).sum()),
            "right": float((right & (least >= bar))[gaps == gap].mean()),
            "silently wrong": float((~right & (least >= bar))[gaps == gap].mean()),
            "best way right": float(right[gaps == gap].mean()),
        }
        for gap in GAPS
    }
