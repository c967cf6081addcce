"""Logits and accuracy of networks in training, without the optimized copy of a ``Recognizer``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.rendering import drawn_channels
from digitlib.models.networks import reads_channels
from digitlib.training.loader import as_input


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: Tensor,
    channels: Tensor | None = None,
    device: torch.device | None = None,
    chunk: int = 2048,
) -> Tensor:
    """Logits ``[N, outputs]`` on the CPU, in bounded memory.

    Args:
        model: stays in evaluation mode.
        images: uint8 frames ``[N, 28, 28]``.
        channels: of the frames, float ``[N, 3, 28, 28]``, for a network that takes them.
        device: of the network; by default that of its parameters.
        chunk: number of frames read at once.
    """
    device = device or next(model.parameters()).device
    model.eval()
    logits = []
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        inputs = [as_input(images[part].to(device).float() / 255)]
        if channels is not None:
            inputs.append(channels[part].to(device))
        logits.append(model(*inputs).float().cpu())
    return torch.cat(logits)


def model_accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Accuracy, 0-1: of digits among the ten classes, of "not a digit" among all eleven.

    Pen data is read as strokes if the network takes stroke direction and order.
    """
    channels = drawn_channels(data) if reads_channels(model) and data.points is not None else None
    logits = predict_logits(model, data.images, channels, device)
    digits = data.labels < NO_DIGIT
    predicted = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
    return float((predicted == data.labels).double().mean())
