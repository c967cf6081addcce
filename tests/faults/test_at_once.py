"""Several processes at once: each file is whole, nothing is lost, and the others wait."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
import torch
from faults import files
from nbclient import NotebookClient
from reliability import record
from workers import end_with
from writers import WRITERS

from digitlib import Recognizer
from digitlib.datasets.cache import cached
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.models.weights import load_model, model_digest
from digitlib.training import sweep

pytestmark = pytest.mark.skipif(os.name == "nt", reason="fork is POSIX's")
PROCESSES = 4


def at_once(work: Callable[[int], object], count: int = PROCESSES) -> None:
    """Do it in several processes, by their number, which begin together and must end well."""
    wait, begin = os.pipe()
    processes = [_fork(work, number, wait, begin) for number in range(count)]
    os.close(begin)
    os.close(wait)
    assert [os.waitpid(process, 0)[1] for process in processes] == [0] * count


def _fork(work: Callable[[int], object], number: int, wait: int, begin: int) -> int:
    process = os.fork()
    if not process:
        os.close(begin)
        os.read(wait, 1)  # ends where all have closed ``begin``
        end_with(work, number)
    return process


def test_personal_weights_are_those_of_one_lesson(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for lesson in range(3):
            WRITERS["personal weights"](tmp_path, 3 * number + lesson)

    at_once(write)
    weights = model_digest(load_model(tmp_path / "personal.safetensors")[0])
    assert Recognizer.load(tmp_path / "personal.onnx").weights == weights
    assert {*files(tmp_path)} == {"personal.onnx", "personal.safetensors"}
    record("first use", {"personal weights": {"processes": PROCESSES, "of two lessons": 0}})


def test_built_data_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))
    (source := tmp_path / "source").touch()
    expected = torch.arange(10**6)

    def load(number: int) -> None:
        found = cached("set", [source], lambda: {"all": torch.arange(10**6)})
        assert torch.equal(found["all"], expected)

    at_once(load)
    assert [*files(tmp_path / "cache")] == ["set.safetensors"]

    def never() -> dict[str, torch.Tensor]:
        raise AssertionError("It was kept.")

    assert torch.equal(cached("set", [source], never)["all"], expected)
    record("first use", {"built data": {"processes": PROCESSES, "damaged": 0}})


def test_sweeps_into_one_table_lose_no_run(tmp_path: Path) -> None:
    table = tmp_path / "sweep.jsonl"

    def add(number: int) -> None:
        for run in range(10):
            sweep.add_row(table, {"key": f"{number}-{run}"})

    at_once(add)
    keys = [row["key"] for row in sweep.read(table)]
    assert sorted(keys) == [f"{number}-{run}" for number in range(PROCESSES) for run in range(10)]
    assert [*files(tmp_path)] == [table.name]


STORE = """import numpy as np
from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
store = DrawingFile()
for number in range(40):
    store.append(Drawing(number % 10, strokes=[np.eye(2) * 90]))"""


@pytest.mark.slow
def test_two_notebooks_store_drawings(store: DrawingFile) -> None:
    def run(_: int) -> None:
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(STORE)])
        NotebookClient(page, kernel_name="python3").execute()

    with ThreadPoolExecutor() as pool:
        assert [*pool.map(run, range(2))] == [None, None]
    stored = store.read()
    assert len({drawing.id for drawing in stored}) == len(stored) == 80
    assert store.remark == ""
    record("first use", {"drawings of two notebooks": {"stored": 80, "lost": 0}})
