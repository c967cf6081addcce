"""The game "Draw a 7!": what is asked, what counts, and the score, without any widget."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ROUND = 10  # digits: each once
SECONDS = 10.0  # for a digit
SURE = 0.8  # a reading of less confidence does not count
# Points of a digit: for confidence, for the time left, and for each right one in a row before it.
CONFIDENCE_POINTS, SPEED_POINTS, STREAK_POINTS, MAX_STREAK = 50, 50, 10, 5


@dataclass
class Game:
    """Rounds of ten digits in random order.

    Args:
        clock: seconds that pass.
        order: puts the digits of a round into its order, in place.

    Attributes:
        asked: the digit to draw; None between rounds.
        number: of digits of this round that are over.
        right: how many of them were drawn in time.
        score: points in this round.
        streak: right ones in a row.
        best: the most points in a round so far.
    """

    clock: Callable[[], float] = time.monotonic
    order: Callable[[list[int]], None] = random.shuffle
    asked: int | None = None
    number: int = 0
    right: int = 0
    score: int = 0
    streak: int = 0
    best: int = 0
    _digits: list[int] = field(default_factory=list)
    _since: float = 0.0

    def start(self) -> None:
        """Begin a round; one that runs is over."""
        self.stop()
        self.number = self.right = self.score = self.streak = 0
        self._digits = [*range(ROUND)]
        self.order(self._digits)
        self._ask()

    def stop(self) -> None:
        """End the round; what it has scored counts."""
        self.asked = None
        self.best = max(self.best, self.score)

    def miss(self) -> None:
        """The digit is skipped, or its time is over: the next is asked."""
        if self.asked is not None:
            self.streak = 0
            self.next()

    def hit(self, digit: int, confidence: float) -> int:
        """A drawing was read: its points, 0 where it does not count. The digit stays asked.

        Args:
            digit: the answer.
            confidence: its probability.
        """
        if digit != self.asked or confidence < SURE:
            return 0
        left = min(max(1 - (self.clock() - self._since) / SECONDS, 0.0), 1.0)
        points = round(CONFIDENCE_POINTS * confidence + SPEED_POINTS * left)
        points += STREAK_POINTS * min(self.streak, MAX_STREAK)
        self.score += points
        self.right += 1
        self.streak += 1
        return points

    def next(self) -> None:
        """Ask for the next digit, or end the round after the last."""
        self.number += 1
        if self.number < ROUND:
            self._ask()
        else:
            self.stop()

    def _ask(self) -> None:
        self.asked, self._since = self._digits[self.number], self.clock()
