"""The networks: shapes, sizes, and where they run."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from digitlib.models.networks import build_network, count_parameters, pick_device, reads_strokes


@pytest.mark.parametrize(
    ("name", "arguments", "outputs"),
    [
        ("baseline", {}, 10),
        ("digitnet", {}, 10),
        ("digitnet", {"outputs": 11}, 11),
        ("digitnet", {"width": 4, "channels": 1}, 10),
        ("quicknet", {}, 10),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_frames_in_logits_out(name: str, arguments: dict, outputs: int, count: int) -> None:
    model = build_network(name, **arguments).eval()
    logits = model(torch.randn(count, 4, 28, 28))
    assert logits.shape == (count, outputs)
    assert logits.isfinite().all()


def test_a_network_of_one_channel_ignores_the_others() -> None:
    frames = torch.rand(3, 4, 28, 28)
    blank = frames.clone()
    blank[:, 1:] = 0
    for name, arguments in (("baseline", {}), ("quicknet", {}), ("digitnet", {"channels": 1})):
        model = build_network(name, **arguments).eval()
        assert torch.equal(model(frames), model(blank))
        assert not reads_strokes(model)
    model = build_network("digitnet").eval()
    assert not torch.equal(model(frames), model(blank))
    assert reads_strokes(model)


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
    with pytest.raises(ValueError, match="no argument 'layers'; it has width, channels"):
        build_network("digitnet", layers=3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digitnet", {"width": 2000}),
        ("digitnet", {"width": 0}),
        ("digitnet", {"width": True}),
        ("digitnet", {"width": 24.0}),
        ("digitnet", {"width": [24]}),
        ("digitnet", {"width": "72"}),
        ("digitnet", {"channels": 5}),
        ("digitnet", {"channels": 10**400}),
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
