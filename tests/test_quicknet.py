"""QuickNet, the network of the preset ``quick``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from digitlib.models.networks import Deskew, build_network, count_parameters
from digitlib.preprocessing.frame import normalize
from digitlib.training.config import PRESETS


def test_quicknet_is_small_and_its_maps_halve_evenly() -> None:
    model = build_network("quicknet", **PRESETS["quick"].model_arguments)
    assert count_parameters(model) < 30_000
    shapes: list[tuple[int, ...]] = []
    for layer in model.features:  # type: ignore[union-attr]
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            layer.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 4, 28, 28)).shape == (2, 10)
    assert shapes == [(16, 8, 8), (32, 8, 8), (32, 4, 4), (48, 4, 4), (48, 2, 2)]


def bar(tilt: float, wide: float) -> torch.Tensor:
    """A normalized frame of a stroke around the middle, ``tilt`` pixels further right each row."""
    down, across = torch.meshgrid(*2 * [torch.arange(28) - 13.5], indexing="ij")
    ink = (wide - (across - tilt * down).abs()).clamp(0, 1) * (down.abs() < 10)
    return normalize(ink)[None, None]


def test_deskewed_digits_stand_upright_and_are_equally_wide() -> None:
    deskew = Deskew(20)
    upright = deskew(bar(0, 5.0))
    assert upright.shape == (1, 1, 20, 20)
    for tilt, wide in ((0.3, 5.0), (-0.3, 5.0), (0.2, 7.0), (0, 8.0)):
        made = deskew(bar(tilt, wide))
        assert float((made - upright).abs().mean()) < 0.12, (tilt, wide)
        assert float((bar(tilt, wide) - bar(0, 5.0)).abs().mean()) > 0.12
    blank = normalize(torch.zeros(1, 1, 28, 28))
    torch.testing.assert_close(deskew(blank), blank[:, :, 4:24, 4:24])


@pytest.mark.parametrize(
    "arguments",
    [{"stride": 1}, {"padding": 2}, {"pool_first": False}, {"width": 8}, {"deskewed": 20}],
    ids=str,
)
def test_quicknet_can_be_varied(arguments: dict[str, Any]) -> None:
    assert build_network("quicknet", **arguments)(torch.zeros(2, 4, 28, 28)).shape == (2, 10)
