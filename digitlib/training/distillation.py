"""Teaching: a pool of varied training frames, with what several trained networks say of each.

A network that learns from the mean answer of an ensemble comes closer to the ensemble than one
that learns from labels alone (Hinton et al., arXiv 1503.02531). The ensemble answers once for a
whole pool, which any number of runs then use. A network trained on one data set alone knows that
set better than a network of its size that was trained on many: who knows least else is asked.

``python -m digitlib distil`` writes soft labels from the weights files of teachers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from digitlib.models.networks import optimize_for_inference, pick_device
from digitlib.models.weights import load_model, read_tensors, write_tensors
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Batch, BatchLoader, Splits, as_input

SOFT_LABELS_SEED = (
    1998  # of the pool: not one that a teacher was trained with, or it would know the frames
)


@dataclass(frozen=True)
class SoftLabels:
    """Varied frames of several passes over the training data, in random order.

    Attributes:
        images: uint8 ``[N, 28, 28]``.
        labels: int64 ``[N]``.
        teacher_logits: the teachers' mean logits, float16 ``[N, outputs]``.
    """

    images: Tensor
    labels: Tensor
    teacher_logits: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 over labels and answers."""
        content = hashlib.sha256(self.labels.numpy().tobytes())
        content.update(self.teacher_logits.numpy().tobytes())
        return content.hexdigest()[:12]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pool as a safetensors file, whole or not at all."""
        tensors = {
            "images": self.images,
            "labels": self.labels,
            "teacher_logits": self.teacher_logits,
        }
        write_tensors(Path(path), tensors, {})

    @classmethod
    def load(cls, *paths: str | os.PathLike[str]) -> SoftLabels:
        """Read pools as one; raises as :func:`weights.read_tensors`."""
        parts = [read_tensors(path)[0] for path in paths]
        return cls(
            *(
                torch.cat([part[name] for part in parts])
                for name in ("images", "labels", "teacher_logits")
            )
        )


@dataclass(frozen=True)
class Teacher:
    """A trained network and the names of the data sets that it was trained on."""

    network: nn.Module
    datasets: tuple[str, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Teacher:
        """Read a weights file of :mod:`build`; raises as :func:`weights.load`."""
        network, card = load_model(path)
        return cls(network, tuple(card.training["config"]["datasets"]))


def select_teachers(teachers: Sequence[Teacher], name: str) -> list[nn.Module]:
    """Who answers for a data set: of those trained on it, the ones trained on the fewest sets.

    Raises:
        ValueError: nobody was trained on it.
    """
    able = [teacher for teacher in teachers if name in teacher.datasets]
    if not able:
        raise ValueError(f"None of the teachers was trained on {name}.")
    fewest = min(len(teacher.datasets) for teacher in able)
    return [teacher.network for teacher in able if len(teacher.datasets) == fewest]


def make_soft_labels(
    config: TrainConfig,
    data: Splits,
    teachers: Sequence[Teacher],
    passes: int,
    *,
    progress: bool = True,
) -> SoftLabels:
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

    device = pick_device(config.device)
    panels = [
        [optimize_for_inference(network).to(device) for network in select_teachers(teachers, name)]
        for name in config.datasets
    ]
    feed = BatchLoader(config, data, device)
    images, labels, answers = [], [], []
    half = config.precision == "bfloat16"
    for number in tqdm(range(passes), disable=not progress, unit="pass"):
        for batch in feed.epoch(number):
            assert batch.clean is not None
            frames, calm = ((f * 255).round().to(torch.uint8) for f in (batch.frames, batch.clean))
            seen = as_input(calm.float() / 255).split(batch.counts)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
                said = [_mean(panel, part) for panel, part in zip(panels, seen, strict=True)]
            images.append(frames.cpu())
            labels.append(batch.labels.cpu())
            answers.append(torch.cat(said).half().cpu())
    order = torch.randperm(sum(map(len, labels)))
    return SoftLabels(*(torch.cat(parts)[order] for parts in (images, labels, answers)))


def _mean(networks: Sequence[nn.Module], frames: Tensor) -> Tensor:
    """Mean logits, float32."""
    return torch.stack([network(frames).float() for network in networks]).mean(dim=0)


class DistillationLoader:
    """Batches of a pool: every frame once, in random order, before any comes again."""

    def __init__(
        self, config: TrainConfig, pool: SoftLabels, steps: int, device: torch.device
    ) -> None:
        size = round(config.batch_size * (1 + sum(config.mix_ratios)))
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
            yield Batch(frames, labels, self.pool.teacher_logits[index].to(self.device).float())
