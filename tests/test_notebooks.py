"""The notebooks as they are committed: well made, run in order, and giving what they show."""

from __future__ import annotations

import ast
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from needs import REPOSITORY, data_root, missing_data

from digitlib.reports import execution

NOTEBOOKS = {path.stem: path for path in execution.find_notebooks()}
LAX = ("02_train", "05_draw")  # trained anew on each machine; drawn by hand
MAX_BYTES = 3 * 2**19  # 1.5 MiB
MAX_LINES, MEDIAN_LINES = 15, 8

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def code_cells(name: str) -> list[NotebookNode]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def test_there_are_notebooks_and_they_are_numbered() -> None:
    assert list(NOTEBOOKS) == [path.stem for path in sorted(execution.FOLDER.glob("*.ipynb"))]
    assert [name[:3] for name in NOTEBOOKS] == [f"{n:02}_" for n in range(1, len(NOTEBOOKS) + 1)]


# --- how they are made -----------------------------------------------------------------------


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

    names = execution.parameter_names(NOTEBOOKS[name])
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


# --- what is kept of their run ---------------------------------------------------------------


@every_notebook
def test_it_was_run_in_order_from_a_clean_kernel(name: str) -> None:
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1)), "`make notebooks` runs it anew"
    for cell in code_cells(name):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
            if output.output_type == "execute_result":
                assert output.execution_count == cell.execution_count


@every_notebook
def test_its_code_is_the_code_that_was_run(name: str) -> None:
    notebook = read(name)
    assert notebook.metadata.get("digitlib", {}).get("code") == execution.code_digest(notebook), (
        "the code was changed after the outputs were made: `make notebooks` runs it anew"
    )


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

# (kind, notebook): nbval compares its outputs, as it is or with a broken package; papermill runs
# it with the fast parameters on mnist, on sample, and again on sample.
Job = tuple[str, str]
Started = Callable[[Job], tuple[subprocess.CompletedProcess[str], Path]]
NEEDED = ("needs_mnist", "needs_pendigits", "needs_notmnist")

BROKEN = """

_whole = confusion_matrix


def confusion_matrix(predicted, labels, classes=10):
    counts = _whole(predicted, labels, classes).copy()
    counts[[4, 9]] = counts[[9, 4]]
    return counts
"""


_START = Lock()


def run(kind: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One run of a notebook in processes of its own; reports go to ``folder``."""
    with _START:
        time.sleep(2)  # kernels that start at the same moment may take each other's ports
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"DIGITLIB_DATA": str(data_root())}
    if kind in ("nbval", "broken"):
        command = ["pytest", "--nbval-lax" if name in LAX else "--nbval", "-q"]
        command += ["--nbval-current-env", "--nbval-cell-timeout=300", "-p", "no:cacheprovider"]
        command += ["--nbval-sanitize-with", str(REPOSITORY / "tests" / "nbval_sanitize.cfg")]
        command += [str(NOTEBOOKS[name])]
    else:
        dataset = "mnist" if kind == "mnist" else "sample"
        command = ["digitlib", "reports", "--fast", "--dataset", dataset, "--only", name]
        command += ["--output", str(folder)]
    if kind == "broken":
        ignored = shutil.ignore_patterns("__pycache__")
        package = shutil.copytree(REPOSITORY / "digitlib", folder / "digitlib", ignore=ignored)
        with (package / "evaluation" / "metrics.py").open("a", encoding="utf-8") as file:
            file.write(BROKEN)
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def every_job(kind: str, names: Iterable[str] = NOTEBOOKS) -> pytest.MarkDecorator:
    """Parametrize a test over notebooks; what needs data is marked so."""
    needs = [] if kind in ("sample", "again") else [getattr(pytest.mark, mark) for mark in NEEDED]
    jobs = [pytest.param((kind, name), id=name, marks=needs) for name in names]
    return pytest.mark.parametrize("job", jobs)


@pytest.fixture(scope="module")
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """Start what the selected tests wait for, two runs at a time; gives a run and its folder."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [item.callspec.params.get("job") for item in items if hasattr(item, "callspec")]
    jobs = dict.fromkeys(job for job in chosen if job and not lacking(job[0]))
    jobs |= {("sample", name): None for kind, name in jobs if kind == "again"}
    folders = {job: tmp_path_factory.mktemp("-".join(job)) for job in jobs}
    with ThreadPoolExecutor(2) as pool:
        futures = {job: pool.submit(run, *job, folders[job]) for job in jobs}
        yield lambda job: (futures[job].result(), folders[job])
        pool.shutdown(cancel_futures=True)


def lacking(kind: str) -> bool:
    return kind not in ("sample", "again") and any(map(missing_data, NEEDED))


def succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@every_job("sample")
def test_papermill_runs_it_on_the_digits_of_scikit_learn(job: Job, started: Started) -> None:
    done, _ = started(job)
    succeeded(done)


@every_job("mnist")
def test_papermill_runs_it_on_mnist(job: Job, started: Started) -> None:
    done, folder = started(job)
    succeeded(done)
    if job[1] == "05_draw":
        shown = (folder / "executed" / "05_draw.ipynb").read_text(encoding="utf-8")
        assert "Prediction(7: " in shown


@every_job("nbval")
def test_its_outputs_are_what_it_gives(job: Job, started: Started) -> None:
    done, _ = started(job)
    succeeded(done)


@every_job("broken", ["04_confusion"])
def test_a_function_broken_on_purpose_is_noticed(job: Job, started: Started) -> None:
    done, _ = started(job)
    assert done.returncode == 1, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Cell outputs differ" in done.stdout


@every_job("again", ["02_train", "03_evaluate"])
def test_the_same_seed_gives_the_same_metrics(job: Job, started: Started) -> None:
    made = []
    for kind in ("sample", "again"):
        done, folder = started((kind, job[1]))
        succeeded(done)
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics.pop("times")
        assert metrics.pop("run")
        made.append(metrics)
    assert made[0] == made[1]
    assert made[0]["notebooks"][job[1]]["numbers"]
