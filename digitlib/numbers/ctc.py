"""Connectionist temporal classification: from columns to digits and their probability.

The network says for each column of a row how probably it shows a digit or blank. Repetitions are
merged, then blanks removed: ``--33-3-7`` reads 337.

Source: Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLANK, CHARACTERS = 0, "0123456789*"  # a class, and the characters of the next ones; * is a letter
IMPOSSIBLE = -1e30  # log probability

Columns = NDArray[np.float32]  # [12, T]: log probabilities
Run = tuple[int, int, float]  # first and last column of a digit, and its highest probability


def runs(columns: Columns) -> list[Run]:
    """The digits of the most probable class of each column, from left to right."""
    best = columns.argmax(axis=0)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    stops = [*starts[1:], len(best)]
    return [
        (int(start), int(stop) - 1, float(np.exp(columns[best[start], start:stop].max())))
        for start, stop in zip(starts, stops, strict=True)
        if best[start] != BLANK
    ]


def greedy(columns: Columns) -> str:
    """The text of :func:`runs`."""
    best = columns.argmax(axis=0)
    return "".join(CHARACTERS[best[start] - 1] for start, _, _ in runs(columns))


def encode(text: str) -> list[int]:
    """The classes of a text's characters."""
    return [CHARACTERS.index(character) + 1 for character in text]


def log_probabilities(rows: Sequence[Columns], texts: Sequence[str]) -> NDArray[np.float64]:
    """Log probability ``[N, M]`` of each of M texts in each of N rows, over all alignments.

    It is the forward algorithm, for all pairs at once. Rows may differ in length.
    """
    states = 2 * max(map(len, texts)) + 1  # blank, digit, blank, ..., digit, blank
    steps = max(row.shape[1] for row in rows)
    classes = np.zeros((len(texts), states), np.intp)
    for place, text in enumerate(texts):
        classes[place, 1 : 2 * len(text) : 2] = encode(text)
    given = np.full((steps, len(rows), len(texts), states), IMPOSSIBLE)
    for place, row in enumerate(rows):
        given[: row.shape[1], place] = row.T[:, classes]
        given[row.shape[1] :, place, :, 0::2] = 0  # past the end, blanks change nothing
    # A blank between two digits may be skipped if they differ.
    skips = np.full((len(texts), states), IMPOSSIBLE)
    skips[:, 3::2] = np.where(classes[:, 3::2] != classes[:, 1:-2:2], 0, IMPOSSIBLE)
    total = np.full(given.shape[1:], IMPOSSIBLE)
    total[..., :2] = given[0, ..., :2]
    for step in range(1, steps):
        reached = total.copy()
        reached[..., 1:] = np.logaddexp(reached[..., 1:], total[..., :-1])
        reached[..., 2:] = np.logaddexp(reached[..., 2:], total[..., :-2] + skips[:, 2:])
        total = reached + given[step]
    ends = np.array([2 * len(text) for text in texts])
    numbers = np.arange(len(texts))
    last, before = total[:, numbers, ends], total[:, numbers, np.maximum(ends - 1, 0)]
    return np.where(ends > 0, np.logaddexp(last, before), last)
