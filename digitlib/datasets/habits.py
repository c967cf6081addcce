"""Habits of hands, as augmentation of pen strokes: hooks, flags, and strokes that are joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Points = NDArray[np.float64]

EXITS, ENTRIES, JOINS = 0.6, 0.3, 0.25  # probability of each habit in a drawing
CURVE_POINTS = 10


def add_habits(strokes: Sequence[Points], digit: int, random: Generator) -> list[Points]:
    """The drawing of a digit by a hand that ends, begins and lifts the pen in another way.

    The last stroke may go on past its end, or end in a hook at the foot. The first may begin with a
    short flag, except that of a 1, which would become a 7. Two strokes may be joined.

    Args:
        strokes: ``(n, 2)`` arrays, x right, y down, any unit.
        digit: 0 to 9.
        random: of all choices.
    """
    changed = list(strokes)
    size = float(np.ptp(np.concatenate(changed), axis=0).max())
    last = changed[-1]
    if len(last) > 2 and random.random() < EXITS:
        x, y = last[-1] - last[-1 - max(1, len(last) // 10)]
        if random.random() < 0.5:
            way, length, turn = np.arctan2(y, x), random.uniform(0.08, 0.4), random.uniform(-1, 1)
        else:  # upward, mostly to the right
            aside = random.uniform(0.1, 1.1) * (1 if random.random() < 0.75 else -1)
            way, length, turn = aside - np.pi / 2, random.uniform(0.08, 0.32), random.normal(0, 0.2)
        changed[-1] = np.concatenate([last, _curve(last[-1], way, size * length, turn)])
    first = changed[0]
    if len(first) > 2 and digit != 1 and random.random() < ENTRIES:
        above = random.random() < 0.3
        way = np.pi * (random.uniform(-0.9, -0.1) if above else random.uniform(0.5, 1.1))
        flag = _curve(first[0], way, size * random.uniform(0.05, 0.2), random.uniform(-0.5, 0.5))
        changed[0] = np.concatenate([flag[::-1], first])
    if len(changed) > 1 and random.random() < JOINS:
        place = int(random.integers(len(changed) - 1))
        changed[place : place + 2] = [np.concatenate(changed[place : place + 2])]
    return changed


def _curve(start: Points, way: float, length: float, turn: float) -> Points:
    """A curve from a point, in a direction (radians) that turns by an angle on the way."""
    angles = way + turn * np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / CURVE_POINTS
    return start + np.cumsum(steps, axis=0)
