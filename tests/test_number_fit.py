"""The fit of the weights that divide numbers: against brute force, and on data of its own."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.optimize import check_grad

from digitlib.models.lattice import FEATURES, Lattice
from digitlib.models.number_reader import EVIDENCE, WEIGHTS, load_weights
from digitlib.training.lattice_fit import Ways, loss_of_prices


def make_lattice(random: np.random.RandomState, count: int = 4) -> Lattice:
    """All groups of up to two pieces, each read as 0 or 1, and joints in the middle."""
    spans = [(a, b) for a in range(count) for b in (a + 1, a + 2) if b <= count]
    digits = random.randint(2, size=len(spans))
    joints = [(place, place + 1) for place in range(1, count - 1)]
    start, stop = np.array(spans + joints).T
    features = random.uniform(size=(len(start), len(FEATURES)))
    return Lattice(count, start, stop, features, np.append(digits, [-1] * len(joints)))


def ways(lattice: Lattice) -> list[list[int]]:
    """Every row of steps from the first border to the last."""
    found = []
    for mask in product((False, True), repeat=lattice.count - 1):
        borders = [0, *(n + 1 for n, cut in enumerate(mask) if cut), lattice.count]
        fits = [
            np.flatnonzero((lattice.start == a) & (lattice.stop == b)).tolist()
            for a, b in pairwise(borders)
        ]
        found += [list(way) for way in product(*fits)]
    return found


def say(lattice: Lattice, way: list[int]) -> str:
    return "".join(str(lattice.digits[step]) for step in way if lattice.digits[step] >= 0)


def test_shares_are_those_of_all_ways_and_of_those_that_say_the_text() -> None:
    random = np.random.RandomState(0)
    lattices = [make_lattice(random, count) for count in (4, 3, 5)]
    texts = [say(lattice, ways(lattice)[1]) for lattice in lattices]
    known = Ways(list(zip(lattices, texts, strict=True)))
    costs = random.uniform(0, 3, len(known.features))
    for every in (True, False):
        shares, weights = known.shares(costs, every=every)
        for number, (lattice, text) in enumerate(zip(lattices, texts, strict=True)):
            own = costs[known.owner == number]
            right = [way for way in ways(lattice) if every or say(lattice, way) == text]
            expected = np.exp([-own[way].sum() for way in right])
            assert weights[number] == pytest.approx(np.log(expected.sum()))
            for step, share in enumerate(shares[known.owner == number]):
                through = [step in way for way in right]
                assert share == pytest.approx(expected[through].sum() / expected.sum())


def test_shares_of_all_ways_are_those_of_the_lattice() -> None:
    lattice = make_lattice(np.random.RandomState(3), 6)
    costs = np.random.RandomState(4).uniform(0, 3, len(lattice.start))
    shares, (weight,) = Ways([(lattice, "0")]).shares(costs, every=True)
    assert shares == pytest.approx(lattice.shares(costs)[0])
    assert weight == pytest.approx(lattice.shares(costs)[1])


def test_a_text_that_no_way_says_has_no_weight_and_counts_for_nothing() -> None:
    lattices = [make_lattice(np.random.RandomState(seed)) for seed in (0, 1)]
    known = [(lattice, say(lattice, ways(lattice)[0])) for lattice in lattices]
    prices = np.full(len(FEATURES), 0.3)
    costs = lattices[1].features @ prices
    assert Ways([(lattices[1], "9")]).shares(costs, every=False)[1] == -np.inf
    alone = loss_of_prices(prices, Ways(known[:1]))
    both = loss_of_prices(prices, Ways([known[0], (lattices[1], "9")]))
    assert both[0] == pytest.approx(alone[0])
    assert both[1] == pytest.approx(alone[1])


def test_the_slope_of_the_loss_is_that_of_finite_differences() -> None:
    random = np.random.RandomState(1)
    lattices = [make_lattice(random) for _ in range(4)]
    known = Ways([(lattice, say(lattice, ways(lattice)[0])) for lattice in lattices])
    prices = random.uniform(size=len(FEATURES))
    off = check_grad(
        lambda x: loss_of_prices(x, known)[0],
        lambda x: loss_of_prices(x, known)[1],
        prices,
    )
    assert off < 1e-4


def test_the_bundled_weights_name_every_feature() -> None:
    assert WEIGHTS.is_file()
    for weights in load_weights().values():
        assert weights.prices.shape == (len(FEATURES),)
        assert weights.evidence.shape == (len(EVIDENCE),)
        assert 0 < weights.certain < 1
