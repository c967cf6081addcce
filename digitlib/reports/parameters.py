"""Parameters of the notebooks: their checks, and the values that ``make reports`` gives."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Main data sets of a notebook; others are named where they are used.
DATASETS = ("mnist", "sample", "drawings")
PLACES = ("reports_folder", "weights_folder")  # folders to write to: they change no number
LENGTHS = ("subset", "epochs", "rounds", "seconds", "count", "frames")  # of a run


# --- checks --------------------------------------------------------------------------------


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _epochs(value: Any) -> bool:
    values = [*value.values()] if isinstance(value, dict) else [value]
    return bool(values) and all(_whole(each, 1, 1000) for each in values)


def _presets(value: Any) -> bool:
    from digitlib.training.config import PRESETS

    return isinstance(value, (list, tuple)) and bool(value) and set(value) <= set(PRESETS)


def _folder(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not Path(value).is_file()


# name → (allowed values, in words for the error; the check)
PARAMETERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dataset": (f"one of {', '.join(DATASETS)}", lambda v: v in DATASETS),
    "seed": ("a whole number from 0", lambda v: _whole(v, 0, 2**32 - 1)),
    "subset": (
        "None (everything) or a number of digits from 100",
        lambda v: v is None or _whole(v, 100, 10**9),
    ),
    "epochs": (
        "None (as the preset has it), 1 to 1000, or such a number for a preset's name",
        lambda v: v is None or _epochs(v),
    ),
    "presets": ("a list of presets of digitlib.training.config", _presets),
    "rounds": ("a whole number from 1 to 100", lambda v: _whole(v, 1, 100)),
    "seconds": ("a whole number from 1 to 100000", lambda v: _whole(v, 1, 100_000)),
    "frames": ("a whole number from 1000 to 10 million", lambda v: _whole(v, 1000, 10**7)),
    "count": ("a whole number from 1 to 10000", lambda v: _whole(v, 1, 10_000)),
    "weights": (
        "None (the bundled network) or a weights file that exists",
        lambda v: v is None or (isinstance(v, str) and Path(v).is_file()),
    ),
    "strokes": (
        "None or a list of strokes, lists of [x, y]",
        lambda v: v is None or (isinstance(v, (list, tuple)) and len(v) > 0),
    ),
    "weights_folder": (
        "None (a temporary one) or a folder's path",
        lambda v: v is None or _folder(v),
    ),
    "reports_folder": (
        "None (write nothing) or a folder's path",
        lambda v: v is None or _folder(v),
    ),
}


def check_parameters(**values: Any) -> None:
    """Refuse a notebook's senseless parameters before anything is computed.

    Names that papermill injected and that are not among ``values`` are refused as well: papermill
    itself only warns of a misspelt name.

    Raises:
        ValueError: an unknown name or a senseless value; the message names the allowed values.
    """
    for name, value in values.items():
        if name not in PARAMETERS:
            raise ValueError(f"There is no parameter {name!r}; known are {', '.join(PARAMETERS)}.")
        words, allowed = PARAMETERS[name]
        if not allowed(value):
            raise ValueError(f"The parameter {name} is {words}, not {value!r}.")
    for name in _injected():
        if name not in values:
            raise ValueError(
                f"This notebook has no parameter {name!r}; it has {', '.join(values)}."
            )


def _injected() -> list[str]:
    """Names that papermill's cell has set in this kernel."""
    from IPython import get_ipython

    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    return [
        target.id
        for cell in cells
        if cell.startswith("# Parameters\n")
        for statement in ast.parse(cell).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


# --- the parameters in a notebook ----------------------------------------------------------


def standing_parameters(path: Path) -> dict[str, Any]:
    """Names and values in the notebook's ``parameters`` cell; empty where it has none.

    Where the package is installed without its repository, the notebook of this name in the working
    folder is read: Jupyter runs a notebook in its own folder.
    """
    import nbformat

    if not path.is_file():
        path = Path(path.name)
    for cell in nbformat.read(path, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            assigned = [
                node for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)
            ]
            return {ast.unparse(n.targets[0]): ast.literal_eval(n.value) for n in assigned}
    return {}


# --- the table of notebooks ----------------------------------------------------------------


@dataclass(frozen=True)
class Notebook:
    """Parameters of one notebook that differ from those that stand in it, of the full length.

    Attributes:
        full: of ``make reports``.
        fast: of ``make reports FAST=1`` and of the tests: enough to see that everything runs.
        ignores: modules and rooms of digitlib whose changes do not make its results stale.
    """

    full: Mapping[str, Any] = field(default_factory=dict)
    fast: Mapping[str, Any] = field(default_factory=dict)
    ignores: tuple[str, ...] = ()


DRAWN_SEVEN = [[[0.25, 0.18], [0.74, 0.17], [0.58, 0.5], [0.45, 0.87]]]  # one stroke, for the pad

NOTEBOOKS: dict[str, Notebook] = {
    "01_draw": Notebook(full={"strokes": DRAWN_SEVEN}, fast={"strokes": DRAWN_SEVEN}),
    "02_explore": Notebook(fast={"subset": 1000}),
    "03_first_network": Notebook(fast={"subset": 1000, "epochs": 2}),
    "04_train": Notebook(fast={"epochs": 1, "subset": 1000}),
    "05_evaluate": Notebook(fast={"subset": 1000}),
    "06_confusion": Notebook(fast={"subset": 1000}),
    "07_what_it_sees": Notebook(fast={"subset": 500}),
    "08_robustness": Notebook(fast={"subset": 500, "count": 500}),
    "09_pictures": Notebook(fast={"subset": 500, "count": 10}),
    "10_writers": Notebook(fast={"subset": 500}),
    # Its figures are of measured times: it is run again on request (--only 11_speed), or when
    # the code that it times changed, not when a figure is drawn in another way.
    "11_speed": Notebook(
        fast={"subset": 1000, "rounds": 1, "seconds": 2, "count": 20, "frames": 2000},
        ignores=("digitlib.reports",),
    ),
    "12_teach": Notebook(fast={"count": 3}),
    "13_numbers": Notebook(fast={"count": 10}),
}
