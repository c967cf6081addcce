"""Networks of PyTorch for reading alone: layers merged, logits turned into a score."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def digit_score(logits: Tensor) -> Tensor:
    """Score ``[N]`` of being a digit at all, of logits ``[N, 10]`` or ``[N, 11]``; higher is more.

    With a "no digit" class the log-odds of all digits against it, else the energy score
    (Liu et al., 2020).
    """
    energy = logits[:, :10].logsumexp(dim=1)
    return energy - logits[:, 10] if logits.shape[1] > 10 else energy


def optimize_for_inference(model: nn.Module, *, relu_first: bool = False) -> nn.Module:
    """A copy for inference: same output up to rounding, fewer and faster steps.

    Within an ``nn.Sequential``, batch norm is multiplied into the weights of the convolution
    before it, dropout is left out, and max-pooling comes before ReLU, which then has fewer numbers
    to do; or after it with ``relu_first``, for runtimes that make it part of the convolution.
    Channels lie last in memory, as fast kernels want them.
    """
    model = copy.deepcopy(model).eval()
    order = (nn.ReLU, nn.MaxPool2d) if relu_first else (nn.MaxPool2d, nn.ReLU)
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.Sequential:
                setattr(parent, name, nn.Sequential(*_in_order(_merge_batch_norm(child), *order)))
    return model.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def _merge_batch_norm(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Layers without dropout, batch norm merged into the convolution before it.

    Max-pooling between the two does not matter where all factors of the batch norm are positive:
    the largest number stays the largest.
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


def _in_order(
    layers: list[nn.Module], first: type[nn.Module], second: type[nn.Module]
) -> list[nn.Module]:
    """Layers of two kinds that may change places, in this order where they are neighbours."""
    ordered = [*layers]
    for index in range(len(ordered) - 1):
        if type(ordered[index]) is second and type(ordered[index + 1]) is first:
            ordered[index : index + 2] = ordered[index + 1], ordered[index]
    return ordered
