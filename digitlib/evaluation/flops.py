"""Floating-point operations: those that a network takes, and how fast the machine can be."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from digitlib.models.networks import pick_device


def matrix_peak(
    precision: str = "float32", sizes: Sequence[int] = (256, 512, 1024, 2048), rounds: int = 20
) -> float:
    """FLOP/s of the machine's matrix product: the upper limit for any network.

    The best of several square products of each size, as a product and as a 1x1 convolution: on
    many CPUs another library computes the latter, twice as fast.
    """
    device = pick_device()
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    best = 0.0
    for size in sizes:
        a = torch.randn(size, size, device=device).to(dtype)
        # Channels last in memory: rows are pixels, columns are channels.
        pixels = a.T.reshape(1, size, size // 16, 16).contiguous(memory_format=torch.channels_last)
        kernel = a[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for product in (lambda a=a: a @ a, lambda p=pixels, k=kernel: F.conv2d(p, k)):
            for _ in range(rounds + 1):
                start = time.perf_counter()
                with torch.inference_mode():
                    float(product().flatten()[0])  # waits until the device is done
                best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def flops(model: nn.Module, *, learning: bool = False) -> float:
    """Floating-point operations of convolutions and matrices for one frame, forward or both ways.

    A multiplication and an addition count as two.
    """
    frames = 8
    given = torch.zeros(frames, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        logits = model(given)
        if learning:
            F.cross_entropy(logits, torch.zeros(frames, dtype=torch.int64)).backward()
    return counter.get_total_flops() / frames
