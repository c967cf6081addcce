"""CTC: from the columns of the row network to a string, its probability and its digits' places.

Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLANK = 0  # class; digit d is class d + 1
IMPOSSIBLE = -1e30

Columns = NDArray[np.float32]  # [11, T]: log probabilities


def greedy(columns: Columns) -> str:
    """The most probable class of each column, with repetitions and blanks removed."""
    best = columns.argmax(axis=0)
    starts = best[np.flatnonzero(np.diff(best, prepend=-1))]
    return "".join(str(each - 1) for each in starts if each != BLANK)


def log_probability(columns: Sequence[Columns], texts: Sequence[str]) -> NDArray[np.float64]:
    """Log probability ``[N]`` of each text in its columns, summed over all alignments.

    The forward algorithm, for all pairs at once. Columns may differ in length.
    """
    steps = max(each.shape[1] for each in columns)
    states = 2 * max(map(len, texts)) + 1
    classes = np.zeros((len(texts), states), np.intp)
    for place, text in enumerate(texts):
        classes[place, 1 : 2 * len(text) : 2] = [int(digit) + 1 for digit in text]
    given = np.full((len(texts), states, steps), IMPOSSIBLE)
    for place, each in enumerate(columns):
        given[place, :, : each.shape[1]] = each[classes[place]]
        given[place, 0::2, each.shape[1] :] = 0  # past the end, blanks change nothing
    # A state may be reached from the one before the last blank if its digit is another.
    skips = np.zeros((len(texts), states), bool)
    skips[:, 3::2] = classes[:, 3::2] != classes[:, 1:-2:2]
    total = np.full((len(texts), states), IMPOSSIBLE)
    total[:, :2] = given[:, :2, 0]
    for step in range(1, steps):
        stay, move, skip = total, np.full_like(total, IMPOSSIBLE), np.full_like(total, IMPOSSIBLE)
        move[:, 1:] = total[:, :-1]
        skip[:, 2:] = np.where(skips[:, 2:], total[:, :-2], IMPOSSIBLE)
        total = np.logaddexp(np.logaddexp(stay, move), skip) + given[..., step]
    rows, last = np.arange(len(texts)), np.array([2 * len(text) for text in texts])
    return np.logaddexp(total[rows, last], np.where(last, total[rows, last - 1], IMPOSSIBLE))
