"""The committed notebooks: form, order of execution, and outputs equal to those of a new run."""

from __future__ import annotations

import ast
import json
import os
import shutil
import statistics
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
from nbformat import NotebookNode, read
from nbval.plugin import IPyNbFile, coalesce_streams, get_sanitize_patterns
from papermill import PapermillExecutionError
from quotes import unheld_numbers

from digitlib.files import NOTEBOOK_FOLDER, REPOSITORY
from digitlib.reports import runner
from digitlib.reports.runner import code_cells

PATHS = {path.stem: path for path in runner.find_notebooks()}
NOTEBOOKS = {name: read(path, as_version=4) for name, path in PATHS.items()}
SANITIZE = REPOSITORY / "tests" / "nbval_sanitize.cfg"
# Minutes at full length, or a package to install: run with their fast parameters, and compared only
# in the cells with output that does not depend on them (nbval-check-output).
LONG = ("04_train", "09_your_handwriting", "10_pictures", "11_writers", "12_speed", "13_numbers")
MAX_BYTES = 3 * 2**19  # 1.5 MiB
MAX_LINES, MEDIAN_LINES = 15, 8
FIRST_WORDS = 80  # of the first cell
SEVEN = [[[0.25, 0.18], [0.74, 0.17], [0.58, 0.5], [0.45, 0.87]]]  # one stroke

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
needs_data = [pytest.mark.needs_mnist, pytest.mark.needs_pendigits, pytest.mark.needs_notmnist]


def test_the_notebooks_are_numbered() -> None:
    kept = [path for path in NOTEBOOK_FOLDER.rglob("*.ipynb") if "checkpoint" not in path.name]
    assert sorted(PATHS.values()) == sorted(kept)
    assert [name[:3] for name in NOTEBOOKS] == [f"{n:02}_" for n in range(1, len(NOTEBOOKS) + 1)]


# --- form ------------------------------------------------------------------------------------


@every_notebook
def test_its_first_screen_is_short_and_says_what_it_needs(name: str) -> None:
    first = NOTEBOOKS[name].cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert len(first.source.split()) <= FIRST_WORDS
    if name != "01_draw":  # it needs no more than the pad
        assert "PyTorch (`make train`)" in first.source


@every_notebook
def test_it_ends_with_a_summary(name: str) -> None:
    sources = [cell.source for cell in NOTEBOOKS[name].cells]
    found = [text for text in sources if text.startswith("## What you learned\n\n- ")]
    assert len(found) == (name != "01_draw")


def test_the_code_that_runs_when_the_drawing_notebook_opens_is_the_one_shipped() -> None:
    cells = [
        cell
        for cell in NOTEBOOKS["01_draw"].cells
        if "run-on-open" in cell.metadata.get("tags", [])
    ]
    assert [cell.id for cell in cells] == ["parameters", "pad"]
    digest = sha256("\n".join(cell.source for cell in cells).encode()).hexdigest()
    script = REPOSITORY / "digitlib" / "widgets" / "lab" / "digitlib" / "run.js"
    assert f'"{digest}"' in script.read_text(encoding="utf-8")


@every_notebook
def test_it_has_one_cell_of_parameters_literals_with_a_comment_each(name: str) -> None:
    cells = code_cells(NOTEBOOKS[name])
    (cell,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        ast.literal_eval(statement.value)
        text = lines[statement.lineno - 1 : statement.end_lineno]
        before = lines[statement.lineno - 2] if statement.lineno > 1 else ""
        assert "#" in "".join(text) or before.startswith("#"), text


@every_notebook
def test_its_cells_are_short(name: str) -> None:
    sources = [cell.source for cell in code_cells(NOTEBOOKS[name])]
    lengths = {text: sum(bool(line.strip()) for line in text.splitlines()) for text in sources}
    long = [source for source, length in lengths.items() if length > MAX_LINES]
    assert not long, f"longer than {MAX_LINES} lines:\n{long[0]}"
    assert statistics.median(lengths.values()) <= MEDIAN_LINES


IN_COLAB = ("02", "03", "04", "05", "06", "07", "08", "09")  # as reports/install.md says


@every_notebook
def test_the_install_cell_comes_second_and_is_the_same_everywhere(name: str) -> None:
    cells = [n for n, cell in enumerate(NOTEBOOKS[name].cells) if cell.id == "install"]
    assert cells == ([1] if name[:2] in IN_COLAB else [])
    for n in cells:
        assert NOTEBOOKS[name].cells[n] == NOTEBOOKS["02_explore"].cells[n]


def test_the_install_cell_fetches_the_repository_in_colab_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = NOTEBOOKS["02_explore"].cells[1].source
    shell = MagicMock()
    names = {"get_ipython": lambda: shell, "input": lambda _: "https://example.org/digitlib"}
    exec(source, dict(names))
    assert shell.mock_calls == []
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    exec(source, dict(names))
    clone, install, folder = shell.mock_calls
    assert "git clone --depth 1 'https://example.org/digitlib' " in clone.args[0]
    assert install.args == ("pip", "install -q '/content/digitlib[train]'")
    assert folder.args == ("cd", "/content/digitlib/notebooks")


@every_notebook
def test_it_begins_and_ends_with_links_to_its_neighbors(name: str) -> None:
    titles = {n: made.cells[0].source.splitlines()[0].strip("# ") for n, made in NOTEBOOKS.items()}
    names = [*NOTEBOOKS]
    place = names.index(name)
    ways = {n: Path(os.path.relpath(PATHS[n], PATHS[name].parent)).as_posix() for n in names}
    links = [f"[← {titles[n]}]({ways[n]})" for n in names[:place][-1:]]
    links += [f"[{titles[n]} →]({ways[n]})" for n in names[place + 1 :][:1]]
    for cell in (NOTEBOOKS[name].cells[0], NOTEBOOKS[name].cells[-1]):
        assert cell.source.splitlines()[-1] == " · ".join(links)


@every_notebook
def test_it_ends_with_exercises_whose_answers_are_folded(name: str) -> None:
    sources = [cell.source for cell in NOTEBOOKS[name].cells]
    (text,) = [source for source in sources if source.startswith("## Something to try")]
    opened, closed = text.count("<details><summary>Answer</summary>"), text.count("</details>")
    assert opened == closed
    assert opened in (3, 4, 5)


@every_notebook
def test_the_readme_lists_it(name: str) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("|")]
    address = PATHS[name].relative_to(REPOSITORY).as_posix()
    assert any(f"({address})" in row for row in rows)


@every_notebook
def test_every_number_in_its_prose_is_held_by_a_report_or_its_code(name: str) -> None:
    assert unheld_numbers(NOTEBOOKS[name]) == []


def test_a_number_that_nothing_holds_is_noticed() -> None:
    notebook = read(PATHS["05_evaluate"], as_version=4)
    notebook.cells[0].source += "\nIt reads 87.65432 % of 345,678, and 2 more."
    found = [text.split(" in: ")[0] for text in unheld_numbers(notebook)]
    assert found == ["87.65432 %", "345,678"]


# --- kept outputs ----------------------------------------------------------------------------


@every_notebook
def test_its_outputs_are_of_its_code_run_in_order_from_a_clean_kernel(name: str) -> None:
    notebook = NOTEBOOKS[name]
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), "`make reports` runs it again"
    assert notebook.metadata["digitlib"]["code"] == runner.code_digest(notebook)
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


@every_notebook
def test_it_has_nothing_of_a_machine(name: str) -> None:
    notebook = NOTEBOOKS[name]
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "digitlib", "title"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert runner.machine_paths(notebook) == []
    assert PATHS[name].stat().st_size <= MAX_BYTES


# --- new runs --------------------------------------------------------------------------------


def differences(name: str, executed: NotebookNode, session: pytest.Session) -> list[str]:
    """Outputs that differ from the kept ones, by nbval's rules and the tags of the cells."""
    file = IPyNbFile.from_parent(session, path=PATHS[name])
    file.compare_outputs = name not in LONG
    file.sanitize_patterns.update(get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")))
    runner.clean(executed)
    found = []
    for item, cell in zip(file.collect(), code_cells(executed), strict=True):
        kept = coalesce_streams(item.cell.outputs)
        if item.options["check"] and not item.compare_outputs(coalesce_streams(cell.outputs), kept):
            found.append("\n".join([item.name, cell.source, *item.comparison_traceback]))
    return found


@pytest.mark.notebook
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_data) for name in NOTEBOOKS])
def test_papermill_runs_it_and_its_outputs_are_the_kept_ones(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    parameters = dict(runner.FAST[name]) if name in LONG else {}
    executed = runner.execute(PATHS[name], parameters | folder_for(name, tmp_path))
    found = differences(name, executed, request.session)
    assert not found, "\n\n".join(found)


def folder_for(name: str, folder: Path) -> dict[str, Any]:
    """The parameter that names the folder of figures and numbers, if the notebook has it."""
    sources = "\n".join(cell.source for cell in code_cells(NOTEBOOKS[name]))
    return {"reports_folder": str(folder)} if "reports_folder = " in sources else {}


@pytest.mark.notebook
def test_the_drawing_notebook_reads_strokes() -> None:
    executed = runner.execute(PATHS["01_draw"], {"strokes": SEVEN})
    assert "Prediction(7: " in str(code_cells(executed)[-1].outputs)


@pytest.mark.notebook
@pytest.mark.parametrize("name", ["03_first_network"])
def test_the_same_seed_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    """On scikit-learn's digits, which need no download."""
    found = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        parameters = runner.FAST[name] | {"dataset": "sample"} | folder_for(name, folder)
        runner.execute(PATHS[name], parameters)
        record = json.loads((folder / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
        found.append({key: n for key, n in record["numbers"].items() if key != "seconds"})
    assert found[0] == found[1] != {}


BROKEN = """
_right = Recognizer.predict_batch


def _broken(*arguments, **options):
    found = _right(*arguments, **options)
    some = slice(None, None, 100)  # more mistakes would take the notebook minutes
    found.probabilities[some, [4, 9]] = found.probabilities[some, [9, 4]]
    return found


Recognizer.predict_batch = _broken
"""


@pytest.mark.notebook
@pytest.mark.parametrize("name", [pytest.param("06_confusion", marks=needs_data)])
def test_a_broken_function_is_noticed(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(REPOSITORY / "digitlib", tmp_path / "digitlib", ignore=ignored)
    for folder in ("reports", "data"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    with (package / "models" / "recognizer.py").open("a", encoding="utf-8") as file:
        file.write(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the kernel
    try:
        executed = runner.execute(PATHS[name], folder_for(name, tmp_path / "made"))
    except PapermillExecutionError as error:
        pytest.fail(f"The notebook stops before its outputs are compared: {error}")
    assert differences(name, executed, request.session)
