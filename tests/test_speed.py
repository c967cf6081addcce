"""``speed``: clocks, ratios, memory, counted operations."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from helpers import DIGITS, bundled, small_config
from threadpoolctl import threadpool_info
from torch import nn

from digitlib.evaluation import resources, speed
from digitlib.evaluation.flops import flops, matrix_peak
from digitlib.models.networks import Deskew, build_network, count_parameters
from digitlib.preprocessing.frame import normalize
from digitlib.reports import speed_plots
from digitlib.training.config import PRESETS

SMALL = {"quick": small_config(epochs=2)}


@pytest.fixture(scope="module")
def timed() -> dict[str, Any]:
    return speed.latency(bundled(), 5)


# --- one drawing, many frames ------------------------------------------------------------------


def test_drawings_are_the_same_every_time() -> None:
    first, again = speed.sample_drawings(12), speed.sample_drawings(12)
    assert len(first) == 12
    assert all(
        np.array_equal(a, b)
        for one, other in zip(first, again, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_every_pathway_is_timed_in_whole_and_by_stage(timed: dict[str, Any]) -> None:
    assert set(timed["p50"]) == set(timed["p95"]) == {"baseline", "strokes", "picture"}
    for name, each in timed["stages"].items():
        assert all(value > 0 for value in each.values())
        assert timed["p95"][name] >= timed["p50"][name] > 0
    assert timed["ratio"] == {
        name: timed["p50"][name] / timed["p50"]["baseline"] for name in ("strokes", "picture")
    }


def test_the_stages_of_a_pathway_give_the_same_as_the_whole() -> None:
    baseline = build_network("baseline").eval()
    for pathway in speed._pathways(bundled(), baseline, list(DIGITS[3])).values():
        value = None
        for stage in pathway.stages.values():
            value = stage(value)
        whole = pathway.predict()
        assert getattr(value, "probabilities", value) == getattr(whole, "probabilities", whole)


def test_threads_are_limited_inside_the_block_only() -> None:
    before = torch.get_num_threads()
    pools = [pool["num_threads"] for pool in threadpool_info()]
    failing = speed.limit_threads(before + 1)(iter)  # a context manager decorates, too
    with pytest.raises(TypeError):
        failing(None)
    assert torch.get_num_threads() == before
    assert [pool["num_threads"] for pool in threadpool_info()] == pools
    with speed.limit_threads(1):
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    with pytest.raises(ValueError, match="at least 1"), speed.limit_threads(0):
        pass


def test_throughput_is_frames_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_seconds_per_call", lambda read, frames, seconds: 0.5)
    found = speed.throughput(bundled(), [1, 8])
    assert found == {"digitnet": {1: 2.0, 8: 16.0}, "baseline": {1: 2.0, 8: 16.0}}


def test_a_call_takes_as_long_as_it_sleeps() -> None:
    frames = torch.zeros(1, 28, 28)
    found = speed._seconds_per_call(lambda _: time.sleep(0.02), frames, 0.1)
    assert 0.02 <= found < 0.04


def test_the_peak_of_memory_is_seen_after_it_was_freed() -> None:
    with resources.peak_memory() as memory:
        block = np.ones(2**24)  # 128 MiB
        time.sleep(0.1)
        del block
    assert 120 < memory() / 2**20 < 160


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames() -> None:
    few, many = resources.memory_growth([1500, 60_000])
    assert (few["frames"], many["frames"]) == (1500, 60_000)
    assert few["seconds"] < many["seconds"]
    # Of the 300 MiB allowed for 1,000,000 frames, 38 are the probabilities themselves.
    assert 0 < many["memory"] < 150
    assert many["memory"] - few["memory"] < 30


@pytest.mark.slow
def test_the_pad_starts_without_what_only_training_needs() -> None:
    found = resources.startup_time(1)
    assert set(found) == {"import", "first_prediction", "pad", "pad_memory"}
    assert 0 < found["import"] < found["first_prediction"]
    assert found["pad"] > 0
    assert 40 < found["pad_memory"] < 130


# --- the limit -------------------------------------------------------------------------------


def test_operations_are_counted() -> None:
    layer = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(3 * 24 * 24, 7))
    expected = 2 * (3 * 25 * 24 * 24 + 3 * 24 * 24 * 7)
    assert flops(layer) == expected
    # The backward pass: as much for the weights, and for the input of the second layer.
    assert expected * 2 <= flops(layer, learning=True) <= expected * 3


def test_the_matrix_product_has_a_speed() -> None:
    assert matrix_peak(sizes=(64,), rounds=1) > 1e6


# --- targets and figures -------------------------------------------------------------------


def test_figures_show_the_measured_numbers(timed: dict[str, Any]) -> None:
    stages = speed_plots.stages(timed, targets={"strokes": 0.5})
    widths = [patch.get_width() for patch in stages.axes[0].patches]
    assert sum(widths) == pytest.approx(
        sum(value for each in timed["stages"].values() for value in each.values())
    )
    grown = [{"frames": 10.0**n, "seconds": 10.0 ** (n - 3), "memory": 20.0} for n in (3, 4, 5)]
    time, memory = speed_plots.growth(grown, limit=300).axes
    assert time.get_xlabel() == memory.get_xlabel() == "frames"
    rates = speed_plots.rates({"digitnet": {1: 10.0, 16: 80.0}})
    assert rates.axes[0].get_ylabel() == "frames per second"
    one = {"flops": 1.0, "achieved": 2e9, "peak": 8e9, "share": 0.25}
    (axes,) = speed_plots.limits({"reading": one}).axes
    assert [text.get_text().strip() for text in axes.texts] == ["25%"]


def test_quicknet_is_small_and_its_maps_halve_evenly() -> None:
    model = build_network("quicknet", **PRESETS["quick"].model_arguments)
    assert count_parameters(model) < 30_000
    shapes: list[tuple[int, ...]] = []
    for layer in model.features:  # type: ignore[union-attr]
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            layer.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert shapes == [(16, 8, 8), (32, 8, 8), (32, 4, 4), (48, 4, 4), (48, 2, 2)]


def bar(tilt: float, wide: float) -> torch.Tensor:
    """A normalised frame of a stroke around the middle, ``tilt`` pixels further right each row."""
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
    assert build_network("quicknet", **arguments)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
