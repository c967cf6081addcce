"""Loss, optimizer, learning rate and moving average of weights, from a configuration."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from digitlib.models.labels import NO_DIGIT
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Batch

Tensors = tuple[Tensor, ...] | list[Tensor]
DISTILL_TEMPERATURE = 2.0  # divides the logits of network and teachers in the distillation loss


def training_loss(config: TrainConfig, logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of logits ``[B, outputs]`` with the labels and, if any, the soft labels."""
    weight = None
    if config.no_digit_weight != 1:
        weight = torch.ones(logits.shape[1], device=logits.device)
        weight[NO_DIGIT] = config.no_digit_weight
    loss = F.cross_entropy(
        logits, batch.labels, weight=weight, label_smoothing=config.label_smoothing
    )
    if batch.teacher_logits is None:
        return loss
    # Softened as by Hinton et al. (arXiv 1503.02531); the square keeps the gradient's size.
    target = (batch.teacher_logits / DISTILL_TEMPERATURE).softmax(dim=1)
    distilled = F.cross_entropy(logits / DISTILL_TEMPERATURE, target) * DISTILL_TEMPERATURE**2
    return (1 - config.distill_weight) * loss + config.distill_weight * distilled


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
    """The optimizer; training sets its rate in each step, to :func:`learning_rate`."""
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters())
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others},
    ]
    return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)


def make_ema_model(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of weights and buffers, with a smaller decay in the first steps.

    It starts at the initial weights.
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
