"""Races against other recipes: seconds of training to an accuracy, all in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from digitlib.datasets.base import DigitData
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
