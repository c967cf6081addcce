"""Logits and accuracy of networks in training, without the optimized copy of a ``Recognizer``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digitlib.datasets.base import NO_DIGIT, DigitData
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
        frames: float ``[N, 4, 28, 28]``, see :meth:`DigitData.frames`.
        device: of the network; by default that of its parameters.
        chunk: number of frames read at once.
    """
    device = device or next(model.parameters()).device
    model.eval()
    return torch.cat(
        [model(as_input(part.to(device))).float().cpu() for part in frames.split(chunk)]
    )


def model_accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Accuracy, 0-1: of digits among the ten classes, of "not a digit" among all eleven."""
    return accuracies(model, data, device)["accuracy"]


def accuracies(
    model: nn.Module, data: DigitData, device: torch.device | None = None
) -> dict[str, float]:
    """The ``accuracy``, see :func:`model_accuracy`, and that of ``pictures``.

    The second is of pen data without stroke direction and order, if the network reads them.
    """
    frames, found = data.frames(), dict[str, float]()
    digits = data.labels < NO_DIGIT
    for name in ("accuracy", "pictures"):
        logits = predict_logits(model, frames, device)
        predicted = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
        found[name] = float((predicted == data.labels).double().mean())
        if data.strokes is None or not reads_strokes(model):
            break
        frames[:, 1:] = 0
    return found
