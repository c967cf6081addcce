"""Training experiments: a preset with one change at a time, their results and the page of them.

``python -m digitlib experiments --run GROUP`` adds a group's runs to ``reports/experiments.csv``
and fills the tables of ``reports/experiments.md``. Compare configurations by their validation
numbers, so that no choice depends on the test set. Columns of the CSV, which has a row per run:

* ``group``, ``experiment``, ``seed``; the first experiment of a group is its reference.
* ``validation_accuracy``, ``validation_errors``, ``validation_count``, ``nll``, ``test_errors``.
* ``pen_accuracy``: of pendigits' validation digits; ``rejected``: share of non-digits rejected.
* ``parameters``, ``seconds`` (older runs: the experiment's median), ``changes``, ``note``.
* ``revision``: of the code; older runs have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import or_
from pathlib import Path
from typing import Any

import pandas as pd

from digitlib.files import REPORTS, write_text
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.sweep import sweep

LOG = REPORTS / "experiments.csv"
_QUICK = PRESETS["quick"]
_SMALL_BATCHES = {"batch_size": 64, "learning_rate": 0.3, "warmup": 0.1}
_LOOP = replace(
    _QUICK, model_arguments={}, epochs=3, learning_rate=0.02, schedule="constant", warmup=0.1,
    weight_decay=0.0, label_smoothing=0.0, precision="float32", device="cpu",
)  # fmt: skip


def _net(**arguments: Any) -> dict[str, Any]:
    """Changed arguments of the network of `quick`."""
    return {"model_arguments": {**_QUICK.model_arguments, **arguments}}


_ADDITIONS: dict[str, dict[str, Any]] = {
    "one-cycle learning rate, peak 0.3": {"schedule": "one-cycle", "learning_rate": 0.3},
    "weight decay": {"weight_decay": _QUICK.weight_decay},
    "label smoothing": {"label_smoothing": _QUICK.label_smoothing},
    "every frame varied": {"augment": True},
    "running mean of the weights": {"ema_decay": 0.98},
}
# Each group has its reference, and the changes of each experiment.
GROUPS: dict[str, tuple[TrainConfig, Mapping[str, Mapping[str, Any]]]] = {
    "quick": (
        replace(_QUICK, device="cpu"),
        {
            "as it is": {},
            "digits not deskewed": _net(deskewed=0),
            "the preset before: not deskewed, batches of 64": _net(deskewed=0) | _SMALL_BATCHES,
            "deskewed to 28 px": _net(deskewed=28),
            "deskewed to 16 px": _net(deskewed=16),
            "two epochs": {"epochs": 2},
            "batches of 64, rate 0.3": _SMALL_BATCHES,
            "batches of 256, rate 0.7": {"batch_size": 256, "learning_rate": 0.7},
            "half the learning rate": {"learning_rate": _QUICK.learning_rate / 2},
            "twice the learning rate": {"learning_rate": _QUICK.learning_rate * 2},
            "momentum 0.95": {"momentum": 0.95},
            "warm-up over 10 % of the steps": {"warmup": 0.1},
            "Adam, peak 1e-2": {"optimizer": "adam", "learning_rate": 1e-2},
            "constant rate": {"schedule": "constant"},
            "no label smoothing": {"label_smoothing": 0.0},
            "four times the weight decay": {"weight_decay": 2e-3},
            "running mean of the weights": {"ema_decay": 0.98},
            "every frame varied": {"augment": True},
            "float32": {"precision": "float32"},
            "width 8": _net(width=8),
            "width 24": _net(width=24),
            "pooling after ReLU": _net(pool_first=False),
            "the margin computed, too": _net(padding=2),
            "first kernel at every place": _net(stride=1),
            "DigitNet, width 12": {"model": "digitnet", "model_arguments": {"width": 12}},
            "BaselineCNN": {"model": "baseline", "model_arguments": {}, "learning_rate": 0.05},
        },
    ),
    "additions": (  # each makes its change after all before it
        _LOOP,
        {"as it is": {}}
        | {
            f"+ {name}": made
            for name, made in zip(_ADDITIONS, accumulate(_ADDITIONS.values(), or_), strict=True)
        },
    ),
}
# The main results: text, experiment, the one that it is compared with, and the column.
LESSONS = (
    ("Teachers give more than labels.",
     ("distillation", "the preset `default`: 24 epochs, MNIST labeled by three specialists"),
     ("default", "five convolutions, 16 epochs, a smaller share of other sets"),
     "validation_accuracy"),
    ("Training on unsteady hands helps, averaged with the network before it.",
     ("tremor", "refinement: the mean of before and after"), ("tremor", "the preset `default`"),
     "validation_accuracy"),
    ("Only real letters teach a network to reject letters.",
     ("unseen writers", "as it is"), ("unseen writers", "without letters and signs"), "rejected"),
    ("A small network made for the task beats a larger one from the book, after one epoch.",
     ("quick", "as it is"), ("quick", "BaselineCNN"), "validation_accuracy"),
    ("Make the task easier before the network faster: deskew the digits.",
     ("quick", "as it is"), ("quick", "digits not deskewed"), "validation_accuracy"),
)  # fmt: skip


def run(group: str, seeds: Sequence[int], log: Path = LOG) -> None:
    """Run a group of ``GROUPS``; the runs replace those of the same group in the log.

    The sweep's table is beside the log, so that a stopped group continues.
    """
    reference, changes = GROUPS[group]
    configs = {name: replace(reference, **dict(change)) for name, change in changes.items()}
    runs = sweep(configs, seeds, log.with_name("sweep.jsonl")).assign(group=group, note="")
    runs["changes"] = runs["name"].map(lambda name: json.dumps(changes[name], sort_keys=True))
    runs = runs.sort_values("name", key=lambda names: names.map([*changes].index), kind="stable")
    # The sweep's NLL is of the test set, the log's of the validation set.
    columns = {"name": "experiment", "validation": "validation_accuracy", "errors": "test_errors"}
    runs = runs.drop(columns="nll").rename(columns=columns)
    kept = pd.read_csv(log, dtype_backend="numpy_nullable").query("group != @group")
    both = pd.concat([kept, runs.reindex(columns=kept.columns)], ignore_index=True)
    write_text(log, both.to_csv(index=False, lineterminator="\n"))
    write_page(log)


def write_page(log: Path = LOG) -> None:
    """Fill the tables of the Markdown page beside the log, each between two comments."""
    runs, page = pd.read_csv(log), log.with_suffix(".md")
    tables = {group: table(rows) for group, rows in runs.groupby("group", sort=False)}
    text = page.read_text(encoding="utf-8")
    for name, filling in {"lessons": lessons(runs), **tables}.items():
        start, end = f"<!-- {name} -->\n", "<!-- end -->"
        if start not in text:
            text += f"\n## {name}\n\n{start}{end}\n"
        before, _, rest = text.partition(start)
        text = before + start + filling + end + rest.partition(end)[2]
    write_text(page, text)


def table(runs: pd.DataFrame) -> str:
    """The experiments of a group as a Markdown table; the first is the reference."""
    named = dict(iter(runs.groupby("experiment", sort=False)))
    reference = next(iter(named.values()))["validation_accuracy"]
    text = "| experiment | validation accuracy | runs | seconds | difference, points | notes |\n"
    text += "|---|---|---|---|---|---|\n"
    for number, (name, rows) in enumerate(named.items()):
        own, note = rows["validation_accuracy"], rows["note"].fillna("").iloc[0]
        gain = difference(own, reference) if number else "reference"
        text += (
            f"| {name} | {own.mean():.2%} | {len(own)} | {rows['seconds'].median():.1f} "
            f"| {gain} | {note} |\n"
        )
    return text


def difference(ours: pd.Series, theirs: pd.Series) -> str:
    """The difference of two means in points, with Welch's 95 % interval if runs differ."""
    from scipy.stats import ttest_ind

    text = f"{100 * (ours.mean() - theirs.mean()):+.2f}"
    if min(ours.nunique(), theirs.nunique()) < 2:
        return text
    interval = ttest_ind(100 * ours, 100 * theirs, equal_var=False).confidence_interval(0.95)
    return f"{text} ({interval.low:+.2f} to {interval.high:+.2f})"


def lessons(runs: pd.DataFrame) -> str:
    """The main results as a Markdown list."""
    text = ""
    for number, (claim, ours, theirs, column) in enumerate(LESSONS, 1):
        a, b = (
            runs.loc[(runs["group"] == group) & (runs["experiment"] == name), column]
            for group, name in (ours, theirs)
        )
        text += f"{number}. **{claim}** {a.mean():.2%} instead of {b.mean():.2%}: "
        text += f"a difference of {difference(a, b)} points (`{ours[0]}`).\n"
    return text
