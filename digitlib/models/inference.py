"""Networks for reading alone: layers merged, logits calibrated to probabilities and a score."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digitlib.preprocessing.frame import normalize


def digit_score(logits: Tensor) -> Tensor:
    """Score ``[N]`` of being a digit at all, of logits ``[N, 10]`` or ``[N, 11]``; higher is more.

    With a "no digit" class the log-odds of all digits against it, else the energy score
    (Liu et al., 2020).
    """
    energy = logits[:, :10].logsumexp(dim=1)
    return energy - logits[:, 10] if logits.shape[1] > 10 else energy


class FrameClassifier(nn.Module):
    """The whole computation from frames to probabilities and scores.

    Args:
        network: normalised frames ``[N, 1, 28, 28]`` to logits ``[N, 10]``, or ``[N, 11]`` with a
            last class for "no digit"; one with a pen branch takes planes as a second argument.
        temperature: divisor of the logits before softmax.
    """

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def logits(self, frames: Tensor, planes: Tensor | None = None) -> Tensor:
        """Logits of frames ``[N, 28, 28]``, uint8 0-255 or float 0-1, and their planes."""
        scaled = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
        inputs = [] if planes is None else [planes]
        return self.network(normalize(scaled)[:, None], *inputs)

    def forward(self, frames: Tensor, planes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities ``[N, 10]`` and scores ``[N]`` of the same frames."""
        logits = self.logits(frames, planes)
        return (logits[:, :10] / self.temperature).softmax(dim=1), digit_score(logits)


def optimize_for_inference(model: nn.Module) -> nn.Module:
    """A copy for inference: same output up to rounding, fewer and faster steps.

    Within an ``nn.Sequential``, batch norm that directly follows a convolution is multiplied into
    its weights, max-pooling comes before ReLU, and dropout is left out. Channels lie last in
    memory, as fast kernels want them.
    """
    model = copy.deepcopy(model).eval()
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.Sequential:
                setattr(parent, name, nn.Sequential(*_pool_before_relu(_merge_batch_norm(child))))
    return model.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def _merge_batch_norm(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Layers without dropout, batch norm merged into the convolution directly before it."""
    merged: list[nn.Module] = []
    for layer in layers:
        last = merged[-1] if merged else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            merged[-1] = fuse_conv_bn_eval(last, layer)
        elif not isinstance(layer, nn.Dropout):
            merged.append(layer)
    return merged


def _pool_before_relu(layers: list[nn.Module]) -> list[nn.Module]:
    """ReLU after max-pooling, where it has fewer numbers to do; the result is the same."""
    swapped = [*layers]
    for index, pair in enumerate(pairwise(layers)):
        if type(pair[0]) is nn.ReLU and type(pair[1]) is nn.MaxPool2d:
            swapped[index : index + 2] = [pair[1], nn.ReLU(inplace=True)]
    return swapped
