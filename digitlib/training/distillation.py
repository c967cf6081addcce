"""Distillation: soft labels, the logits of trained networks for varied training frames.

A network trained on the mean logits of an ensemble is closer to the ensemble than one trained on
labels alone (Hinton et al., arXiv 1503.02531). The ensemble reads the frames once, for any number
of training runs. The most specialized teachers label a data set: those that label the fewest sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digitlib.datasets.augment import apply_to_share
from digitlib.datasets.base import as_frames
from digitlib.files import digest
from digitlib.models.inference import optimize_for_inference
from digitlib.models.networks import as_input, pick_device
from digitlib.models.weights import load_model, read_tensors, write_tensors
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Batch, BatchLoader, Splits, private_random_state

CHANNEL_LEVELS = 127  # of a channel's value 1 as int8
SOFT_LABELS_SEED = 1998  # of no teacher, which would have been trained on the same variations


@dataclass(frozen=True)
class SoftLabels:
    """Varied frames of several passes over the training data, with logits.

    Attributes:
        images: uint8 ``[N, 28, 28]``.
        labels: int64 ``[N]``.
        teacher_logits: the teachers' mean logits, float16 ``[N, outputs]``.
        channels: stroke direction and order, int8 ``[N, 3, 28, 28]``, -127 to 127, 0 for pictures;
            None for networks that take none.
    """

    images: Tensor
    labels: Tensor
    teacher_logits: Tensor
    channels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Digest of labels and logits."""
        return digest(self.labels.numpy().tobytes(), self.teacher_logits.numpy().tobytes())

    def save(self, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors = {name: tensor for name, tensor in vars(self).items() if tensor is not None}
        write_tensors(Path(path), tensors, dict(metadata or {}))

    @classmethod
    def load(cls, *paths: str | os.PathLike[str]) -> SoftLabels:
        """Read files, all with channels or none, and join them; see ``weights.read_tensors``."""
        parts = [read_tensors(path)[0] for path in paths]
        return cls(**{name: _join([part.pop(name) for part in parts]) for name in [*parts[0]]})


def _join(parts: list[Tensor]) -> Tensor:
    """The parts as one tensor. A single part isn't copied, because it may have gigabytes."""
    if len(parts) == 1:
        return parts.pop()
    joined = torch.cat(parts)
    parts.clear()
    return joined


@dataclass(frozen=True)
class Teacher:
    """A trained network and the names of the data sets that it labels."""

    network: nn.Module
    datasets: tuple[str, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str], datasets: Sequence[str] = ()) -> Teacher:
        """Read a weights file; by default it labels all data sets that it was trained on."""
        network, card = load_model(path)
        return cls(network, tuple(datasets or card.training["config"]["datasets"]))


def select_teachers(teachers: Sequence[Teacher], name: str) -> list[nn.Module]:
    """The most specialized teachers of a data set: those that label it and the fewest others.

    Raises:
        ValueError: no teacher labels it.
    """
    able = [teacher for teacher in teachers if name in teacher.datasets]
    if not able:
        raise ValueError(f"None of the teachers labels {name}.")
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
    """Augment the training data ``passes`` times, with the mean logits of the selected teachers.

    Teachers see a drawing before tremor augmentation, which leaves its digit unchanged. Torch's
    global random state doesn't change.

    Args:
        config: data sets, mix ratios, augmentation and seed of the frames.
        data: see :meth:`Splits.load`.
        teachers: networks with as many outputs as the one to be trained.
        passes: each as long as an epoch of ``config``.
        progress: show a bar.

    Raises:
        ValueError: no teacher labels one of the data sets.
    """
    from tqdm.auto import tqdm

    device, half = pick_device(config.device), config.precision == "bfloat16"
    panels = [
        [optimize_for_inference(network).to(device) for network in select_teachers(teachers, name)]
        for name in config.datasets
    ]
    loader = BatchLoader(config, data, device)
    parts: dict[str, list[Tensor]] = {}
    with private_random_state(device):
        for number in tqdm(range(passes), disable=not progress, unit="pass"):
            for batch in loader.epoch(number):
                labelled = {
                    "images": _to_bytes(batch.frames[:, 0]),
                    "labels": batch.labels,
                    "teacher_logits": _label(panels, batch, half=half),
                }
                if config.channels_prob:
                    levels = batch.frames[:, 1:] * CHANNEL_LEVELS
                    labelled["channels"] = levels.round().to(torch.int8)
                for name, tensor in labelled.items():
                    parts.setdefault(name, []).append(tensor.cpu())
    return SoftLabels(**{name: _join(tensors) for name, tensors in parts.items()})


def _label(panels: Sequence[Sequence[nn.Module]], batch: Batch, *, half: bool) -> Tensor:
    """Mean logits, float16 ``[B, outputs]``, of a panel of networks for each data set."""
    frames = (batch.frames if batch.clean is None else batch.clean).clone()
    frames[:, 0] = _to_bytes(frames[:, 0]) / 255
    parts, means = as_input(frames).split(batch.counts), []
    with torch.inference_mode(), torch.autocast(frames.device.type, torch.bfloat16, enabled=half):
        for panel, part in zip(panels, parts, strict=True):
            outputs = [network(part).float() for network in panel]
            means.append(torch.stack(outputs).mean(dim=0))
    return torch.cat(means).half()


def _to_bytes(frames: Tensor) -> Tensor:
    return (frames * 255).round().to(torch.uint8)


class DistillationLoader:
    """Batches of soft labels: every frame once, in random order, before any repeats.

    The share ``channels_prob`` of the frames keeps its channels; the others become pictures.
    """

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
        """The batches of an epoch; equal seeds and numbers give equal batches."""
        turn, part = divmod(number, self.passes)
        generator = torch.Generator().manual_seed(self.config.epoch_seed(turn))
        order = torch.randperm(len(self.soft_labels), generator=generator)
        count = self.steps * self.size
        torch.manual_seed(self.config.epoch_seed(number))  # for dropout
        for index in order[part * count : (part + 1) * count].split(self.size):
            frames = as_frames(self.soft_labels.images[index].to(self.device))
            labels = self.soft_labels.labels[index].to(self.device)
            logits = self.soft_labels.teacher_logits[index].to(self.device).float()
            share = self.config.channels_prob
            if self.soft_labels.channels is not None and share:
                channels = self.soft_labels.channels[index].to(self.device).float() / CHANNEL_LEVELS
                frames[:, 1:] = apply_to_share(torch.zeros_like(channels), channels, share)
            yield Batch(frames, labels, logits)
