"""Networks in training: optimizer, learning rate and moving average of weights.

It serves any network: what a batch is and how its loss is computed comes from the caller.
:class:`Optimization` trains on data sets, :func:`train_on_stream` on examples that are drawn while
the network trains.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from numpy.random import Generator, default_rng
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

REPORT_STEPS = 250  # between lines about the loss of a stream

Tensors = tuple[Tensor, ...] | list[Tensor]
Examples = TypeVar("Examples")


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


Draw = Callable[[Generator], Iterator[tuple[Tensor, ...]]]


class _Stream(IterableDataset[tuple[Tensor, ...]]):
    """Endless batches, for another process."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self.draw, self.seed = draw, seed

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self.draw(default_rng([self.seed, 0]))


def train_on_stream(
    make: Callable[[], nn.Module],
    draw: Draw,
    loss_of: Callable[..., Tensor],
    settings: Any,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a small network by one cycle of AdamW on endless batches.

    It trains on a GPU where there is one, else on one core, while another process draws the
    batches.

    Args:
        make: the network with random weights.
        draw: yields batches; the first tensor of each is the network's input, uint8 or float.
        loss_of: takes the network's output, float32, and the other tensors of a batch.
        settings: ``steps``, ``learning_rate`` (the peak), ``weight_decay``, ``averaging`` (decay of
            the moving average of the weights) and ``seed``.

    Returns:
        the averaged network in evaluation mode, and facts about the run for its card.
    """
    begin = time.monotonic()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)  # the other core draws examples
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = make().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = get_ema_multi_avg_fn(settings.averaging)
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    cycle = OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.05, final_div_factor=1e3
    )
    batches = iter(
        DataLoader(_Stream(draw, settings.seed), None, num_workers=1, prefetch_factor=36)
    )
    losses: list[float] = []
    for step in range(1, settings.steps + 1):
        given, *expected = (tensor.to(device) for tensor in next(batches))
        given = given.float().contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            output = network(given)
        loss = loss_of(output.float(), *expected)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        cycle.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        if step % REPORT_STEPS == 0:
            minutes = (time.monotonic() - begin) / 60
            recent = sum(losses[-REPORT_STEPS:]) / REPORT_STEPS
            print(f"step {step:,} of {settings.steps:,}: loss {recent:.4f}, {minutes:.1f} minutes",
                  flush=True)  # fmt: skip
    network.load_state_dict(averaged.module.state_dict())
    facts = {"minutes": (time.monotonic() - begin) / 60, "device": device.type}
    return network.cpu().eval(), facts
