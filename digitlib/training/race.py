"""Races against other recipes: seconds of training to an accuracy, all in one run."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from digitlib.datasets.base import DigitData
from digitlib.evaluation.differences import welch_interval
from digitlib.models.networks import build_network, count_parameters, pick_device
from digitlib.training import baselines
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits, private_random_state
from digitlib.training.logits import model_accuracy
from digitlib.training.trainer import fit

ACCURACY_TARGETS = (0.98, 0.99)  # validation accuracies to be reached
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
        cpu_seconds: of the process, all threads together; ``seconds`` also pass while others
            have the machine.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    validation: tuple[float, ...]
    test: float
    parameters: int
    cpu_seconds: float = 0.0

    def epochs_to(self, target: float) -> int | None:
        """Epochs until the validation accuracy reached ``target``; None where it never did."""
        reached = (n for n, v in enumerate(self.validation, start=1) if v >= target)
        return next(reached, None)


Racer = Callable[[int, "_Clock"], nn.Module]  # trains by a seed, stops by the clock


def race(
    configs: Mapping[str, TrainConfig],
    data: Splits,
    test: DigitData,
    *,
    recipes: Sequence[str] = tuple(baselines.RECIPES),
    rounds: int = 3,
    repeats: int = 2,
    seconds: float = 180,
    seed: int = 0,
) -> list[Run]:
    """Train by configurations and by other recipes, in turn, each run with another seed.

    A round has one run of each recipe, and before it some of each configuration, so that a machine
    whose speed changes does so for all. A run ends after its last epoch, at the highest of
    ``ACCURACY_TARGETS``, or before an epoch that would take it beyond its limit: ``seconds``, and
    for recipes after ``REFERENCE`` the time that this needed in the same round. Torch's global
    random state is left as it was.

    Args:
        configs: by name; of one data set.
        data: training and validation digits of that data set.
        test: evaluated once per run, at its end.
        recipes: keys of :data:`baselines.RECIPES`.
        rounds: runs of each recipe.
        repeats: runs of each configuration before each run of a recipe.
        seconds: limit of a run, which has at least one epoch.
        seed: of the first run of each.
    """
    device = pick_device()
    racers: dict[str, Racer] = {
        name: partial(_train_config, config, data) for name, config in configs.items()
    }
    before = [*configs] * repeats
    order = [name for recipe in recipes for name in (*before, recipe)] or before
    racers |= {name: partial(_train_recipe, name, data, device) for name in recipes}
    runs: list[Run] = []
    with private_random_state(device):
        _warm_up(device)
        for _ in range(rounds):
            limit = seconds
            for name in order:
                number = seed + sum(run.name == name for run in runs)
                allowed = seconds if name in configs else limit
                runs.append(_run(name, racers[name], number, allowed, test))
                if name == REFERENCE:
                    limit = min(limit, runs[-1].seconds[-1])
    return runs


def _run(name: str, train: Racer, seed: int, limit: float, test: DigitData) -> Run:
    clock = _Clock(limit)
    start = time.process_time()
    model = train(seed, clock)
    spent = time.process_time() - start
    seconds, validation = zip(*clock.laps, strict=True)
    accuracy = model_accuracy(model, test)
    return Run(name, seed, seconds, validation, accuracy, count_parameters(model), spent)


class _Clock:
    """Records time and accuracy after each epoch, and decides when to stop."""

    def __init__(self, limit: float) -> None:
        self.limit, self.laps = limit, list[tuple[float, float]]()
        self.start = time.perf_counter()

    def lap(self, accuracy: float) -> bool:
        """Record an epoch; True where the run is to stop."""
        passed = time.perf_counter() - self.start
        self.laps.append((passed, accuracy))
        next_end = passed + passed / len(self.laps)
        return accuracy >= max(ACCURACY_TARGETS) or next_end > self.limit


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
    """Times to the targets, by one rule for all; see :func:`costs_to`.

    Args:
        runs: of :func:`race`.
        frames: training frames in an epoch.

    Returns:
        By name ``runs``, ``parameters``, ``test`` accuracies (list), ``median_test``,
        ``frames_per_second``, ``cores`` (CPU seconds by seconds), and for each target, as
        ``0.99``: ``reached`` (number of runs), and None where no run reached it: ``seconds`` and
        ``epochs`` (geometric means), ``ratio`` (seconds of ``REFERENCE`` divided by these) and its
        95 % ``interval`` (:func:`ratio_interval`), ``fewer_epochs`` and ``faster_epochs``, whose
        product is the ratio, and ``cpu_ratio``, that of the processor's seconds.
    """
    named = {
        name: [r for r in runs if r.name == name] for name in dict.fromkeys(r.name for r in runs)
    }
    reference = named.get(REFERENCE, [])
    return {
        name: _summary(own, frames)
        | {str(t): _reached(own, reference, t) for t in ACCURACY_TARGETS}
        for name, own in named.items()
    }


MEASURED = (
    "seconds", "epochs", "ratio", "interval", "fewer_epochs", "faster_epochs", "cpu_ratio",
)  # fmt: skip


def costs_to(target: float, runs: Sequence[Run]) -> NDArray[np.float64]:
    """Seconds and epochs ``[S, 2]`` spent for each of the S runs that reached a target.

    Whoever misses it starts again with another seed: a run that did not reach it is added to the
    next one that did, or, at the end, to the last.
    """
    costs, spent = list[NDArray[np.float64]](), np.zeros(2)
    for run in runs:
        epochs = run.epochs_to(target)
        spent += np.array([run.seconds[(epochs or 0) - 1], epochs or len(run.seconds)])
        if epochs:
            costs.append(spent)
            spent = np.zeros(2)
    if costs:
        costs[-1] += spent
    return np.array(costs).reshape(-1, 2)


def ratio_interval(
    slow: NDArray[np.float64], fast: NDArray[np.float64]
) -> tuple[float, float] | None:
    """95 % interval of the ratio of two geometric means, slow to fast.

    :func:`welch_interval` of the mean logarithms: with three runs a bootstrap's is too narrow.
    None with fewer than two values of either.
    """
    if min(len(slow), len(fast)) < 2:
        return None
    low, high = welch_interval(np.log(slow).tolist(), np.log(fast).tolist())
    return math.exp(low), math.exp(high)


def _summary(runs: Sequence[Run], frames: int) -> dict[str, Any]:
    """What the row of one name holds beside its targets."""
    rates = [frames * len(run.seconds) / run.seconds[-1] for run in runs]
    return {
        "runs": len(runs),
        "parameters": runs[0].parameters,
        "test": [run.test for run in runs],
        "median_test": statistics.median(run.test for run in runs),
        "frames_per_second": statistics.median(rates),
        "cores": _cores(runs),
    }


def _cores(runs: Sequence[Run]) -> float:
    """Cores at work: CPU seconds divided by the seconds that passed."""
    return statistics.median(run.cpu_seconds / run.seconds[-1] for run in runs)


def _reached(runs: Sequence[Run], reference: Sequence[Run], target: float) -> dict[str, Any]:
    """Times to one target, beside the reference's."""
    own, theirs = costs_to(target, runs), costs_to(target, reference)
    mean, other = (
        np.exp(np.log(each).mean(axis=0)) if len(each) else None for each in (own, theirs)
    )
    found: dict[str, Any] = {"reached": len(own)} | dict.fromkeys(MEASURED)
    if mean is not None:
        found["seconds"], found["epochs"] = mean.tolist()
    if mean is not None and other is not None:
        found["ratio"], found["fewer_epochs"] = (other / mean).tolist()
        found["faster_epochs"] = found["ratio"] / found["fewer_epochs"]
        found["cpu_ratio"] = found["ratio"] * _cores(reference) / _cores(runs)
        found["interval"] = None if runs is reference else ratio_interval(theirs[:, 0], own[:, 0])
    return found


def tell(table: Mapping[str, Mapping[str, Any]], name: str) -> Iterator[str]:
    """What a race showed of one configuration beside ``REFERENCE``, in sentences.

    Args:
        table: of :func:`race_table`.
        name: of the configuration.
    """
    last = str(max(ACCURACY_TARGETS))
    goal = f"{max(ACCURACY_TARGETS):.0%} of the validation digits"
    own, theirs = table[name][last], table[REFERENCE][last]
    if own["ratio"] is None:
        slow = " and ".join(f"`{n}`" for n in (name, REFERENCE) if not table[n][last]["reached"])
        yield f"{goal} were not reached by {slow}: this run tells nothing about the ratio."
        return
    yield (
        f"`{name}` reads {goal} after {own['seconds']:.2f} s (reached in {own['reached']} of "
        f"{table[name]['runs']} runs), the {REFERENCE} after {theirs['seconds']:.1f} s "
        f"({theirs['reached']} of {table[REFERENCE]['runs']})."
    )
    if own["interval"] is None:
        yield f"That is {own['ratio']:.0f} times as fast; with so few runs there is no interval."
        return
    low, high = own["interval"]
    sure = "faster" if low > 1 else "slower" if high < 1 else "perhaps as fast"
    yield (
        f"**`{name}` is {sure}: {own['ratio']:.0f} times as fast, 95 % interval {low:.0f} to "
        f"{high:.0f}.** It needs {own['fewer_epochs']:.1f} times fewer epochs, and each takes "
        f"{own['faster_epochs']:.1f} times less time. By the processor's time, in which other "
        f"programs do not count, it is {own['cpu_ratio']:.0f} times as fast."
    )


# Lower or upper limits, for two cores and a race at full length.
TARGETS: dict[str, tuple[str, float]] = {
    "quick: speed to 99 %, times the textbook's (interval's lower end)": ("at least", 30),
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
    interval = quick.get(str(ACCURACY_TARGETS[-1]), {}).get("interval")
    values = (
        interval[0] if interval else None,
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
