"""Logits and accuracy of networks in training, without the optimized copy of a ``Recognizer``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digitlib.datasets.base import NO_DIGIT, DigitData, as_frames
from digitlib.models.networks import as_input, reads_strokes


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    frames: Tensor,
    device: torch.device | None = None,
    chunk: int = 2048,
) -> Tensor:
    """Logits ``[N, outputs]`` on the CPU, in bounded memory.

    Args:
        model: stays in evaluation mode.
        frames: float32 ``[N, 4, 28, 28]``, or images, uint8 ``[N, 28, 28]``.
        device: of the network; by default that of its parameters.
        chunk: number of frames read at once.
    """
    device = device or next(model.parameters()).device
    model.eval()
    logits = []
    for part in frames.split(chunk):
        given = part.to(device) if part.ndim == 4 else as_frames(part.to(device))
        logits.append(model(as_input(given)).float().cpu())
    return torch.cat(logits)


def model_accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Accuracy, 0-1: of digits among the ten classes, of "not a digit" among all eleven.

    Pen data is read as strokes if the network takes stroke direction and order.
    """
    drawn = reads_strokes(model) and data.points is not None
    logits = predict_logits(model, data.frames() if drawn else data.images, device)
    digits = data.labels < NO_DIGIT
    predicted = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
    return float((predicted == data.labels).double().mean())
