"""Training experiments: a configuration with one change each, as JSON and as Markdown tables.

``python -m digitlib experiments`` writes ``reports/experiments.md`` from ``experiments.json``
beside it; ``--run GROUP`` runs the experiments of a group first and replaces its lines. Accuracies
are of validation digits, so that no choice by these tables depends on the test set.

Results of other scripts join the same tables by :func:`record`.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation.speed import limit_threads
from digitlib.files import REPORTS, write_json, write_text
from digitlib.models.inference import digit_score
from digitlib.models.weights import load_model
from digitlib.training import stages
from digitlib.training.calibration import FALSE_REJECTION
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.loader import Splits
from digitlib.training.trainer import data_logits, fit, model_accuracy

LOG = REPORTS / "experiments.json"
Line = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """The group's reference with some fields changed."""

    what: str  # description in the table
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of TrainConfig
    threads: int | None = None  # None takes the present number


@dataclass(frozen=True)
class Group:
    """Experiments around one configuration, the reference, which is the first line."""

    about: str
    reference: TrainConfig
    experiments: tuple[Experiment, ...]
    measured: tuple[str, ...] = ()  # validation sets of digits, pooled; () is the first trained on
    rejected: tuple[str, ...] = ()  # validation sets of non-digits whose rejection is recorded
    init: Path | None = None  # weights of the initial network


def _without(config: TrainConfig, *names: str) -> dict[str, Any]:
    """The changes that leave data sets out; pen digits come first and give an epoch its length."""
    shares = dict(zip(config.datasets, (1.0, *config.mix_ratios), strict=True))
    kept = sorted(
        set(shares) - set(names), key=lambda n: (n not in _PEN_DIGITS, [*shares].index(n))
    )
    return {"datasets": tuple(kept), "mix_ratios": tuple(shares[name] for name in kept[1:])}


_QUICK = PRESETS["quick"]
_DIGITNET = {"model": "digitnet"}
_PENS = stages.STROKE_TEACHER
_PEN_DIGITS = ("unipen", "pendigits")
_REAL_NON_DIGITS = ("letters", "signs")

GROUPS = {
    "quick": Group(
        "The preset `quick`, with one change at a time: the least time to 99 %.",
        replace(_QUICK, device="cpu"),
        (
            Experiment("two epochs", {"epochs": 2}),
            Experiment("two epochs, batches of 128", {"epochs": 2, "batch_size": 128}),
            Experiment("batches of 32", {"batch_size": 32}),
            Experiment("batches of 128", {"batch_size": 128}),
            Experiment("batches of 256", {"batch_size": 256}),
            Experiment("half the learning rate", {"learning_rate": _QUICK.learning_rate / 2}),
            Experiment("twice the learning rate", {"learning_rate": _QUICK.learning_rate * 2}),
            Experiment("momentum 0.7", {"momentum": 0.7}),
            Experiment("momentum 0.95", {"momentum": 0.95}),
            Experiment("warm-up over 30 % of the steps", {"warmup": 0.3}),
            Experiment("Adam, peak 1e-2", {"optimizer": "adam", "learning_rate": 1e-2}),
            Experiment("constant rate", {"schedule": "constant"}),
            Experiment("no label smoothing", {"label_smoothing": 0.0}),
            Experiment("label smoothing 0.2", {"label_smoothing": 0.2}),
            Experiment("no weight decay", {"weight_decay": 0.0}),
            Experiment("four times the weight decay", {"weight_decay": 2e-3}),
            Experiment("running mean of the weights", {"ema_decay": 0.98}),
            Experiment("every frame varied", {"augment": True}),
            Experiment("float32", {"precision": "float32"}),
            Experiment("one thread", threads=1),
            Experiment("torch.compile, its warm-up counted", {"compile": True}),
            Experiment("width 12", {"model_arguments": {"width": 12}}),
            Experiment("width 20", {"model_arguments": {"width": 20}}),
            Experiment("width 24", {"model_arguments": {"width": 24}}),
            Experiment("pooling after ReLU", {"model_arguments": {"pool_first": False}}),
            Experiment("the margin computed, too", {"model_arguments": {"padding": 2}}),
            Experiment("first kernel at every place", {"model_arguments": {"stride": 1}}),
            Experiment("DigitNet, width 12", _DIGITNET | {"model_arguments": {"width": 12}}),
            Experiment("DigitNet, width 24", _DIGITNET | {"model_arguments": {"width": 24}}),
            Experiment("BaselineCNN", {"model": "baseline", "learning_rate": 0.05}),
        ),
    ),
    "unseen writers": Group(
        "A stroke teacher of `digitlib.training.stages`, for five epochs only, with one part left "
        "out: accuracy is of the 2,043 digits of the donor tos and pendigits' validation "
        "writers, read as strokes; rejected is the share of the letters and signs of tos below the "
        "threshold that rejects 1 % of the digits. Times were taken on a busy machine.",
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

# Descriptions of the groups that other scripts ran and recorded.
ABOUT = {
    "default": "Configurations and networks for drawn digits as well as MNIST, trained on labels.",
    "distillation": "Networks trained on the soft labels of several teachers "
    "(`digitlib.training.distillation`): five epochs each, one thread, two runs at a time. "
    "Channels are of the first layer, the 12x12 and the 6x6 maps; NLL is of MNIST's "
    "validation digits.",
    "specialists": "Networks trained on the labels of MNIST alone, as its teachers: one thread, "
    "two runs at a time. The three of least NLL were selected.",
    "thick strokes": "Canvas pictures of the 1,500 drawings of validation writers, with strokes "
    "wider than a fifth of the box thinned before the reduction (`frame.even_strokes`); "
    "accuracy is of a 20 px brush and a digit 60 px high. Under a 28 px brush most loops of such "
    "a digit are filled, and no person can read it.",
    "tremor": "Training on soft labels of drawings with tremor augmentation: trembling, cut and "
    "stretched strokes (the steps `tremor-labels` and `digitnet` of `digitlib.training.stages`); "
    "accuracy is of validation drawings with that augmentation, seed 0.",
    "more writers": "UNIPEN's writers, letters and signs for the refined network (the steps "
    "`writers-labels` and `writers` of `digitlib.training.stages`): accuracy is of MNIST's "
    "validation digits, the others are of the choosing writers as pictures, rejected at the "
    "threshold that rejects 1 % of the digits of each set.",
    "way of the pen": "Planes for direction and time in a branch of the network, on labels, from a "
    "network fine-tuned on UNIPEN without them: accuracy is of the 2,043 drawings of the choosing "
    "writers, read as strokes.",
    "strokes": "The bundled network before and after it was distilled from two stroke teachers "
    "(the steps `stroke-labels` and `digitnet` of `digitlib.training.stages`), eight epochs: "
    "accuracy is of the 2,043 drawings of the choosing writers, read as strokes; rejected at the "
    "thresholds of the cards. Chosen by the mean NLL over MNIST and these writers, as strokes and "
    "as pictures.",
    "techniques": "Known techniques for fast training, on the preset `quick`: one thread, seeds "
    "in turn. None is in the code, since none pays. CUDA graphs need a GPU, and none was "
    "available.",
}


def try_out(
    group: str, experiment: Experiment, seeds: Sequence[int], subset: int | None = None
) -> Line:
    """Train once per seed; return a line of the log without its verdict."""
    chosen = GROUPS[group]
    config = replace(chosen.reference, subset=subset, **experiment.changes)
    data = Splits.load(config)
    with limit_threads(experiment.threads or torch.get_num_threads()):
        init = load_model(chosen.init)[0] if chosen.init else None
        runs = [fit(replace(config, seed=seed), data, init=init, progress=False) for seed in seeds]
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
        "seconds": statistics.median(run.seconds for run in runs),
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


def verdict(line: Line, reference: Line) -> str:
    """Comparison of a line with its group's reference, in a few words.

    Better and worse mean a difference of more than two standard errors.
    """
    if line["what"] == reference["what"]:
        return "the reference"
    ours, theirs = line["validation"], reference["validation"]
    difference = statistics.fmean(ours) - statistics.fmean(theirs)
    measured = [values for values in (ours, theirs) if len(values) > 1]
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in measured))
    clear = abs(difference) > 2 * error
    side = ("better" if difference > 0 else "worse") if clear else "no clear difference"
    ratio = line["seconds"] / reference["seconds"]
    return f"{side} ({100 * difference:+.2f} points) in {ratio:.2f} times the time"


def run(group: str, seeds: Sequence[int], subset: int | None = None) -> Iterator[Line]:
    """Run a group's experiments, the reference first; yield each line once it is finished.

    Seconds are comparable only within one run, on a machine without other load.
    """
    chosen = GROUPS[group]
    if chosen.reference.epochs == 1:  # the first line would pay for the start of the libraries
        fit(chosen.reference, Splits.load(replace(chosen.reference, subset=subset)), progress=False)
    reference: Line = {}
    for experiment in (Experiment("as it is"), *chosen.experiments):
        line = try_out(group, experiment, seeds, subset)
        reference = reference or line
        yield line | {"verdict": verdict(line, reference)}


def read(path: Path = LOG) -> list[Line]:
    """The log's lines; none where there is no log."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def record(lines: Sequence[Line], path: Path = LOG) -> None:
    """Replace the log's lines of the same groups, and write its Markdown.

    A line has ``group``, ``what``, ``validation`` (accuracies 0-1, one per seed), ``seconds``
    (median of a run) and ``verdict``; further values are kept.
    """
    groups = {line["group"] for line in lines}
    kept = [line for line in read(path) if line["group"] not in groups]
    write_json(path, [*kept, *lines])
    write(path)


def write(path: Path = LOG) -> None:
    """Write ``experiments.md`` beside the log."""
    write_text(path.with_suffix(".md"), markdown(read(path)))


def markdown(lines: Sequence[Line]) -> str:
    """The log as Markdown: a table per group."""
    text = [
        "# What was tried",
        "Written by `python -m digitlib experiments` from [experiments.json](experiments.json); "
        "edit neither by hand. Accuracies are of validation digits, mean ± standard deviation "
        "over the seeds; seconds are the median run, validation included.",
    ]
    for group in dict.fromkeys(line["group"] for line in lines):
        rows = [line for line in lines if line["group"] == group]
        about = [GROUPS[group].about if group in GROUPS else ABOUT.get(group, "")]
        table = [
            "| tried | validation accuracy | seeds | seconds | verdict |",
            "|---|---|---|---|---|",
            *map(row, rows),
        ]
        text += [f"## {group}", *filter(None, about), "\n".join(table)]
    return "\n\n".join(text) + "\n"


def row(line: Line) -> str:
    """A line of the log as a row of a Markdown table."""
    values = [100 * value for value in line["validation"]]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    verdict = line["verdict"]
    if "rejected" in line:
        verdict += f"; {100 * statistics.fmean(line['rejected']):.1f} % rejected"
    return (
        f"| {line['what']} | {statistics.fmean(values):.2f}{spread} % | {len(values)} "
        f"| {line['seconds']:.1f} | {verdict} |"
    )
