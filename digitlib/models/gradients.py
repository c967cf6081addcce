"""Attribution by integrated gradients, with PyTorch: for notebooks, not for the pad."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from digitlib.models.networks import as_input
from digitlib.preprocessing.frame import Frame

STEPS = 64  # of the sum that approximates the integral, within about 1 %

Floats = NDArray[np.float32]


def integrated_gradients(model: nn.Module, frame: Frame, *, digit: int) -> Floats:
    """The contribution of each pixel to a digit's logit, compared with a blank frame.

    Gradients are averaged along the straight line from the blank frame to the given one, and
    multiplied by the difference of the two (Sundararajan et al., 2017, arXiv 1703.01365). All
    contributions add up to the difference of the two logits.

    Args:
        model: normalized frames ``[N, 4, 28, 28]`` to logits.
        frame: float32 ``[4, 28, 28]``.
        digit: 0 to 9.

    Returns:
        ``[4, 28, 28]``.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    along = ((torch.arange(STEPS) + 0.5) / STEPS)[:, None, None, None]
    points = (along * torch.from_numpy(frame)).requires_grad_()
    logits = model(as_input(points))[:, digit]
    (gradients,) = torch.autograd.grad(logits.sum(), points)
    return frame * gradients.mean(dim=0).numpy()
