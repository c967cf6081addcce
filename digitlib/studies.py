"""What the notebooks look at: networks side by side, data that may be missing, several seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from digitlib import datasets, evaluation, weights
from digitlib.datasets import DigitData
from digitlib.evaluation import Proportion
from digitlib.recognizer import Recognizer, digit_score

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


# Frames that are no digits, and the split that nothing was trained on.
NO_DIGITS = (("no_digits", "validation"), ("typeset", "validation"), ("notmnist", "test"))


def no_digits(dataset: str, count: int, seed: int = 0) -> dict[str, DigitData]:
    """Up to ``count`` of each kind of ``NO_DIGITS``; what is missing is said and left out."""
    found = {name: optional(name, split, dataset=dataset) for name, split in NO_DIGITS}
    return {name: data.subset(count, seed) for name, data in found.items() if data is not None}


def scores(recognizer: Recognizer, sets: Mapping[str, DigitData]) -> dict[str, NDArray[Any]]:
    """How much the frames of each set are like digits: :func:`recognizer.digit_score`."""
    return {
        name: digit_score(recognizer.logits(data.images)).numpy() for name, data in sets.items()
    }


def seed_runs(path: Path = SEEDS) -> dict[str, list[Any]] | None:
    """Runs on MNIST that differ in the seed alone; where there are none, say so and return None.

    ``reports/seeds.json`` is ``{"runs": [{"seed": 0, "test": {…}}, …]}``, each ``test`` with the
    numbers of :func:`digitlib.evaluation.summary`.

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


def accuracies(recognizer: Recognizer, sets: Mapping[str, DigitData]) -> dict[str, Proportion]:
    """How many digits of each data set are read right."""
    return {
        name: evaluation.accuracy(
            recognizer.probabilities(data.images).numpy(), data.labels.numpy()
        )
        for name, data in sets.items()
    }


def ends(shares: Sequence[Proportion]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Values, lower and upper ends of the 95 % intervals, for figures."""
    low, high = np.array([share.interval for share in shares]).T
    return np.array([share.value for share in shares]), low, high


def coverage_at(table: Mapping[str, NDArray[Any]], risk: float) -> float:
    """The largest coverage with at most this risk, of :func:`digitlib.evaluation.risk_coverage`."""
    good = np.flatnonzero(table["risk"] <= risk)
    return float(table["coverage"][good[-1]]) if len(good) else 0.0


def calibrations(recognizer: Recognizer, images: Tensor) -> dict[str, NDArray[Any]]:
    """Probabilities ``[N, 10]`` ``before`` and ``after`` the temperature is applied."""
    logits = recognizer.logits(images)[:, :10]
    after = logits / recognizer.temperature
    return {"before": logits.softmax(dim=1).numpy(), "after": after.softmax(dim=1).numpy()}


def class_shares(matrix: NDArray[Any]) -> dict[str, tuple[NDArray[Any], ...]]:
    """Precision, recall and F1 of each digit: value, lower and upper end of the 95 % interval.

    F1 is no share of anything counted: its ends are its value. NaN where undefined.
    """
    values = evaluation.per_class(matrix)
    right = np.diag(matrix)
    shares: dict[str, tuple[NDArray[Any], ...]] = {}
    for name, totals in (("precision", matrix.sum(axis=0)), ("recall", matrix.sum(axis=1))):
        ends = [
            Proportion(int(hits), int(total)).interval if total else (np.nan, np.nan)
            for hits, total in zip(right, totals, strict=True)
        ]
        shares[name] = (values[name], *np.array(ends).T)
    return shares | {"F1": (values["f1"],) * 3}


def paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Digits that only the first, only the second network reads right, and the sign test's p.

    The exact test of McNemar (1947): how likely so uneven a split is if both are equally good.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, total).pvalue) if total else 1.0


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of one number over runs."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
