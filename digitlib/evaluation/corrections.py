"""Measure the memory of corrections: a writer's errors with it, and what it changes for others.

An answer is right if its label is: the digit and not rejected, or rejected for a non-digit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.datasets import catalog
from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.evaluation.compare import known_channels
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
    """A network's outputs for labeled drawings, and β and λ of the memory.

    Arrays are ``[N, 10]``, ``[N]``, unit vectors ``[N, F]``, ``[N]`` and ``[N]``.
    """

    probabilities: Array
    scores: Array
    embeddings: Array
    labels: Array
    writers: Array
    threshold: float
    constants: tuple[float, float] = SHARPNESS, STRENGTH

    @classmethod
    def of(cls, recognizer: Recognizer, data: DigitData) -> Outputs:
        """The outputs for a data set; pen data are read as strokes."""
        channels, names = known_channels(recognizer, data), ("probabilities", "score", EMBEDDING)
        shares, scores, rows = recognizer.outputs(data.images, channels, *names)
        writers = np.full(len(data), -1) if data.writers is None else data.writers.numpy()
        threshold = recognizer.threshold if channels is None else recognizer.stroke_threshold
        return cls(shares, scores, unit(rows), data.labels.numpy(), writers, threshold)

    def errors(self, rows: Array, memory: Outputs, stored: Array) -> NDArray[np.bool_]:
        """Which answers ``[rows]`` are wrong if these rows of ``memory`` are stored.

        A drawing among the stored ones is read without itself.
        """
        new, old = self.embeddings[rows], memory.embeddings[stored]
        weights = similarity_weights(new, old, *self.constants)
        weights[(rows[:, None] == stored) & (self is memory)] = 0
        given = self.probabilities[rows], self.scores[rows], self.threshold
        shares, scores = move(*given, weights, memory.labels[stored])
        found = np.where(scores < self.threshold, NO_DIGIT, shares.argmax(axis=1))
        return found != self.labels[rows]


def count_errors(outputs: Outputs, orders: int = ORDERS) -> dict[str, Array]:
    """Errors of each writer by scenario: ``[writers, 2]``, without the memory and with it.

    The drawings come in random orders, of which these are the means. "three per digit
    stored" counts the other drawings.
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
    """Shares of drawings that become wrong and right if one writer's drawings are stored.

    They are means over the writers of ``memory``, who store up to ``STORED`` drawings each. If both
    arguments are the same, each writer's own drawings don't count.
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
    """Write reports/memory.json: test writers with the bundled network, and training writers of
    UNIPEN with the baseline, to which they are new.

    Raises:
        DataMissingError, DataDamagedError: MNIST or UNIPEN is missing or damaged.
    """  # fmt: skip
    bundled, baseline = Recognizer.load(), Recognizer.load(BASELINE_WEIGHTS)
    names = {"digits": "unipen", "letters": "letters", "mnist": "mnist"}
    sets = {name: Outputs.of(bundled, catalog.load(data, "test")) for name, data in names.items()}
    baseline_digits = Outputs.of(baseline, catalog.load("unipen", "train"))
    writers = {"digits": sets["digits"], "baseline": baseline_digits, "letters": sets["letters"]}
    found = {
        "errors": {
            name: {kind: remaining(each) for kind, each in count_errors(outputs).items()}
            for name, outputs in writers.items()
        },
        "changes": {name: changes(outputs, sets["digits"]) for name, outputs in sets.items()},
    }
    write_json(REPORTS / "memory.json", {"weights": bundled.weights} | found)
