"""Training experiments: a configuration with one change each.

``python -m digitlib experiments --run GROUP`` runs those of a group and replaces its lines in
``reports/experiments.json``. Accuracies are of validation digits, so that no choice by them
depends on the test set.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation.speed import limit_threads
from digitlib.models.inference import digit_score
from digitlib.models.weights import load_model
from digitlib.training import stages
from digitlib.training.calibration import FALSE_REJECTION
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.experiment_log import Line
from digitlib.training.loader import Splits
from digitlib.training.logits import data_logits, model_accuracy
from digitlib.training.trainer import fit


@dataclass(frozen=True)
class Experiment:
    """The group's reference with some fields changed."""

    what: str  # description in the table
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of TrainConfig


@dataclass(frozen=True)
class Group:
    """Experiments around one configuration, the reference, which is the first line."""

    reference: TrainConfig
    experiments: tuple[Experiment, ...]
    measured: tuple[str, ...] = ()  # validation sets of digits, pooled; () is the first trained on
    rejected: tuple[str, ...] = ()  # validation sets of non-digits whose rejection is recorded
    init: Path | None = None  # weights of the initial network
    one_thread: bool = False  # and seconds of the processor: other programs do not count


def _without(config: TrainConfig, *names: str) -> dict[str, Any]:
    """The changes that leave data sets out; pen digits come first and give an epoch its length."""
    shares = dict(zip(config.datasets, (1.0, *config.mix_ratios), strict=True))
    kept = sorted(
        set(shares) - set(names), key=lambda n: (n not in _PEN_DIGITS, [*shares].index(n))
    )
    return {"datasets": tuple(kept), "mix_ratios": tuple(shares[name] for name in kept[1:])}


def _cumulative(changes: Mapping[str, Mapping[str, Any]]) -> tuple[Experiment, ...]:
    """Experiments each of which makes its change after all before it."""
    made: dict[str, Any] = {}
    experiments = []
    for name, change in changes.items():
        made = made | dict(change)
        experiments.append(Experiment(f"+ {name}", made))
    return tuple(experiments)


_QUICK = PRESETS["quick"]
_SMALL_BATCHES = {"batch_size": 64, "learning_rate": 0.3, "warmup": 0.1}
_DIGITNET = {"model": "digitnet"}
_LOOP = replace(
    _QUICK, model_arguments={}, device="cpu", epochs=3, batch_size=128, learning_rate=0.02,
    schedule="constant", warmup=0.1, weight_decay=0.0, label_smoothing=0.0, precision="float32",
)  # fmt: skip
_PENS = stages.STROKE_TEACHER
_PEN_DIGITS = ("unipen", "pendigits")
_REAL_NON_DIGITS = ("letters", "signs")


def _net(**arguments: Any) -> dict[str, Any]:
    """Arguments of the network of `quick` changed."""
    return {"model_arguments": {**_QUICK.model_arguments, **arguments}}


GROUPS = {
    "quick": Group(
        replace(_QUICK, device="cpu"),
        (
            Experiment("digits not deskewed", _net(deskewed=0)),
            Experiment(
                "the preset before: not deskewed, batches of 64",
                _net(deskewed=0) | _SMALL_BATCHES,
            ),
            Experiment("deskewed to 28 px", _net(deskewed=28)),
            Experiment("deskewed to 16 px", _net(deskewed=16)),
            Experiment("two epochs", {"epochs": 2}),
            Experiment("batches of 64, rate 0.3", _SMALL_BATCHES),
            Experiment("batches of 256, rate 0.7", {"batch_size": 256, "learning_rate": 0.7}),
            Experiment("half the learning rate", {"learning_rate": _QUICK.learning_rate / 2}),
            Experiment("twice the learning rate", {"learning_rate": _QUICK.learning_rate * 2}),
            Experiment("momentum 0.95", {"momentum": 0.95}),
            Experiment("warm-up over 10 % of the steps", {"warmup": 0.1}),
            Experiment("Adam, peak 1e-2", {"optimizer": "adam", "learning_rate": 1e-2}),
            Experiment("constant rate", {"schedule": "constant"}),
            Experiment("no label smoothing", {"label_smoothing": 0.0}),
            Experiment("four times the weight decay", {"weight_decay": 2e-3}),
            Experiment("running mean of the weights", {"ema_decay": 0.98}),
            Experiment("every frame varied", {"augment": True}),
            Experiment("float32", {"precision": "float32"}),
            Experiment("width 8", _net(width=8)),
            Experiment("width 24", _net(width=24)),
            Experiment("pooling after ReLU", _net(pool_first=False)),
            Experiment("the margin computed, too", _net(padding=2)),
            Experiment("first kernel at every place", _net(stride=1)),
            Experiment("DigitNet, width 12", _DIGITNET | {"model_arguments": {"width": 12}}),
            Experiment("BaselineCNN", {
                "model": "baseline", "model_arguments": {}, "learning_rate": 0.05,
            }),
        ),
        one_thread=True,
    ),
    "additions": Group(
        _LOOP,
        _cumulative({
            "one-cycle learning rate, peak 0.3": {"schedule": "one-cycle", "learning_rate": 0.3},
            "weight decay": {"weight_decay": _QUICK.weight_decay},
            "label smoothing": {"label_smoothing": _QUICK.label_smoothing},
            "every frame varied": {"augment": True},
            "running mean of the weights": {"ema_decay": 0.98},
        }),
    ),
    "unseen writers": Group(
        replace(_PENS, epochs=5),
        (
            Experiment("without the digits of UNIPEN", _without(_PENS, "unipen")),
            Experiment("without letters and signs", _without(_PENS, *_REAL_NON_DIGITS)),
            Experiment("without the way of the pen", {
                "model_arguments": {"outputs": 11, "width": 32}, "planes_prob": 0.0,
            }),
        ),
        measured=("unipen", "pendigits"),
        rejected=_REAL_NON_DIGITS,
        init=stages.INSTALLED["wide"],
    ),
}  # fmt: skip


def try_out(
    group: str, experiment: Experiment, seeds: Sequence[int], subset: int | None = None
) -> Line:
    """Train once per seed; return a line of the log."""
    chosen = GROUPS[group]
    config = replace(chosen.reference, subset=subset, **experiment.changes)
    data = Splits.load(config)
    init = load_model(chosen.init)[0] if chosen.init else None
    runs, spent = [], []
    with limit_threads(1 if chosen.one_thread else torch.get_num_threads()):
        for seed in seeds:
            start = time.process_time()
            runs.append(fit(replace(config, seed=seed), data, init=init, progress=False))
            spent.append(time.process_time() - start)
    digits, others = (
        [catalog.load(name, "validation") for name in names]
        for names in (chosen.measured or config.datasets[:1], chosen.rejected)
    )
    line = {
        "group": group,
        "what": experiment.what,
        "changes": dict(experiment.changes),
        "seeds": list(seeds),
        "validation": [_pooled_accuracy(run.model, digits) for run in runs],
        "seconds": statistics.median(spent if chosen.one_thread else (run.seconds for run in runs)),
    }
    if others:
        line["rejected"] = [_rejected(run.model, digits, others) for run in runs]
    return line


def _pooled_accuracy(model: nn.Module, sets: Sequence[DigitData]) -> float:
    """Accuracy, 0-1, over the digits of all sets."""
    right = sum(model_accuracy(model, data) * len(data) for data in sets)
    return right / sum(map(len, sets))


def _rejected(model: nn.Module, digits: Sequence[DigitData], others: Sequence[DigitData]) -> float:
    """Share of the others below the threshold that rejects 1 % of the digits."""
    scores, compared = (
        torch.cat([digit_score(data_logits(model, data)) for data in sets])
        for sets in (digits, others)
    )
    return float((compared < scores.quantile(FALSE_REJECTION)).float().mean())


def run(group: str, seeds: Sequence[int], subset: int | None = None) -> Iterator[Line]:
    """Run a group's experiments, the reference first; yield each line once it is finished.

    Seconds are comparable only within one run, on a machine without other load.
    """
    chosen = GROUPS[group]
    if chosen.reference.epochs == 1:  # the first line would pay for the start of the libraries
        fit(chosen.reference, Splits.load(replace(chosen.reference, subset=subset)), progress=False)
    for experiment in (Experiment("as it is"), *chosen.experiments):
        yield try_out(group, experiment, seeds, subset)
