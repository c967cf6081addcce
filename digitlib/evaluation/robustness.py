"""Robustness: accuracy of networks on frames that are changed by a rising strength.

A change acts on float frames ``[N, 28, 28]``, 0-1, after all preprocessing: centring, scaling and
contrast are not corrected again, as they would be for a drawing or a picture. Random parts of a
change (directions, places, noise) follow from a seed and are the same at every strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from digitlib.errors import BlankDrawingError
from digitlib.evaluation.metrics import Interval, Proportion, intervals
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, to_frame

Change = Callable[[Tensor, float, torch.Generator], Tensor]
CONFIDENCE, REJECTED = "confidence of digitnet", "rejected by digitnet"
TOLERATED = 0.9  # least accuracy
LINE_STYLES = {CONFIDENCE: "--", REJECTED: ":"}


@dataclass(frozen=True)
class Perturbation:
    """One way to change frames.

    Attributes:
        name: for titles.
        unit: of the strength.
        strengths: to measure at, rising.
        change: frames, strength and random generator → frames.
        neutral: the strength that changes nothing.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    change: Change
    neutral: float = 0.0

    @property
    def title(self) -> str:
        """Name and unit, for axes."""
        return f"{self.name} ({self.unit})"

    @property
    def neutral_place(self) -> int:
        """The place of the neutral strength among ``strengths``."""
        return self.strengths.index(self.neutral)

    def ticks(self) -> list[str]:
        """The strengths as text."""
        return [f"{strength:g}" for strength in self.strengths]

    def __call__(self, images: Tensor, strength: float, seed: int = 0) -> Tensor:
        """Changed frames, float ``[N, 28, 28]``, 0-1, of uint8 or float ones."""
        frames = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        if strength == self.neutral or not len(frames):
            return frames.clone()
        generator = torch.Generator().manual_seed(seed)
        return self.change(frames, strength, generator).clamp(0, 1)

    def examples(self, image: Tensor, seed: int = 0) -> Tensor:
        """One frame ``[28, 28]`` at every strength: ``[strengths, 28, 28]``."""
        return torch.cat([self(image[None], strength, seed) for strength in self.strengths])


def _warp(frames: Tensor, matrix: Tensor) -> Tensor:
    """Resample frames where ``matrix`` ``[N, 2, 3]``, in affine_grid's units, points."""
    count, size = len(frames), frames.shape[-1]
    places = F.affine_grid(matrix, [count, 1, size, size], align_corners=False)
    return F.grid_sample(frames[:, None], places, align_corners=False)[:, 0]


def shift(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move by ``strength`` px, each frame in a random direction."""
    angle = 2 * math.pi * torch.rand(len(frames), generator=generator)
    offset = torch.stack([angle.cos(), angle.sin()], -1) * (strength * 2 / frames.shape[-1])
    matrix = torch.cat([torch.eye(2).expand(len(frames), 2, 2), offset[:, :, None]], dim=2)
    return _warp(frames, matrix)


def rotate(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Turn clockwise by ``strength`` degrees about the frame's middle."""
    cos, sin = math.cos(math.radians(strength)), math.sin(math.radians(strength))
    matrix = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0]])
    return _warp(frames, matrix.expand(len(frames), 2, 3))


def scale(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Enlarge by the factor ``strength`` about the middle; ink outside the frame is cut off."""
    if strength < 1:  # smoothed first, so that thin strokes do not fall between the samples
        frames = blur(frames, 0.4 * math.sqrt(strength**-2 - 1), generator)
    matrix = torch.tensor([[1 / strength, 0.0, 0.0], [0.0, 1 / strength, 0.0]])
    return _warp(frames, matrix.expand(len(frames), 2, 3))


def widen(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Make strokes wider by ``strength`` px, thinner where it is negative.

    Each 3×3 maximum (minimum) adds (takes) 2 px; the remainder is blended in.
    """
    sign = 1 if strength > 0 else -1
    left = abs(strength) / 2
    while left > 0:
        widened = sign * F.max_pool2d(sign * frames[:, None], 3, 1, 1)[:, 0]
        frames = frames + min(left, 1.0) * (widened - frames)
        left -= 1
    return frames


def add_noise(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of standard deviation ``strength`` to every pixel, cut off at 0 and 1."""
    return frames + strength * torch.randn(frames.shape, generator=generator)


def blur(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur of standard deviation ``strength`` px, black beyond the edges."""
    radius = max(1, math.ceil(3 * strength))
    at = torch.arange(-radius, radius + 1, dtype=frames.dtype)
    kernel = (-(at**2) / (2 * strength**2)).exp()
    kernel = kernel / kernel.sum()
    rows = F.conv2d(frames[:, None], kernel[None, None, :, None], padding=(radius, 0))
    return F.conv2d(rows, kernel[None, None, None], padding=(0, radius))[:, 0]


def fade(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Reduce the contrast by the share ``strength``: ink turns grey on black paper."""
    return frames * (1 - strength)


def occlude(frames: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Cover a square of side ``strength`` px with paper, its middle anywhere in the 20×20 box."""
    middle = 4 + 20 * torch.rand(len(frames), 2, generator=generator)
    at = torch.arange(frames.shape[-1]) + 0.5
    near = (at[None, None] - middle[:, :, None]).abs() < strength / 2  # [N, 2, 28]
    return frames * ~(near[:, 0, :, None] & near[:, 1, None, :])


PERTURBATIONS = (
    Perturbation("shift", "px, any direction", (0, 1, 2, 3, 4, 5, 6, 8), shift),
    Perturbation("rotation", "degrees clockwise", (-75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 75),
                 rotate),
    Perturbation("scale", "factor", (0.35, 0.5, 0.65, 0.8, 1, 1.2, 1.4, 1.7), scale, 1.0),
    Perturbation("stroke width", "px wider", (-2, -1.5, -1, 0, 1, 2, 4, 6), widen),
    Perturbation("noise", "standard deviation, full ink is 1", (0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
                 add_noise),
    Perturbation("blur", "standard deviation, px", (0, 0.5, 1, 1.5, 2, 2.5, 3, 4), blur),
    Perturbation("contrast", "share lost", (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95), fade),
    Perturbation("occlusion", "side of a square, px", (0, 4, 6, 8, 10, 12, 16), occlude),
)  # fmt: skip


STRENGTHS = {change.name: change.strengths for change in PERTURBATIONS}


@dataclass(frozen=True)
class RobustnessCurve:
    """Results of a network at each strength of a change.

    Attributes:
        predicted: the most probable digits, int ``[strengths, N]``.
        right: whether they are the true ones, bool ``[strengths, N]``.
        rejected: share taken for no digit, one per strength.
        confidence: mean probability of the predicted digit, one per strength.
    """

    predicted: NDArray[np.integer[Any]]
    right: NDArray[np.bool_]
    rejected: tuple[Proportion, ...]
    confidence: tuple[float, ...]

    @cached_property
    def accuracy(self) -> tuple[Proportion, ...]:
        """One share per strength."""
        return tuple(Proportion.of(hits) for hits in self.right)

    @property
    def overconfidence(self) -> float:
        """Confidence minus accuracy at the greatest strength."""
        return self.confidence[-1] - self.accuracy[-1].value

    def tolerated_range(self, change: Perturbation) -> str:
        """The strengths around the neutral one that the network tolerates, as text.

        There the whole 95 % interval of the accuracy is at least ``TOLERATED``.
        """
        tolerated = [share.interval[0] >= TOLERATED for share in self.accuracy]
        first = last = change.neutral_place
        if not tolerated[first]:
            return "none"
        while first and tolerated[first - 1]:
            first -= 1
        while last + 1 < len(tolerated) and tolerated[last + 1]:
            last += 1
        return f"{change.strengths[first]:g} to {change.strengths[last]:g}"


def evaluate_corruption(
    recognizer: Recognizer, images: Tensor, labels: Tensor, change: Perturbation, seed: int = 0
) -> RobustnessCurve:
    """Measure a network at every strength of one change, on uint8 frames ``[N, 28, 28]``."""
    predicted, rejected, confidence = [], [], []
    for strength in change.strengths:
        found = recognizer.predict_batch(change(images, strength, seed))
        predicted.append(found.probabilities.argmax(axis=1))
        rejected.append(Proportion.of(found.rejected))
        confidence.append(float(found.probabilities.max(axis=1).mean()))
    answers = np.stack(predicted)
    return RobustnessCurve(answers, answers == labels.numpy(), tuple(rejected), tuple(confidence))


def evaluate_corruptions(
    networks: Mapping[str, Recognizer], images: Tensor, labels: Tensor, seed: int = 0
) -> dict[str, dict[str, RobustnessCurve]]:
    """Every change of ``PERTURBATIONS``, by title, for every network, by name."""
    return {
        change.title: {
            name: evaluate_corruption(network, images, labels, change, seed)
            for name, network in networks.items()
        }
        for change in PERTURBATIONS
    }


def evaluate_preprocessed(
    recognizer: Recognizer,
    images: Tensor,
    labels: Tensor,
    strengths: Mapping[str, float],
    seed: int = 0,
) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Changed frames read as they are, and as pictures that go through preprocessing.

    ``strengths`` are those of the changes, by name. Returns, by change, ``frame`` and
    ``preprocessed``: read right, bool ``[N]``; never where no ink is found.
    """
    truth = labels.numpy()
    found = {}
    for change in PERTURBATIONS:
        if change.name not in strengths:
            continue
        frames = change(images, strengths[change.name], seed)
        pictures = (255 * (1 - F.pad(frames, (MARGIN,) * 4))).round().byte().numpy()
        again = torch.from_numpy(np.stack([_frame_of(picture) for picture in pictures]))
        has_ink = (again.flatten(1) > 0).any(dim=1).numpy()
        direct, through = (
            recognizer.predict_batch(each).probabilities.argmax(axis=1) == truth
            for each in (frames, again)
        )
        found[change.name] = {"frame": direct, "preprocessed": through & has_ink}
    return found


MARGIN = 6  # px of white paper around a frame that is made a picture


def _frame_of(picture: NDArray[np.uint8]) -> Frame:
    try:
        return to_frame(picture)
    except BlankDrawingError:
        return np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)


def curve_panels(
    measured: Mapping[str, Mapping[str, RobustnessCurve]],
) -> dict[str, dict[str, Interval]]:
    """Curves for :func:`result_plots.strengths`, of change's title → network → numbers.

    Beside the accuracies, the confidence and the rejection rate of ``digitnet``, in the styles of
    ``LINE_STYLES``.
    """
    panels = {}
    for title, each in measured.items():
        confidence = np.array(each["digitnet"].confidence)
        rejected = intervals(each["digitnet"].rejected)[0]
        panels[title] = {name: intervals(result.accuracy) for name, result in each.items()} | {
            CONFIDENCE: (confidence,) * 3,
            REJECTED: (rejected,) * 3,
        }
    return panels


def examples(images: Tensor, labels: Tensor, seed: int = 0) -> dict[str, NDArray[Any]]:
    """For each change, by title, one frame at every strength: ``[strengths, 28, 28]``."""
    shown = (labels.tolist().index(digit) for digit in (3, 5, 2, 4, 6, 7, 9, 8))
    return {
        change.title: change.examples(images[row], seed).numpy()
        for change, row in zip(PERTURBATIONS, shown, strict=True)
    }
