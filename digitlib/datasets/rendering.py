"""Sampled pen strokes to frames, many drawings at once, on their device.

They are about the frames of :mod:`digitlib.preprocessing.strokes`, with the distance to the nearest
sample instead of the line.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from digitlib.preprocessing.frame import BOX_SIZE, FRAME_SIZE, MASS_CENTER

SMALLEST_MOVE = 1e-9  # of the longer side, between neighbors; a dot moves less


def render_batch(points: Tensor, numbers: Tensor, width: Tensor) -> Tensor:
    """Draw many sampled drawings at once.

    Args:
        points: float ``[N, P, 2]``, samples of each drawing in any unit
            (see :func:`pen.resample`), shorter drawings padded by repeating a point.
        numbers: stroke number of each sample, ``[N, P]``, -1 if a point is repeated.
        width: float ``[N]``, pen widths in frame px.

    Returns:
        float ``[N, 4, 28, 28]``, about the same frames as from :func:`strokes.render`.
    """
    least, nearest = _squared_distances(points, width).min(dim=3)
    ink = _ink(least, width)
    state = _pen_state(points, numbers)  # [N, P, 3]
    index = nearest.flatten(1)[:, :, None].expand(-1, -1, state.shape[2])
    channels = state.gather(1, index).transpose(1, 2).unflatten(2, ink.shape[1:])
    return place_boxes(torch.cat([ink[:, None], channels * ink[:, None]], dim=1))


def _squared_distances(points: Tensor, width: Tensor) -> Tensor:
    """From the centers of the box's pixels to the samples, fitted to it: ``[N, 20, 20, P]``."""
    low, high = points.amin(dim=1), points.amax(dim=1)  # [N, 2]
    scale = (BOX_SIZE - width) / (high - low).amax(dim=1).clamp_min(1e-9)
    points = (points - ((low + high) / 2)[:, None]) * scale[:, None, None] + BOX_SIZE / 2
    grid = torch.arange(BOX_SIZE, device=points.device) + 0.5
    dx = (grid[:, None] - points[:, None, :, 0]) ** 2  # [N, 20, P]
    dy = (grid[:, None] - points[:, None, :, 1]) ** 2
    return dy[:, :, None] + dx[:, None]


def _ink(squares: Tensor, width: Tensor) -> Tensor:
    """Ink ``[N, 20, 20]``, 0-1, by the squared distance to the nearest sample."""
    return ((width / 2 + 0.5)[:, None, None] - squares.sqrt()).clamp(0, 1)


def _pen_state(points: Tensor, numbers: Tensor) -> Tensor:
    """Direction (x, y) and time of each sample, ``[N, P, 3]``; as ``strokes._pen_state``."""
    steps = points.diff(dim=1) * (numbers[:, 1:] == numbers[:, :-1])[:, :, None]
    moves = F.pad(steps, (0, 0, 1, 0)) + F.pad(steps, (0, 0, 0, 1))
    direction = F.normalize(moves, dim=2, eps=SMALLEST_MOVE)
    last = (numbers >= 0).sum(dim=1, keepdim=True) - 1
    rank = torch.arange(numbers.shape[1], device=points.device).minimum(last)
    time = 2 * rank / last.clamp_min(1) - (last > 0).float()
    return torch.cat([direction, time[:, :, None]], dim=2)


def place_boxes(boxes: Tensor) -> Tensor:
    """Place boxes ``[N, C, 20, 20]`` in frames ``[N, C, 28, 28]`` as :func:`frame.place` does.

    The center of mass is that of the first channel.
    """
    margin, ink = FRAME_SIZE - BOX_SIZE, boxes[:, 0]
    ramp = torch.arange(BOX_SIZE, device=boxes.device, dtype=boxes.dtype)
    total = ink.sum(dim=(1, 2)).clamp_min(1e-9)
    frame = torch.arange(FRAME_SIZE, device=boxes.device)
    picks = []
    for axis in (2, 1):  # the axis summed away: rows first, then columns
        mass = (ink.sum(dim=axis) @ ramp) / total
        corner = (MASS_CENTER - mass).round().clamp(0, margin).long()
        picks.append(frame - corner[:, None] + margin)  # [N, 28], index into the padded box
    rows, columns = picks
    batch = torch.arange(len(boxes), device=boxes.device)[:, None, None]
    padded = F.pad(boxes, [margin] * 4).permute(0, 2, 3, 1)
    return padded[batch, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
