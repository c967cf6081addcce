"""Keys of the notebooks' results: which edit makes which notebook run again."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from digitlib.reports import dependencies
from digitlib.reports.dependencies import data_digests, files_read, modules_of, notebook_key
from digitlib.reports.execution import find_notebooks, read_notebook
from digitlib.reports.notebook import NO_DIGITS

EVERY = {path.stem: read_notebook(path) for path in find_notebooks()}
PARAMETERS: dict[str, Any] = {"seed": 0}  # no data set: nothing is loaded


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of data sets without loading them."""
    monkeypatch.setattr(dependencies, "_digest", lambda name, split: f"{name} {split}")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, to be edited."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(dependencies.PACKAGE, tmp_path / "digitlib", ignore=ignored)


def keys(package: Path) -> dict[str, str]:
    return {name: notebook_key(name, made, PARAMETERS, package) for name, made in EVERY.items()}


def stale_after(package: Path, file: str, old: str, new: str) -> set[str]:
    """Notebooks whose key changes with an edit of one file."""
    before, path = keys(package), package / file
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(old, new, text, count=1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    return {name for name, key in keys(package).items() if key != before[name]}


def users_of(package: Path, module: str) -> set[str]:
    """Notebooks that mention a module, or a module that mentions it, and so on."""
    found = {module}
    while True:
        pattern = re.compile(r"\b(" + "|".join(found) + r")\b")
        more = {
            path.stem
            for path in package.rglob("*.py")
            if path.parent.name != "digitlib" and pattern.search(path.read_text(encoding="utf-8"))
        }
        if more <= found:
            break
        found |= more
    return {n for n, made in EVERY.items() if any(pattern.search(c.source) for c in made.cells)}


# --- the cost of an edit ---------------------------------------------------------------------

APPEND = (r"\Z", "\n_EDITED = 1\n")


def every_module() -> Iterator[str]:
    for path in sorted(dependencies.PACKAGE.rglob("*.py")):
        yield str(path.relative_to(dependencies.PACKAGE))


def test_docstrings_and_comments_anywhere_make_no_notebook_stale(package: Path) -> None:
    before = keys(package)
    for file in every_module():
        path = package / file
        text = path.read_text(encoding="utf-8")
        edited = re.sub(r'(\n *)"""(\w)', r'\1"""Edited. \2', text)
        path.write_text(edited.replace('"""', '"""Edited. ', 1) + "\n# edited\n", encoding="utf-8")
    assert keys(package) == before


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("widgets/pad.py", {"01_draw"}),
        ("widgets/pad.css", {"01_draw"}),
        ("evaluation/robustness.py", {"08_robustness"}),
        ("evaluation/speed.py", {"11_speed"}),
        ("reports/speed_plots.py", set()),  # 08 is remade when what it times changed
        ("reports/runner.py", set()),
        ("reports/parameters.py", set()),  # the parameters themselves are in the key
        ("training/sweep.py", set()),
        ("preprocessing/frame.py", set(EVERY)),
    ],
)
def test_an_edit_makes_those_notebooks_stale_that_use_it(
    package: Path, file: str, stale: set[str]
) -> None:
    assert stale_after(package, file, *APPEND) == stale


def test_an_evaluation_module_makes_only_its_users_stale(package: Path) -> None:
    files = sorted((package / "evaluation").glob("[a-z]*.py"))
    assert len(files) > 4
    for file in files:
        stale = stale_after(package, f"evaluation/{file.name}", *APPEND)
        assert stale <= users_of(package, file.stem), file.stem
        assert stale < set(EVERY), file.stem


def test_prose_changes_no_key_and_code_does(package: Path) -> None:
    notebook = EVERY["05_evaluate"]
    key = notebook_key("05_evaluate", notebook, PARAMETERS, package)
    for kind, same in (("markdown", True), ("code", False)):
        edited = nbformat.from_dict(notebook)
        cell = next(cell for cell in edited.cells if cell.cell_type == kind)
        cell.source += "\n# edited"
        assert (notebook_key("05_evaluate", edited, PARAMETERS, package) == key) is same


def test_the_keys_are_made_within_seconds(package: Path) -> None:
    start = time.perf_counter()
    keys(package)
    assert time.perf_counter() - start < 10


# --- parts of the key ------------------------------------------------------------------------


def notebook(*cells: str) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_parameters_and_data_decide_and_folders_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made = notebook("seed = 0")

    def key(**parameters: Any) -> str:
        return notebook_key("01_good", made, parameters)

    first = key(seed=0, dataset="sample", reports_folder="here")
    assert first == key(seed=0, dataset="sample", reports_folder="there")
    assert first != key(seed=1, dataset="sample")
    assert first != key(seed=0, dataset="mnist")
    monkeypatch.setattr(dependencies, "_digest", lambda name, split: "other")
    assert first != key(seed=0, dataset="sample")


def test_versions_of_the_libraries_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    made = notebook("seed = 0")
    first = notebook_key("01_good", made, {})
    monkeypatch.setattr(dependencies, "versions", lambda: {"torch": "0.1"})
    assert notebook_key("01_good", made, {}) != first


def test_weights_and_runs_over_seeds_count_where_they_are_read() -> None:
    def read(code: str) -> list[str]:
        return [file.name for file in files_read(code)]

    weights = ["baseline.safetensors", "digitnet.onnx", "digitnet.safetensors"]
    assert read("from digitlib import Recognizer\nRecognizer.load()") == weights
    assert read("networks = load_networks(weights)") == weights
    assert read("pad = DrawingPad()") == [*weights, "pad.css"]
    assert read("Explainer(recognizer).nearest(frame)") == ["training_digits.npz"]
    assert read("runs = seed_runs()") == ["seeds.json"]
    assert read("runs = pd.read_csv(REPORTS / 'experiments.csv')") == ["experiments.csv"]
    assert read("from digitlib.models.weights import load_model\nload_model(path)") == []
    assert read("import numpy") == []


def test_a_network_in_training_reads_no_bundled_weights() -> None:
    cells = dependencies.code_cells(EVERY["04_train"])
    own = [cell for cell in cells if "Recognizer.load()" not in cell]  # one measures digitnet
    assert len(own) == len(cells) - 1
    assert any("Recognizer.from_model" in cell for cell in own)
    assert files_read("\n\n".join(own)) == []


def test_the_data_sets_of_the_code_are_found() -> None:
    def sets(code: str, dataset: str | None = "mnist") -> set[str]:
        return {key.split()[0] for key in data_digests(code, dataset)}

    assert sets("x = 1", None) == set()
    assert sets("dataset = 'sample'") == {"mnist"}
    assert sets("load_optional('pendigits', 'validation')") == {"mnist", "pendigits"}
    assert sets("load_no_digits(dataset, 100)", "sample") == {"sample"} | {n for n, _ in NO_DIGITS}
    assert sets("Splits.load(config)") >= {"mnist", "pendigits", "styles"}


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import numpy", []),
        ("from digitlib import Recognizer", ["models/recognizer.py", "models/networks.py"]),
        ("import digitlib\ndigitlib.Recognizer", ["models/recognizer.py"]),
        ("import digitlib.models.export", ["models/export.py"]),
        ("from digitlib.evaluation import metrics", ["evaluation/metrics.py"]),
        ("def f():\n    from digitlib.datasets.base import SPLITS", ["datasets/base.py"]),
    ],
)
def test_imports_are_followed_to_files(code: str, files: list[str]) -> None:
    found = {str(path.relative_to(dependencies.PACKAGE)) for path in modules_of(code)}
    assert found >= set(files)
    assert bool(found) == bool(files)


def test_imports_for_types_alone_do_not_count() -> None:
    code = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from digitlib import Recognizer"
    )
    assert modules_of(code) == []


def test_rooms_have_nothing_to_import_in_their_init() -> None:
    for path in dependencies.PACKAGE.glob("*/__init__.py"):  # no key counts them
        assert re.fullmatch(r'"""[^"]+"""\n', path.read_text(encoding="utf-8")), path
