"""What notebooks hand back, figures and numbers, and how their parameters are checked.

A notebook makes one :class:`Report`, gives it figures and numbers, and saves it. Without a folder
nothing is written, so that reading and running a notebook leaves no files behind.
``python -m digitlib.reports`` runs all notebooks at full length; see :mod:`digitlib.notebooks`.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from IPython.display import Markdown
    from matplotlib.figure import Figure

DATASETS = ("mnist", "sample")  # what every notebook takes; others are named where they are used


class Report:
    """Figures and numbers of one notebook.

    Args:
        name: the notebook's, as ``03_evaluate``.
        folder: where to write; None writes nothing.
    """

    def __init__(self, name: str, folder: str | os.PathLike[str] | None = None) -> None:
        self.name = name
        self.folder = None if folder is None else Path(folder)
        self.numbers: dict[str, Any] = {}
        self.times: dict[str, Any] = {}
        self.figures: list[str] = []

    def __repr__(self) -> str:
        place = "nowhere" if self.folder is None else self.folder.name
        return f"Report({self.name}: {len(self.numbers)} numbers, written to {place})"

    def figure(self, figure: Figure, name: str) -> None:
        """Write ``figures/NOTEBOOK-NAME.png``; resolution and colours are the style's."""
        file = f"{self.name}-{name}.png"
        if file in self.figures:
            raise ValueError(f"{self.name} already has a figure {name!r}: name this one otherwise.")
        self.figures.append(file)
        if self.folder is None:
            return
        path = self.folder / "figures" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without matplotlib's version inside, the same picture is the same file.
        figure.savefig(path, metadata={"Software": None})

    def add(self, **numbers: Any) -> None:
        """Take numbers, strings, and lists and dicts of them; NumPy and torch are converted."""
        for name, value in numbers.items():
            if name in self.numbers:
                raise ValueError(f"{self.name} already has a number {name!r}.")
            self.numbers[name] = plain(value)

    def add_times(self, **times: Any) -> None:
        """Take what differs from run to run, in seconds or per second: kept apart."""
        for name, value in times.items():
            if name in self.times:
                raise ValueError(f"{self.name} already has a time {name!r}.")
            self.times[name] = plain(value)

    def save(self) -> None:
        """Write ``metrics/NOTEBOOK.json``, whole or not at all, keys sorted.

        Figures of an earlier run that this one did not make are removed.
        """
        if self.folder is None:
            return
        for path in (self.folder / "figures").glob(f"{self.name}-*.png"):
            if path.name not in self.figures:
                path.unlink()
        made = {"numbers": self.numbers, "times": self.times, "figures": self.figures}
        write_json(self.folder / "metrics" / f"{self.name}.json", made)


def plain(value: Any) -> Any:
    """``value`` as JSON has it: NaN is null, keys are strings, arrays are lists."""
    if hasattr(value, "tolist"):  # NumPy and torch, scalars too
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"A report takes numbers, strings, lists and dicts, not {type(value)}.")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, keys sorted; the file is whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")
    partial.replace(path)


def sentence(*parts: str) -> Markdown:
    """Prose with numbers in it, as the output of a cell: the parts, joined by spaces."""
    from IPython.display import Markdown

    return Markdown(" ".join(parts))


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
    from digitlib.training import PRESETS

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


if __name__ == "__main__":
    from digitlib.notebooks import main

    main()
