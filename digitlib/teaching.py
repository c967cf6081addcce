"""Teaching: a pool of varied training frames, with what several trained networks say of each.

A network that learns from the mean answer of an ensemble comes closer to the ensemble than one
that learns from labels alone (Hinton et al., arXiv 1503.02531). The ensemble answers once for a
whole pool, which any number of runs then use. A network trained on one data set alone knows that
set better than a network of its size that was trained on many: who knows least else is asked.

``python -m digitlib.teaching POOL TEACHER …`` writes a pool from weights files of teachers, which
``python -m digitlib.release teacher FILE --seed N`` and ``… specialist FILE …`` make.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from digitlib import models, weights
from digitlib.batches import Batch, Feed, Splits, as_input
from digitlib.recipes import PRESETS, TrainConfig

SEED = 1998  # of the pool: not one that a teacher was trained with, or it would know the frames


@dataclass(frozen=True)
class Pool:
    """Varied frames of several passes over the training data, in random order.

    Attributes:
        images: uint8 ``[N, 28, 28]``.
        labels: int64 ``[N]``.
        answers: the teachers' mean logits, float16 ``[N, outputs]``.
    """

    images: Tensor
    labels: Tensor
    answers: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 over labels and answers."""
        content = hashlib.sha256(self.labels.numpy().tobytes())
        content.update(self.answers.numpy().tobytes())
        return content.hexdigest()[:12]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pool as a safetensors file, whole or not at all."""
        tensors = {"images": self.images, "labels": self.labels, "answers": self.answers}
        weights.write(Path(path), tensors, {})

    @classmethod
    def load(cls, *paths: str | os.PathLike[str]) -> Pool:
        """Read pools as one; raises as :func:`digitlib.weights.read`."""
        parts = [weights.read(path)[0] for path in paths]
        return cls(
            *(torch.cat([part[name] for part in parts]) for name in ("images", "labels", "answers"))
        )


@dataclass(frozen=True)
class Teacher:
    """A trained network and the names of the data sets that it was trained on."""

    network: nn.Module
    datasets: tuple[str, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Teacher:
        """Read a weights file of :mod:`digitlib.release`; raises as :func:`weights.load`."""
        network, card = weights.load(path)
        return cls(network, tuple(card["training"]["config"]["datasets"]))


def asked(teachers: Sequence[Teacher], name: str) -> list[nn.Module]:
    """Who answers for a data set: of those trained on it, the ones trained on the fewest sets.

    Raises:
        ValueError: nobody was trained on it.
    """
    able = [teacher for teacher in teachers if name in teacher.datasets]
    if not able:
        raise ValueError(f"None of the teachers was trained on {name}.")
    fewest = min(len(teacher.datasets) for teacher in able)
    return [teacher.network for teacher in able if len(teacher.datasets) == fewest]


def make_pool(
    config: TrainConfig,
    data: Splits,
    teachers: Sequence[Teacher],
    passes: int,
    *,
    progress: bool = True,
) -> Pool:
    """Vary the training data ``passes`` times and let teachers read every frame.

    A frame's answer is the mean of those :func:`asked` for the data set that it is from. They read
    a drawing before the hand was made unsteady: what it was before, it is still.

    Args:
        config: whose data sets, shares, variations and seed are used.
        data: on what; see :meth:`Splits.load`.
        teachers: networks with as many outputs as the one that they will teach.
        passes: each as long as an epoch of ``config``.
        progress: show a bar.

    Raises:
        ValueError: no teacher was trained on one of the data sets.
    """
    from tqdm.auto import tqdm

    device = models.pick_device(config.device)
    panels = [
        [models.for_inference(network).to(device) for network in asked(teachers, name)]
        for name in config.datasets
    ]
    feed = Feed(config, data, device)
    images, labels, answers = [], [], []
    half = config.precision == "bfloat16"
    for number in tqdm(range(passes), disable=not progress, unit="pass"):
        for batch in feed.epoch(number):
            assert batch.calm is not None
            frames, calm = ((f * 255).round().to(torch.uint8) for f in (batch.frames, batch.calm))
            seen = as_input(calm.float() / 255).split(batch.counts)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
                said = [_mean(panel, part) for panel, part in zip(panels, seen, strict=True)]
            images.append(frames.cpu())
            labels.append(batch.labels.cpu())
            answers.append(torch.cat(said).half().cpu())
    order = torch.randperm(sum(map(len, labels)))
    return Pool(*(torch.cat(parts)[order] for parts in (images, labels, answers)))


def _mean(networks: Sequence[nn.Module], frames: Tensor) -> Tensor:
    """Mean logits, float32."""
    return torch.stack([network(frames).float() for network in networks]).mean(dim=0)


class PoolFeed:
    """Batches of a pool: every frame once, in random order, before any comes again."""

    def __init__(self, config: TrainConfig, pool: Pool, steps: int, device: torch.device) -> None:
        size = round(config.batch_size * (1 + sum(config.shares)))
        if len(pool) < steps * size:
            raise ValueError(
                f"An epoch takes {steps * size:,} frames; the pool has only {len(pool):,}."
            )
        self.config, self.pool, self.device = config, pool, device
        self.steps, self.size = steps, size
        self.passes = len(pool) // (steps * size)  # epochs until every frame was seen

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; they follow from the seed and its number alone."""
        turn, part = divmod(number, self.passes)
        chance = torch.Generator().manual_seed(self.config.epoch_seed(turn))
        order = torch.randperm(len(self.pool), generator=chance)
        count = self.steps * self.size
        torch.manual_seed(self.config.epoch_seed(number))  # for dropout
        for index in order[part * count : (part + 1) * count].split(self.size):
            frames = self.pool.images[index].to(self.device).float() / 255
            labels = self.pool.labels[index].to(self.device)
            yield Batch(frames, labels, self.pool.answers[index].to(self.device).float())


def main() -> None:
    """Command line; ``--help`` tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path, help="file to write (.safetensors)")
    parser.add_argument("teachers", type=Path, nargs="+", help="weights files")
    parser.add_argument("--passes", type=int, default=16, help="over the training data")
    parser.add_argument("--preset", choices=PRESETS, default="teacher", help="whose variations")
    arguments = parser.parse_args()
    config = replace(PRESETS[arguments.preset], seed=SEED)
    teachers = [Teacher.load(path) for path in arguments.teachers]
    data = Splits.load(config)
    pool = make_pool(config, data, teachers, arguments.passes)
    pool.save(arguments.pool)
    print(f"{len(pool):,} frames with answers of {len(teachers)} networks: {arguments.pool}")


if __name__ == "__main__":
    main()
