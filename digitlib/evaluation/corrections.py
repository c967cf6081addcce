"""Measure the memory of corrections: a writer's errors with it, and what it changes for others.

An error is a wrong label: another digit, a rejected digit, or an accepted non-digit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.datasets import catalog
from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.evaluation.metrics import draw_groups
from digitlib.files import REPORTS, write_json
from digitlib.models.card import BASELINE_WEIGHTS, EMBEDDING
from digitlib.models.memory import SHARPNESS, STRENGTH, move, similarity_weights, unit
from digitlib.models.recognizer import Recognizer

ORDERS, SEED = 20, 0  # random orders of a writer's drawings
PER_DIGIT, STORED = 3, 60  # drawings stored of each digit; of a writer, to read others' drawings

Array = NDArray[Any]
NOTHING: Array = np.zeros(0, int)


@dataclass(frozen=True)
class Outputs:
    """A network's outputs ``[N, …]`` for labeled drawings, and β and λ of the memory."""

    probabilities: Array
    scores: Array
    embeddings: Array  # of length 1
    labels: Array
    writers: Array
    threshold: float
    constants: tuple[float, float] = SHARPNESS, STRENGTH

    @classmethod
    def of(cls, recognizer: Recognizer, data: DigitData) -> Outputs:
        """The outputs for a data set; pen data are read as strokes."""
        names = "probabilities", "score", EMBEDDING
        shares, scores, rows = recognizer.outputs(data.frames(), *names)
        writers = np.full(len(data), -1) if data.writers is None else data.writers.numpy()
        threshold = recognizer.threshold if data.strokes is None else recognizer.stroke_threshold
        return cls(shares, scores, unit(rows), data.labels.numpy(), writers, threshold)

    def errors(self, rows: Array, memory: Outputs, stored: Array) -> NDArray[np.bool_]:
        """Which of the ``rows`` are errors with stored rows of ``memory``, each without itself."""
        new, old = self.embeddings[rows], memory.embeddings[stored]
        weights = similarity_weights(new, old, *self.constants)
        weights[(rows[:, None] == stored) & (self is memory)] = 0
        given = self.probabilities[rows], self.scores[rows], self.threshold
        shares, scores = move(*given, weights, memory.labels[stored])
        found = np.where(scores < self.threshold, NO_DIGIT, shares.argmax(axis=1))
        return found != self.labels[rows]


def count_errors(outputs: Outputs, orders: int = ORDERS) -> dict[str, Array]:
    """Errors of each writer ``[writers, 2]`` without the memory and with it, by what is stored.

    They are means over random orders. "three per digit stored" counts the other drawings.
    """
    random, counts = np.random.RandomState(SEED), defaultdict(list)
    for writer in np.unique(outputs.writers):
        rows, found = np.flatnonzero(outputs.writers == writer), defaultdict(list)
        before, held_out = (outputs.errors(rows, outputs, each).sum() for each in (NOTHING, rows))
        for _ in range(orders):
            order, errors = random.permutation(rows), NOTHING
            for row in order[:, None]:
                errors = np.append(errors, row[outputs.errors(row, outputs, errors)])
            digits = [order[outputs.labels[order] == label] for label in range(NO_DIGIT + 1)]
            stored = np.concatenate([each[:PER_DIGIT] for each in digits])
            rest = np.setdiff1d(order, stored)
            left = [outputs.errors(rest, outputs, each).sum() for each in (NOTHING, stored)]
            found["all others stored"].append([before, held_out])
            found["as errors happen"].append([before, len(errors)])
            found["three per digit stored"].append(left)
        for name, pairs in found.items():
            counts[name].append(np.mean(pairs, axis=0))
    return {name: np.array(pairs) for name, pairs in counts.items()}


def remaining(errors: Array) -> dict[str, float]:
    """The share of errors ``[writers, 2]`` that remain; the interval is over writers."""
    drawn, (before, after) = draw_groups(len(errors)) @ errors, errors.sum(axis=0)
    low, high = np.percentile(drawn[:, 1] / np.maximum(drawn[:, 0], 1), (2.5, 97.5))
    better, worse = (errors[:, 1] < errors[:, 0]).sum(), (errors[:, 1] > errors[:, 0]).sum()
    counts = {"before": before, "after": after, "value": after / before, "low": low, "high": high}
    counts |= {"writers": len(errors), "better writers": better, "worse writers": worse}
    return {name: float(count) for name, count in counts.items()}


def changes(outputs: Outputs, memory: Outputs) -> dict[str, float]:
    """Shares of drawings made wrong and right by ``STORED`` drawings of one writer of ``memory``.

    They are means over these writers, as is the interval of the difference. If both arguments are
    the same, a writer's own drawings don't count.
    """
    random, shares = np.random.RandomState(SEED), []
    for writer in np.unique(memory.writers):
        stored = random.permutation(np.flatnonzero(memory.writers == writer))[:STORED]
        rows = np.flatnonzero((outputs.writers != writer) | (outputs is not memory))
        before, after = (outputs.errors(rows, memory, each) for each in (NOTHING, stored))
        shares.append([(after & ~before).mean(), (before & ~after).mean()])
    wrong, right = np.array(shares).T
    low, high = np.percentile(draw_groups(len(wrong)) @ (wrong - right) / len(wrong), (2.5, 97.5))
    found = {"made wrong": wrong.mean(), "made right": right.mean(), "low": low, "high": high}
    return {name: float(share) for name, share in found.items()}


def write() -> None:
    """Measure test writers, and training writers with the baseline; write reports/memory.json.

    Raises:
        DataMissingError, DataDamagedError: MNIST or UNIPEN is missing or damaged.
    """
    bundled, baseline = Recognizer.load(), Recognizer.load(BASELINE_WEIGHTS)
    names = {"digits": "unipen", "letters": "letters", "mnist": "mnist"}
    sets = {name: Outputs.of(bundled, catalog.load(data, "test")) for name, data in names.items()}
    new = Outputs.of(baseline, catalog.load("unipen", "train"))
    writers = {"digits": sets["digits"], "baseline": new, "letters": sets["letters"]}
    errors = {name: count_errors(outputs) for name, outputs in writers.items()}
    found = {
        "weights": bundled.weights,
        "errors": {n: {k: remaining(each) for k, each in e.items()} for n, e in errors.items()},
        "changes": {name: changes(outputs, sets["digits"]) for name, outputs in sets.items()},
    }
    write_json(REPORTS / "memory.json", found)
