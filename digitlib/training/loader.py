"""Training batches: all data sets together, augmented anew in every epoch.

All data is on the device as whole tensors; a batch is a slice of a permutation. The random numbers
of an epoch depend only on the seed and the epoch's number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from digitlib.datasets import augment, rendering
from digitlib.datasets.base import DigitData, as_frames
from digitlib.training.config import TrainConfig


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


@dataclass(frozen=True)
class Batch:
    """The frames of one training step.

    Attributes:
        frames: float ``[B, 4, 28, 28]``.
        labels: int64 ``[B]``.
        teacher_logits: ``[B, outputs]``; None without teachers.
        counts: number of frames of each data set, one set after the other; empty if they are mixed.
        clean: the same digits before tremor augmentation, the teachers' input; None if they equal
            ``frames``.
    """

    frames: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    counts: tuple[int, ...] = ()
    clean: Tensor | None = None


@contextmanager
def private_random_state(device: torch.device) -> Iterator[None]:
    """Run the block on a copy of torch's global random state, and restore the state afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def steps_per_epoch(config: TrainConfig, data: Splits) -> int:
    """Batches of an epoch, which is one pass over the first data set."""
    return -(-len(data.train[0]) // config.batch_size)


class BatchLoader:
    """Batches of all data sets together, augmented anew in every epoch."""

    def __init__(self, config: TrainConfig, data: Splits, device: torch.device) -> None:
        self.config, self.device = config, device
        self.variation = augment.FRAME_VARIATIONS[config.frame_variation]
        self.steps = steps_per_epoch(config, data)
        self.parts = [
            DigitData(part.name, part.split, **{n: t.to(device) for n, t in part.tensors().items()})
            for part in data.train
        ]

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; equal seeds and numbers give equal batches."""
        torch.manual_seed(self.config.epoch_seed(number))
        size = self.config.batch_size
        orders = [torch.randperm(len(self.parts[0]), device=self.device).split(size)]
        for part, ratio in zip(self.parts[1:], self.config.mix_ratios, strict=True):
            each = max(1, round(size * ratio))
            rounds = -(-each * self.steps // len(part))
            order = [torch.randperm(len(part), device=self.device) for _ in range(rounds)]
            orders.append(torch.cat(order).split(each))
        for chosen in zip(*orders, strict=False):
            yield self._batch(chosen)

    def _batch(self, chosen: tuple[Tensor, ...]) -> Batch:
        """The digits of one step, by their indices in each data set."""
        drawn = [self._draw(part, rows) for part, rows in zip(self.parts, chosen, strict=True)]
        frames, clean = (torch.cat(each) for each in zip(*drawn, strict=True))  # [B, 4, 28, 28]
        labels = [part.labels[rows] for part, rows in zip(self.parts, chosen, strict=True)]
        return Batch(
            frames, torch.cat(labels), counts=tuple(map(len, chosen)),
            clean=clean if self.config.tremor_prob else None,
        )  # fmt: skip

    def _draw(self, part: DigitData, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[N, 4, 28, 28]`` of one data set, and the same before tremor augmentation."""
        points, numbers = part.points, part.stroke_numbers
        if not self.config.augment or points is None or numbers is None:
            return self._vary(part.images[rows])
        drawn = numbers[rows, 0] >= 0
        pens, pictures = rows[drawn], rows[~drawn]
        made = [self._render(points[pens], numbers[pens])] if len(pens) else []
        made += [self._vary(part.images[pictures])] if len(pictures) else []
        order = (~drawn).int().argsort(stable=True).argsort()
        frames, clean = (torch.cat(each)[order] for each in zip(*made, strict=True))
        return frames, clean

    def _vary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[N, 4, 28, 28]`` of images, twice, because they have no tremor."""
        frames = as_frames(images)
        if self.config.augment:
            ink = augment.distort_frames(frames[:, 0], self.variation)
            frames[:, 0] = augment.degrade(ink, share=self.config.degrade_prob)
        return frames, frames

    def _render(self, points: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of pen samples ``[N, P, 2]``, and the same before tremor augmentation."""
        config, variation = self.config, self.variation
        points = augment.distort_points(points)
        if config.move_prob:
            points = augment.move_strokes(points, numbers, config.move_prob)
        widths = augment.pen_widths(len(points), points, high=config.max_pen_width)
        if config.channels_prob:
            if config.split_prob:
                numbers = augment.split_strokes(numbers, config.split_prob)
            points, numbers = augment.reorder_strokes(points, numbers)
        frames = clean = self._render_samples(points, numbers, widths)
        if config.tremor_prob:
            shaken = augment.add_tremor(points)
            points = augment.apply_to_share(points, shaken, config.tremor_prob)
            frames = self._render_samples(points, numbers, widths)
        warped = augment.warp(
            frames, rotation=0, slant=0, stretch=0.06, bend=0,
            shift=variation.shift, resampling=variation.resampling,
        )  # fmt: skip
        frames = augment.apply_to_share(frames, warped, 0.6)
        frames[:, 0] = augment.degrade(frames[:, 0], share=config.degrade_prob)
        return frames, clean if config.tremor_prob else frames

    def _render_samples(self, points: Tensor, numbers: Tensor, widths: Tensor) -> Tensor:
        """Frames ``[N, 4, 28, 28]``, some without stroke direction and order."""
        frames, share = rendering.render_batch(points, numbers, widths), self.config.channels_prob
        pictures = torch.zeros_like(frames[:, 1:])
        frames[:, 1:] = augment.apply_to_share(pictures, frames[:, 1:], share) if share else 0
        return frames
