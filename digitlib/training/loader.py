"""Training batches: all data sets together, varied anew in every epoch.

All data lies on the device as whole tensors; a batch is a slice of a permutation. The random
numbers of an epoch are determined by the seed and the epoch's number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from digitlib.datasets import augment, catalog, rendering
from digitlib.datasets.base import DigitData
from digitlib.preprocessing.frame import normalize
from digitlib.preprocessing.strokes import PLANES
from digitlib.training.config import TrainConfig


@dataclass(frozen=True)
class Splits:
    """Training and validation data, one of each per data set, in the configuration's order."""

    train: tuple[DigitData, ...]
    validation: tuple[DigitData, ...]

    @classmethod
    def load(cls, config: TrainConfig, root: str | os.PathLike[str] | None = None) -> Splits:
        """Load the data sets of a configuration; raises as :func:`catalog.load`."""
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
    """The frames of one training step.

    Attributes:
        frames: float ``[B, 28, 28]``, 0-1.
        labels: int64 ``[B]``.
        teacher_logits: ``[B, outputs]``; None without teachers.
        counts: number of frames of each data set, one set after the other; empty where they are
            mixed.
        planes: the way of the pen ``[B, 3, 28, 28]``, 0 for frames that have none; None where no
            frame has.
        clean, clean_planes: the same digits before tremor augmentation, the teachers' input; None
            where they equal ``frames`` and ``planes``.
    """

    frames: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    counts: tuple[int, ...] = ()
    planes: Tensor | None = None
    clean: Tensor | None = None
    clean_planes: Tensor | None = None


@contextmanager
def private_random_state(device: torch.device) -> Iterator[None]:
    """Give the block a copy of torch's global random state; afterwards it is as it was before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def as_input(frames: Tensor) -> Tensor:
    """Network input ``[B, 1, 28, 28]``, channels last, of frames ``[B, 28, 28]``, 0-1."""
    return normalize(frames)[:, None].contiguous(memory_format=torch.channels_last)


def steps_per_epoch(config: TrainConfig, data: Splits) -> int:
    """Batches of an epoch, which is one pass over the first data set."""
    return -(-len(data.train[0]) // config.batch_size)


class BatchLoader:
    """Batches of all data sets together, varied anew in every epoch."""

    def __init__(self, config: TrainConfig, data: Splits, device: torch.device) -> None:
        self.config, self.device = config, device
        self.variation = augment.FRAME_VARIATIONS[config.frame_variation]
        self.images = [part.images.to(device) for part in data.train]
        self.labels = [part.labels.to(device) for part in data.train]
        self.points = [None if p.points is None else p.points.to(device) for p in data.train]
        self.numbers = [
            None if p.stroke_numbers is None else p.stroke_numbers.to(device) for p in data.train
        ]
        self.all_drawn = [bool(part.drawn.all()) for part in data.train]
        self.steps = steps_per_epoch(config, data)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch, determined by the configuration's seed and its number."""
        torch.manual_seed(self.config.epoch_seed(number))
        orders = [self._order(part) for part in range(len(self.images))]
        for chosen in zip(*orders, strict=False):
            yield self._batch(chosen)

    def _order(self, part: int) -> tuple[Tensor, ...]:
        """Indices of one data set by step: the first set once, the others repeated as needed."""
        size = self.config.batch_size
        count = len(self.images[part])
        if part == 0:
            return torch.randperm(count, device=self.device).split(size)
        each = max(1, round(size * self.config.mix_ratios[part - 1]))
        rounds = -(-each * self.steps // count)
        order = torch.cat([torch.randperm(count, device=self.device) for _ in range(rounds)])
        return order.split(each)

    def _batch(self, chosen: tuple[Tensor, ...]) -> Batch:
        """The digits of one step, by their indices in each data set."""
        config = self.config
        drawn = [self._draw(part, index) for part, index in enumerate(chosen)]
        frames, clean = (torch.cat(each) for each in zip(*drawn, strict=True))  # [B, C, 28, 28]
        labels = torch.cat([labels[i] for i, labels in zip(chosen, self.labels, strict=True)])
        tremor, planes = config.tremor_prob, config.planes_prob
        return Batch(
            frames[:, 0], labels, counts=tuple(map(len, chosen)),
            planes=frames[:, 1:] if planes else None,
            clean=clean[:, 0] if tremor else None,
            clean_planes=clean[:, 1:] if tremor and planes else None,
        )  # fmt: skip

    def _draw(self, part: int, index: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[N, C, 28, 28]`` of one data set, and the same before tremor augmentation."""
        points, numbers = self.points[part], self.numbers[part]
        if not self.config.augment or points is None or numbers is None:
            return self._vary(self.images[part][index])
        if self.all_drawn[part]:
            return self._render(points[index], numbers[index])
        drawn = numbers[index, 0] >= 0
        pens, pictures = index[drawn], index[~drawn]
        made = [self._render(points[pens], numbers[pens])] if len(pens) else []
        made += [self._vary(self.images[part][pictures])] if len(pictures) else []
        order = (~drawn).int().argsort(stable=True).argsort()
        frames, clean = (torch.cat(each)[order] for each in zip(*made, strict=True))
        return frames, clean

    def _vary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[N, C, 28, 28]`` of images, twice: they have no tremor."""
        config, frames = self.config, images.float() / 255
        if config.augment:
            frames = augment.distort_frames(frames, self.variation)
            frames = augment.degrade(frames, share=config.degrade_prob)
        frames = F.pad(frames[:, None], (0, 0, 0, 0, 0, len(PLANES) if config.planes_prob else 0))
        return frames, frames

    def _render(self, points: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of pen samples ``[N, P, 2]``, and the same before tremor augmentation."""
        config, variation = self.config, self.variation
        points = augment.distort_points(points)
        if config.move_prob:
            points = augment.move_strokes(points, numbers, config.move_prob)
        widths = augment.pen_widths(len(points), points, high=config.max_pen_width)
        if config.planes_prob:
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
        """Frames ``[N, 1, 28, 28]``, or with planes, 0 for some, ``[N, 4, 28, 28]``."""
        share = self.config.planes_prob
        if not share:
            return rendering.render_batch(points, widths)[:, None]
        frames = rendering.render_batch_with_planes(points, numbers, widths)
        frames[:, 1:] = augment.apply_to_share(
            torch.zeros_like(frames[:, 1:]), frames[:, 1:], share
        )
        return frames
