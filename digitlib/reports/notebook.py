"""Common inputs of the notebooks: networks, and data that may be missing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from digitlib.datasets import catalog
from digitlib.datasets.base import DataMissingError, DigitData
from digitlib.evaluation.metrics import Proportion
from digitlib.files import REPORTS
from digitlib.models.card import BASELINE_WEIGHTS
from digitlib.models.recognizer import Recognizer
from digitlib.reports.report import say

SEEDS = REPORTS / "seeds.json"


def load_networks(path: str | os.PathLike[str] | None = None) -> dict[str, Recognizer]:
    """``default`` (the weights at ``path``, or the bundled ones) and ``baseline``, where it is."""
    found = {"default": Recognizer.load(path)}
    if BASELINE_WEIGHTS.exists():
        found["baseline"] = Recognizer.load(BASELINE_WEIGHTS)
    else:
        say("**The baseline's weights are missing: the default network is shown alone.**")
    return found


def load_optional(name: str, split: str, *, dataset: str) -> DigitData | None:
    """A further data set; where it is missing, a sentence is shown and None returned.

    Beside ``sample``, which needs no download, nothing is downloaded.
    """
    try:
        return catalog.load(name, split, download=dataset != "sample")
    except DataMissingError:
        say(
            f"**Skipped: the data set `{name}` is not here.** The folder `data` has a README that "
            "says where it comes from and where it goes."
        )
        return None


# Data sets of frames that are no digits, each with its split that no network was trained on.
NO_DIGITS = (
    ("letters", "test"),
    ("signs", "test"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def load_no_digits(dataset: str, count: int, seed: int = 0) -> dict[str, DigitData]:
    """Up to ``count`` frames of each set of ``NO_DIGITS``, without those that are missing."""
    found = {name: load_optional(name, split, dataset=dataset) for name, split in NO_DIGITS}
    return {name: data.subset(count, seed) for name, data in found.items() if data is not None}


def seed_runs(path: Path = SEEDS) -> dict[str, list[Any]] | None:
    """Runs on MNIST that differ in the seed alone; None, and a sentence, where there are none.

    ``reports/seeds.json`` is ``{"runs": [{"seed": 0, "test": {…}}, …]}``, each ``test`` with the
    numbers of :func:`metrics.summarize`.

    Returns:
        ``seed``, ``accuracy`` (a ``Proportion`` each) and ``ece``, in the order of the runs.
    """
    if not path.is_file():
        say("**Skipped: there is no `reports/seeds.json` with runs over several seeds.**")
        return None
    runs: list[dict[str, Any]] = json.loads(path.read_text())["runs"]
    tests = [run["test"].get("mnist", run["test"]) for run in runs]
    counts = [test["accuracy"]["count"] for test in tests]
    return {
        "seed": [run["seed"] for run in runs],
        "accuracy": [
            Proportion(count - test["errors"], count)
            for count, test in zip(counts, tests, strict=True)
        ],
        "ece": [test["ece"] for test in tests],
    }
