"""The rules of the game "Draw a 7!"."""

from __future__ import annotations

import pytest

from digitlib.widgets.panels.game import ROUND, SECONDS, SURE, Game


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def game(clock: Clock) -> Game:
    started = Game(clock, order=list.reverse)
    started.start()
    return started


def play(game: Game, confidence: float = 1.0) -> int:
    assert game.asked is not None
    points = game.hit(game.asked, confidence)
    game.next()
    return points


def test_a_round_asks_for_each_digit_once_in_another_order() -> None:
    orders = []
    for _ in range(5):
        game, asked = Game(), []
        game.start()
        while game.asked is not None:
            asked.append(game.asked)
            game.miss()
        assert sorted(asked) == [*range(ROUND)]
        orders.append(asked)
    assert len(set(map(tuple, orders))) > 1


@pytest.mark.parametrize(("digit", "confidence"), [(9, SURE - 0.01), (8, 1.0)])
def test_a_doubtful_or_wrong_reading_does_not_count(
    game: Game, digit: int, confidence: float
) -> None:
    assert game.asked == 9
    assert game.hit(digit, confidence) == 0
    assert (game.asked, game.score, game.streak, game.right) == (9, 0, 0, 0)


def test_points_are_for_confidence_and_speed(game: Game, clock: Clock) -> None:
    assert play(game) == 100
    clock.now += SECONDS / 2
    assert play(game, 0.9) == 45 + 25 + 10
    clock.now += 2 * SECONDS  # the timer was late
    assert play(game) == 50 + 20
    assert game.score == 100 + 80 + 70


def test_a_streak_adds_points_up_to_a_limit_and_ends_with_a_miss(game: Game) -> None:
    assert [play(game) for _ in range(7)] == [100, 110, 120, 130, 140, 150, 150]
    game.miss()
    assert game.streak == 0
    assert play(game) == 100
    assert (game.right, game.number) == (8, 9)


def test_a_round_ends_after_ten_and_the_best_is_kept(game: Game) -> None:
    while game.asked is not None:
        play(game)
    assert game.best == game.score == 100 + 110 + 120 + 130 + 140 + 5 * 150
    best = game.best
    game.start()
    assert (game.number, game.score, game.streak) == (0, 0, 0)
    play(game)
    game.stop()
    assert (game.asked, game.score, game.best) == (None, 100, best)
    game.miss()  # nothing is asked: nothing happens
    assert (game.asked, game.number) == (None, 1)
    assert game.hit(8, 1.0) == 0
