"""The runner of the notebooks, on small notebooks: failures, kept outputs, results that are old."""

from __future__ import annotations

import json
import os
import textwrap
import warnings
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from click.testing import CliRunner

from digitlib.__main__ import main
from digitlib.files import NOTEBOOK_FOLDER, REPOSITORY
from digitlib.reports import readme, runner

SAVES = """
    from pathlib import Path
    import ipywidgets
    Path(reports_folder).mkdir(parents=True, exist_ok=True)
    Path(reports_folder, "seed.txt").write_text(str(seed))
    display(ipywidgets.IntSlider())
    print("a")
    print("b")
"""


def write_notebook(folder: Path, name: str, *cells: str, digest: bool = False) -> Path:
    """A notebook; its first cell has the tag ``parameters``."""
    made = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
    made[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": runner.KERNEL})
    if digest:
        notebook.metadata["digitlib"] = {"code": runner.code_digest(notebook)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Notebooks of which the second and the last fail."""
    place = tmp_path / "notebooks"
    write_notebook(place, "01_good", "seed = 0\nreports_folder = None", SAVES, "seed + 1")
    write_notebook(place, "02_bad", "seed = 0\nreports_folder = None", "1 / 0", "never = True")
    write_notebook(place, "03_path", "seed = 0", "print('/ho' 'me/somebody/data')")
    return place


# --- a run -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_failures_are_listed_and_the_other_notebooks_keep_their_outputs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.stem: path.read_text() for path in folder.iterdir()}
    failures = runner.make_reports(folder=folder, reports=tmp_path)
    assert failures == [
        "02_bad, cell [2]: ZeroDivisionError: division by zero",
        "03_path: ValueError: 03_path.ipynb shows a path of this machine: /home/somebody/data",
    ]
    printed = capsys.readouterr().out
    assert printed.endswith("2 of 3 notebooks failed:\n  " + "\n  ".join(failures) + "\n")
    assert "01_good: done" in printed
    assert (tmp_path / "seed.txt").read_text() == "0"
    for name in ("02_bad", "03_path"):
        assert (folder / f"{name}.ipynb").read_text() == before[name]

    notebook = nbformat.read(folder / "01_good.ipynb", as_version=4)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3]
    assert [dict(output) for output in notebook.cells[1].outputs] == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"}  # no live widget
    ]
    assert notebook.cells[2].outputs[0].execution_count == 3
    assert set(notebook.metadata) == {"kernelspec", "language_info", "digitlib"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)


@pytest.mark.slow
def test_a_fast_run_writes_elsewhere_and_keeps_no_outputs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runner.FAST, "01_good", {"seed": 3})
    before = (folder / "01_good.ipynb").read_text()
    assert runner.make_reports(["01"], fast=True, folder=folder, reports=tmp_path) == []
    assert (tmp_path / "fast" / "seed.txt").read_text() == "3"
    assert (folder / "01_good.ipynb").read_text() == before


def test_unknown_names_are_refused_before_anything_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(papermill, "execute_notebook", None)
    with pytest.raises(
        ValueError, match=r"There is no notebook '09'\. Choose from 01_good, 02_bad"
    ):
        runner.make_reports(["01", "09"], folder=folder, reports=tmp_path)
    monkeypatch.setitem(runner.FAST, "03_path", {"epoch": 3})
    with pytest.raises(ValueError, match=r"03_path has no parameter 'epoch', only \['seed'\]"):
        runner.make_reports(fast=True, folder=folder, reports=tmp_path)


def test_the_fast_parameters_are_those_of_the_notebooks() -> None:
    paths = {path.stem: path for path in runner.find_notebooks()}
    for name, parameters in runner.FAST.items():
        with warnings.catch_warnings(action="ignore"):
            names = papermill.inspect_notebook(str(paths[name])).keys()
        assert parameters.keys() <= names, name


def test_a_kernel_that_does_not_start_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def execute(*_: Any, **__: Any) -> None:
        calls.append("tried")
        raise RuntimeError("Kernel didn't respond in 60 seconds")

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    with pytest.raises(RuntimeError):
        runner.execute(Path("01_draw.ipynb"), {})
    assert len(calls) == 2


def test_outputs_of_code_that_was_edited_meanwhile_are_not_kept(tmp_path: Path) -> None:
    path = write_notebook(tmp_path, "01_page", "1 + 1")
    executed = nbformat.read(write_notebook(tmp_path / "b", "01_page", "1 + 2"), as_version=4)
    with pytest.raises(ValueError, match="was edited while it ran"):
        runner.keep_outputs(path, executed)


# --- which results are old -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import numpy", []),
        ("from digitlib import Recognizer", ["models/recognizer.py", "models/networks.py"]),
        ("import digitlib.models.export", ["models/export.py"]),
        ("from digitlib.evaluation import metrics", ["evaluation/metrics.py"]),
        ("def f():\n    from digitlib.evaluation.metrics import x", ["evaluation/metrics.py"]),
        ("from shared import open_report", ["../notebooks/shared.py", "models/recognizer.py"]),
    ],
)
def test_imports_are_followed_to_files(code: str, files: list[str]) -> None:
    found = runner.imported_files(code, NOTEBOOK_FOLDER)
    assert {(REPOSITORY / "digitlib" / file).resolve() for file in files} <= found
    assert bool(found) == bool(files)


def test_the_list_names_what_changed_since_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = "from digitlib.evaluation import metrics"
    write_notebook(tmp_path, "01_kept", cell, digest=True)
    write_notebook(tmp_path, "02_edited", cell)
    record = tmp_path / "metrics" / "01_kept.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"run": {"revision": "0" * 40, "modified": False}}))

    def listed(time: float) -> list[str]:
        os.utime(record, (time, time))  # without its revision, times are compared
        runner.list_changes(tmp_path, tmp_path)
        return capsys.readouterr().out.splitlines()

    assert listed(2.0**32) == ["01_kept: up to date", "02_edited: changed: 02_edited.ipynb"]
    assert "digitlib/evaluation/metrics.py" in listed(0)[0]


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "failures", "status", "written"),
    [
        (["--only", "05 06"], [], 0, 1),
        (["--only", "05", "--only", "06"], ["05_evaluate: E"], 1, 0),
        (["--only", "05 06", "--fast"], [], 0, 0),
    ],
)
def test_the_command_fills_the_pages_after_a_full_run_without_failures(
    arguments: list[str],
    failures: list[str],
    status: int,
    written: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []

    def run(only: list[str], *, fast: bool) -> list[str]:
        assert (only, fast) == (["05", "06"], "--fast" in arguments)
        return failures

    monkeypatch.setattr(runner, "make_reports", run)
    monkeypatch.setattr(readme, "update", lambda: calls.append("written"))
    done = CliRunner().invoke(main.commands["reports"], arguments, standalone_mode=False)
    assert (done.return_value, len(calls)) == (status, written)
