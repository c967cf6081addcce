"""Training: ``fit``, from a recipe and data to a network.

Everything random in an epoch follows from the seed and the epoch's number, so a run that was
stopped resumes from its last whole epoch to the same weights.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digitlib.datasets.base import DigitData
from digitlib.models.networks import build_network, pick_device
from digitlib.models.weights import model_digest, read_tensors, write_tensors
from digitlib.preprocessing.frame import normalize
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import DistillationLoader, SoftLabels
from digitlib.training.loader import Batch, BatchLoader, Splits, as_input, steps_per_epoch

DISTILL_TEMPERATURE = (
    2.0  # what logits are divided by before a network is compared with its teachers
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
    pool: SoftLabels | None = None,
    start: nn.Module | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    until: Callable[[Mapping[str, float]], bool] | None = None,
) -> TrainResult:
    """Train a network.

    Args:
        config: how.
        data: on what; see :meth:`Splits.load`.
        pool: varied frames with the answers of teachers, for configurations that are taught: its
            frames are trained on, ``data`` is only validated on.
        start: a trained network of the configuration's kind to begin with, in place of random
            weights. It stays as it is.
        progress: show a bar, in a notebook or a terminal.
        checkpoint: a file written after every epoch and resumed from when it is there.
        until: given each epoch's line of the history; training ends early where it returns True.

    Raises:
        ValueError: the checkpoint is of another configuration, data, pool or start, or a pool is
            missing, or given to a configuration that is not taught, or a start is missing.
    """
    if bool(config.distill_weight) != (pool is not None):
        raise ValueError(
            "This configuration is taught: give it a pool (python -m digitlib distil makes one), "
            "or set distill_weight=0."
            if config.distill_weight
            else "A pool is for configurations with distill_weight > 0."
        )
    if config.init_weight and start is None:
        raise ValueError("This configuration keeps part of a network: give it one to start from.")
    device = pick_device(config.device)
    run = _Run(config, data, device, pool, start)
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
    return TrainResult(run.finish(), config, run.history, str(device), run.digests)


class _Run:
    """The state of a training run between two epochs."""

    def __init__(
        self,
        config: TrainConfig,
        data: Splits,
        device: torch.device,
        pool: SoftLabels | None = None,
        start: nn.Module | None = None,
    ) -> None:
        self.config, self.device = config, device
        self.epoch, self.history = 0, list[dict[str, float]]()
        torch.manual_seed(config.seed)
        model = build_network(config.model, **config.model_arguments)
        if start is not None:
            model.load_state_dict(start.state_dict())
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = torch.compile(self.model) if config.compile else self.model
        self.ema_model = self.model
        if config.ema_decay:
            self.ema_model = build_network(config.model, **config.model_arguments).to(device)
            self.ema_model.load_state_dict(self.model.state_dict())
        self.optimizer = _optimizer(config, self.model)
        self.steps = steps_per_epoch(config, data)
        self.feed: BatchLoader | DistillationLoader
        if pool is None:
            self.feed = BatchLoader(config, data, device)
        else:
            self.feed = DistillationLoader(config, pool, self.steps, device)
        self.data, self.pool, self.start = data, pool, start

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the training data, by name; of the pool and the network started from, too."""
        digests = {part.name: part.digest for part in self.data.train}
        if self.pool is not None:
            digests["pool"] = self.pool.digest
        if self.start is not None:
            digests["start"] = model_digest(self.start)
        return digests

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return its line of the history."""
        start = time.perf_counter()
        config = self.config
        self.model.train()
        losses = torch.zeros((), device=self.device)
        for step, batch in enumerate(self.feed.epoch(self.epoch)):
            rate = learning_rate(config, self.epoch * self.steps + step, config.epochs * self.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            half = config.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                logits = self.forward(as_input(batch.frames))
            loss = self._loss(logits.float(), batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses += loss.detach()
            if config.ema_decay:
                self._average(self.epoch * self.steps + step)
        self.epoch += 1
        line = {
            "epoch": float(self.epoch),
            "loss": losses.item() / self.steps,
            "learning_rate": rate,
        }
        for part in self.data.validation:
            line[f"accuracy/{part.name}"] = model_accuracy(self.ema_model, part, self.device)
        line["seconds"] = time.perf_counter() - start
        self.history.append(line)
        return line

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy with the labels, and with what the teachers say where there are some."""
        config = self.config
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=config.label_smoothing)
        if batch.teacher_logits is None:
            return loss
        # Softened as Hinton et al. (arXiv 1503.02531) do it; the square keeps the gradient's size.
        soft = (batch.teacher_logits / DISTILL_TEMPERATURE).softmax(dim=1)
        taught = F.cross_entropy(logits / DISTILL_TEMPERATURE, soft) * DISTILL_TEMPERATURE**2
        return (1 - config.distill_weight) * loss + config.distill_weight * taught

    def _average(self, step: int) -> None:
        """Move the running mean towards the weights, faster in the first steps."""
        rate = 1 - min(self.config.ema_decay, (1 + step) / (10 + step))
        _blend(self.model.state_dict(), self.ema_model.state_dict(), rate)

    def finish(self) -> nn.Module:
        """The trained network, on the CPU: its mean with the one started from, if that is kept."""
        trained = self.ema_model.eval().cpu()
        if self.start is None or not self.config.init_weight:
            return trained
        mean = copy.deepcopy(self.start).eval().cpu()
        _blend(trained.state_dict(), mean.state_dict(), 1 - self.config.init_weight)
        return mean

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        if self.ema_model is not self.model:
            tensors |= {f"ema_model.{n}": t for n, t in self.ema_model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": t for n, t in state.items()}
        card = {
            "config": self.config.as_dict(),
            "data": self.digests,
            "history": self.history,
        }
        write_tensors(path, tensors, card)

    def resume(self, path: Path) -> None:
        """Take up a checkpoint; ValueError where it is of another configuration or other data."""
        tensors, card = read_tensors(path)
        expected = {"another configuration": ("config", self.config.as_dict())}
        expected["other data"] = ("data", self.digests)
        for what, (key, value) in expected.items():
            if card.get(key) != value:
                raise ValueError(f"{path} is a checkpoint of {what}: delete or move it.")
        self.model.load_state_dict(_under("model.", tensors))
        if self.ema_model is not self.model:
            self.ema_model.load_state_dict(_under("ema_model.", tensors))
        state = self.optimizer.state_dict()
        state["state"] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(state)
        self.history = card["history"]
        self.epoch = len(self.history)


@torch.no_grad()
def _blend(source: Mapping[str, Tensor], target: Mapping[str, Tensor], rate: float) -> None:
    """Move each tensor of ``target`` the part ``rate`` of the way to ``source``; copy counters."""
    for name, value in target.items():
        if value.dtype.is_floating_point:
            value.lerp_(source[name].to(value.device), rate)
        else:
            value.copy_(source[name])


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
        frames = normalize(part.to(device).float() / 255)
        parts.append(model(frames[:, None]).float().cpu())
    return torch.cat(parts)


def model_accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Part read right, 0-1: digits among the ten, "no digit" among all classes."""
    logits = predict_logits(model, data.images, device)
    digits = data.labels < 10
    read = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
    return float((read == data.labels).double().mean())
