"""Training: a configuration, named presets, and ``fit``.

All data lies on the device as whole tensors; a batch is a slice of a permutation. Everything
random in an epoch follows from the seed and the epoch's number, so a run that was stopped resumes
from its last whole epoch to the same weights.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digitlib import augment, datasets, models, strokes, weights
from digitlib.datasets import DigitData
from digitlib.preprocess import MNIST_MEAN, MNIST_STD


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a network is trained; stored with its weights."""

    model: str = "digitnet"  # a key of models.MODELS
    model_arguments: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ("mnist",)  # an epoch is one pass over the first
    shares: tuple[float, ...] = ()  # frames of each further set in a step, per batch_size
    seed: int = 0  # of initial weights, order and augmentation
    epochs: int = 30
    batch_size: int = 128  # frames from the first data set in a step
    optimizer: str = "sgd"  # sgd (Nesterov) or adam
    learning_rate: float = 0.1  # the peak
    schedule: str = "one-cycle"  # one-cycle (warm-up, then cosine to zero) or constant
    warmup: float = 0.15  # part of all steps, for one-cycle
    momentum: float = 0.9  # sgd only
    weight_decay: float = 5e-4  # sgd only; not for biases and batch norm
    label_smoothing: float = 0.0
    augment: bool = True  # vary every frame, draw pen data at random widths
    average: float = 0.0  # decay per step of the weights' running mean; 0 keeps the last weights
    subset: int | None = None  # use only so many digits of each data set
    precision: str = (
        "float32"  # bfloat16 runs the network's layers in it, twice as fast on many CPUs
    )
    compiled: bool = False  # through torch.compile: a minute of warm-up, then faster on GPUs
    device: str = "auto"  # auto is cuda, else mps, else cpu

    def __post_init__(self) -> None:
        """Refuse senseless values at once."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size are at least 1.")
        if self.optimizer not in ("sgd", "adam"):
            raise ValueError(f"The optimizer is 'sgd' or 'adam', not {self.optimizer!r}.")
        if self.schedule not in ("one-cycle", "constant"):
            raise ValueError(f"The schedule is 'one-cycle' or 'constant', not {self.schedule!r}.")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is 'float32' or 'bfloat16', not {self.precision!r}.")
        if len(self.shares) != len(self.datasets) - 1 or not all(s > 0 for s in self.shares):
            raise ValueError("shares has one positive number for each data set after the first.")
        if not self.datasets or not set(self.datasets) <= set(datasets.LOADERS):
            raise ValueError(f"datasets are some of {[*datasets.LOADERS]}, not {self.datasets}.")

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON would give it back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


PRESETS = {
    # The textbook recipe: Adam 1e-3, 20 epochs, batch 64, ToTensor + Normalize, cross-entropy.
    "baseline": TrainConfig(
        model="baseline", epochs=20, batch_size=64, optimizer="adam",
        learning_rate=1e-3, schedule="constant", augment=False,
    ),
    # 99 % as fast as possible, for trying ideas; see reports/experiments.md.
    "quick": TrainConfig(
        model="quicknet", epochs=1, batch_size=64, learning_rate=0.3, momentum=0.85,
        warmup=0.1, label_smoothing=0.1, augment=False, precision="bfloat16",
    ),
    # The bundled network.
    "default": TrainConfig(
        model_arguments={"outputs": 11},
        datasets=("mnist", "pendigits", "styles", "no_digits", "typeset"),
        shares=(0.35, 0.2, 0.15, 0.05),
        epochs=16,
        average=0.998,
        precision="bfloat16",
    ),
}  # fmt: skip


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
                    datasets.load(name, split, root).subset(config.subset)
                    for name in config.datasets
                )
                for split in ("train", "validation")
            )
        )


@dataclass(frozen=True)
class TrainResult:
    """A trained network and how it came about.

    Attributes:
        model: in evaluation mode, on the CPU.
        config: what it was trained with.
        history: per epoch ``epoch``, ``loss``, ``learning_rate`` (at its end), ``seconds`` and a
            validation accuracy per data set, as ``accuracy/NAME``.
        device: where it was trained.
        digests: of the training data, by name.
    """

    model: nn.Module
    config: TrainConfig
    history: list[dict[str, float]]
    device: str
    digests: dict[str, str]

    @property
    def seconds(self) -> float:
        """Time spent training and validating."""
        return sum(epoch["seconds"] for epoch in self.history)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate of a step, 0 to ``steps - 1``."""
    if config.schedule == "constant":
        return config.learning_rate
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    part = (step - warm + 1) / (steps - warm + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def fit(
    config: TrainConfig,
    data: Splits,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    until: Callable[[Mapping[str, float]], bool] | None = None,
) -> TrainResult:
    """Train a network.

    Args:
        config: how.
        data: on what; see :meth:`Splits.load`.
        progress: show a bar, in a notebook or a terminal.
        checkpoint: a file written after every epoch and resumed from when it is there.
        until: given each epoch's line of the history; training ends early where it returns True.

    Raises:
        ValueError: the checkpoint is of another configuration.
    """
    device = models.pick_device(config.device)
    run = _Run(config, data, device)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        run.resume(path)
    from tqdm.auto import tqdm

    bar = tqdm(total=config.epochs, initial=run.epoch, disable=not progress, unit="epoch")
    with bar:
        while run.epoch < config.epochs:
            latest = run.train_epoch()
            if path is not None:
                run.save(path)
            shown = {name: f"{value:.4f}" for name, value in latest.items() if "/" in name}
            bar.set_postfix(loss=f"{latest['loss']:.4f}", **shown)
            bar.update()
            if until is not None and until(latest):
                break
    digests = {part.name: part.digest for part in data.train}
    return TrainResult(run.shadow.eval().cpu(), config, run.history, str(device), digests)


class _Run:
    """The state of a training run between two epochs."""

    def __init__(self, config: TrainConfig, data: Splits, device: torch.device) -> None:
        self.config, self.device = config, device
        self.epoch, self.history = 0, list[dict[str, float]]()
        torch.manual_seed(config.seed)
        model = models.build(config.model, **config.model_arguments)
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = torch.compile(self.model) if config.compiled else self.model
        self.shadow = self.model
        if config.average:
            self.shadow = models.build(config.model, **config.model_arguments).to(device)
            self.shadow.load_state_dict(self.model.state_dict())
        self.optimizer = _optimizer(config, self.model)
        self.images = [part.images.to(device) for part in data.train]
        self.labels = [part.labels.to(device) for part in data.train]
        self.points = [None if p.points is None else p.points.to(device) for p in data.train]
        self.validation = data.validation
        self.steps = -(-len(self.images[0]) // config.batch_size)

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return its line of the history."""
        start = time.perf_counter()
        config = self.config
        torch.manual_seed((config.seed + 1) * 100_003 + self.epoch)
        self.model.train()
        orders = [self._order(part) for part in range(len(self.images))]
        losses = torch.zeros((), device=self.device)
        for step in range(self.steps):
            rate = learning_rate(config, self.epoch * self.steps + step, config.epochs * self.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            frames, labels = self._batch([order[step] for order in orders])
            half = config.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                logits = self.forward(frames)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses += loss.detach()
            if config.average:
                self._average(self.epoch * self.steps + step)
        self.epoch += 1
        line = {
            "epoch": float(self.epoch),
            "loss": losses.item() / self.steps,
            "learning_rate": rate,
        }
        for part in self.validation:
            line[f"accuracy/{part.name}"] = accuracy(self.shadow, part, self.device)
        line["seconds"] = time.perf_counter() - start
        self.history.append(line)
        return line

    def _order(self, part: int) -> tuple[Tensor, ...]:
        """Indices of one data set for each step: the first once through, others again and again."""
        size = self.config.batch_size
        count = len(self.images[part])
        if part == 0:
            return torch.randperm(count, device=self.device).split(size)
        each = max(1, round(size * self.config.shares[part - 1]))
        rounds = -(-each * self.steps // count)
        order = torch.cat([torch.randperm(count, device=self.device) for _ in range(rounds)])
        return order.split(each)

    def _batch(self, chosen: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Frames ``[B, 1, 28, 28]``, normalised, and labels ``[B]`` of one step."""
        frames = []
        for index, images, points in zip(chosen, self.images, self.points, strict=True):
            if not self.config.augment:
                frames.append(images[index].float() / 255)
            elif points is None:
                frames.append(augment.vary_frames(images[index].float() / 255))
            else:
                moved = augment.vary_points(points[index])
                drawn = strokes.render_batch(moved, augment.pen_widths(len(index), moved))
                moved = augment.warp(drawn, rotation=0, slant=0, stretch=0.06, bend=0)
                frames.append(augment.degrade(augment.some(drawn, moved, 0.6)))
        batch = (torch.cat(frames) - MNIST_MEAN) / MNIST_STD
        labels = torch.cat([labels[i] for i, labels in zip(chosen, self.labels, strict=True)])
        return batch[:, None].contiguous(memory_format=torch.channels_last), labels

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the running mean towards the weights, faster in the first steps."""
        rate = 1 - min(self.config.average, (1 + step) / (10 + step))
        for mean, value in zip(
            self.shadow.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, rate)
            else:
                mean.copy_(value)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        if self.shadow is not self.model:
            tensors |= {f"shadow.{n}": t for n, t in self.shadow.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": t for n, t in state.items()}
        card = {"config": self.config.as_dict(), "history": self.history}
        weights.write(path, tensors, card)

    def resume(self, path: Path) -> None:
        """Take up a checkpoint; ValueError where it is of another configuration."""
        tensors, card = weights.read(path)
        if card.get("config") != self.config.as_dict():
            raise ValueError(f"{path} is a checkpoint of another configuration: delete or move it.")
        self.model.load_state_dict(_under("model.", tensors))
        if self.shadow is not self.model:
            self.shadow.load_state_dict(_under("shadow.", tensors))
        state = self.optimizer.state_dict()
        state["state"] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(state)
        self.history = card["history"]
        self.epoch = len(self.history)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others},
    ]
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
    )


@torch.inference_mode()
def predict_logits(
    model: nn.Module, images: Tensor, device: torch.device | None = None, chunk: int = 2048
) -> Tensor:
    """Logits ``[N, 10]`` on the CPU for uint8 frames ``[N, 28, 28]``, in bounded memory."""
    device = device or next(model.parameters()).device
    model.eval()
    parts = []
    for part in images.split(chunk):
        frames = (part.to(device).float() / 255 - MNIST_MEAN) / MNIST_STD
        parts.append(model(frames[:, None]).float().cpu())
    return torch.cat(parts)


def accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Part read right, 0-1: digits among the ten, "no digit" among all classes."""
    logits = predict_logits(model, data.images, device)
    digits = data.labels < 10
    read = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
    return float((read == data.labels).double().mean())
