"""Attribution by gradients, with PyTorch: for notebooks, which have it, not for the pad.

Captum has integrated gradients, too. It would be one more package, for the fifteen lines below.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from digitlib.preprocessing.frame import Frame, normalize
from digitlib.preprocessing.strokes import Planes

STEPS = 64  # of the sum that stands for the integral: it is within about 1 % of it

Floats = NDArray[np.float32]


def integrated_gradients(
    model: nn.Module,
    frame: Frame,
    planes: Planes | None = None,
    *,
    digit: int,
    steps: int = STEPS,
) -> tuple[Floats, Floats | None]:
    """The part of each pixel in a digit's logit, beside a blank frame.

    Gradients are averaged along the straight way from the blank frame to the given one, and
    multiplied by the difference of the two (Sundararajan et al., 2017, arXiv 1703.01365). All
    parts together are the difference of the two logits.

    Args:
        model: normalised frames ``[N, 1, 28, 28]``, and planes if they are given, to logits.
        frame: uint8 ``[28, 28]``.
        planes: float32 ``[3, 28, 28]``, the way of the pen.
        digit: whose logit.
        steps: at the middles of so many equal parts of the way gradients are taken.

    Returns:
        parts of the frame's pixels ``[28, 28]`` and of the planes' ``[3, 28, 28]``, in logits.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    along = ((torch.arange(steps) + 0.5) / steps)[:, None, None, None]
    ends = [torch.from_numpy(frame)[None].float() / 255]
    if planes is not None:
        ends.append(torch.from_numpy(planes))
    points = [(along * end).requires_grad_() for end in ends]
    logits = model(normalize(points[0]), *points[1:])[:, digit]
    gradients = torch.autograd.grad(logits.sum(), points)
    parts = [(end * g.mean(dim=0)).numpy() for end, g in zip(ends, gradients, strict=True)]
    return parts[0][0], None if planes is None else parts[1]
