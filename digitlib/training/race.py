"""Races against other recipes: seconds of training to an accuracy, all in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from digitlib.datasets.base import DigitData
from digitlib.evaluation.speed import flops, matrix_peak
from digitlib.models.networks import build_network, count_parameters, pick_device
from digitlib.models.recognizer import Recognizer
from digitlib.training import baselines
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits, private_random_state
from digitlib.training.trainer import fit, model_accuracy

ACCURACY_TARGETS = (0.99, 0.994)  # validation accuracies to be reached
REFERENCE = "textbook"  # the recipe by whose time ratios are computed


@dataclass(frozen=True)
class Run:
    """One training run of a race.

    Attributes:
        name: of the preset or recipe.
        seed: of the run.
        seconds: from the start to the end of each epoch; validation included, loading of data not.
        validation: accuracy after each epoch.
        test: accuracy of the final network.
        parameters: number of the network's parameters.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    validation: tuple[float, ...]
    test: float
    parameters: int

    def seconds_to(self, target: float) -> float | None:
        """Seconds until the validation accuracy reached ``target``; None where it never did."""
        reached = (s for s, v in zip(self.seconds, self.validation, strict=True) if v >= target)
        return next(reached, None)


Racer = Callable[[int, "_Clock"], nn.Module]  # trains by a seed, stops by the clock


def race(
    configs: Mapping[str, TrainConfig],
    data: Splits,
    test: DigitData,
    *,
    recipes: Sequence[str] = tuple(baselines.RECIPES),
    rounds: int = 10,
    seconds: float = 180,
    seed: int = 0,
) -> list[Run]:
    """Train by configurations and by other recipes, in turn, each round with another seed.

    A run ends after its last epoch, at the highest of ``ACCURACY_TARGETS``, or after ``seconds``.
    A recipe is skipped once another run would exceed its time budget. Torch's global random state
    is left as it was.

    Args:
        configs: by name; of one data set.
        data: training and validation digits of that data set.
        test: evaluated once per run, at its end.
        recipes: keys of :data:`baselines.RECIPES`.
        rounds: the most runs of each.
        seconds: time budget of each recipe; each has at least one run, cut short if need be.
        seed: of the first round.
    """
    device = pick_device()
    racers: dict[str, Racer] = {
        name: partial(_train_config, config, data) for name, config in configs.items()
    }
    racers |= {name: partial(_train_recipe, name, data, device) for name in recipes}
    runs: list[Run] = []
    with private_random_state(device):
        _warm_up(device)
        for number in range(rounds):
            for name, train in racers.items():
                before = [run.seconds[-1] for run in runs if run.name == name]
                if not before or sum(before) + max(before) <= seconds:
                    runs.append(_run(name, train, seed + number, seconds, test))
    return runs


def _run(name: str, train: Racer, seed: int, limit: float, test: DigitData) -> Run:
    clock = _Clock(limit)
    model = train(seed, clock)
    seconds, validation = zip(*clock.laps, strict=True)
    accuracy = model_accuracy(model, test)
    return Run(name, seed, seconds, validation, accuracy, count_parameters(model))


class _Clock:
    """Records time and accuracy after each epoch, and decides when to stop."""

    def __init__(self, limit: float) -> None:
        self.limit, self.laps = limit, list[tuple[float, float]]()
        self.start = time.perf_counter()

    def lap(self, accuracy: float) -> bool:
        """Record an epoch; True where the run is to stop."""
        passed = time.perf_counter() - self.start
        self.laps.append((passed, accuracy))
        return accuracy >= max(ACCURACY_TARGETS) or passed >= self.limit


def _train_config(config: TrainConfig, data: Splits, seed: int, clock: _Clock) -> nn.Module:
    name = f"accuracy/{data.validation[0].name}"
    chosen = replace(config, seed=seed)
    until = lambda line: clock.lap(line[name])  # noqa: E731
    return fit(chosen, data, progress=False, until=until).model


def _train_recipe(
    name: str, data: Splits, device: torch.device, seed: int, clock: _Clock
) -> nn.Module:
    stop = lambda model: clock.lap(model_accuracy(model, data.validation[0], device))  # noqa: E731
    return baselines.RECIPES[name](data.train[0], seed, stop, device)


def _warm_up(device: torch.device) -> None:
    """One step of a small network: the first run would pay for the start of the libraries."""
    model = build_network("quicknet", width=4).to(device)
    model(torch.zeros(8, 1, 28, 28, device=device)).sum().backward()


def race_table(runs: Sequence[Run], frames: int) -> dict[str, dict[str, Any]]:
    """Medians over the runs of each name.

    Args:
        runs: of :func:`race`.
        frames: training frames in an epoch.

    Returns:
        By name ``runs``, ``parameters``, ``test`` accuracies (list), ``median_test``,
        ``frames_per_second``, and for each target, as ``0.99``: ``reached`` (number of runs),
        ``seconds`` (median; a run that did not reach it counts as slowest; None where most did
        not) and ``ratio`` (seconds of ``REFERENCE`` divided by these).
    """
    names = dict.fromkeys(run.name for run in runs)
    table = {name: _medians([run for run in runs if run.name == name], frames) for name in names}
    for row in table.values():
        for target in map(str, ACCURACY_TARGETS):
            own = row[target]["seconds"]
            reference = table.get(REFERENCE, row)[target]["seconds"]
            row[target]["ratio"] = reference / own if own and reference else None
    return table


def _medians(runs: Sequence[Run], frames: int) -> dict[str, Any]:
    """The row of one name, without its ratios."""
    rates = [frames * len(run.seconds) / run.seconds[-1] for run in runs]
    row: dict[str, Any] = {
        "runs": len(runs),
        "parameters": runs[0].parameters,
        "test": [run.test for run in runs],
        "median_test": statistics.median(run.test for run in runs),
        "frames_per_second": statistics.median(rates),
    }
    for target in ACCURACY_TARGETS:
        times = [run.seconds_to(target) for run in runs]
        median = statistics.median_high([np.inf if t is None else t for t in times])
        reached = sum(t is not None for t in times)
        row[str(target)] = {"seconds": median if np.isfinite(median) else None, "reached": reached}
    return row


def achieved_flops(
    configs: Mapping[str, TrainConfig],
    frames_per_second: Mapping[str, float],
    recognizer: Recognizer,
    reading: float,
) -> dict[str, dict[str, float]]:
    """FLOP/s of training and of reading, beside the matrix product's at the same precision.

    Args:
        configs: of the training runs, by name.
        frames_per_second: of training, by name.
        recognizer: for reading.
        reading: frames per second of the recognizer.

    Returns:
        By name ``flops`` of a frame, ``achieved`` and ``peak`` FLOP/s, and their ratio ``share``.
    """
    peaks = {name: matrix_peak(name) for name in ("float32", "bfloat16")}
    work = {
        f"training: {name}": (
            flops(build_network(config.model, **config.model_arguments), learning=True),
            frames_per_second[name],
            peaks[config.precision],
        )
        for name, config in configs.items()
    }
    read = build_network(recognizer.card.model, **recognizer.card.model_arguments)
    work["reading: many frames"] = (flops(read), reading, peaks["float32"])
    return {
        name: {"flops": each, "achieved": each * rate, "peak": peak, "share": each * rate / peak}
        for name, (each, rate, peak) in work.items()
    }


# Lower or upper limits, for two cores and a race at full length.
TARGETS: dict[str, tuple[str, float]] = {
    "quick: speed to 99 %, times the textbook's": ("at least", 20),
    "quick: median test accuracy": ("at least", 0.99),
    "strokes: time, part of the baseline's": ("at most", 0.5),
    "280x280 picture: time, part of the baseline's": ("at most", 1.0),
    "import digitlib, s": ("at most", 0.3),
    "load to first prediction, s": ("at most", 0.5),
    "interpreter's start to the pad, s": ("at most", 0.7),
    "kernel with the pad, MB": ("at most", 130),
    "memory for many frames, MiB": ("at most", 300),
}


def check_targets(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``measured``, ``target`` and ``met`` (None: not measured) of each of ``TARGETS``.

    Args:
        found: ``race`` (:func:`race_table`), ``latency``, ``start_up`` and ``growth`` (of
            :mod:`speed`).
    """
    quick = found["race"].get("quick", {})
    values = (
        quick.get(str(ACCURACY_TARGETS[0]), {}).get("ratio"),
        quick.get("median_test"),
        found["latency"]["ratio"]["strokes"],
        found["latency"]["ratio"]["picture"],
        found["start_up"]["import"],
        found["start_up"]["first_prediction"],
        found["start_up"]["pad"],
        found["start_up"]["pad_memory"],
        found["growth"][-1]["memory"],
    )
    rows = {}
    for (name, (side, limit)), value in zip(TARGETS.items(), values, strict=True):
        value = None if value is None or np.isnan(value) else float(value)
        met = None if value is None else value >= limit if side == "at least" else value <= limit
        rows[name] = {"measured": value, "target": f"{side} {limit:g}", "met": met}
    return rows
