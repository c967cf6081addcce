"""Examples to try: two digits, a letter, and a number made of the digits."""

from __future__ import annotations

import numpy as np

from digitlib.widgets.history import Stroke

ROUNDS = 3  # of cutting corners; enough for smooth strokes


def _stroke(*points: tuple[float, float]) -> Stroke:
    """A smooth line near the points and through both ends (Chaikin, 1974), ``[n, 2]``."""
    line = np.array(points, dtype=float)
    for _ in range(ROUNDS):
        quarters = [0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]]
        inner = np.stack(quarters, axis=1).reshape(-1, 2)
        line = np.concatenate([line[:1], inner, line[-1:]])
    return line


# x right, y down, in their own unit.
_THREE = [
    _stroke((20, 20), (30, 2), (66, -2), (80, 28), (60, 48), (38, 50),
            (64, 50), (88, 68), (74, 104), (28, 110), (14, 86)),
]  # fmt: skip
_SEVEN = [_stroke((16, 6), (46, 8), (80, 3), (81, 5), (64, 34), (48, 66), (40, 102))]
_LETTER = [
    _stroke((24, 4), (23, 40), (22, 102)),
    _stroke(
        (22, 8), (44, -2), (74, 4), (78, 34), (58, 52), (26, 52), (44, 56), (64, 80), (82, 102)
    ),
]
ADVANCE = 110  # from one digit of a number to the next
_NUMBER = [*_THREE, *(stroke + np.array([ADVANCE, 0.0]) for stroke in _SEVEN)]
EXAMPLES = {"3": _THREE, "7": _SEVEN, "R": _LETTER, "37": _NUMBER}
