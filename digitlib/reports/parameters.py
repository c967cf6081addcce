"""Parameters of the notebooks: the values given and their checks."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DATASETS = ("mnist", "sample")  # what every notebook takes; others are named where they are used


# --- parameters ----------------------------------------------------------------------------


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and value is not True and low <= value <= high


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _several(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def good(value: Any) -> bool:
        if not isinstance(value, (list, tuple)) or not value or not all(map(check, value)):
            return False
        return len({json.dumps(item) for item in value}) == len(value)

    return good


def _one_or_by_name(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def good(value: Any) -> bool:
        values = [*value.values()] if isinstance(value, dict) else [value]
        return bool(values) and all(map(check, values))

    return good


def _preset(value: Any) -> bool:
    from digitlib.training.config import PRESETS

    return isinstance(value, str) and value in PRESETS


def _file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def _folder(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not Path(value).is_file()


def _drawing(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0


_SEED = _whole(0, 2**32 - 1)

# name → (what is allowed, in words for the error; the check)
PARAMETERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dataset": (f"one of {', '.join(DATASETS)}", lambda value: value in DATASETS),
    "seed": ("a whole number from 0", _SEED),
    "seeds": ("a list of different whole numbers from 0", _several(_SEED)),
    "subset": (
        "None (everything) or a number of digits from 100",
        _optional(_whole(100, 10**9)),
    ),
    "epochs": (
        "None (as the preset has it), 1 to 1000, or such a number for a preset's name",
        _optional(_one_or_by_name(_whole(1, 1000))),
    ),
    "presets": (
        "a list of presets of digitlib.training",
        _several(_preset),
    ),
    "rounds": ("a whole number from 1 to 100", _whole(1, 100)),
    "seconds": ("a whole number from 1 to 100000", _whole(1, 100_000)),
    "frames": ("a whole number from 1000 to 10 million", _whole(1000, 10_000_000)),
    "count": ("a whole number from 1 to 10000", _whole(1, 10_000)),
    "weights": ("None (the bundled network) or a weights file that exists", _optional(_file)),
    "strokes": ("None or a list of strokes, lists of [x, y]", _optional(_drawing)),
    "weights_folder": ("None (a temporary one) or a folder's path", _optional(_folder)),
    "reports_folder": ("None (write nothing) or a folder's path", _optional(_folder)),
}


def check_parameters(**values: Any) -> None:
    """Refuse a notebook's senseless parameters before anything is computed.

    Names that were injected by papermill and are not among ``values`` are refused as well:
    papermill itself only warns of a misspelt name.

    Raises:
        ValueError: an unknown name or a senseless value; the message says what is allowed.
    """
    for name, value in values.items():
        if name not in PARAMETERS:
            raise ValueError(f"There is no parameter {name!r}; known are {', '.join(PARAMETERS)}.")
        words, good = PARAMETERS[name]
        if not good(value):
            raise ValueError(f"The parameter {name} is {words}, not {value!r}.")
    unknown = [name for name in _injected() if name not in values]
    if unknown:
        raise ValueError(
            f"This notebook has no parameter {unknown[0]!r}; it has {', '.join(values)}."
        )


def _injected() -> Sequence[str]:
    """Names that papermill's cell has set in this kernel."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return []
    cells = [cell for cell in shell.user_ns.get("In", []) if cell.startswith("# Parameters\n")]
    return [
        target.id
        for cell in cells
        for statement in ast.parse(cell).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


# --- what the notebooks are given ----------------------------------------------------------
# What is not named keeps the value that stands in the notebook, which serves reading.

# A seven of one stroke: what the pad is fed where nobody draws.
DRAWN_SEVEN = [[[0.25, 0.18], [0.74, 0.17], [0.58, 0.5], [0.45, 0.87]]]

# `make reports`: everything at full length.
FULL: dict[str, dict[str, Any]] = {
    "01_explore": {"subset": None},
    "02_train": {"epochs": {"baseline": 10, "default": 6}, "subset": None},
    "03_evaluate": {"subset": None},
    "04_confusion": {"subset": None},
    "05_draw": {"strokes": DRAWN_SEVEN},
    "06_robustness": {"subset": None},
    "07_handwriting": {"subset": None, "count": 300},
    "08_speed": {"subset": None, "rounds": 10, "seconds": 180, "count": 300, "frames": 1_000_000},
}

# `make reports FAST=1`, and the tests: enough to see that everything runs.
FAST: dict[str, dict[str, Any]] = {
    "01_explore": {"subset": 1000},
    "02_train": {"epochs": 1, "subset": 1000},
    "03_evaluate": {"subset": 1000},
    "04_confusion": {"subset": 1000},
    "05_draw": {"strokes": DRAWN_SEVEN},
    "06_robustness": {"subset": 500},
    "07_handwriting": {"subset": 500, "count": 10},
    "08_speed": {"subset": 1000, "rounds": 1, "seconds": 2, "count": 20, "frames": 2000},
}
