"""Training experiments: a configuration with one change at a time, their results and their page.

``python -m digitlib experiments --run GROUP`` adds a group's runs to ``reports/experiments.csv``
and fills the tables of ``reports/experiments.md``. Compare configurations by their validation
numbers, so that no choice depends on the test set. Columns of the CSV, which has a row per run:

* ``group``, ``experiment``, ``seed``; the first experiment of a group is its reference.
* ``validation_accuracy``, ``validation_errors``, ``validation_count``, ``test_errors``.
* the group ``recipe``: validation accuracies of other data sets, see ``MEASURED``.
* ``parameters``, ``seconds`` (older runs: the experiment's median), ``changes``.
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
from digitlib.training.config import DISTILLED, PRESETS, TrainConfig
from digitlib.training.sweep import sweep

LOG = REPORTS / "experiments.csv"
_QUICK = PRESETS["quick"]
_SMALL_BATCHES = {"batch_size": 64, "learning_rate": 0.3, "warmup": 0.1}
_NARROW = {"width": 12, "channels": 1}
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
# The student of the recipe, in a tenth of its steps.
_STUDENT = replace(PRESETS["default"], epochs=3, device="cpu")


def _without(*names: str) -> dict[str, Any]:
    """The student's data without some sets."""
    ratios = dict(zip(_STUDENT.datasets[1:], _STUDENT.mix_ratios, strict=True))
    kept = {name: ratio for name, ratio in ratios.items() if name not in names}
    return {"datasets": (_STUDENT.datasets[0], *kept), "mix_ratios": tuple(kept.values())}


# Columns of accuracies, and what they are called in the tables; but for the first, only the group
# ``recipe`` has them.
MEASURED = {
    "validation_accuracy": "MNIST",
    "accuracy/unipen": "tos, strokes",
    "pictures/unipen": "tos, pictures",
    "accuracy/pendigits": "pendigits",
    "accuracy/letters": "letters",
    "accuracy/signs": "signs",
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
            "DigitNet, width 12": {"model": "digitnet", "model_arguments": _NARROW},
            "BaselineCNN": {"model": "baseline", "model_arguments": {}, "learning_rate": 0.05},
        },
    ),
    "recipe": (
        _STUDENT,
        {
            "as it is: the student on labels alone": {},
            "without stroke direction and order": {
                "model_arguments": {**_STUDENT.model_arguments, "channels": 1}
            },
            "all drawings with stroke direction and order": {"picture_share": 0.0},
            "a fifth of the drawings without": {"picture_share": 0.2},
            "without habits of hands": {"habits": 0.0},
            "with the answers of the teachers": {"distill_weight": DISTILLED.distill_weight},
            "without UNIPEN": _without("unipen", "letters", "signs"),
            "without synthetic styles": _without("styles"),
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


def run(group: str, seeds: Sequence[int], log: Path = LOG, weights: Path | None = None) -> None:
    """Run a group of ``GROUPS``; the runs replace those of the same group in the log.

    The sweep's table is next to the log, so that a stopped group continues. The group ``recipe``
    needs ``weights``, the folder with the recipe's teachers.
    """
    reference, changes = GROUPS[group]
    configs = {name: replace(reference, **dict(change)) for name, change in changes.items()}
    further: dict[str, Any] = {}
    if group == "recipe":
        names = [column.partition("/")[2] for column in MEASURED if "/" in column]
        teachers = sorted((weights or Path()).glob("teacher-*.safetensors"))
        further = {"measured": [*dict.fromkeys(names)], "teachers": teachers}
    runs = sweep(configs, seeds, log.with_name("sweep.jsonl"), **further).assign(group=group)
    runs["changes"] = runs["name"].map(lambda name: json.dumps(changes[name], sort_keys=True))
    runs = runs.sort_values("name", key=lambda names: names.map([*changes].index), kind="stable")
    columns = {"name": "experiment", "validation": "validation_accuracy", "errors": "test_errors"}
    runs = runs.rename(columns=columns)
    kept = pd.read_csv(log, dtype_backend="numpy_nullable").query("group != @group")
    both = pd.concat([kept, runs.reindex(columns=kept.columns)], ignore_index=True)
    write_text(log, both.to_csv(index=False, lineterminator="\n"))
    write_page(log)


def write_page(log: Path = LOG) -> None:
    """Fill the tables of the Markdown page next to the log, each between two comments."""
    runs, page = pd.read_csv(log), log.with_suffix(".md")
    text = page.read_text(encoding="utf-8")
    for group, rows in runs.groupby("group", sort=False):
        start, end = f"<!-- {group} -->\n", "<!-- end -->"
        if start not in text:
            text += f"\n## {group}\n\n{start}{end}\n"
        before, _, rest = text.partition(start)
        text = before + start + table(rows) + end + rest.partition(end)[2]
    write_text(page, text)


def table(runs: pd.DataFrame) -> str:
    """The experiments of a group as a Markdown table, with differences from the first."""
    named = dict(iter(runs.groupby("experiment", sort=False)))
    reference = next(iter(named.values()))
    shown = {name: title for name, title in MEASURED.items() if runs[name].notna().any()}
    text = f"| experiment | runs | seconds | {' | '.join(shown.values())} |\n"
    text += f"|---|---|---|{'---|' * len(shown)}\n"
    for name, rows in named.items():
        cells = [f"{rows[column].mean():.2%}" for column in shown]
        if rows is not reference:
            gains = (difference(rows[column], reference[column]) for column in shown)
            cells = [f"{cell}: {gain}" for cell, gain in zip(cells, gains, strict=True)]
        text += f"| {name} | {len(rows)} | {rows['seconds'].median():.1f} | {' | '.join(cells)} |\n"
    return text


def difference(ours: pd.Series, theirs: pd.Series) -> str:
    """The difference of two means in points, with Welch's 95 % interval if runs differ."""
    from scipy.stats import ttest_ind

    text = f"{100 * (ours.mean() - theirs.mean()):+.2f}"
    if min(ours.nunique(), theirs.nunique()) < 2:
        return text
    interval = ttest_ind(100 * ours, 100 * theirs, equal_var=False).confidence_interval(0.95)
    return f"{text} ({interval.low:+.2f} to {interval.high:+.2f})"
