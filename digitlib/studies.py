"""What the notebooks look at: networks side by side, data that may be missing, several seeds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from digitlib import datasets, weights
from digitlib.datasets import DigitData
from digitlib.recognizer import Recognizer

SEEDS = Path(__file__).resolve().parent.parent / "reports" / "seeds.json"


def say(*sentences: str) -> None:
    """Show prose, numbers in it and all, as Markdown."""
    from IPython.display import Markdown, display

    display(Markdown(" ".join(sentences)))


def networks(path: str | os.PathLike[str] | None = None) -> dict[str, Recognizer]:
    """``default`` (the weights at ``path``, or the bundled ones) and ``baseline``, where it is."""
    found = {"default": Recognizer.load(path)}
    if weights.BASELINE.exists():
        found["baseline"] = Recognizer.load(weights.BASELINE)
    else:
        say("**The baseline's weights are not here, so the default network stands alone.**")
    return found


def optional(name: str, split: str, *, dataset: str) -> DigitData | None:
    """A further data set; where it is missing, say so in a sentence and return None.

    Beside ``sample``, which needs no download, nothing is downloaded.
    """
    try:
        return datasets.load(name, split, download=dataset != "sample")
    except datasets.DataMissingError:
        say(
            f"**Skipped: the data set `{name}` is not here.** The folder `data` has a README that "
            "says where it comes from and where it goes."
        )
        return None


def seed_runs(path: Path = SEEDS) -> dict[str, list[float]] | None:
    """Test accuracy and calibration error of runs that differ in the seed alone.

    ``reports/seeds.json`` is ``{"runs": [{"seed": 0, "test": {…}}, …]}``, each ``test`` with the
    numbers of :func:`digitlib.evaluation.summary`. Where it is missing, say so and return None.

    Returns:
        ``seed``, ``accuracy``, ``ece`` and ``nll``, in the order of the runs.
    """
    if not path.is_file():
        say("**Skipped: there is no `reports/seeds.json` with runs over several seeds.**")
        return None
    runs: list[dict[str, Any]] = json.loads(path.read_text())["runs"]
    tests = [run["test"].get("mnist", run["test"]) for run in runs]
    return {
        "seed": [run["seed"] for run in runs],
        "accuracy": [test["accuracy"]["value"] for test in tests],
        "ece": [test["ece"] for test in tests],
        "nll": [test["nll"] for test in tests],
    }


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of one number over runs."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
