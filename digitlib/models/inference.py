"""PyTorch networks for inference: merged layers, and the score of logits."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def digit_score(logits: Tensor) -> Tensor:
    """Score ``[N]`` for logits ``[N, 10]`` or ``[N, 11]``: higher looks more like a digit.

    With an eleventh class, "not a digit", it is the log-odds of all digits against that class, else
    the energy score (Liu et al., 2020).
    """
    energy = logits[:, :10].logsumexp(dim=1)
    return energy - logits[:, 10] if logits.shape[1] > 10 else energy


def optimize_for_inference(model: nn.Module, *, relu_first: bool = False) -> nn.Module:
    """A copy for inference: same output up to rounding, fewer and faster steps.

    Within an ``nn.Sequential``, batch norm is merged into the convolution before it, and dropout is
    left out. Max-pooling comes before ReLU, which then has fewer numbers to process; with
    ``relu_first`` after it, for runtimes that make ReLU part of the convolution. Channels are last
    in memory, as fast kernels need them.
    """
    model = copy.deepcopy(model).eval()
    first, second = (nn.ReLU, nn.MaxPool2d) if relu_first else (nn.MaxPool2d, nn.ReLU)
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is not nn.Sequential:
                continue
            layers = _merge_batch_norm(child)
            for index in range(len(layers) - 1):
                if type(layers[index]) is second and type(layers[index + 1]) is first:
                    layers[index : index + 2] = layers[index + 1], layers[index]
            setattr(parent, name, nn.Sequential(*layers))
    return model.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def _merge_batch_norm(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Layers without dropout, batch norm merged into the convolution before it.

    Max-pooling between the two doesn't matter if all factors of the batch norm are positive: the
    largest number stays the largest.
    """
    merged: list[nn.Module] = []
    for layer in layers:
        norm = layer if isinstance(layer, nn.BatchNorm2d) else None
        pooled = isinstance(merged[-1] if merged else None, nn.MaxPool2d)
        at = len(merged) - (2 if norm and pooled and bool((norm.weight > 0).all()) else 1)
        if norm and at >= 0 and isinstance(convolution := merged[at], nn.Conv2d):
            merged[at] = fuse_conv_bn_eval(convolution, norm)
        elif not isinstance(layer, nn.Dropout):
            merged.append(layer)
    return merged
