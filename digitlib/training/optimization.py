"""One network in training: optimizer, learning rate and moving average of weights.

It serves any network: what a batch is and how its loss is computed comes from the caller.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]
Examples = TypeVar("Examples")


def fast_layers(device: torch.device, wanted: bool = True) -> torch.autocast:
    """A context in which layers compute in bfloat16, if it is wanted and the machine has it.

    Processors without AVX-512 emulate it ten times slower than they compute in float32.
    """
    has = device.type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and has)


Settings = Any  # with the fields of config.TrainConfig from ``optimizer`` to ``ema_decay``


class Optimization:
    """A network with its optimizer and the moving average of its weights.

    Args:
        network: on its device.
        settings: of the optimizer.
        steps: of the whole training.

    Attributes:
        step: number of updates so far.
        rate: learning rate of the last update.
    """

    def __init__(self, network: nn.Module, settings: Settings, steps: int) -> None:
        self.network, self.settings, self.steps = network, settings, steps
        self.step, self.rate = 0, 0.0
        self.optimizer = make_optimizer(settings, network)
        self.average = None
        if settings.ema_decay:
            self.average = AveragedModel(network, multi_avg_fn=self._update, use_buffers=True)

    def _update(self, averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        """Average tensors exponentially, with a smaller decay in the first steps."""
        decay = min(self.settings.ema_decay, (1 + int(count)) / (10 + int(count)))
        get_ema_multi_avg_fn(decay)(averages, values, count)

    @property
    def result(self) -> nn.Module:
        """The averaged network if there is one, else the trained one."""
        return self.network if self.average is None else self.average.module

    def optimize(self, batches: Iterable[Examples], loss_of: Callable[[Examples], Tensor]) -> float:
        """Update the weights once for each batch, and return the mean loss."""
        self.network.train()
        losses = []
        for batch in batches:
            self.rate = learning_rate(self.settings, self.step, self.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate
            loss = loss_of(batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            if self.average is not None:
                self.average.update_parameters(self.network)
            losses.append(loss.detach())
            self.step += 1
        return torch.stack(losses).mean().item()

    def state(self) -> dict[str, Tensor]:
        """All tensors that a checkpoint needs, by name."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": t for name, t in self.average.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": t for name, t in state.items()}
        return tensors

    def load_state(self, tensors: dict[str, Tensor], step: int) -> None:
        """Continue from the state after ``step`` updates."""
        parts = defaultdict[str, dict[str, Tensor]](dict)
        for name, tensor in tensors.items():
            part, _, key = name.partition(".")
            # A copy, because Windows doesn't replace a file while a tensor is a view of it.
            parts[part][key] = tensor.clone()
        self.network.load_state_dict(parts["network"])
        if self.average is not None:
            self.average.load_state_dict(parts["average"])
        state = self.optimizer.state_dict() | {"state": defaultdict[int, dict[str, Tensor]](dict)}
        for name, tensor in parts["optimizer"].items():
            index, key = name.split(".")
            state["state"][int(index)][key] = tensor
        self.optimizer.load_state_dict(state)
        self.step = step


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """The learning rate of a step, 0 to ``steps - 1``."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warm = max(1, round(settings.warmup * steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    part = (step - warm + 1) / (steps - warm + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def make_optimizer(settings: Settings, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; :class:`Optimization` sets its rate in each step."""
    if settings.optimizer == "adam":
        return torch.optim.Adam(network.parameters())
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others},
    ]
    return torch.optim.SGD(groups, momentum=settings.momentum, nesterov=settings.momentum > 0)
