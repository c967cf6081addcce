"""The weights with which whole numbers are read, fitted to rows of training and validation writers.

First the prices of the lattice, by maximum likelihood: among all ways to divide a row, those that
say what was written should have all the weight. Rows that have no such way say nothing; those with
wrong labels or odd digits weigh less than in plain likelihood. Then, on other rows, some with
letters in them, a logistic regression of whether a digit of the best way is right, and the
probability below which one is rejected. Strokes and pictures have weights of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.optimize import minimize

from digitlib.datasets import catalog, rows
from digitlib.datasets.pen import PenDrawing
from digitlib.datasets.rows import Row
from digitlib.evaluation.numbers import HEIGHTS, PENS
from digitlib.files import write_json
from digitlib.models.lattice import FEATURES, Lattice
from digitlib.models.number_reader import EVIDENCE, SAME_PLACE, WEIGHTS, ReadLine, read_lines
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.ink_pieces import segment_ink
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import read_grey
from digitlib.preprocessing.stroke_pieces import segment_strokes

Values = NDArray[np.float64]

SPLITS = "train", "validation"
STAGES = "prices", "evidence", "letters", "alone"  # what rows are for; each has rows of its own
GAPS = rows.SPACINGS | rows.TOUCHING
COUNTS = {"just apart": 35, "just touching": 80, "half a stroke in common": 40}  # rows …
OTHERS = 20  # … of the remaining gaps, and of each gap with letters
ALONE = 60  # digits alone
LENGTHS, PAIR = (2, 5), (2, 2)  # digits of a row, and of one in which they touch
LETTERS = 0.15  # of the signs of rows with letters
# An earlier fit of fewer features, on such rows: what is rare in them stays near it.
START = {
    "digit": -0.6, "one": -0.9, "thin": 2.8, "unsure": 0.5, "doubt": 0.5, "confidence": 2.0,
    "low": 13.5, "high": 0.6, "wide": 2.7, "gap": 6.0, "loose": 5.6, "parts": 1.5, "later": 2.8,
    "unshared": 0.9, "overlap": 4.7, "near": 6.8, "cut": 1.2, "crossed": 1.4, "joint": 2.4,
}  # fmt: skip
PULL = 1e-3  # towards that, per squared price: best for the likelihood of held-out rows
ROBUST = 2.0  # loss from which a row counts less
STEPS = 60
SHRINK = 0.001  # towards zero, per squared weight of the evidence
SILENT = 6.0  # a row that is wrong without a rejection is as bad as so many that have one


class Example(NamedTuple):
    """A row that was read.

    Attributes:
        text: what it says, ``?`` for a letter.
        gap: name of the gap between its digits.
        read: its line; None where it was not found to be one.
        spans: left and right end of each digit, in the unit of the candidates' bounds.
    """

    text: str
    gap: str
    read: ReadLine | None
    spans: Values


def fit(seed: int = 0, part: float = 1.0, workers: int = -1) -> dict[str, Any]:
    """The content of ``numbers.json``.

    Args:
        seed: of the choice of rows.
        part: of the usual number of rows.
        workers: processes; -1 is one per core.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    kinds = {"strokes": _segment_strokes, "pictures": _segment_picture}
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
    made = Parallel(workers)(delayed(_examples)(segment, seed, part, *task) for task in tasks)
    rows_of: dict[str, list[Example]] = {stage: [] for stage in STAGES}
    for (_, _, stage), some in zip(tasks, made, strict=True):
        rows_of[stage] += some
    prices = fit_prices(rows_of["prices"])
    evidence = fit_evidence([each for stage in STAGES[1:] for each in rows_of[stage]], prices)
    certain, found = choose_certain(rows_of["evidence"], prices, evidence)
    return {
        "prices": dict(zip(FEATURES, prices.tolist(), strict=True)),
        "evidence": dict(zip(EVIDENCE, evidence.tolist(), strict=True)),
        "certain": certain,
        "on these rows": found,
    }


# --- rows ----------------------------------------------------------------------------------


def _segment_strokes(row: Row, _: RandomState) -> tuple[list[Any], Callable[[Values], Values]]:
    return segment_strokes(row.strokes), lambda x: x


def _segment_picture(row: Row, random: RandomState) -> tuple[list[Any], Callable[[Values], Values]]:
    height, pen = random.uniform(*HEIGHTS), random.uniform(*PENS)
    left = np.concatenate(row.strokes)[:, 0].min() - rows.MARGIN
    lines = segment_ink(find_ink(read_grey(rows.picture(row.strokes, height, pen))))
    return lines, lambda x: (x - left) * height


Segment = Callable[[Row, RandomState], tuple[list[Any], Callable[[Values], Values]]]


def _examples(
    segment: Segment, seed: int, part: float, split: str, gap: str, stage: str
) -> list[Example]:
    """Rows of a split with this gap, read."""
    seed = len(STAGES) * seed + STAGES.index(stage)
    recognizer, random = Recognizer.load(), RandomState(seed)
    usual = COUNTS.get(gap, OTHERS)
    wanted = {"letters": OTHERS, "alone": ALONE}.get(stage, usual)
    count = max(round(part * wanted), 1)
    lengths = (1, 1) if stage == "alone" else LENGTHS if gap in rows.SPACINGS else PAIR
    drawings = catalog.read_unipen("unipen", split)
    if stage == "letters":
        drawings = drawings + _letters(split, drawings, LETTERS, random)
    found = []
    for row in rows.make_rows(drawings, count, GAPS[gap], seed, lengths):
        lines, place = segment(row, random)
        ends = [np.concatenate(digit)[:, 0] for digit in row.digits]
        spans = place(np.array([[each.min(), each.max()] for each in ends]))
        read = read_lines(recognizer, lines)[0] if len(lines) == 1 else None
        found.append(Example(row.text, gap, read, spans))
    return found


def _letters(
    split: str, digits: Sequence[PenDrawing], share: float, random: RandomState
) -> list[PenDrawing]:
    """Letters of the same writers, as many as are that share of all."""
    writers = {each.writer for each in digits}
    letters = [each for each in catalog.read_unipen("letters", split) if each.writer in writers]
    count = min(round(share / (1 - share) * len(digits)), len(letters))
    return [letters[number] for number in random.permutation(len(letters))[:count]]


# --- prices --------------------------------------------------------------------------------


def fit_prices(examples: Sequence[Example]) -> Values:
    """The prices under which the ways that say what was written have most weight, ``[F]``."""
    known = Ways([(each.read.lattice, each.text) for each in examples if each.read is not None])
    options = {"maxiter": STEPS}
    found = minimize(
        loss_of_prices, _start(), (known,), jac=True, method="L-BFGS-B", options=options
    )
    return np.asarray(found.x)


def _start() -> Values:
    return np.array([START.get(name, 0.0) for name in FEATURES])


def loss_of_prices(prices: Values, known: Ways) -> tuple[float, Values]:
    """The mean loss of lattices and what they should say, and its slope ``[F]``."""
    costs = known.features @ prices
    every, weights = known.shares(costs, every=True)
    right, right_weights = known.shares(costs, every=False)
    can = np.isfinite(right_weights)  # rows with a right way
    missed = np.where(can, weights - np.where(can, right_weights, 0), 0)
    strength = can / (1 + missed / ROBUST)
    slope = ((right - every) * strength[known.owner]) @ known.features / can.sum()
    pull = prices - _start()
    loss = ROBUST * np.log1p(missed / ROBUST).sum() / can.sum()
    return float(loss + PULL * pull @ pull), slope + 2 * PULL * pull


class Ways:
    """Many lattices with what they should say, as one graph, for speed.

    A node is a border and a number of digits said so far; where every way counts, digits say
    nothing, and the number stays 0.

    Attributes:
        features: of all steps, ``[S, F]``.
        owner: the lattice of each step, ``[S]``.
    """

    def __init__(self, known: Sequence[tuple[Lattice, str]]) -> None:
        lattices, texts = [each for each, _ in known], [text for _, text in known]
        sizes = np.array([len(each.start) for each in lattices])
        self._first = np.cumsum([0, *(each.count + 1 for each in lattices)])
        self.owner = np.repeat(np.arange(len(lattices)), sizes)
        self.features = np.concatenate([each.features for each in lattices])
        self._level = np.concatenate([each.stop for each in lattices])
        self._from = np.concatenate([each.start for each in lattices]) + self._first[self.owner]
        self._to = self._level + self._first[self.owner]
        self._lengths = np.array([len(text) for text in texts])
        digits = np.concatenate([each.digits for each in lattices])
        signs = np.full((len(texts), max(self._lengths)), -2)
        for row, text in zip(signs, texts, strict=True):
            row[: len(text)] = [int(sign) for sign in text]
        self._joint = digits < 0
        self._fits = np.where(digits[:, None] == signs[self.owner], 0.0, -np.inf)  # [S, T]

    def shares(self, costs: Values, *, every: bool) -> tuple[Values, Values]:
        """Of each step, in the weight of all ways of its lattice or of those that say its text.

        Args:
            costs: of the steps, ``[S]``.
            every: all ways count.

        Returns:
            Shares ``[S]``, 0 where no way counts, and logarithms of the weights ``[L]``.
        """
        ends = self._first[1:] - 1, 0 if every else self._lengths
        length = 0 if every else self._fits.shape[1]
        before, after = np.full((2, self._first[-1], length + 1), -np.inf)
        before[self._first[:-1], 0] = after[ends] = 0
        stay, say = self._gains(costs, every)
        for level in range(1, int(self._level.max()) + 1):
            at = np.flatnonzero(self._level == level)
            _pass(before, self._from[at], self._to[at], stay[at], say[at])
        starts = self._from - self._first[self.owner]
        for level in range(int(starts.max()), -1, -1):
            at = np.flatnonzero(starts == level)
            flipped = after[:, ::-1]
            _pass(flipped, self._to[at], self._from[at], stay[at], say[at, ::-1])
        total = before[ends]
        known = np.where(np.isfinite(total), total, 0)[self.owner, None]
        through = stay[:, None] + before[self._from] + after[self._to]
        shares = np.exp(through - known).sum(axis=1)
        spoken = say + before[self._from, :-1] + after[self._to, 1:]
        return shares + np.exp(spoken - known).sum(axis=1), total

    def _gains(self, costs: Values, every: bool) -> tuple[Values, Values]:
        """Logarithms of the weights of steps that say nothing ``[S]``, and of digits ``[S, T]``."""
        if every:
            return -costs, np.zeros((len(costs), 0))
        return np.where(self._joint, -costs, -np.inf), self._fits - costs[:, None]


def _pass(
    reached: Values, start: NDArray[np.intp], stop: NDArray[np.intp], stay: Values, say: Values
) -> None:
    """Add the weight of ways that take these steps, in place, as logarithms."""
    np.logaddexp.at(reached, stop, reached[start] + stay[:, None])
    np.logaddexp.at(reached[:, 1:], stop, reached[start, :-1] + say)


# --- rejection -----------------------------------------------------------------------------


def fit_evidence(examples: Sequence[Example], prices: Values) -> Values:
    """Weights of ``EVIDENCE`` for a digit's being right: logistic regression, ``[E]``."""
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
    """The best way through a row: its digits, what speaks for each, whether each is right."""

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
    """The bar for a digit that is best for these rows: a right one counts 1, a silent error
    minus ``SILENT``.

    Returns:
        A probability of being right, and shares of rows read right, and silently wrong, by gap.
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
