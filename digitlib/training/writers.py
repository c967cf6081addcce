"""Teaching measured on many writers: drawings misread by networks that were not taught them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from digitlib.datasets.base import DigitData
from digitlib.evaluation.compare import predict_data
from digitlib.evaluation.metrics import LARGE_GROUP
from digitlib.models.card import Card
from digitlib.models.networks import DigitNet
from digitlib.models.recognizer import Recognizer
from digitlib.training.head import (
    Examples,
    HeadConfig,
    HeadTuner,
    cross_validate,
    make_folds,
)
from digitlib.training.judging import are_right
from digitlib.training.teach import MIN_DRAWINGS

PARTS = 8  # of a writer's drawings, each held out once: a few from each digit
PER_DIGIT = 5  # drawings taught of each digit, at most
HARD = 0.98  # writers of whom less is read right at first


@dataclass(frozen=True)
class Writer:
    """Drawings of one writer.

    Attributes:
        number: in the data set.
        data: the drawings.
        examples: their features, for :class:`HeadTuner`.
    """

    number: int
    data: DigitData
    examples: Examples


def writers_of(
    tuner: HeadTuner, data: DigitData, numbers: Sequence[int] | None = None
) -> Iterator[Writer]:
    """The writers of a data set with enough drawings to be taught; ``numbers`` takes some."""
    assert data.writers is not None
    found, counts = data.writers.unique(return_counts=True)
    for number in found[counts >= MIN_DRAWINGS].tolist():
        if numbers is None or number in numbers:
            own = data.select(torch.nonzero(data.writers == number)[:, 0])
            yield Writer(number, own, tuner.examples(own))


def accuracy(tuner: HeadTuner, writer: Writer) -> float:
    """Share of a writer's drawings that the network reads right before it is taught."""
    wrong = _misread(writer.examples.read @ tuner.head.T, writer.data)
    return 1 - float(wrong.double().mean())


ROUNDS = 2000  # of writers drawn with replacement
COLUMNS = (
    "writer", "drawings", "taught", "misread", "misread after", "newly misread", "not read",
    "not read after",
)  # fmt: skip


def teach_writer(
    tuner: HeadTuner, card: Card, writer: Writer, per_digit: int = PER_DIGIT, seed: int = 0
) -> dict[str, Any]:
    """How many drawings of a writer are misread and refused, before and after.

    Each drawing is held out once, and read by a network taught at most ``per_digit`` of each digit
    among the others.

    Returns:
        the values of ``COLUMNS``; ``taught`` is the mean number of drawings.
    """
    folds = make_folds(writer.data.labels, PARTS, per_digit, seed)
    before = writer.examples.read @ tuner.head.T
    after = cross_validate(tuner, writer.examples, folds)
    wrong, wrong_after = (_misread(logits, writer.data) for logits in (before, after))
    values = (
        writer.number, len(writer.data), float(np.mean([len(taught) for taught, _ in folds])),
        int(wrong.sum()), int(wrong_after.sum()), int((wrong_after & ~wrong).sum()),
        *(int((~are_right(logits, writer.data, card)).sum()) for logits in (before, after)),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _misread(logits: Tensor, data: DigitData) -> Tensor:
    return logits[:, :10].argmax(dim=1) != data.labels


class Misread(NamedTuple):
    """Drawings misread before teaching: frames ``[28, 28]``, and what was read before and after."""

    frames: list[NDArray[np.uint8]]
    captions: list[str]


def misread(tuner: HeadTuner, writer: Writer, seed: int = 0) -> Misread:
    """The misread drawings of a writer, for a figure; taught as by :func:`teach_writer`."""
    folds = make_folds(writer.data.labels, PARTS, PER_DIGIT, seed)
    logits = [writer.examples.read @ tuner.head.T, cross_validate(tuner, writer.examples, folds)]
    before, after = (each[:, :10].argmax(dim=1).tolist() for each in logits)
    labels = writer.data.labels.tolist()
    rows = [row for row, label in enumerate(labels) if before[row] != label]
    captions = [
        f"writer {writer.number}: a {labels[row]}\nread {before[row]}, then {after[row]}"
        for row in rows
    ]
    return Misread([*writer.data.images[rows].numpy()], captions)


def nearest_own(tuner: HeadTuner, writer: Writer) -> tuple[Tensor, Tensor]:
    """The labels of misread drawings, and of the writer's drawing most similar to each.

    Similarity is the cosine of features.

    Returns:
        two labels for each misread drawing, int64 ``[M]`` each.
    """
    features = F.normalize(writer.examples.read, dim=1)
    similarity = (features @ features.T).fill_diagonal_(-2)
    labels = writer.data.labels
    wrong = _misread(writer.examples.read @ tuner.head.T, writer.data)
    return labels[wrong], labels[similarity.argmax(dim=1)][wrong]


def try_settings(
    model: DigitNet, card: Card, replay: Tensor, data: DigitData, config: HeadConfig
) -> dict[str, Any]:
    """:func:`remaining_share` of the hard writers of a data set, taught with these settings.

    Hard are writers with many drawings of whom less than ``HARD`` is read right. ``HeadConfig`` has
    the settings with which least was left of those of the training donors, by the network ``wide``.

    Args:
        model, card: a network that was not trained on these writers.
        replay: see :func:`load_replay`.
        data: their drawings.
        config: the settings.

    Returns:
        as :func:`remaining_share`, and ``newly misread`` drawings.
    """
    tuner = HeadTuner(model, replay, config)
    numbers = _hard_writers(Recognizer.from_model(model, card), data)
    rows = [teach_writer(tuner, card, each) for each in writers_of(tuner, data, numbers)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return remaining_share(table) | {"newly misread": int(table["newly misread"].sum())}


def _hard_writers(recognizer: Recognizer, data: DigitData) -> list[int]:
    found = predict_data(recognizer, data)
    assert found.groups is not None
    shares = found.accuracy_by(found.groups)
    return [n for n, share in shares.items() if share.total >= LARGE_GROUP and share.value < HARD]


def is_hard(table: pd.DataFrame) -> pd.Series:
    """Which writers start below ``HARD``."""
    return 1 - table["misread"] / table["drawings"] < HARD


def remaining_share(table: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """The median over writers of misread drawings after, as a share of those before.

    Args:
        table: rows of :func:`teach_writer`, each with misread drawings before.
        seed: of the bootstrap.

    Returns:
        ``value``; ``low`` and ``high``, by bootstrap over writers; ``writers``; ``before`` and
        ``after``, all misread drawings.
    """
    shares = (table["misread after"] / table["misread"]).to_numpy()
    random = np.random.RandomState(seed)
    medians = np.median(shares[random.randint(len(shares), size=(ROUNDS, len(shares)))], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return {
        "value": float(np.median(shares)), "low": float(low), "high": float(high),
        "writers": len(shares), "before": int(table["misread"].sum()),
        "after": int(table["misread after"].sum()),
    }  # fmt: skip
