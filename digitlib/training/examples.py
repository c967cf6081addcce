"""Training examples: every batch of a run is drawn anew, by its number.

All random numbers of batch n come from the run's seed and n. Therefore the batches don't depend on
the number of processes that draw them, and a stopped run continues with the batches that it lacks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from digitlib.datasets import augment, hands
from digitlib.datasets.base import NO_DIGIT, DigitData, Strokes, as_frames
from digitlib.preprocessing.strokes import render
from digitlib.training.config import TrainConfig

BATCHES, ORDERS = 0, 1  # two kinds of random numbers, after the seed
SHIFTED = 0.6  # share of the drawings that move a little in their frame, as in pictures
MARKED_PEN = 3.0  # frame px: the widest pen of drawings with a mark
PREFETCHED = 8  # batches that each process draws ahead


@dataclass(frozen=True)
class Splits:
    """Training and validation data, one of each per data set, in the configuration's order."""

    train: tuple[DigitData, ...]
    validation: tuple[DigitData, ...]

    @classmethod
    def load(cls, config: TrainConfig, root: str | os.PathLike[str] | None = None) -> Splits:
        """Load the data sets of a configuration; raises as :func:`catalog.load`."""
        from digitlib.datasets import catalog  # knows every data set; training needs only some

        train, validation = (
            tuple(catalog.load(name, split, root).subset(config.subset) for name in config.datasets)
            for split in ("train", "validation")
        )
        return cls(train, validation)


class Batch(NamedTuple):
    """The examples of one training step.

    Attributes:
        frames: float32 ``[B, 4, 28, 28]``, ink 0-1 and channels; see :meth:`DigitData.frames`.
        labels: int64 ``[B]``.
        pictures: bool ``[B]``: drawings that the network sees without channels, as pictures. Those
            with a mark aren't among them: preprocessing removes marks from pictures.
    """

    frames: Tensor
    labels: Tensor
    pictures: Tensor

    @property
    def shown(self) -> Tensor:
        """The frames as the network sees them."""
        if not self.pictures.any():
            return self.frames
        hidden = self.pictures.view(-1, 1, 1, 1)
        ink, channels = self.frames[:, :1], self.frames[:, 1:]
        return torch.cat([ink, channels.masked_fill(hidden, 0)], dim=1)


class Examples(Dataset[Batch]):
    """The batches of a run, by their numbers.

    A batch has ``batch_size`` digits of the first data set, and a fixed number of each other set.
    An epoch is one pass over the first set; the others are repeated as needed. Every pass is in
    another random order.
    """

    def __init__(self, config: TrainConfig, parts: Sequence[DigitData]) -> None:
        self.config, self.parts = config, parts
        self.steps = -(-len(parts[0]) // config.batch_size)  # batches per epoch
        ratios = config.mix_ratios
        self.counts = [config.batch_size, *(max(1, round(config.batch_size * r)) for r in ratios)]

    def __len__(self) -> int:
        return self.steps * self.config.epochs

    def loader(self, first: int, processes: int) -> Iterator[Batch]:
        """The batches from number ``first`` on; without processes, they are drawn here."""
        return iter(DataLoader(
            self, None, sampler=range(first, len(self)), num_workers=processes,
            prefetch_factor=PREFETCHED if processes else None, worker_init_fn=_use_one_thread,
        ))  # fmt: skip

    def __getitem__(self, number: int) -> Batch:
        random = default_rng([self.config.seed, BATCHES, number])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(random.integers(2**63)))
            parts = [self._draw(part, random) for part in self._select(number)]
            frames, labels, drawn, marked = (torch.cat(each) for each in zip(*parts, strict=True))
            if self.config.augment:
                frames = self._distort(frames, drawn)
        pictures = torch.from_numpy(random.random(len(labels)) < self.config.picture_share)
        return Batch(frames, labels, pictures & drawn & ~marked)

    def _select(self, number: int) -> Iterator[DigitData]:
        """The digits of a batch, of each data set."""
        for place, (part, count) in enumerate(zip(self.parts, self.counts, strict=True)):
            if place == 0:
                turn, step = divmod(number, self.steps)
                rows = np.arange(step * count, min((step + 1) * count, len(part)))
                turns = np.full(len(rows), turn)
            else:
                turns, rows = np.divmod(np.arange(count) + number * count, len(part))
            chosen = [
                _order(self.config.seed, place, turn, len(part))[row]
                for turn, row in zip(turns.tolist(), rows.tolist(), strict=True)
            ]
            yield part.select(torch.tensor(chosen))

    def _draw(self, part: DigitData, random: Generator) -> tuple[Tensor, ...]:
        """Frames ``[N, 4, 28, 28]``, labels, which are drawn with a pen, which have a mark."""
        if not self.config.augment:
            return part.frames(), part.labels, part.drawn, torch.zeros_like(part.drawn)
        frames = as_frames(part.images).numpy()
        labels = part.labels.tolist()
        for row, strokes in enumerate(part.strokes or ()):
            if len(strokes):
                varied, label = self._vary(strokes, labels[row], random)
                width = hands.pen_width(random)
                if label != labels[row]:  # with a mark, which a wide pen would cover
                    labels[row], width = label, min(width, MARKED_PEN)
                frames[row] = render(varied, width=width)
        found = torch.tensor(labels)
        return torch.from_numpy(frames), found, part.drawn, found != part.labels

    def _vary(self, strokes: Strokes, label: int, random: Generator) -> tuple[Strokes, int]:
        """The strokes by another hand, or with a mark around them, and their label."""
        config = self.config
        varied = hands.vary(
            strokes, label, random, habits=config.habits, moved=config.moved, tremor=config.tremor
        )
        if label == NO_DIGIT or random.random() >= config.marks:
            return varied, label
        from digitlib.datasets import picture_kinds  # few trainings need it

        mark = str(random.choice([*picture_kinds.MARKS]))
        marked = picture_kinds.add_mark(mark, varied, int(random.integers(2**31)))
        is_foot = label == 1 and mark == "underline"
        return marked, label if is_foot else NO_DIGIT

    def _distort(self, frames: Tensor, drawn: Tensor) -> Tensor:
        """Pictures with other shapes, drawings a little moved, some of both as in bad pictures."""
        pictures = frames[~drawn, 0]
        frames[~drawn, 0] = augment.distort_frames(pictures) if len(pictures) else pictures
        if drawn.any():
            pens = frames[drawn]
            moved = augment.warp(pens, rotation=0, slant=0, stretch=0.06, bend=0)
            frames[drawn] = augment.apply_to_share(pens, moved, SHIFTED)
        frames[:, 0] = augment.degrade(frames[:, 0], share=self.config.degraded)
        return frames


def _use_one_thread(_: int) -> None:
    """For a process that draws examples; threads of NumPy would wait for each other."""
    threadpool_limits(1)


@lru_cache(maxsize=64)
def _order(seed: int, place: int, turn: int, size: int) -> NDArray[np.int64]:
    """The order of a data set in one pass, a permutation ``[size]``."""
    return default_rng([seed, ORDERS, place, turn]).permutation(size)
