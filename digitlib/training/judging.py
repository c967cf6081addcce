"""Whether a taught network may be used: what it gained, and what it lost elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from digitlib.datasets import catalog
from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.errors import DataMissingError
from digitlib.models.card import Card
from digitlib.training.calibration import are_rejected
from digitlib.training.head import Examples, HeadTuner, read_inputs

MAX_LOSS = 0.002  # of accuracy on the yardstick: 0.2 points
MAX_PASSING = 0.01  # more non-digits that pass for a digit: 1 point

WORDS = {
    "mnist": "MNIST's validation digits",
    "sample": "scikit-learn's digits (MNIST is not here)",
    "letters": "UNIPEN's letters",
    "no_digits": "symbols from rules (UNIPEN is not here)",
}


@dataclass(frozen=True)
class Counts:
    """How many of ``total`` are read right before teaching, and after it.

    A digit is, if it is the most probable one and not rejected; no digit is, if it is rejected.
    """

    before: int
    after: int
    total: int


def are_right(logits: Tensor, data: DigitData | Examples, card: Card) -> Tensor:
    """Which are read right, rejection included, bool ``[N]``; see :class:`Counts`.

    Args:
        logits: ``[N, 11]``.
        data: labels of the drawings, and which are pen strokes.
        card: its thresholds.
    """
    rejected = are_rejected(logits, data.drawn, card)
    digits = data.labels < NO_DIGIT
    return torch.where(digits, ~rejected & (logits[:, :10].argmax(dim=1) == data.labels), rejected)


def count_right(before: Tensor, after: Tensor, data: DigitData, card: Card) -> Counts:
    """Drawings read right by the logits ``[N, 11]`` before and after teaching."""
    first, last = (int(are_right(logits, data, card).sum()) for logits in (before, after))
    return Counts(first, last, len(data))


@dataclass(frozen=True)
class Yardstick:
    """Data on which nothing may be lost: digits and non-digits, with their features.

    Attributes:
        digits: MNIST's validation digits, or scikit-learn's in their place.
        others: letters by the writers of the donor tos, or symbols from rules in their place.
        features: of both, ``[N, F]`` each; see :meth:`HeadTuner.features`.
    """

    digits: DigitData
    others: DigitData
    features: tuple[Tensor, Tensor]

    @classmethod
    def load(cls, tuner: HeadTuner, root: Path | None = None) -> Yardstick:
        """MNIST and UNIPEN where their files are there, else data sets that need no files."""
        digits = first_there(root, ("mnist", "validation"), ("sample", "train"))
        others = first_there(root, ("letters", "validation"), ("no_digits", "validation"))
        return cls.of(tuner, digits, others)

    @classmethod
    def of(cls, tuner: HeadTuner, digits: DigitData, others: DigitData) -> Yardstick:
        """These data sets."""
        features = tuple(tuner.features(read_inputs(data)) for data in (digits, others))
        return cls(digits, others, (features[0], features[1]))

    @property
    def places(self) -> tuple[str, str]:
        """What the data sets are, in words."""
        return WORDS[self.digits.name], WORDS[self.others.name]

    def measure(self, card: Card, before: Tensor, after: Tensor) -> tuple[Counts, Counts]:
        """Digits read right, rejected or not, and others rejected.

        Args:
            card: its thresholds.
            before, after: matrices ``[outputs, F]`` of the last layers, see :class:`HeadTuner`.
        """
        accepting = replace(card, threshold=-torch.inf, stroke_threshold=None)
        digits, others = self.features
        return (
            count_right(digits @ before.T, digits @ after.T, self.digits, accepting),
            count_right(others @ before.T, others @ after.T, self.others, card),
        )


def first_there(root: Path | None, *choices: tuple[str, str]) -> DigitData:
    """The first of these data sets and splits whose files are there.

    Raises:
        DataMissingError: none is.
    """
    *preferred, last = choices
    for name, split in preferred:
        try:
            return catalog.load(name, split, root, download=False)
        except DataMissingError:
            continue
    return catalog.load(*last, root, download=False)


def judge(
    drawings: Counts, digits: Counts, others: Counts, yardstick: Yardstick
) -> tuple[bool, str]:
    """Whether a taught network may be used, and why, in a sentence.

    Args:
        drawings: each read by a network that was not taught it.
        digits, others: of the yardstick.
        yardstick: names its data sets.
    """
    held_out = f"of {drawings.total} drawings that it was not taught"
    if drawings.before == drawings.total:
        return False, (
            f"The network reads all {drawings.total} drawings already: there is nothing to learn."
        )
    if drawings.after <= drawings.before:
        return False, (
            f"Not kept: {held_out}, it reads {drawings.after} right, and the bundled network "
            f"{drawings.before}. More drawings of what is misread may help."
        )
    lost = (digits.before - digits.after) / digits.total
    if lost > MAX_LOSS:
        return False, (
            f"Not kept: it reads {lost:.1%} fewer of {yardstick.places[0]}, more than "
            f"{MAX_LOSS:.1%}."
        )
    passing = (others.before - others.after) / others.total
    if passing > MAX_PASSING:
        return False, (
            f"Not kept: {passing:.1%} more of {yardstick.places[1]} pass for a digit, more "
            f"than {MAX_PASSING:.0%}."
        )
    return True, (
        f"Learned: {held_out}, it reads {drawings.after} right, and the bundled network "
        f"{drawings.before}."
    )
