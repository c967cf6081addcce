"""Opening of every notebook, and their common inputs: networks, and data that may be missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.errors import DataMissingError
from digitlib.evaluation.metrics import Proportion
from digitlib.files import NOTEBOOK_FOLDER, REPORTS, to_jsonable
from digitlib.models.card import BASELINE_WEIGHTS
from digitlib.models.recognizer import Recognizer
from digitlib.reports import plotting
from digitlib.reports.parameters import LENGTHS, PLACES, check_parameters, standing_parameters
from digitlib.reports.report import Report, read_object, say

SEEDS = REPORTS / "seeds.json"


def open_report(name: str, variables: Mapping[str, Any]) -> Report:
    """Begin a notebook: check its parameters, say what this run is, open its report.

    A banner names the parameters that differ from those of the full-length run, and the file with
    the numbers of that run. Where MNIST is missing and cannot be downloaded, another one says so,
    and ``dataset`` of the report is ``sample``, scikit-learn's digits, which need no download.

    Args:
        name: of the notebook, as ``05_evaluate``.
        variables: the notebook's ``globals()``, with its parameters among them.

    Raises:
        ValueError: see :func:`check_parameters`.
        DataDamagedError: a file of MNIST is damaged.
    """
    names = standing_parameters(NOTEBOOK_FOLDER / f"{name}.ipynb")
    parameters = {key: variables[key] for key in names}
    check_parameters(**parameters)
    plotting.style()
    dataset = parameters.get("dataset", "")
    if changed := _changed_parameters(name, parameters):
        word = "Shortened" if set(changed) & set(LENGTHS) else "Changed"
        values = ", ".join(f"`{key} = {value!r}`" for key, value in changed.items())
        link = f"[reports/metrics/{name}.json](../reports/metrics/{name}.json)"
        say(f"> **{word} run: {values}.** The numbers of the full-length run are in {link}.")
    if dataset == "mnist" and (reason := _why_missing(dataset)):
        say(
            "> **No MNIST: this run reads scikit-learn's 8×8 digits in its place,** as it does with"
            f" `dataset = 'sample'`; all its numbers are of those.  \n> {reason}"
        )
        dataset = "sample"
    return Report(name, parameters.get("reports_folder"), dataset)


def _changed_parameters(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those with other values than in the record of the full-length run, where there is one."""
    record = REPORTS / "metrics" / f"{name}.json"
    if not record.is_file():
        return {}
    full = read_object(record).get("parameters", {})
    return {
        key: value
        for key, value in parameters.items()
        if key not in PLACES and to_jsonable(value) != full.get(key, to_jsonable(value))
    }


def _why_missing(dataset: str) -> str:
    """Why a data set is neither here nor downloadable, in a sentence; empty where it is here."""
    try:
        catalog.load(dataset, "test")
    except DataMissingError as error:
        return str(error)
    return ""


def load_networks(path: str | os.PathLike[str] | None = None) -> dict[str, Recognizer]:
    """``digitnet`` (the weights at ``path``, or the bundled ones) and ``baseline``, where it is."""
    found = {"digitnet": Recognizer.load(path)}
    if BASELINE_WEIGHTS.exists():
        found["baseline"] = Recognizer.load(BASELINE_WEIGHTS)
    else:
        say("**The baseline's weights are missing: digitnet is shown alone.**")
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


def load_no_digits(dataset: str, count: int | None, seed: int = 0) -> dict[str, DigitData]:
    """``count`` frames of each set of ``NO_DIGITS`` (None is all), without those missing."""
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
    runs: list[dict[str, Any]] = read_object(path)["runs"]
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
