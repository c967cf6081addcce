"""Networks of PyTorch for reading alone: layers merged, logits turned into a score."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import pairwise

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


def optimize_for_inference(model: nn.Module) -> nn.Module:
    """A copy for inference: same output up to rounding, fewer and faster steps.

    Within an ``nn.Sequential``, batch norm is multiplied into the weights of the convolution
    before it, max-pooling comes before ReLU, and dropout is left out. Channels lie last in memory,
    as fast kernels want them.
    """
    model = copy.deepcopy(model).eval()
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.Sequential:
                setattr(parent, name, nn.Sequential(*_pool_before_relu(_merge_batch_norm(child))))
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


def _pool_before_relu(layers: list[nn.Module]) -> list[nn.Module]:
    """ReLU after max-pooling, where it has fewer numbers to do; the result is the same."""
    swapped = [*layers]
    for index, pair in enumerate(pairwise(layers)):
        if type(pair[0]) is nn.ReLU and type(pair[1]) is nn.MaxPool2d:
            swapped[index : index + 2] = [pair[1], nn.ReLU(inplace=True)]
    return swapped
