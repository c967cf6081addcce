"""Logits and accuracy of networks in training.

``Recognizer`` reads with an optimised copy of a network, which has to be made first; here the
network itself reads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digitlib.datasets.base import DigitData
from digitlib.datasets.rendering import drawn_planes
from digitlib.models.networks import reads_planes
from digitlib.training.loader import as_input


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: Tensor,
    planes: Tensor | None = None,
    device: torch.device | None = None,
    chunk: int = 2048,
) -> Tensor:
    """Logits ``[N, outputs]`` on the CPU, in bounded memory.

    Args:
        model: is in evaluation mode afterwards.
        images: uint8 frames ``[N, 28, 28]``.
        planes: of the frames, float ``[N, 3, 28, 28]``, for a network that takes them.
        device: of the network; where its parameters are, without.
        chunk: frames that pass the network at once.
    """
    device = device or next(model.parameters()).device
    model.eval()
    logits = []
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        inputs = [as_input(images[part].to(device).float() / 255)]
        if planes is not None:
            inputs.append(planes[part].to(device))
        logits.append(model(*inputs).float().cpu())
    return torch.cat(logits)


def data_logits(model: nn.Module, data: DigitData, device: torch.device | None = None) -> Tensor:
    """Logits ``[N, outputs]`` of a data set; of pen data with planes, if the network takes them."""
    planes = drawn_planes(data) if reads_planes(model) and data.points is not None else None
    return predict_logits(model, data.images, planes, device)


def model_accuracy(model: nn.Module, data: DigitData, device: torch.device | None = None) -> float:
    """Accuracy, 0-1: of digits among the ten classes, of "no digit" among all eleven."""
    logits = data_logits(model, data, device)
    digits = data.labels < 10
    predicted = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
    return float((predicted == data.labels).double().mean())
