"""Maps of the ink that speaks for a digit, and a test of what they claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from digitlib.evaluation.metrics import Proportion
from digitlib.models.explain import Explainer
from digitlib.models.gradients import integrated_gradients
from digitlib.models.recognizer import Recognizer

Array = NDArray[Any]


def attribute(
    explainer: Explainer, model: nn.Module, frames: Array, digits: Array
) -> dict[str, Array]:
    """Maps ``[N, 28, 28]`` of frames, for one digit each: ``occlusion`` and ``gradients``.

    Args:
        explainer, model: of the same network.
        frames: uint8 ``[N, 28, 28]``.
        digits: ``[N]``, 0 to 9.
    """
    pairs = [*zip(frames, map(int, digits), strict=True)]
    occlusion = [explainer.occlusion(frame, digit=digit) for frame, digit in pairs]
    gradients = [integrated_gradients(model, frame, digit=digit)[0] for frame, digit in pairs]
    return {"occlusion": np.stack(occlusion), "gradients": np.stack(gradients)}


def delete_ink(frames: Array, maps: Array, share: float) -> Array:
    """Frames ``[N, 28, 28]`` without a share of their inked pixels, where the maps are largest."""
    left = frames.copy()
    for frame, values in zip(left, maps, strict=True):
        ink = np.flatnonzero(frame)
        order = np.argsort(-values.ravel()[ink], kind="stable")
        frame.flat[ink[order[: round(share * len(ink))]]] = 0
    return left


def deletion_curves(
    recognizer: Recognizer,
    frames: Array,
    labels: Array,
    maps: Mapping[str, Array],
    shares: Sequence[float],
) -> dict[str, list[Proportion]]:
    """Digits read right without the ink that each map calls most important, for each share of it.

    The deletion metric of Petsiuk et al., 2018 (arXiv 1806.07421): the ink that matters is gone
    first if the map is right.

    Args:
        recognizer: of the network.
        frames: uint8 ``[N, 28, 28]``.
        labels: ``[N]``.
        maps: name → ``[N, 28, 28]``.
        shares: of the inked pixels, 0-1.
    """
    return {
        name: [
            Proportion.of(
                recognizer.probabilities(delete_ink(frames, values, share)).argmax(axis=1) == labels
            )
            for share in shares
        ]
        for name, values in maps.items()
    }
