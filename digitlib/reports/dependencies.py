"""Dependencies of a notebook's results, and their key: a digest that changes when one changes.

A notebook depends on the code in its cells, its parameters, its data, the versions of the
libraries, and the modules of digitlib that it imports, directly or not. Prose, docstrings and
comments outside of cells change no key.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from digitlib.datasets import catalog
from digitlib.datasets.base import SPLITS
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import REPORTS, REPOSITORY, digest, syntax_digest, versions
from digitlib.reports.notebook import NO_DIGITS, SEEDS
from digitlib.reports.parameters import DATASETS, NOTEBOOKS, PLACES, Notebook
from digitlib.training.config import PRESETS

PACKAGE = REPOSITORY / "digitlib"
PADS = {"DrawingPad", "Studio"}
# Names in a cell by which the bundled weights are read. ``load_model`` is not among them: it
# always takes a path.
WEIGHT_READERS = {
    "BUNDLED_WEIGHTS", "BASELINE_WEIGHTS", "Recognizer.load", "load_networks", *PADS,
}  # fmt: skip
# Checks parameters and changes no number: the parameters themselves are part of the key.
NO_EFFECT = ("digitlib.reports.parameters",)


def notebook_key(
    name: str, notebook: NotebookNode, parameters: Mapping[str, Any], package: Path = PACKAGE
) -> str:
    """Digest of everything that decides the results of a notebook, 12 hex digits.

    Args:
        name: of the notebook, as ``05_evaluate``.
        notebook: its cells.
        parameters: given to it; folders to write to do not count.
        package: folder of digitlib.

    Raises:
        ValueError: a cell is no Python.
    """
    code = "\n\n".join(code_cells(notebook))
    try:
        ast.parse(code)
    except SyntaxError as error:
        raise ValueError(f"{name} has a cell that is no Python: {error}") from error
    ignores = (*NO_EFFECT, *NOTEBOOKS.get(name, Notebook()).ignores)
    decides = {
        "code": code,
        "parameters": {key: value for key, value in parameters.items() if key not in PLACES},
        "data": data_digests(code, parameters.get("dataset")),
        "versions": versions(),
        "modules": syntax_digest(*modules_of(code, ignores, package)),
        "files": [digest(file.read_bytes()) for file in files_read(code, package)],
    }
    return digest(json.dumps(decides, sort_keys=True).encode())


def code_cells(notebook: NotebookNode) -> list[str]:
    """Sources of the code cells, in order."""
    return [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]


# --- data and files ------------------------------------------------------------------------


def data_digests(code: str, dataset: str | None) -> dict[str, str | None]:
    """Digest of each split that the code may load, None where it is not at hand.

    Beside ``dataset``, these are the data sets that the code names, those of
    :func:`notebook.load_no_digits` where it is called, and those of every preset where the code
    makes ``Splits``: a configuration may name any of them.
    """
    tree = ast.parse(code)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    loaded = {name for name in catalog.SOURCES if name in texts}
    if "load_no_digits" in names_in(tree):
        loaded |= {name for name, _ in NO_DIGITS}
    if "Splits" in names_in(tree):
        loaded |= {name for config in PRESETS.values() for name in config.datasets}
    if dataset is not None:  # a parameter: its values in the code are only examples
        loaded = loaded - set(DATASETS) | {dataset}
    return {f"{name} {split}": _digest(name, split) for name in loaded for split in SPLITS}


@cache
def _digest(name: str, split: str) -> str | None:
    try:
        return catalog.load(name, split, download=False).digest
    except DataDamagedError:
        raise
    except (DataMissingError, ValueError):  # not here, or the set has no such split
        return None


def files_read(code: str, package: Path = PACKAGE) -> list[Path]:
    """Files beside the code that a notebook reads: weights, results of trainings, a style sheet."""
    named, files = names_in(ast.parse(code)), []
    if named & WEIGHT_READERS:
        kinds = (".onnx", ".safetensors")
        files += sorted(f for f in (package / "models").iterdir() if f.suffix in kinds)
    if "Explainer" in named:
        files += [package / "models" / "training_digits.npz"]
    if named & PADS:
        files += [package / "widgets" / "pad.css"]
    if "seed_runs" in named:
        files += [SEEDS]
    if "experiments.csv" in code:
        files += [REPORTS / "experiments.csv"]
    return [file for file in files if file.is_file()]


def names_in(tree: ast.AST) -> set[str]:
    """Every name in the code, attributes with the name before them: ``Recognizer.load``."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


# --- modules -------------------------------------------------------------------------------


def modules_of(code: str, ignores: Iterable[str] = (), package: Path = PACKAGE) -> list[Path]:
    """Files of digitlib that the code imports, directly or not; sorted.

    Args:
        code: of a notebook.
        ignores: modules and rooms that do not count, as ``digitlib.reports``.
        package: folder of digitlib.
    """
    left_out = tuple(f"{package.joinpath(*name.split('.')[1:])}" for name in ignores)
    found: set[Path] = set()
    waiting = _files_of(code, package)
    while waiting:
        file = waiting.pop()
        if not any(file.with_suffix("").is_relative_to(place) for place in left_out):
            found.add(file)
            waiting |= _files_of(file.read_text(encoding="utf-8"), package) - found
    return sorted(found)


def _files_of(code: str, package: Path) -> set[Path]:
    files = {_file_of(name, package) for name in _imports(code)}
    return {file for file in files if file is not None}


def _file_of(name: str, package: Path) -> Path | None:
    """File of ``digitlib.room.module.thing``; a name of ``digitlib`` itself leads to its module."""
    top, *parts = name.split(".")
    if top != "digitlib" or not parts:
        return None
    parts = _public_names(package).get(parts[0], ".".join(parts)).split(".")
    for end in range(len(parts), 0, -1):
        file = package.joinpath(*parts[:end]).with_suffix(".py")
        if file.is_file():
            return file
    return None


@cache
def _public_names(package: Path) -> dict[str, str]:
    """The table in the package's ``__init__``: public name → module."""
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    assigned = {ast.unparse(n.targets[0]): n.value for n in tree.body if isinstance(n, ast.Assign)}
    return ast.literal_eval(assigned["_HOMES"])


@cache
def _imports(code: str) -> frozenset[str]:
    """Dotted names imported anywhere in the code, inside functions too, but not for types alone."""
    names: set[str] = set()
    for node in _run(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")  # `import digitlib`, `digitlib.Recognizer`
    return frozenset(name for name in names if name.startswith("digitlib."))


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes below ``tree``, without those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            continue
        yield node
        yield from _run(node)
