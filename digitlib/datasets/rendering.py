"""Sampled pen strokes to frames and channels, many drawings at once, on their device.

The frames equal those of :mod:`digitlib.preprocessing.strokes`, up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from digitlib.datasets.base import DigitData
from digitlib.preprocessing.frame import BOX_SIZE, FRAME_SIZE, MASS_CENTER
from digitlib.preprocessing.strokes import PEN_WIDTH, SMALLEST_MOVE

RENDERED = 256  # drawings rendered at once: 0.2 MB of distances each


def render_batch(points: Tensor, width: Tensor) -> Tensor:
    """Draw many sampled drawings at once.

    Args:
        points: float ``[N, P, 2]``, samples of each drawing in any unit
            (see :func:`strokes.resample`), shorter drawings padded by repeating a point.
        width: float ``[N]``, pen widths in frame px.

    Returns:
        float ``[N, 28, 28]``, 0-1, the same frames as :func:`strokes.render` up to rounding.
    """
    squares = _squared_distances(points, width)
    return place_boxes(_ink(squares.amin(dim=3), width)[:, None])[:, 0]


def render_batch_with_channels(points: Tensor, numbers: Tensor, width: Tensor) -> Tensor:
    """Draw frames as :func:`render_batch`, and channels as :func:`strokes.render_with_channels`.

    Args:
        points, width: as for :func:`render_batch`.
        numbers: stroke number of each sample, ``[N, P]``, -1 if a point is repeated.

    Returns:
        float ``[N, 4, 28, 28]``: the frame, 0-1, and its channels, -1 to 1.
    """
    least, nearest = _squared_distances(points, width).min(dim=3)
    ink = _ink(least, width)
    state = _pen_state(points, numbers)  # [N, P, 3]
    index = nearest.flatten(1)[:, :, None].expand(-1, -1, state.shape[2])
    channels = state.gather(1, index).transpose(1, 2).unflatten(2, ink.shape[1:])
    return place_boxes(torch.cat([ink[:, None], channels * ink[:, None]], dim=1))


def drawn_channels(data: DigitData) -> Tensor:
    """Channels float32 ``[N, 3, 28, 28]`` of the frames of pen data, 0 for pictures.

    Drawings with more than ``pen.PEN_SAMPLES`` samples are a little coarser than from
    :func:`strokes.render_with_channels`.

    Raises:
        ValueError: the data set has no pen samples.
    """
    return render_data(data)[:, 1:]


def render_data(data: DigitData) -> Tensor:
    """Frames 0-1 and channels, float32 ``[N, 4, 28, 28]``, of pen data at the default pen width.

    Pictures among them keep their frames, and have channels of 0.

    Raises:
        ValueError: the data set has no pen samples.
    """
    if data.points is None or data.stroke_numbers is None:
        raise ValueError(f"{data.name} isn't pen data, so its stroke direction is unknown.")
    parts = zip(data.points.split(RENDERED), data.stroke_numbers.split(RENDERED), strict=True)
    rendered = torch.cat([
        render_batch_with_channels(points, numbers, torch.full((len(points),), PEN_WIDTH))
        for points, numbers in parts
    ])  # fmt: skip
    if not (drawn := data.drawn).all():
        rendered[~drawn] = F.pad(data.images[~drawn, None].float() / 255, (0, 0, 0, 0, 0, 3))
    return rendered


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
    """Place boxes ``[N, C, 20, 20]`` in frames ``[N, C, 28, 28]`` as :func:`frame.place_box` does.

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
