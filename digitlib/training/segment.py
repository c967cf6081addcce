"""Train the network that finds a digit's ink, on simulated pictures drawn while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from digitlib.datasets import scenes
from digitlib.datasets.pages import Ink
from digitlib.files import write_bytes
from digitlib.models import export
from digitlib.models.networks import count_parameters
from digitlib.models.unet import InkNet
from digitlib.models.weights import model_digest
from digitlib.preprocessing.segmentation import NETWORK, SIDE, network_input
from digitlib.training.stream import StreamSettings, train_on_stream

SETTINGS = StreamSettings(steps=9_000, batch_size=32, learning_rate=4e-3, averaging=0.998)


def draw_batches(ink: Ink, size: int, random: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs ``[N, 2, S, S]`` and the digit's coverage ``[N, S, S]``, 0-1, without end."""
    while True:
        drawn = [scenes.make_scene(ink, random) for _ in range(size)]
        given = [network_input(np.divide(picture, 255, dtype=np.float32)) for picture, _ in drawn]
        cover = np.stack([digit for _, digit in drawn])
        yield torch.from_numpy(np.stack(given)), torch.from_numpy(cover) / 255


def loss_of(logits: Tensor, cover: Tensor) -> Tensor:
    """Cross entropy, and one minus the Dice coefficient of each picture (V-Net, 2016)."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, cover)
    found = logits.sigmoid()
    common = (found * cover).sum(dim=(1, 2))
    dice = (2 * common + 1) / (found.square().sum(dim=(1, 2)) + cover.square().sum(dim=(1, 2)) + 1)
    return 2 * entropy + 1 - dice.mean()


def train(settings: StreamSettings) -> tuple[nn.Module, dict[str, Any]]:
    """Train a network; see :func:`stream.train_on_stream`.

    Raises:
        DataMissingError, DataDamagedError: see :func:`pages.load_ink`.
    """
    draw = partial(draw_batches, scenes.load_ink(), settings.batch_size)
    return train_on_stream(InkNet, draw, loss_of, settings)


def write() -> None:
    """Train the network, and write it as ONNX; on 2 cores in an hour.

    Its input ``pictures`` is float ``[N, 2, SIDE, SIDE]``; its output ``ink``, logits of the
    coverage, is float ``[N, SIDE, SIDE]``.
    """
    network, facts = train(SETTINGS)
    inputs = {"pictures": torch.zeros(2, 2, SIDE, SIDE)}
    axes = {"pictures": {0: "N"}, "ink": {0: "N"}}
    file = export.export_module(network, inputs, ["ink"], axes)
    card = {"settings": asdict(SETTINGS)} | facts
    stored = {"parameters": str(count_parameters(network)), "weights": model_digest(network)}
    write_bytes(NETWORK, export.add_card(file, card, stored))
