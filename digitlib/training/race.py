"""Races: seconds of training to an accuracy, ours and others in one run."""

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
from digitlib.evaluation.speed import (
    flops,
    matrix_peak,
)
from digitlib.models.networks import build_network, count_parameters, pick_device
from digitlib.models.recognizer import Recognizer
from digitlib.training import baselines
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit, model_accuracy

ACCURACY_TARGETS = (0.99, 0.994)  # validation accuracies to be reached
REFERENCE = "textbook"  # what the others' times are divided by


# --- training: seconds to an accuracy --------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One training run of a race.

    Attributes:
        name: of the recipe or preset.
        seed: of the run.
        seconds: after each epoch, since the start; validation included, loading of data not.
        validation: accuracy after each epoch.
        test: accuracy of the network at the end.
        parameters: of the network.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    validation: tuple[float, ...]
    test: float
    parameters: int

    def seconds_to(self, target: float) -> float | None:
        """When the validation accuracy first was at least ``target``; None where it never was."""
        reached = (s for s, v in zip(self.seconds, self.validation, strict=True) if v >= target)
        return next(reached, None)


def race(
    configs: Mapping[str, TrainConfig],
    data: Splits,
    test: DigitData,
    *,
    others: Sequence[str] = tuple(baselines.RECIPES),
    rounds: int = 10,
    seconds: float = 180,
    seed: int = 0,
) -> list[Run]:
    """Train by presets and by yardsticks, taking turns, each round with another seed.

    A run ends with its recipe, or when the highest of ``TARGETS`` is reached, or after ``seconds``.
    Who has spent so much that another run would exceed ``seconds`` in all sits out the rest.

    Args:
        configs: ours, by name; of one data set.
        data: training and validation digits, of that data set.
        test: looked at once per run, at its end.
        others: keys of :data:`baselines.RECIPES`.
        rounds: at most so many runs of each.
        seconds: for each recipe in all; every one has at least one run, cut short if need be.
        seed: of the first round.
    """
    device = pick_device()
    _warm_up(device)
    racers: dict[str, Callable[[int, _Clock], nn.Module]] = {
        name: partial(_train_preset, config, data) for name, config in configs.items()
    }
    racers |= {name: partial(_train_other, name, data, device) for name in others}
    runs: list[Run] = []
    for number in range(rounds):
        for name, train in racers.items():
            before = [run.seconds[-1] for run in runs if run.name == name]
            if before and sum(before) + max(before) > seconds:
                continue
            clock = _Clock(seconds)
            model = train(seed + number, clock)
            laps, reached = zip(*clock.laps, strict=True)
            count = count_parameters(model)
            accuracy = model_accuracy(model, test)
            runs.append(Run(name, seed + number, laps, reached, accuracy, count))
    return runs


class _Clock:
    """Notes time and accuracy after each epoch, and says when to stop."""

    def __init__(self, limit: float) -> None:
        self.limit, self.laps = limit, list[tuple[float, float]]()
        self.start = time.perf_counter()

    def lap(self, accuracy: float) -> bool:
        passed = time.perf_counter() - self.start
        self.laps.append((passed, accuracy))
        return accuracy >= max(ACCURACY_TARGETS) or passed >= self.limit


def _train_preset(config: TrainConfig, data: Splits, seed: int, clock: _Clock) -> nn.Module:
    name = f"accuracy/{data.validation[0].name}"
    chosen = replace(config, seed=seed)
    until = lambda line: clock.lap(line[name])  # noqa: E731
    return fit(chosen, data, progress=False, until=until).model


def _train_other(
    name: str, data: Splits, device: torch.device, seed: int, clock: _Clock
) -> nn.Module:
    stop = lambda model: clock.lap(model_accuracy(model, data.validation[0], device))  # noqa: E731
    return baselines.RECIPES[name](data.train[0], seed, stop, device)


def _warm_up(device: torch.device) -> None:
    """One step of a small network, so that no racer pays for starting the libraries."""
    model = build_network("quicknet", width=4).to(device)
    model(torch.zeros(8, 1, 28, 28, device=device)).sum().backward()


def race_table(runs: Sequence[Run], frames: int) -> dict[str, dict[str, Any]]:
    """What a race comes to, by name: medians over the runs.

    Args:
        runs: of :func:`race`.
        frames: training frames in an epoch.

    Returns:
        ``runs``, ``parameters``, ``test`` accuracies (list), ``median_test``, ``frames_per_second``
        and for each target, as ``0.99``, ``seconds`` to it (a median that counts who never reached
        it as slowest; None where that is most), ``ratio`` (of ``REFERENCE``'s seconds to ours) and
        how many ``reached`` it.
    """
    table: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        table[name] = {
            "runs": len(own),
            "parameters": own[0].parameters,
            "test": [run.test for run in own],
            "median_test": statistics.median(run.test for run in own),
            "frames_per_second": statistics.median(
                frames * len(run.seconds) / run.seconds[-1] for run in own
            ),
        }
        for target in ACCURACY_TARGETS:
            times = [run.seconds_to(target) for run in own]
            middle = statistics.median_high([np.inf if t is None else t for t in times])
            table[name][str(target)] = {
                "seconds": middle if np.isfinite(middle) else None,
                "reached": sum(t is not None for t in times),
            }
    for row in table.values():
        for name in map(str, ACCURACY_TARGETS):
            ours = row[name]["seconds"]
            theirs = table.get(REFERENCE, row)[name]["seconds"]
            row[name]["ratio"] = theirs / ours if ours and theirs else None
    return table


def achieved(
    configs: Mapping[str, TrainConfig],
    frames_per_second: Mapping[str, float],
    recognizer: Recognizer,
    reading: float,
) -> dict[str, dict[str, float]]:
    """FLOP/s that training and reading achieve, beside the matrix product's at their precision.

    Args:
        configs: what was trained, by name.
        frames_per_second: of the training of each.
        recognizer: what was read with.
        reading: its frames per second.

    Returns:
        By name ``flops`` per frame, ``achieved`` and ``peak`` per second, and ``share`` of it.
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
    work["reading: many frames"] = (flops(recognizer.network), reading, peaks["float32"])
    return {
        name: {"flops": each, "achieved": each * rate, "peak": peak, "share": each * rate / peak}
        for name, (each, rate, peak) in work.items()
    }


# Part of the plain way's time, times the reference's time, seconds, MiB: what was promised.
PROMISES: dict[str, tuple[str, float]] = {
    "quick: times the textbook's speed to 99 %": ("at least", 20),
    "quick: median test accuracy": ("at least", 0.99),
    "strokes: part of the plain way's time": ("at most", 0.5),
    "280x280 picture: part of the plain way's time": ("at most", 1.0),
    "import digitlib, s": ("at most", 0.3),
    "load to first prediction, s": ("at most", 2.5),
    "memory for many frames, MiB": ("at most", 300),
}


def compare_targets(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was promised and what was measured: ``measured``, ``bar``, ``met`` (None: unknown).

    Args:
        found: ``race`` (:func:`race_table`), ``latency``, ``start_up`` and ``growth``.
    """
    quick = found["race"].get("quick", {})
    values = (
        quick.get(str(ACCURACY_TARGETS[0]), {}).get("ratio"),
        quick.get("median_test"),
        found["latency"]["ratio"]["strokes"],
        found["latency"]["ratio"]["picture"],
        found["start_up"]["import"],
        found["start_up"]["first_prediction"],
        found["growth"][-1]["memory"],
    )
    rows = {}
    for (name, (side, bar)), value in zip(PROMISES.items(), values, strict=True):
        value = None if value is None or np.isnan(value) else float(value)
        met = None if value is None else value >= bar if side == "at least" else value <= bar
        rows[name] = {"measured": value, "bar": f"{side} {bar:g}", "met": met}
    return rows
