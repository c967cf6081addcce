"""Prices of a lattice by maximum likelihood: what was written should have all the weight.

Among all ways to divide a row, those that say its text should have all the weight. Rows without
such a way say nothing; rows with wrong labels or odd digits weigh less than in plain likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from digitlib.models.lattice import FEATURES, Lattice

Values = NDArray[np.float64]

# An earlier fit of fewer features, on such rows: what is rare in them stays near it.
START = {
    "digit": -0.6, "one": -0.9, "thin": 2.8, "unsure": 0.5, "doubt": 0.5, "confidence": 2.0,
    "low": 13.5, "high": 0.6, "wide": 2.7, "gap": 6.0, "loose": 5.6, "parts": 1.5, "later": 2.8,
    "unshared": 0.9, "overlap": 4.7, "near": 6.8, "cut": 1.2, "crossed": 1.4, "joint": 2.4,
}  # fmt: skip
PULL = 1e-3  # towards that, per squared price: best for the likelihood of held-out rows
ROBUST = 2.0  # loss from which a row counts less
STEPS = 60


def fit_prices(known: Ways) -> Values:
    """The prices ``[F]`` under which the ways that say what was written have most weight."""
    options = {"maxiter": STEPS}
    found = minimize(
        loss_of_prices, _start(), (known,), jac=True, method="L-BFGS-B", options=options
    )
    return np.asarray(found.x)


def _start() -> Values:
    return np.array([START.get(name, 0.0) for name in FEATURES])


def loss_of_prices(prices: Values, known: Ways) -> tuple[float, Values]:
    """The mean loss of lattices with their texts, and its gradient ``[F]``."""
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
    """Many lattices with their texts, as one graph, for speed.

    A node is a border between pieces and the number of digits of the text so far. Where every way
    counts, the text does not matter, and the number stays 0.

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
