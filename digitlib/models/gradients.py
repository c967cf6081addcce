"""Attribution by integrated gradients, with PyTorch: for notebooks, not for the pad."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from digitlib.preprocessing.frame import Frame, normalize
from digitlib.preprocessing.strokes import Channels

STEPS = 64  # of the sum that approximates the integral, within about 1 %

Floats = NDArray[np.float32]


def integrated_gradients(
    model: nn.Module,
    frame: Frame,
    channels: Channels | None = None,
    *,
    digit: int,
) -> tuple[Floats, Floats | None]:
    """The contribution of each pixel to a digit's logit, compared with a blank frame.

    Gradients are averaged along the straight line from the blank frame to the given one, and
    multiplied by the difference of the two (Sundararajan et al., 2017, arXiv 1703.01365). All
    contributions add up to the difference of the two logits.

    Args:
        model: normalized frames ``[N, 1, 28, 28]``, and channels if they are given, to logits.
        frame: uint8 ``[28, 28]``.
        channels: float32 ``[3, 28, 28]``, stroke direction and order.
        digit: 0 to 9.

    Returns:
        contributions of the frame's pixels ``[28, 28]`` and of the channels' ``[3, 28, 28]``.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    along = ((torch.arange(STEPS) + 0.5) / STEPS)[:, None, None, None]
    ends = [torch.from_numpy(frame)[None].float() / 255]
    if channels is not None:
        ends.append(torch.from_numpy(channels))
    points = [(along * end).requires_grad_() for end in ends]
    logits = model(normalize(points[0]), *points[1:])[:, digit]
    gradients = torch.autograd.grad(logits.sum(), points)
    parts = [(end * g.mean(dim=0)).numpy() for end, g in zip(ends, gradients, strict=True)]
    return parts[0][0], None if channels is None else parts[1]
