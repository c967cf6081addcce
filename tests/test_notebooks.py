"""The committed notebooks: form, order of execution, and outputs equal to those of a new run."""

from __future__ import annotations

import ast
import itertools
import json
import shutil
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile, coalesce_streams, get_sanitize_patterns
from needs import REPOSITORY, missing_data
from quotes import unheld_numbers

from digitlib.files import NOTEBOOK_FOLDER, REPORTS
from digitlib.reports import execution
from digitlib.reports import parameters as table
from digitlib.reports.execution import read_notebook
from digitlib.reports.parameters import PLACES, standing_parameters
from digitlib.reports.runner import ReportPlan, make_reports

NOTEBOOKS = {path.stem: path for path in execution.find_notebooks()}
SANITIZE = REPOSITORY / "tests" / "nbval_sanitize.cfg"
# Minutes at full length: run with their fast parameters, and compared where the output of a cell
# does not depend on them (nbval-check-output).
LONG = ("04_train", "09_pictures", "10_writers", "11_speed", "12_teach")
LAX = (*LONG, "01_draw")  # drawn by hand
MAX_BYTES = 3 * 2**19  # 1.5 MiB
MAX_LINES, MEDIAN_LINES = 15, 8

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def read(name: str) -> NotebookNode:
    return read_notebook(NOTEBOOKS[name])


def code_cells(name: str) -> list[NotebookNode]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def test_there_are_notebooks_and_they_are_numbered() -> None:
    assert list(NOTEBOOKS) == [path.stem for path in sorted(NOTEBOOK_FOLDER.glob("*.ipynb"))]
    assert [name[:3] for name in NOTEBOOKS] == [f"{n:02}_" for n in range(1, len(NOTEBOOKS) + 1)]


# --- form -----------------------------------------------------------------------------------


@every_notebook
def test_it_opens_with_purpose_input_and_output(name: str) -> None:
    first = read(name).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "**In:**" in first.source
    assert "**Out:**" in first.source


@every_notebook
def test_it_has_one_cell_of_parameters_literals_only_with_a_comment_each(name: str) -> None:
    (cell,) = [cell for cell in read(name).cells if "parameters" in tags(cell)]
    statements = ast.parse(cell.source).body
    assert statements
    lines = cell.source.splitlines()
    for statement in statements:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        ast.literal_eval(statement.value)
        text = lines[statement.lineno - 1 : statement.end_lineno]
        before = lines[statement.lineno - 2] if statement.lineno > 1 else ""
        assert any("#" in line for line in text) or before.startswith("#"), text


@every_notebook
def test_a_senseless_or_unknown_parameter_fails_at_once_with_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters, check = code_cells(name)[:2]
    assert "parameters" in tags(parameters)
    monkeypatch.chdir(NOTEBOOKS[name].parent)

    def run(changes: dict[str, Any], injected: str) -> None:
        shell = SimpleNamespace(user_ns={"In": [parameters.source, injected]})
        monkeypatch.setattr("IPython.get_ipython", lambda: shell)
        space: dict[str, Any] = {"display": lambda *_: None}
        exec(parameters.source, space)
        exec(check.source, space | changes)

    names = standing_parameters(NOTEBOOKS[name])
    senseless = {"seed": -1} if "seed" in names else {"weights": "nowhere"}
    with pytest.raises(ValueError, match=r"^The parameter \w+ is .*\.$"):
        run(senseless, "")
    with pytest.raises(ValueError, match=r"^This notebook has no parameter 'epoch'; it has .*\.$"):
        run({}, "# Parameters\nepoch = 3\n")


@every_notebook
def test_its_cells_are_short(name: str) -> None:
    sources = [cell.source for cell in code_cells(name)]
    lengths = {text: sum(bool(line.strip()) for line in text.splitlines()) for text in sources}
    long = [source for source, length in lengths.items() if length > MAX_LINES]
    assert not long, f"longer than {MAX_LINES} lines:\n{long[0]}"
    assert statistics.median(lengths.values()) <= MEDIAN_LINES


@every_notebook
def test_it_says_what_to_look_for_before_each_figure(name: str) -> None:
    cells = read(name).cells
    for before, cell in itertools.pairwise(cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert before.cell_type == "markdown", cell.source


def link_line(name: str) -> str:
    """The links to the neighbours, as they stand in the first and the last cell."""
    titles = {own: read(own).cells[0].source.splitlines()[0].strip("# ") for own in NOTEBOOKS}
    names = [*NOTEBOOKS]
    place = names.index(name)
    before = [f"[← {titles[own]}]({own}.ipynb)" for own in names[:place][-1:]]
    after = [f"[{titles[own]} →]({own}.ipynb)" for own in names[place + 1 :][:1]]
    return " · ".join(before + after)


@every_notebook
def test_it_begins_and_ends_with_links_to_its_neighbours(name: str) -> None:
    texts = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    assert texts[0].splitlines()[-1] == link_line(name)
    assert texts[-1].splitlines()[-1] == link_line(name)
    assert read(name).cells[-1].source == texts[-1]


@every_notebook
def test_it_ends_with_exercises_whose_answers_are_folded(name: str) -> None:
    (text,) = [c.source for c in read(name).cells if c.source.startswith("## Something to try")]
    opened, closed = text.count("<details><summary>Answer</summary>"), text.count("</details>")
    assert opened == closed
    assert opened in (3, 4, 5)


# --- kept outputs ----------------------------------------------------------------------------


@every_notebook
def test_it_was_run_in_order_from_a_clean_kernel(name: str) -> None:
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1)), "`make reports` runs it anew"
    for cell in code_cells(name):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
            if output.output_type == "execute_result":
                assert output.execution_count == cell.execution_count


@every_notebook
def test_its_code_is_the_code_that_was_run(name: str) -> None:
    assert execution.outputs_are_current(read(name)), (
        "the code was changed after the outputs were made: `make reports` runs it anew"
    )


def record(name: str) -> dict[str, Any]:
    return json.loads((REPORTS / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


@every_notebook
def test_every_number_in_its_sentences_is_held_by_its_metrics(name: str) -> None:
    assert unheld_numbers(read(name), record(name)) == []


def test_a_number_that_no_metrics_hold_is_noticed() -> None:
    notebook = read("05_evaluate")
    (sentence, *_) = [
        output for cell in code_cells("05_evaluate") for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]  # fmt: skip
    sentence.data["text/markdown"] = "It reads 87.654 % right, 2 of 345,678 wrong."
    notebook.cells[0].source += "\nThe error is 0.98765."
    notebook.cells[-1].outputs = [sentence]
    found = unheld_numbers(notebook, record("05_evaluate"))
    assert [text.split(" in: ")[0] for text in found] == ["0.98765", "87.654 %", "345,678"]


@every_notebook
def test_it_runs_on_anybodys_machine_and_names_no_path_of_ours(name: str) -> None:
    notebook = read(name)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "digitlib", "title"}
    assert execution.machine_paths(notebook) == []
    assert NOTEBOOKS[name].stat().st_size <= MAX_BYTES


@every_notebook
def test_the_readme_lists_it(name: str) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("|")]
    assert any(f"notebooks/{name}.ipynb" in row for row in rows)


# --- run anew --------------------------------------------------------------------------------

NEEDED = ("needs_mnist", "needs_pendigits", "needs_notmnist")
on_mnist = [getattr(pytest.mark, marker) for marker in NEEDED]
# Where MNIST is at hand, every notebook runs on it and is compared with its kept outputs; a second
# run on scikit-learn's digits is for those below, which are run there twice, and for the drawing.
TWICE = ("03_first_network", "04_train", "05_evaluate")
ONCE = ("01_draw",) if not any(map(missing_data, NEEDED)) else tuple(set(NOTEBOOKS) - set(TWICE))

BROKEN = """

_whole = most_confused


def most_confused(matrix, count):
    return [(predicted, true, number) for true, predicted, number in _whole(matrix, count)]
"""


def run_on_sample(name: str, output: Path) -> dict[str, Any]:
    """Run a notebook with its fast parameters on scikit-learn's digits; ``metrics.json``."""
    plan = ReportPlan(output, fast=True, dataset="sample")
    assert make_reports(plan, [name]) == []
    return json.loads((output / "metrics.json").read_text())


def run_as_kept(name: str, output: Path) -> NotebookNode:
    """Run a notebook with the parameters that stand in it, or fast ones where it is long."""
    chosen: dict[str, Any] = dict(table.NOTEBOOKS[name].fast) if name in LONG else {}
    chosen |= {p: str(output) for p in PLACES if p in standing_parameters(NOTEBOOKS[name])}
    failure = execution.execute(NOTEBOOKS[name], output, chosen)
    assert failure is None, failure
    return read_notebook(output / "executed" / f"{name}.ipynb")


def differences(name: str, executed: NotebookNode, session: pytest.Session) -> list[str]:
    """Outputs that are not the kept ones, by nbval's rules and the tags of the cells."""
    file = IPyNbFile.from_parent(session, path=NOTEBOOKS[name])
    file.compare_outputs = name not in LAX
    file.sanitize_patterns.update(get_sanitize_patterns(SANITIZE.read_text()))
    execution.remove_machine_traces(executed)  # as from the kept outputs
    cells = [cell for cell in execution.own_cells(executed) if cell.cell_type == "code"]
    found = []
    for item, cell in zip(file.collect(), cells, strict=True):
        kept = coalesce_streams(item.cell.outputs)
        if item.options["check"] and not item.compare_outputs(coalesce_streams(cell.outputs), kept):
            found.append("\n".join([item.name, cell.source, *item.comparison_traceback]))
    return found


@pytest.mark.notebook
@pytest.mark.parametrize("name", sorted(ONCE))
def test_papermill_runs_it_on_the_digits_of_scikit_learn(name: str, tmp_path: Path) -> None:
    assert run_on_sample(name, tmp_path)["notebooks"][name]
    if name == "01_draw":
        executed = (tmp_path / "executed" / "01_draw.ipynb").read_text(encoding="utf-8")
        assert "Prediction(7: " in executed


@pytest.mark.notebook
@pytest.mark.parametrize("name", TWICE)
def test_the_same_seed_gives_the_same_metrics(name: str, tmp_path: Path) -> None:
    first, second = (run_on_sample(name, tmp_path / folder) for folder in ("first", "second"))
    for metrics in (first, second):
        assert metrics.pop("times")
        assert metrics.pop("run")
    assert first == second
    assert first["notebooks"][name]["numbers"]


@pytest.mark.notebook
@pytest.mark.parametrize("name", [pytest.param(name, marks=on_mnist) for name in NOTEBOOKS])
def test_papermill_runs_it_on_mnist_and_its_outputs_are_the_kept_ones(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = differences(name, run_as_kept(name, tmp_path), request.session)
    assert not found, "\n\n".join(found)


@pytest.mark.notebook
@pytest.mark.parametrize("name", [pytest.param("06_confusion", marks=on_mnist)])
def test_a_function_broken_on_purpose_is_noticed(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(REPOSITORY / "digitlib", tmp_path / "digitlib", ignore=ignored)
    with (package / "evaluation" / "metrics.py").open("a", encoding="utf-8") as file:
        file.write(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the kernel
    found = differences(name, run_as_kept(name, tmp_path), request.session)
    assert any("most_confused" in difference for difference in found), found
