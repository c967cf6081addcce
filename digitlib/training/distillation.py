"""Distillation: soft labels, the logits of trained networks for varied training frames.

A network trained on the mean logits of an ensemble comes closer to the ensemble than one trained
on labels alone (Hinton et al., arXiv 1503.02531). The ensemble reads a set of frames once, and any
number of training runs use it. A network trained on one data set alone is more accurate on it than
a network of its size trained on several: each data set is labelled by its most specialised
teachers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digitlib.files import digest
from digitlib.models.inference import optimize_for_inference
from digitlib.models.networks import pick_device, reads_planes
from digitlib.models.weights import load_model, read_tensors, write_tensors
from digitlib.training.config import TrainConfig
from digitlib.training.loader import (
    Batch,
    BatchLoader,
    Splits,
    as_input,
    private_random_state,
)

SOFT_LABELS_SEED = 1998  # no teacher's own seed: it would have been trained on the same variations


@dataclass(frozen=True)
class SoftLabels:
    """Varied frames of several passes over the training data, in random order, with logits.

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
        """Digest of labels and logits."""
        return digest(self.labels.numpy().tobytes(), self.teacher_logits.numpy().tobytes())

    def save(self, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
        """Write a safetensors file, whole or not at all."""
        write_tensors(Path(path), dict(vars(self)), dict(metadata or {}))

    @classmethod
    def load(cls, *paths: str | os.PathLike[str]) -> SoftLabels:
        """Read files and join them; raises as :func:`weights.read_tensors`."""
        parts = [read_tensors(path)[0] for path in paths]
        tensors = [[part.pop(field.name) for part in parts] for field in fields(cls)]
        # A single file is a gigabyte: torch.cat would copy it.
        return cls(*(each[0] if len(each) == 1 else torch.cat(each) for each in tensors))


@dataclass(frozen=True)
class Teacher:
    """A trained network and the names of the data sets that it was trained on."""

    network: nn.Module
    datasets: tuple[str, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Teacher:
        """Read a weights file; raises as :func:`weights.load_model`."""
        network, card = load_model(path)
        return cls(network, tuple(card.training["config"]["datasets"]))


def select_teachers(teachers: Sequence[Teacher], name: str) -> list[nn.Module]:
    """The most specialised teachers of a data set: trained on it and on the fewest others.

    Raises:
        ValueError: no teacher was trained on it.
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
    """Vary the training data ``passes`` times, with the mean logits of the selected teachers.

    The teachers' input is a drawing before tremor augmentation, which leaves its digit unchanged,
    and with planes, where the configuration has some: they know the way of the pen, of which the
    network to be trained sees the frame alone.
    Torch's global random state is left as it was.

    Args:
        config: data sets, mix ratios, variations and seed of the frames.
        data: see :meth:`Splits.load`.
        teachers: networks with as many outputs as the one to be trained.
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
    loader = BatchLoader(config, data, device)
    parts: list[tuple[Tensor, ...]] = []
    with private_random_state(device):
        for number in tqdm(range(passes), disable=not progress, unit="pass"):
            for batch in loader.epoch(number):
                logits = _label(panels, batch, half=config.precision == "bfloat16")
                parts.append((_to_bytes(batch.frames).cpu(), batch.labels.cpu(), logits.cpu()))
        order = torch.randperm(sum(len(labels) for _, labels, _ in parts))
    return SoftLabels(*(torch.cat(tensors)[order] for tensors in zip(*parts, strict=True)))


def _label(panels: Sequence[Sequence[nn.Module]], batch: Batch, *, half: bool) -> Tensor:
    """Mean logits, float16 ``[B, outputs]``, of a panel of networks for each data set."""
    frames, planes = batch.frames, batch.planes
    if batch.clean is not None:
        frames, planes = batch.clean, batch.clean_planes
    inputs = [as_input(_to_bytes(frames).float() / 255), *([] if planes is None else [planes])]
    parts = zip(*(each.split(batch.counts) for each in inputs), strict=True)
    with torch.inference_mode(), torch.autocast(frames.device.type, torch.bfloat16, enabled=half):
        means = [_mean(panel, part) for panel, part in zip(panels, parts, strict=True)]
    return torch.cat(means).half()


def _to_bytes(frames: Tensor) -> Tensor:
    return (frames * 255).round().to(torch.uint8)


def _mean(networks: Sequence[nn.Module], inputs: Sequence[Tensor]) -> Tensor:
    """Mean logits, float32, of frames and, where there are some, planes."""
    outputs = [network(*inputs[: 1 + reads_planes(network)]).float() for network in networks]
    return torch.stack(outputs).mean(dim=0)


class DistillationLoader:
    """Batches of soft labels: every frame once, in random order, before any repeats."""

    def __init__(
        self, config: TrainConfig, soft_labels: SoftLabels, steps: int, device: torch.device
    ) -> None:
        size = round(config.batch_size * (1 + sum(config.mix_ratios)))
        if len(soft_labels) < steps * size:
            raise ValueError(
                f"An epoch takes {steps * size:,} frames; "
                f"the soft labels have only {len(soft_labels):,}."
            )
        self.config, self.soft_labels, self.device = config, soft_labels, device
        self.steps, self.size = steps, size
        self.passes = len(soft_labels) // (steps * size)  # epochs before a frame repeats

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch, determined by the configuration's seed and its number."""
        turn, part = divmod(number, self.passes)
        generator = torch.Generator().manual_seed(self.config.epoch_seed(turn))
        order = torch.randperm(len(self.soft_labels), generator=generator)
        count = self.steps * self.size
        torch.manual_seed(self.config.epoch_seed(number))  # for dropout
        for index in order[part * count : (part + 1) * count].split(self.size):
            frames = self.soft_labels.images[index].to(self.device).float() / 255
            labels = self.soft_labels.labels[index].to(self.device)
            logits = self.soft_labels.teacher_logits[index].to(self.device).float()
            yield Batch(frames, labels, logits)
