"""Random variations of batches of frames and pen strokes, on their device.

Frames are float ``[N, 28, 28]``, 0-1, white ink on black; strokes are samples ``[N, P, 2]``.
Every random number comes from torch's global generator, so a seed determines all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    resampling: str = "bicubic",
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
        resampling: bicubic keeps strokes sharp, bilinear blurs them.
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
    moved = F.grid_sample(channels, grid, mode=resampling, align_corners=False)
    moved[:, 0].clamp_(0, 1)  # bicubic overshoots beside strokes
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


@dataclass(frozen=True)
class FrameVariation:
    """Strength of the variations of frames.

    Each change also blurs or thickens a little, so each leaves some frames unchanged. A network
    trained without frames as sharp and thin as MNIST's own makes more errors on those.
    """

    warp_prob: float = 0.9
    width_prob: float = 0.25  # of a change of stroke width
    shift: float = 1.5  # px
    bend: float = 0.8  # px
    resampling: str = "bicubic"


FRAME_VARIATIONS = {
    "sharp": FrameVariation(),
    "soft": FrameVariation(0.65, 0.6, shift=1.0, bend=0.6, resampling="bilinear"),
}


def distort_frames(frames: Tensor, variation: FrameVariation = FRAME_VARIATIONS["sharp"]) -> Tensor:
    """Distort the shapes in frames ``[N, 28, 28]`` and change their stroke widths."""
    warped = warp(
        frames, shift=variation.shift, bend=variation.bend, resampling=variation.resampling
    )
    frames = apply_to_share(frames, warped, variation.warp_prob)
    return apply_to_share(frames, change_stroke_width(frames), variation.width_prob)


# --- pen strokes ---------------------------------------------------------------------------


def pen_widths(count: int, like: Tensor, low: float = 1.2, high: float = 8.5) -> Tensor:
    """Random pen widths ``[count]`` in frame px, log-uniform: most are near MNIST's."""
    return uniform(count, math.log(low), math.log(high), like).exp()


def distort_points(
    points: Tensor,
    *,
    rotation: float = 12,
    slant: float = 0.45,
    stretch: float = 0.2,
    bend: float = 0.025,
) -> Tensor:
    """Distort pen samples ``[N, P, 2]`` before rendering: affine and smoothly bent.

    ``bend`` is the amplitude of the added waves, as a share of the drawing's longer side.
    """
    count = len(points)
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    unit = (points - (low + high) / 2) / (high - low).amax(dim=2, keepdim=True).clamp_min(1e-6)
    matrix = affine(count, points, rotation=rotation, slant=slant, stretch=stretch)
    # Three random channel waves, so that neighboring points move together.
    waves = torch.randn(count, 2, 3, device=points.device) * 5
    phase = uniform(count * 3, 0, 2 * math.pi, points).view(count, 1, 3)
    push = torch.randn(count, 3, 2, device=points.device) * bend
    return (unit + torch.sin(unit @ waves + phase) @ push) @ matrix.transpose(1, 2)


def split_strokes(numbers: Tensor, share: float, pieces: int = 4) -> Tensor:
    """Stroke numbers ``[N, P]``, with a ``share`` of the drawings split into pieces.

    Such a drawing has ``pieces`` of equal length, split further at its strokes.
    :func:`reorder_strokes` then draws them in any order and direction.
    """
    samples = (numbers >= 0).sum(dim=1, keepdim=True)
    place = torch.arange(numbers.shape[1], device=numbers.device)
    parted = numbers * pieces + place * pieces // samples
    applied = torch.rand(len(numbers), 1, device=numbers.device) < share
    return torch.where(applied & (numbers >= 0), parted, numbers).to(numbers.dtype)


def reorder_strokes(
    points: Tensor, numbers: Tensor, *, reverse: float = 0.15, shuffle: float = 0.15
) -> tuple[Tensor, Tensor]:
    """Samples ``[N, P, 2]`` and stroke numbers ``[N, P]`` in another order and direction.

    Args:
        points, numbers: as for :func:`rendering.render_batch`.
        reverse: share of the strokes drawn from their end to their start.
        shuffle: share of the drawings with another order of strokes.
    """
    count, length = numbers.shape
    strokes, device = int(numbers.max()) + 1, points.device
    place = torch.arange(length, device=device).expand(count, -1)
    of = numbers.clamp_min(0).long()
    turned = (torch.rand(count, strokes, device=device) < reverse).gather(1, of)
    shuffled = torch.rand(count, 1, device=device) < shuffle
    order = torch.rand(count, strokes, device=device).argsort(dim=1).gather(1, of)
    rank = torch.where(shuffled, order, of)
    key = rank * 2 * length + torch.where(turned, length - place, place)
    key = torch.where(numbers < 0, strokes * 2 * length, key)  # repeated points stay last
    index = key.argsort(dim=1, stable=True)
    return points.gather(1, index[:, :, None].expand(-1, -1, 2)), numbers.gather(1, index)


def move_strokes(
    points: Tensor, numbers: Tensor, share: float, *, shift: float = 0.04, stretch: float = 0.12
) -> Tensor:
    """Pen samples ``[N, P, 2]``; in a ``share`` of the drawings, each stroke moves by itself.

    Args:
        points, numbers: as for :func:`rendering.render_batch`.
        share: of the drawings.
        shift: standard deviation of a stroke's movement, as a share of the drawing's longer side.
        stretch: standard deviation of the logarithm of its scale, about its own middle.
    """
    of = torch.where(numbers < 0, numbers.amax(dim=1, keepdim=True), numbers).long()  # [N, P]
    count, strokes = len(points), int(of.max()) + 1
    index = of[:, :, None].expand(-1, -1, 2)
    middles = points.new_zeros(count, strokes, 2).scatter_reduce(
        1, index, points, "mean", include_self=False
    )
    size = (points.amax(dim=1) - points.amin(dim=1)).amax(dim=1)[:, None, None]
    moves = torch.randn_like(middles) * shift * size
    scales = (torch.randn_like(middles[:, :, :1]) * stretch).exp().expand(-1, -1, 2)
    middle = middles.gather(1, index)
    moved = middle + (points - middle) * scales.gather(1, index) + moves.gather(1, index)
    return apply_to_share(points, moved, share)


# Smoothness in samples (standard deviation of a Gaussian), and largest amplitude as a share of the
# drawing's longer side: a nervous, an unsteady and a slowly swaying hand.
TREMORS = ((1.0, 0.02), (2.5, 0.035), (6.0, 0.05))
TREMOR_REACH = 15  # samples on both sides of a Gaussian's middle: 2.5 of the widest deviations


def add_tremor(points: Tensor, *, cut: float = 0.1) -> Tensor:
    """Pen samples ``[N, P, 2]`` as from a mouse, a hurried finger or a trembling hand.

    The line trembles as one of ``TREMORS``, starts late and ends early by up to ``cut`` of its
    length, and the drawing is rotated, slanted and stretched. Shorter drawings are padded by
    repeating their last point, before and after.
    """
    count, length, _ = points.shape
    number = torch.arange(length, device=points.device)
    moves = (points[:, 1:] != points[:, :-1]).any(dim=2)
    last = (moves * number[1:]).amax(dim=1) if length > 1 else moves.new_zeros(count).long()
    start = (last * uniform(count, 0, cut, points)).round().long()
    end = (last * (1 - uniform(count, 0, cut, points))).round().long()
    kept = torch.minimum(torch.maximum(number, start[:, None]), end[:, None])  # [N, P]
    shaken = (points + _tremor(points)).gather(1, kept[:, :, None].expand(-1, -1, 2))
    return shaken @ affine(count, points, rotation=10, slant=0.15, stretch=0.35).transpose(1, 2)


def _tremor(points: Tensor) -> Tensor:
    """Smooth random displacements ``[N, P, 2]`` of pen samples."""
    count, length, _ = points.shape
    noise = torch.randn(count * 2, 1, length, device=points.device, dtype=points.dtype)
    offset = torch.arange(-TREMOR_REACH, TREMOR_REACH + 1, device=points.device, dtype=points.dtype)
    kernels = torch.stack([torch.exp(-((offset / width) ** 2) / 2) for width, _ in TREMORS])
    kernels = kernels / kernels.norm(dim=1, keepdim=True)  # keeps a standard deviation of 1
    smooth = F.conv1d(noise, kernels[:, None], padding=TREMOR_REACH)
    smooth = smooth.view(count, 2, len(TREMORS), length)
    kind = torch.randint(len(TREMORS), (count,), device=points.device)
    shape = smooth[torch.arange(count, device=points.device), :, kind].transpose(1, 2)  # [N, P, 2]
    largest = torch.tensor([amplitude for _, amplitude in TREMORS], device=points.device)[kind]
    size = (points.amax(dim=1) - points.amin(dim=1)).amax(dim=1)
    return (largest * size * uniform(count, 0, 1, points))[:, None, None] * shape
