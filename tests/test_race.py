"""Races: time to an accuracy, medians and ratios, time budgets, targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers import bundled, sample_splits, small_config
from torch import nn

from digitlib.datasets import catalog
from digitlib.evaluation.flops import flops
from digitlib.models.weights import load_model
from digitlib.reports import speed_plots
from digitlib.training import baselines, profiling, race, race_results
from digitlib.training.logits import model_accuracy
from digitlib.training.race import Run
from digitlib.training.targets import check_targets
from digitlib.training.trainer import fit

SMALL = {"quick": small_config(epochs=2)}


def run(name: str, seconds: list[float], validation: list[float], test: float = 0.99) -> Run:
    return Run(name, 0, tuple(seconds), tuple(validation), test, 10, 2 * seconds[-1])


RUNS = [
    run("quick", [2.0, 4.0], [0.97, 0.992]),
    run("textbook", [50.0, 100.0, 150.0], [0.98, 0.989, 0.995]),
    run("quick", [2.0, 5.0], [0.98, 0.989], 0.97),
    run("quick", [2.0, 4.4], [0.98, 0.991], 0.98),
    run("textbook", [40.0, 100.0], [0.98, 0.991]),
]


@pytest.fixture(scope="module")
def raced() -> list[Run]:
    return race.race(
        SMALL, sample_splits(), catalog.load("sample", "test"), rounds=1, repeats=1, seconds=0.3
    )


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_with_it() -> None:
    assert RUNS[0].epochs_to(0.99) == 2
    assert RUNS[0].epochs_to(0.95) == 1
    assert RUNS[0].epochs_to(0.994) is None
    assert race_results.costs_to(0.98, RUNS[1:2]).tolist() == [[50.0, 1.0]]


def test_a_run_that_misses_the_target_counts_with_the_next_that_reaches_it() -> None:
    missed, good = run("a", [3.0], [0.9]), run("a", [2.0], [0.99])
    assert race_results.costs_to(0.99, [missed, good, good]).tolist() == [[5.0, 2.0], [2.0, 1.0]]
    assert race_results.costs_to(0.99, [good, missed]).tolist() == [
        [5.0, 2.0]
    ]  # nothing is left out
    assert race_results.costs_to(0.99, [missed, missed]).shape == (0, 2)


def test_ratios_are_of_geometric_means() -> None:
    table = race_results.race_table(RUNS, 1000)
    own, textbook = math.sqrt(4.0 * 9.4), math.sqrt(150.0 * 100.0)
    found = table["quick"]["0.99"]
    assert found["seconds"] == pytest.approx(own)
    assert found["epochs"] == pytest.approx(math.sqrt(2 * 4))
    assert (found["reached"], table["textbook"]["0.99"]["reached"]) == (2, 2)
    assert found["ratio"] == pytest.approx(textbook / own)
    low, high = found["interval"]
    assert low < found["ratio"] < high
    assert table["textbook"]["0.99"]["ratio"] == pytest.approx(1)
    assert table["textbook"]["0.99"]["interval"] is None
    assert table["quick"]["median_test"] == 0.98
    assert table["quick"]["frames_per_second"] == pytest.approx(2000 / 4.4)
    assert table["quick"]["cores"] == 2
    alone = race_results.race_table(RUNS[:1], 1000)["quick"]["0.99"]
    assert (alone["ratio"], alone["interval"]) == (None, None)


def test_a_race_is_told_by_what_came_out() -> None:
    table = race_results.race_table(RUNS, 1000)
    first, second = race_results.tell(table, "quick")
    assert "reached in 2 of 3 runs" in first
    own = table["quick"]["0.99"]
    assert own["fewer_epochs"] * own["faster_epochs"] == pytest.approx(own["ratio"])
    assert own["cpu_ratio"] == pytest.approx(own["ratio"])  # two cores each
    low, high = own["interval"]
    assert f"{own['ratio']:.0f} times as fast, 95 % interval {low:.0f} to {high:.0f}" in second
    assert ("perhaps as fast" in second) == (low < 1)
    (_, alone) = race_results.tell(race_results.race_table(RUNS[:2], 1000), "quick")
    assert "no interval" in alone
    missed = [RUNS[1], run("quick", [1.0], [0.9])]
    (nothing,) = race_results.tell(race_results.race_table(missed, 1000), "quick")
    assert "not reached by `quick`:" in nothing


def test_the_interval_of_a_ratio_covers_it_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        slow, fast = np.exp(random.normal(4, 0.3, 3)), np.exp(random.normal(1, 0.1, 12))
        low, high = race_results.ratio_interval(slow, fast) or (0, 0)
        covered += low < np.exp(3) < high
    assert 915 <= covered <= 975
    assert race_results.ratio_interval(slow[:1], fast) is None


def test_recipes_race_in_turn(raced: list[Run]) -> None:
    names = [each.name for each in raced]
    assert names == ["quick", "textbook", "quick", "pytorch/examples"]
    assert [each.seed for each in raced] == [0, 0, 1, 0]
    for each in raced:
        assert len(each.seconds) == len(each.validation) >= 1
        assert list(each.seconds) == sorted(each.seconds)
        assert 0 <= each.test <= 1
    assert raced[3].parameters == 1_199_882  # as pytorch/examples has it
    assert raced[1].parameters == 421_642


def test_a_round_has_all_recipes_and_runs_of_each_configuration_before_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: list[float] = []

    def run_one(name: str, _train: object, seed: int, limit: float, _test: object) -> Run:
        limits.append(limit)
        return Run(name, seed, (6.0,), (0.5,), 0.5, 1)

    monkeypatch.setattr(race, "_run", run_one)
    data = sample_splits()
    runs = race.race(SMALL, data, data.validation[0], rounds=2, seconds=10, seed=4)
    assert [(run.name, run.seed) for run in runs] == [
        ("quick", 4), ("quick", 5), ("textbook", 4), ("quick", 6), ("quick", 7),
        ("pytorch/examples", 4), ("quick", 8), ("quick", 9), ("textbook", 5), ("quick", 10),
        ("quick", 11), ("pytorch/examples", 5),
    ]  # fmt: skip
    # the textbook has won when the other recipe takes longer
    assert limits == [10, 10, 10, 10, 10, 6] * 2


def test_a_race_leaves_the_global_random_state_as_it_was() -> None:
    before = torch.get_rng_state()
    data = sample_splits()
    race.race(SMALL, data, data.validation[0], recipes=(), rounds=1, repeats=1, seconds=0.1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_clock_stops_a_race_at_the_target_and_before_its_limit() -> None:
    clock = race._Clock(1000)
    assert not clock.lap(0.5)
    assert clock.lap(max(race.ACCURACY_TARGETS))
    late = race._Clock(10)
    late.start -= 6
    assert late.lap(0.5)  # another epoch would end after 12 seconds
    assert not race._Clock(1000).lap(0.5)


def test_training_can_be_ended_early() -> None:
    seen: list[float] = []

    def until(line: Any) -> bool:
        seen.append(line["epoch"])
        return len(seen) == 2

    config = small_config(epochs=3)
    result = fit(config, sample_splits(), progress=False, until=until)
    assert seen == [1.0, 2.0]
    assert len(result.history) == 2


def test_achieved_speed_is_a_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "matrix_peak", lambda precision: 1e9)
    found = profiling.achieved_flops(SMALL, {"quick": 10.0}, bundled(), 20.0)
    for each in found.values():
        assert each["share"] == pytest.approx(each["achieved"] / 1e9)
    assert found["reading: many frames"]["achieved"] == 20 * flops(load_model()[0])


def test_the_time_of_training_is_counted_by_kind_of_operation() -> None:
    parts = profiling.training_time(SMALL["quick"], sample_splits(), 128)
    assert sum(part["share"] for part in parts) == pytest.approx(1)
    assert [part["seconds"] for part in parts] == sorted(
        (part["seconds"] for part in parts), reverse=True
    )
    multiplied = {part["kind"] for part in parts if part["flops"]}
    assert multiplied == {"convolutions, forward", "convolutions, backward", "linear layer"}
    assert {"batch norm", "pooling", "ReLU"} < {part["kind"] for part in parts}


def found(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "race": {"quick": {"0.99": {"interval": [31.0, 60.0]}, "median_test": 0.98}},
        "latency": {"ratio": {"strokes": 0.4, "picture": 1.2}},
        "start_up": {"import": 0.01, "first_prediction": 0.3, "pad": 0.5, "pad_memory": 105.0},
        "growth": [{"memory": 50.0}],
    }
    return base | changes


def test_targets_are_met_or_not() -> None:
    rows = [row["met"] for row in check_targets(found()).values()]
    assert rows == [True, False, True, False, True, True, True, True, True]
    unmeasured = check_targets(found(race={}, growth=[{"memory": float("nan")}]))
    unknown = [row["met"] for row in unmeasured.values()]
    assert unknown == [None, None, *rows[2:-1], None]


def test_the_figure_has_a_line_for_each_run() -> None:
    drawn = speed_plots.race(RUNS, race.ACCURACY_TARGETS)
    assert [text.get_text() for text in drawn.axes[0].get_legend().get_texts()] == [
        "quick (3 runs)", "textbook (2 runs)",
    ]  # fmt: skip


def test_pictures_are_normalised_as_by_torchvision() -> None:
    data = sample_splits().train[0]
    frame, label = baselines.PictureDataset(data)[3]
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
