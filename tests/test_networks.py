"""The networks: shapes, sizes, and where they run."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from digitlib.models.networks import build_network, count_parameters, pick_device


@pytest.mark.parametrize(
    ("name", "arguments", "outputs"),
    [
        ("baseline", {}, 10),
        ("digitnet", {}, 10),
        ("digitnet", {"outputs": 11}, 11),
        ("digitnet", {"width": 4, "dropout": 0.0}, 10),
        ("digitnet", {"width": 4, "late": 6, "depth": 2, "stride": 2, "outputs": 11}, 11),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_frames_in_logits_out(name: str, arguments: dict, outputs: int, count: int) -> None:
    model = build_network(name, **arguments).eval()
    logits = model(torch.randn(count, 4, 28, 28))
    assert logits.shape == (count, outputs)
    assert logits.isfinite().all()


def test_the_baseline_is_the_textbook_network() -> None:
    model = build_network("baseline")
    assert count_parameters(model) == 421_642
    kinds = [type(layer) for layer in model.modules() if not [*layer.children()]]
    assert kinds == [
        nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Conv2d, nn.ReLU, nn.MaxPool2d,
        nn.Flatten, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear,
    ]  # fmt: skip
    (dropout,) = [layer for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert dropout.p == 0.3


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'lenet'; there are baseline, digitnet"):
        build_network("lenet")
    with pytest.raises(ValueError, match="no argument 'layers'; it has width, late"):
        build_network("digitnet", layers=3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digitnet", {"width": 2000}),
        ("digitnet", {"width": 0}),
        ("digitnet", {"width": True}),
        ("digitnet", {"width": 24.0}),
        ("digitnet", {"width": [24]}),
        ("digitnet", {"late": "72"}),
        ("digitnet", {"depth": 1_000_000}),
        ("digitnet", {"depth": 10**400}),
        ("digitnet", {"outputs": 12}),
        ("baseline", {"dropout": math.nan}),
        ("baseline", {"dropout": 1.0}),
        ("quicknet", {"deskewed": 8}),
        ("quicknet", {"pool_first": 1}),
    ],
    ids=str,
)
def test_arguments_have_limits(
    name: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.nn.Module, "__init__", None)  # nothing is built
    (argument,) = arguments
    with pytest.raises(ValueError, match=f"{argument} of {name} must be"):
        build_network(name, **arguments)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_device_is_picked(
    cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device().type == expected
    assert pick_device("auto").type == expected
    assert pick_device("cpu").type == "cpu"  # a named one is taken
