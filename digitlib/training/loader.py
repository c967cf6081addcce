"""Batches to train on: all data sets together, varied anew in every epoch.

All data lies on the device as whole tensors; a batch is a slice of a permutation. Everything
random in an epoch follows from the seed and the epoch's number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from digitlib.datasets import augment, catalog
from digitlib.datasets.base import DigitData
from digitlib.preprocessing.frame import normalize
from digitlib.training.config import TrainConfig


@dataclass(frozen=True)
class Splits:
    """Training and validation data, one of each per data set, in the configuration's order."""

    train: tuple[DigitData, ...]
    validation: tuple[DigitData, ...]

    @classmethod
    def load(cls, config: TrainConfig, root: str | os.PathLike[str] | None = None) -> Splits:
        """Load what a configuration trains on; raises as :func:`datasets.load`."""
        return cls(
            *(
                tuple(
                    catalog.load(name, split, root).subset(config.subset)
                    for name in config.datasets
                )
                for split in ("train", "validation")
            )
        )


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        frames: float ``[B, 28, 28]``, 0-1.
        labels: int64 ``[B]``.
        teacher_logits: the teachers' logits ``[B, outputs]``, or None without teachers.
        counts: how many frames of each data set there are, one set after the other; empty where
            they are mixed.
        clean: the same digits ``[B, 28, 28]`` before tremor augmentation: the teachers' input; None
            where the logits are known.
    """

    frames: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    counts: tuple[int, ...] = ()
    clean: Tensor | None = None


def as_input(frames: Tensor) -> Tensor:
    """Frames ``[B, 28, 28]``, 0-1, normalised, with a channel, which lies last in memory."""
    return normalize(frames)[:, None].contiguous(memory_format=torch.channels_last)


def steps_per_epoch(config: TrainConfig, data: Splits) -> int:
    """Batches of an epoch, which is one pass over the first data set."""
    return -(-len(data.train[0]) // config.batch_size)


class BatchLoader:
    """Batches of all data sets together, varied anew in every epoch."""

    def __init__(self, config: TrainConfig, data: Splits, device: torch.device) -> None:
        self.config, self.device = config, device
        self.images = [part.images.to(device) for part in data.train]
        self.labels = [part.labels.to(device) for part in data.train]
        self.points = [None if p.points is None else p.points.to(device) for p in data.train]
        self.steps = steps_per_epoch(config, data)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; they follow from the seed and its number alone."""
        torch.manual_seed(self.config.epoch_seed(number))
        orders = [self._order(part) for part in range(len(self.images))]
        for chosen in zip(*orders, strict=False):
            yield self._batch(chosen)

    def _order(self, part: int) -> tuple[Tensor, ...]:
        """Indices of one data set for each step: the first once through, others again and again."""
        size = self.config.batch_size
        count = len(self.images[part])
        if part == 0:
            return torch.randperm(count, device=self.device).split(size)
        each = max(1, round(size * self.config.mix_ratios[part - 1]))
        rounds = -(-each * self.steps // count)
        order = torch.cat([torch.randperm(count, device=self.device) for _ in range(rounds)])
        return order.split(each)

    def _batch(self, chosen: tuple[Tensor, ...]) -> Batch:
        """One step's digits of each data set, varied."""
        frames, calm = [], []
        for index, images, points in zip(chosen, self.images, self.points, strict=True):
            steady = None
            if not self.config.augment:
                drawn = images[index].float() / 255
            elif points is None:
                drawn = augment.vary_frames(images[index].float() / 255)
                drawn = augment.degrade(drawn, share=self.config.degrade_prob)
            else:
                moved = augment.vary_points(points[index])
                widths = augment.pen_widths(len(index), moved)
                if self.config.tremor_prob:
                    steady = augment.render_batch(moved, widths)
                    shaken = augment.unsteady(moved)
                    moved = augment.some(moved, shaken, self.config.tremor_prob)
                drawn = augment.render_batch(moved, widths)
                warped = augment.warp(drawn, rotation=0, slant=0, stretch=0.06, bend=0)
                drawn = augment.some(drawn, warped, 0.6)
                drawn = augment.degrade(drawn, share=self.config.degrade_prob)
            frames.append(drawn)
            calm.append(drawn if steady is None else steady)
        labels = torch.cat([labels[i] for i, labels in zip(chosen, self.labels, strict=True)])
        counts = tuple(map(len, chosen))
        return Batch(torch.cat(frames), labels, counts=counts, clean=torch.cat(calm))
