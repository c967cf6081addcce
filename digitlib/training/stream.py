"""Training of small networks on a stream of examples that are drawn while they train."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from numpy.random import Generator, default_rng
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from digitlib.training.optimization import fast_layers

REPORT_STEPS = 250  # between lines about the loss

Draw = Callable[[Generator], Iterator[tuple[Tensor, ...]]]


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """All settings of a training run; stored with the weights."""

    steps: int
    batch_size: int
    learning_rate: float  # the peak of one cycle of AdamW
    weight_decay: float = 1e-2
    averaging: float  # decay of the moving average of the weights
    seed: int = 0


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
    settings: StreamSettings,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a small network by one cycle of AdamW on endless batches.

    It trains on a GPU where there is one, else on one core, while another process draws the
    batches.

    Args:
        make: the network with random weights.
        draw: yields batches; the first tensor of each is the network's input, uint8 or float.
        loss_of: takes the network's output, float32, and the other tensors of a batch.
        settings: of the run; ``draw`` knows the batch size.

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
        with fast_layers(device):
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
