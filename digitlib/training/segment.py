"""Train the network that finds a digit's ink, on simulated pictures drawn while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from digitlib.datasets import scenes
from digitlib.datasets.pages import Ink
from digitlib.files import write_bytes
from digitlib.models import export
from digitlib.models.networks import count_parameters
from digitlib.models.unet import InkNet
from digitlib.models.weights import model_digest
from digitlib.preprocessing.segmentation import NETWORK, SIDE, network_input

REPORT_STEPS = 250  # between lines about the loss


@dataclass(frozen=True)
class Settings:
    """All settings of a training run; stored with the weights."""

    steps: int = 9_000
    batch_size: int = 32
    learning_rate: float = 4e-3  # the peak of one cycle of AdamW
    weight_decay: float = 1e-2
    averaging: float = 0.998  # decay of the moving average of the weights
    seed: int = 0


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches: inputs ``[N, 2, S, S]`` and the digit's coverage ``[N, S, S]``, 0-1."""

    def __init__(self, ink: Ink, settings: Settings) -> None:
        self.ink, self.settings = ink, settings

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        random = default_rng([self.settings.seed, worker.id if worker else 0])
        while True:
            drawn = [scenes.make_scene(self.ink, random) for _ in range(self.settings.batch_size)]
            given = [
                network_input(np.divide(picture, 255, dtype=np.float32)) for picture, _ in drawn
            ]
            cover = np.stack([digit for _, digit in drawn])
            yield torch.from_numpy(np.stack(given)), torch.from_numpy(cover)


def loss_of(logits: Tensor, cover: Tensor) -> Tensor:
    """Cross entropy, and one minus the Dice coefficient of each picture (V-Net, 2016)."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, cover)
    found = logits.sigmoid()
    common = (found * cover).sum(dim=(1, 2))
    dice = (2 * common + 1) / (found.square().sum(dim=(1, 2)) + cover.square().sum(dim=(1, 2)) + 1)
    return 2 * entropy + 1 - dice.mean()


def train(settings: Settings) -> tuple[InkNet, dict[str, Any]]:
    """Train a network; on a GPU where there is one, else on one core, with one for the pictures.

    Returns:
        the averaged network, and facts about the run for its card.

    Raises:
        DataMissingError, DataDamagedError: see :func:`pages.load_ink`.
    """
    begin = time.monotonic()
    ink = scenes.load_ink()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)  # the other core draws pictures
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = InkNet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = get_ema_multi_avg_fn(settings.averaging)
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    cycle = OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.05, final_div_factor=1e3
    )
    batches = iter(DataLoader(Batches(ink, settings), None, num_workers=1, prefetch_factor=36))
    losses: list[float] = []
    for step in range(1, settings.steps + 1):
        given, cover = next(batches)
        given = given.to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(given)
        loss = loss_of(logits.float(), cover.to(device, torch.float32) / 255)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        cycle.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        if step % REPORT_STEPS == 0:
            minutes = (time.monotonic() - begin) / 60
            recent = float(np.mean(losses[-REPORT_STEPS:]))
            print(f"step {step:,} of {settings.steps:,}: loss {recent:.4f}, {minutes:.1f} minutes",
                  flush=True)  # fmt: skip
    network.load_state_dict(averaged.module.state_dict())
    facts = {"minutes": (time.monotonic() - begin) / 60, "device": device.type}
    return network.cpu().eval(), facts


def write(path: Path = NETWORK, settings: Settings | None = None) -> None:
    """Train a network, and write it as ONNX; on 2 cores in an hour.

    Its input ``pictures`` is float ``[N, 2, SIDE, SIDE]``; its output ``ink``, logits of the
    coverage, is float ``[N, SIDE, SIDE]``.
    """
    settings = settings or Settings()
    network, facts = train(settings)
    inputs = {"pictures": torch.zeros(2, 2, SIDE, SIDE)}
    axes = {"pictures": {0: "N"}, "ink": {0: "N"}}
    file = export.export_module(network, inputs, ["ink"], axes)
    card = {"settings": asdict(settings)} | facts
    stored = {"parameters": str(count_parameters(network)), "weights": model_digest(network)}
    write_bytes(path, export.add_card(file, card, stored))
