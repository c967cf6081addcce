"""Optimizer, learning rate schedule and average of weights, from a configuration."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from digitlib.training.config import TrainConfig

Tensors = tuple[Tensor, ...] | list[Tensor]


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step, 0 to ``steps - 1``."""
    if config.schedule == "constant":
        return config.learning_rate
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    part = (step - warm + 1) / (steps - warm + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer, at rate 1: the scheduler's factor is the learning rate itself."""
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=1.0)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others},
    ]
    momentum = config.momentum
    return torch.optim.SGD(groups, lr=1.0, momentum=momentum, nesterov=momentum > 0)


def make_scheduler(
    optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int, done: int = 0
) -> LambdaLR:
    """The schedule of all ``steps``, of which ``done`` are over."""
    return LambdaLR(optimizer, partial(learning_rate, config, steps=steps), last_epoch=done - 1)


def make_ema_model(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of weights and buffers, with a smaller decay in the first steps.

    The initial weights are its first value.
    """

    def update(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        number = int(count)
        move_towards(averages, values, 1 - min(decay, number / (9 + number)))

    ema_model = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    ema_model.n_averaged += 1
    return ema_model


@torch.no_grad()
def move_towards(averages: Tensors, values: Tensors, rate: float) -> None:
    """Move each tensor of ``averages`` by ``rate`` towards its value; counters are copied."""
    for average, value in zip(averages, values, strict=True):
        if average.dtype.is_floating_point:
            average.lerp_(value.to(average.device), rate)
        else:
            average.copy_(value)
