"""``speed`` and ``race``: clocks, ratios, memory, counted operations, baselines."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from helpers import DIGITS, bundled, sample_splits, small_config
from threadpoolctl import threadpool_info
from torch import nn

from digitlib.datasets import catalog
from digitlib.evaluation import speed
from digitlib.models.networks import build_network, count_parameters
from digitlib.reports import speed_plots
from digitlib.training import baselines, race
from digitlib.training.race import Run
from digitlib.training.trainer import fit, model_accuracy

SMALL = {"quick": small_config(epochs=2)}


def run(name: str, seconds: list[float], validation: list[float], test: float = 0.99) -> Run:
    return Run(name, 0, tuple(seconds), tuple(validation), test, 10)


RUNS = [
    run("quick", [2.0, 4.0], [0.97, 0.992]),
    run("textbook", [50.0, 100.0, 150.0], [0.98, 0.989, 0.995]),
    run("quick", [2.0, 4.4], [0.98, 0.991], 0.98),
    run("quick", [2.0, 5.0], [0.98, 0.989], 0.97),
]


@pytest.fixture(scope="module")
def raced() -> list[Run]:
    return race.race(SMALL, sample_splits(), catalog.load("sample", "test"), rounds=2, seconds=0.5)


@pytest.fixture(scope="module")
def timed() -> dict[str, Any]:
    return speed.latency(bundled(), 5)


# --- the race ------------------------------------------------------------------------------


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_with_it() -> None:
    assert RUNS[0].seconds_to(0.99) == 4.0
    assert RUNS[0].seconds_to(0.95) == 2.0
    assert RUNS[0].seconds_to(0.994) is None


def test_ratios_are_of_medians_and_missed_targets_count_as_slowest() -> None:
    table = race.race_table(RUNS, 1000)
    assert table["quick"]["0.99"] == {"seconds": 4.4, "reached": 2, "ratio": 150 / 4.4}
    assert table["textbook"]["0.99"]["ratio"] == 1
    assert table["quick"]["0.994"] == {"seconds": None, "reached": 0, "ratio": None}
    assert table["quick"]["median_test"] == 0.98
    assert table["quick"]["frames_per_second"] == pytest.approx(2000 / 4.4)


def test_recipes_race_in_turn(raced: list[Run]) -> None:
    names = ["quick", *baselines.RECIPES]
    assert [each.name for each in raced[:3]] == names
    assert {each.seed for each in raced if each.name == "quick"} <= {0, 1}
    for each in raced:
        assert len(each.seconds) == len(each.validation) >= 1
        assert list(each.seconds) == sorted(each.seconds)
        assert 0 <= each.test <= 1
    assert raced[2].parameters == 1_199_882  # as pytorch/examples has it
    assert raced[1].parameters == 421_642


def test_the_clock_stops_a_race_at_its_limit_and_at_the_target() -> None:
    clock = race._Clock(1000)
    assert not clock.lap(0.5)
    assert clock.lap(max(race.ACCURACY_TARGETS))
    assert race._Clock(0).lap(0.5)


def test_training_can_be_ended_early() -> None:
    seen: list[float] = []

    def until(line: Any) -> bool:
        seen.append(line["epoch"])
        return len(seen) == 2

    config = small_config(epochs=3)
    result = fit(config, sample_splits(), progress=False, until=until)
    assert seen == [1.0, 2.0]
    assert len(result.history) == 2


# --- baselines -------------------------------------------------------------------------------


def test_pictures_are_normalised_as_by_torchvision() -> None:
    data = sample_splits().train[0]
    frame, label = baselines.Pictures(data)[3]
    expected = (data.images[3].float() / 255 - 0.1307) / 0.3081
    torch.testing.assert_close(frame[0], expected, atol=1e-6, rtol=1e-6)
    assert label == int(data.labels[3])


@pytest.mark.parametrize("name", baselines.RECIPES)
def test_a_baseline_trains_until_it_is_stopped(name: str) -> None:
    splits = sample_splits()
    reached: list[float] = []

    def stop(model: nn.Module) -> bool:
        reached.append(model_accuracy(model, splits.validation[0]))
        return len(reached) == 3

    model = baselines.RECIPES[name](splits.train[0], 0, stop, torch.device("cpu"))
    assert len(reached) == 3
    assert reached[-1] > 0.4
    assert model_accuracy(model, splits.validation[0]) == reached[-1]


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
    assert found == {"default": {1: 2.0, 8: 16.0}, "baseline": {1: 2.0, 8: 16.0}}


def test_a_call_takes_as_long_as_it_sleeps() -> None:
    frames = torch.zeros(1, 28, 28)
    found = speed._seconds_per_call(lambda _: time.sleep(0.02), frames, 0.1)
    assert 0.02 <= found < 0.04


def test_the_peak_of_memory_is_seen_after_it_was_freed() -> None:
    with speed.peak_memory() as memory:
        block = np.ones(2**24)  # 128 MiB
        time.sleep(0.1)
        del block
    assert 120 < memory() / 2**20 < 160


def test_memory_does_not_grow_with_the_frames() -> None:
    few, many = speed.memory_growth([1500, 60_000])
    assert (few["frames"], many["frames"]) == (1500, 60_000)
    assert few["seconds"] < many["seconds"]
    # Of the 300 MiB allowed for 1,000,000 frames, 38 are the probabilities themselves.
    assert 0 < many["memory"] < 150
    assert many["memory"] - few["memory"] < 30


# --- the limit -------------------------------------------------------------------------------


def test_operations_are_counted() -> None:
    layer = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(3 * 24 * 24, 7))
    expected = 2 * (3 * 25 * 24 * 24 + 3 * 24 * 24 * 7)
    assert speed.flops(layer) == expected
    # Backwards as much for the weights, and for what lies before the second layer.
    assert expected * 2 <= speed.flops(layer, learning=True) <= expected * 3


def test_achieved_speed_is_a_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "matrix_peak", lambda precision: 1e9)
    found = race.achieved(SMALL, {"quick": 10.0}, bundled(), 20.0)
    for each in found.values():
        assert each["share"] == pytest.approx(each["achieved"] / 1e9)
    assert found["reading: many frames"]["achieved"] == 20 * speed.flops(bundled().network)


def test_the_matrix_product_has_a_speed() -> None:
    assert speed.matrix_peak(sizes=(64,), rounds=1) > 1e6


# --- targets and figures -------------------------------------------------------------------


def found(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "race": race.race_table(RUNS, 1000),
        "latency": {"ratio": {"strokes": 0.4, "picture": 1.2}},
        "start_up": {"import": 0.01, "first_prediction": 2.0},
        "growth": [{"memory": 50.0}],
    }
    return base | changes


def test_targets_are_met_or_not() -> None:
    rows = race.compare_targets(found())
    assert [row["met"] for row in rows.values()] == [True, False, True, False, True, True, True]
    unknown = race.compare_targets(found(race={}, growth=[{"memory": float("nan")}]))
    assert [row["met"] for row in unknown.values()] == [None, None, True, False, True, True, None]


def test_figures_show_the_measured_numbers(timed: dict[str, Any]) -> None:
    drawn = speed_plots.race(RUNS, race.ACCURACY_TARGETS)
    assert [text.get_text() for text in drawn.axes[0].get_legend().get_texts()] == [
        "quick (3 runs)", "textbook (1 run)",
    ]  # fmt: skip
    stages = speed_plots.stages(timed, bars={"strokes": 0.5})
    widths = [patch.get_width() for patch in stages.axes[0].patches]
    assert sum(widths) == pytest.approx(
        sum(value for each in timed["stages"].values() for value in each.values())
    )
    grown = [{"frames": 10.0**n, "seconds": 10.0 ** (n - 3), "memory": 20.0} for n in (3, 4, 5)]
    time, memory = speed_plots.growth(grown, limit=300).axes
    assert time.get_xlabel() == memory.get_xlabel() == "frames"
    rates = speed_plots.rates({"default": {1: 10.0, 16: 80.0}})
    assert rates.axes[0].get_ylabel() == "frames per second"
    one = {"flops": 1.0, "achieved": 2e9, "peak": 8e9, "share": 0.25}
    (axes,) = speed_plots.limits({"reading": one}).axes
    assert [text.get_text().strip() for text in axes.texts] == ["25%"]


def test_quicknet_is_small_and_its_maps_halve_evenly() -> None:
    model = build_network("quicknet")
    assert count_parameters(model) < 30_000
    shapes: list[tuple[int, ...]] = []
    for layer in model.features:  # type: ignore[union-attr]
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            layer.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert shapes == [(16, 12, 12), (32, 12, 12), (32, 6, 6), (48, 6, 6), (48, 3, 3)]


@pytest.mark.parametrize(
    "arguments", [{"stride": 1}, {"padding": 2}, {"pool_first": False}, {"width": 8}], ids=str
)
def test_quicknet_can_be_varied(arguments: dict[str, Any]) -> None:
    assert build_network("quicknet", **arguments)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
