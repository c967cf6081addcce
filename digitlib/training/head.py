"""The last linear layers of a network, fitted anew: a problem with one solution, found in a second.

What these layers are given is computed once for each drawing. Fitting them is a convex problem
then, a softmax regression, for L-BFGS (Liu and Nocedal, 1989): no learning rate, no epochs, and
time enough to fit them again and again for cross-validation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor, nn
from torch.nn import functional as F

from digitlib.datasets import augment, rendering
from digitlib.datasets.base import DigitData, as_frames
from digitlib.models.inference import optimize_for_inference
from digitlib.models.networks import DigitNet, as_input
from digitlib.training.loader import private_random_state

CHUNK = 256  # frames that pass the network, or are rendered, at once


@dataclass(frozen=True)
class HeadConfig:
    """Settings of a fit; the notebook ``12_teach`` shows on whom they were chosen."""

    copies: int = 8  # varied copies of each drawing, beside the drawing as it is read
    stay: float = 1e-3  # weight of the squared distance to the layers as they were
    iterations: int = 15  # of L-BFGS
    channels_prob: float = 0.85  # share of the copies that keep stroke direction and order
    seed: int = 0  # of the variations


@dataclass(frozen=True)
class Variation:
    """How far copies of a drawing differ from it: less than other hands do."""

    rotation: float = 8  # degrees
    slant: float = 0.2  # tangent
    stretch: float = 0.12  # logarithm
    bend: float = 0.02  # of the longer side
    move_prob: float = 0.15  # share of drawings with each stroke moved by itself
    pen: tuple[float, float] = (1.8, 4.5)  # widths, frame px


def read_inputs(data: DigitData) -> Tensor:
    """Frames ``[N, 4, 28, 28]`` as they are read."""
    return data.frames()


def varied_inputs(
    data: DigitData, channels_prob: float, variation: Variation | None = None
) -> Tensor:
    """As :func:`read_inputs`, of a varied copy of each drawing, from torch's random numbers."""
    way = variation or Variation()
    parts = [
        _vary(data.select(slice(start, start + CHUNK)), way) for start in range(0, len(data), CHUNK)
    ]
    inputs = torch.cat(parts)
    inputs[:, 1:] = augment.apply_to_share(
        torch.zeros_like(inputs[:, 1:]), inputs[:, 1:], channels_prob
    )
    return inputs


def _vary(data: DigitData, way: Variation) -> Tensor:
    inputs = as_frames(data.images)
    drawn = data.drawn
    if not drawn.all():
        inputs[~drawn, 0] = augment.distort_frames(inputs[~drawn, 0])
    if data.points is not None and data.stroke_numbers is not None and drawn.any():
        numbers = data.stroke_numbers[drawn]
        points = augment.distort_points(
            data.points[drawn], rotation=way.rotation, slant=way.slant, stretch=way.stretch,
            bend=way.bend,
        )  # fmt: skip
        points = augment.move_strokes(points, numbers, way.move_prob)
        widths = augment.pen_widths(len(points), points, *way.pen)
        inputs[drawn] = rendering.render_batch(points, numbers, widths)
    return inputs


@dataclass(frozen=True)
class Examples:
    """Drawings of one writer as the last layers are given them.

    Attributes:
        read: features of the drawings as they are read, ``[N, F]``.
        varied: of their varied copies, ``[N, copies, F]``.
        labels: int64 ``[N]``, with ``NO_DIGIT``.
        drawn: which are pen strokes, bool ``[N]``.
    """

    read: Tensor
    varied: Tensor
    labels: Tensor
    drawn: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class HeadTuner:
    """Fits the last linear layers of a network: that of the trunk and that of its pen branch.

    Their outputs are added up, so both are one matrix ``[outputs, F]`` for the features of both,
    with a last column for the bias.

    Attributes:
        model: the network; it is not changed.
        replay: inputs ``[R, 4, 28, 28]`` on which the answers of ``model`` are kept.
        config: settings of a fit.
        head: the matrix of ``model``.
    """

    model: DigitNet
    replay: Tensor
    config: HeadConfig = field(default_factory=HeadConfig)

    def __post_init__(self) -> None:
        self.head = _read_head(self.model)
        self._trunk = optimize_for_inference(self.model)
        self._given: dict[int, Tensor] = {}
        for number, layer in enumerate(_last_layers(self._trunk)):
            layer.register_forward_pre_hook(self._keep(number))
        self._replayed = self.features(self.replay)
        self._answers = (self._replayed @ self.head.T).softmax(dim=1)

    def _keep(self, number: int) -> Any:
        def keep(layer: nn.Module, given: tuple[Tensor]) -> None:
            self._given[number] = given[0]

        return keep

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        """What the last layers are given for inputs ``[N, 4, 28, 28]``, and 1: ``[N, F]``."""
        parts = []
        for part in inputs.split(CHUNK):
            self._trunk(as_input(part))
            given = [self._given[number] for number in sorted(self._given)]
            parts.append(torch.cat([*given, torch.ones(len(part), 1)], dim=1))
        return torch.cat(parts)

    def examples(self, data: DigitData) -> Examples:
        """The features of drawings, and of varied copies of them.

        Torch's global random state is left as it was.
        """
        with private_random_state(torch.device("cpu")):
            torch.manual_seed(self.config.seed)
            varied = [
                self.features(varied_inputs(data, self.config.channels_prob))
                for _ in range(self.config.copies)
            ]
        read = self.features(read_inputs(data))
        return Examples(read, torch.stack(varied, dim=1), data.labels, data.drawn)

    def fit(self, examples: Examples, rows: Tensor | slice = slice(None)) -> tuple[Tensor, float]:
        """The matrix fitted to the drawings in ``rows``, and its loss.

        The loss is the cross-entropy with their labels, that with the network's own answers on the
        replay, and the squared distance to its own matrix.
        """
        varied, labels = examples.varied[rows], examples.labels[rows]
        taught = torch.cat([examples.read[rows], varied.flatten(0, 1)])
        labels = torch.cat([labels, labels.repeat_interleave(varied.shape[1])])
        head = self.head.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [head], max_iter=self.config.iterations, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            learned = F.cross_entropy(taught @ head.T, labels)
            kept = F.cross_entropy(self._replayed @ head.T, self._answers)
            total = learned + kept + self.config.stay * (head - self.head).square().sum()
            total.backward()  # type: ignore[no-untyped-call]
            return total

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        return head.detach(), float(loss().detach())

    def tuned(self, head: Tensor) -> DigitNet:
        """A copy of the network with this matrix."""
        model, start = copy.deepcopy(self.model).eval(), 0
        with torch.no_grad():
            for layer in _last_layers(model):
                end = start + layer.in_features
                layer.weight.copy_(head[:, start:end])
                start = end
            _last_layers(model)[0].bias.copy_(head[:, -1])
        return model


def _last_layers(model: nn.Module) -> list[nn.Linear]:
    """The last linear layers: of the trunk and, where there is one, of the pen branch."""
    parts = [getattr(model, name) for name in ("head", "pen")]
    return [part[-1] for part in (parts[0], getattr(parts[1], "head", None)) if part is not None]


def _read_head(model: nn.Module) -> Tensor:
    layers = _last_layers(model)
    return torch.cat([*(each.weight for each in layers), layers[0].bias[:, None]], dim=1).detach()


def make_folds(
    labels: Tensor, count: int, per_digit: int | None = None, seed: int = 0
) -> list[tuple[Tensor, Tensor]]:
    """Parts of drawings for cross-validation: each is held out once, and taught of the others.

    Args:
        labels: of the drawings ``[N]``; each part has about as many of each.
        count: number of parts.
        per_digit: at most so many drawings of each label are taught; None takes all.
        seed: of the parts.

    Returns:
        Rows taught and rows held out, rising, for each part.
    """
    random, numbers = RandomState(seed), labels.numpy()
    order = random.permutation(len(numbers))
    order = order[np.argsort(numbers[order], kind="stable")]  # by label, at random within
    part = np.empty(len(order), int)
    part[order] = np.arange(len(order)) % count
    folds = []
    for number in range(count):
        rest = [row for row in order if part[row] != number]
        taught = np.concatenate([
            [row for row in rest if numbers[row] == label][:per_digit]
            for label in np.unique(numbers)
        ]).astype(int)  # fmt: skip
        held_out = np.flatnonzero(part == number)
        if len(held_out) and len(taught):
            folds.append((torch.from_numpy(np.sort(taught)), torch.from_numpy(held_out)))
    return folds


def cross_validate(
    tuner: HeadTuner, examples: Examples, folds: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """Logits ``[N, outputs]`` of the drawings, each by a fit that did not have it."""
    logits = examples.read @ tuner.head.T
    for taught, held_out in folds:
        head, _ = tuner.fit(examples, taught)
        logits[held_out] = examples.read[held_out] @ head.T
    return logits
