"""Random variations of batches of frames, on their device; :mod:`hands` varies strokes.

Frames are float ``[N, 28, 28]``, 0-1, white ink on black. Every random number comes from torch's
global generator, so a seed determines all of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """Uniform random numbers ``[count]`` with the device and type of ``like``."""
    return torch.empty(count, device=like.device, dtype=like.dtype).uniform_(low, high)


def affine(count: int, like: Tensor, *, rotation: float, slant: float, stretch: float) -> Tensor:
    """Random linear maps ``[count, 2, 2]``: rotate by degrees, slant, stretch each side.

    ``slant`` is the largest tangent of the slant angle, ``stretch`` the largest logarithm of a
    side's factor; all three are uniform about zero.
    """
    angle = uniform(count, -rotation, rotation, like) * (math.pi / 180)
    lean = uniform(count, -slant, slant, like)
    wide = uniform(count, -stretch, stretch, like).exp()
    high = uniform(count, -stretch, stretch, like).exp()
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(wide)
    turn = torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)
    return turn @ torch.stack([wide, lean, zero, high], -1).view(-1, 2, 2)


def apply_to_share(frames: Tensor, changed: Tensor, share: float) -> Tensor:
    """``changed`` for a random ``share`` of the frames or drawings, the others unchanged."""
    applied = torch.rand(len(frames), device=frames.device) < share
    return torch.where(applied.view(-1, *[1] * (frames.ndim - 1)), changed, frames)


# --- frames --------------------------------------------------------------------------------


def warp(
    frames: Tensor,
    *,
    rotation: float = 10,
    slant: float = 0.2,
    stretch: float = 0.1,
    shift: float = 1.5,
    bend: float = 0.8,
) -> Tensor:
    """Affine and elastic distortion in one resampling, about the center of mass.

    Args:
        frames: ``[N, 28, 28]``, 0-1, or with channels ``[N, 4, 28, 28]``, which move with the frame
            and keep their values: for small distortions.
        rotation: degrees.
        slant: tangent of the slant angle.
        stretch: logarithm of the factor of each side.
        shift: px.
        bend: standard deviation in px of a smooth displacement (Simard et al., 2003).
    """
    count, size = len(frames), frames.shape[-1]
    matrix = affine(count, frames, rotation=rotation, slant=slant, stretch=stretch)
    offset = torch.stack([uniform(count, -shift, shift, frames) for _ in range(2)], -1)
    theta = torch.cat([matrix, (offset * (2 / size))[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    if bend:
        coarse = torch.randn(count, 2, 5, 5, device=frames.device) * (bend * 2 / size)
        field = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    channels = frames if frames.ndim == 4 else frames[:, None]
    # Bilinear resampling would blur strokes.
    moved = F.grid_sample(channels, grid, mode="bicubic", align_corners=False)
    moved[:, 0].clamp_(0, 1)  # bicubic overshoots next to strokes
    return moved.clamp_(-1, 1).view_as(frames)


def change_stroke_width(frames: Tensor, *, thinner: float = 0.6, thicker: float = 0.9) -> Tensor:
    """Blend each frame with its 3x3 minimum or maximum: thinner or thicker strokes."""
    amount = uniform(len(frames), -thinner, thicker, frames)[:, None, None]
    maximum = F.max_pool2d(frames[:, None], 3, 1, 1)[:, 0]
    minimum = -F.max_pool2d(-frames[:, None], 3, 1, 1)[:, 0]
    target = torch.where(amount > 0, maximum, minimum)
    changed = frames + amount.abs() * (target - frames)
    return changed / changed.amax(dim=(1, 2), keepdim=True).clamp_min(0.3)


def degrade(frames: Tensor, *, share: float = 0.3) -> Tensor:
    """Degrade a ``share`` of frames like bad pictures: blur, harder or softer edges, noise."""
    count = len(frames)
    blurred = F.avg_pool2d(frames[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    blend = uniform(count, 0, 0.8, frames)[:, None, None]
    gain = uniform(count, 0.8, 2.5, frames)[:, None, None]
    changed = (frames + blend * (blurred - frames)) * gain
    noise = uniform(count, 0, 0.08, frames)[:, None, None]  # standard deviation near ink
    changed = (changed + noise * torch.randn_like(frames) * (blurred > 0.02)).clamp(0, 1)
    return apply_to_share(frames, changed, share)


# Each change also blurs or thickens a little, so each leaves some frames unchanged. A network
# trained without frames as sharp and thin as MNIST's own makes more errors on those.
WARPED, WIDTH_CHANGED = 0.9, 0.25


def distort_frames(frames: Tensor) -> Tensor:
    """Distort the shapes in frames ``[N, 28, 28]`` and change their stroke widths."""
    frames = apply_to_share(frames, warp(frames), WARPED)
    return apply_to_share(frames, change_stroke_width(frames), WIDTH_CHANGED)
