"""The opening of a notebook: parameters, banners, and another data set where MNIST is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from digitlib.files import NOTEBOOK_FOLDER
from digitlib.reports import notebook
from digitlib.reports.notebook import open_report
from digitlib.reports.parameters import standing_parameters

NAME = "05_evaluate"
STANDING = standing_parameters(NOTEBOOK_FOLDER / f"{NAME}.ipynb")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(notebook, "say", sentences.append)
    return sentences


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of a full-length run with the parameters that stand in the notebook."""
    monkeypatch.setattr(notebook, "REPORTS", tmp_path)
    (tmp_path / "metrics").mkdir()
    kept = {"parameters": {key: value for key, value in STANDING.items() if key != "weights"}}
    (tmp_path / "metrics" / f"{NAME}.json").write_text(json.dumps(kept))


def variables(**changes: Any) -> dict[str, Any]:
    """What a kernel holds: the parameters, and other names beside them."""
    return STANDING | {"dataset": "sample", "frames": object()} | changes


@pytest.mark.usefixtures("recorded")
def test_the_full_length_run_has_no_banner(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_why_missing", lambda dataset: "")
    assert open_report(NAME, variables(dataset="mnist")).dataset == "mnist"
    assert said == []


@pytest.mark.usefixtures("recorded")
def test_a_shortened_run_says_so_and_where_the_full_numbers_are(said: list[str]) -> None:
    open_report(NAME, variables(subset=300))
    (banner,) = said
    assert "**Shortened run: `dataset = 'sample'`, `subset = 300`.**" in banner
    assert f"(../reports/metrics/{NAME}.json)" in banner


@pytest.mark.usefixtures("recorded")
def test_a_changed_run_of_full_length_is_not_called_shortened(said: list[str]) -> None:
    open_report(NAME, variables(seed=7))
    (banner,) = said
    assert "**Changed run: `dataset = 'sample'`, `seed = 7`.**" in banner


def test_without_a_record_nothing_is_compared(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "REPORTS", tmp_path)
    open_report(NAME, variables(subset=300))
    assert said == []


@pytest.mark.usefixtures("offline", "recorded")
def test_without_mnist_it_says_so_and_reads_the_sample(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path / "data"))
    report = open_report(NAME, variables(dataset="mnist"))
    assert report.dataset == "sample"
    (banner,) = said
    assert len(banner.splitlines()) == 2
    assert "No MNIST: this run reads scikit-learn's 8×8 digits in its place" in banner
    assert "`dataset = 'sample'`" in banner
    assert "go online once" in banner
    assert not (tmp_path / "data" / "MNIST").exists()


@pytest.mark.usefixtures("recorded")
def test_senseless_parameters_are_refused_before_anything_is_said(said: list[str]) -> None:
    with pytest.raises(ValueError, match="The parameter seed is a whole number from 0"):
        open_report(NAME, variables(seed=-1))
    assert said == []


def test_without_the_repository_the_notebook_beside_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(NOTEBOOK_FOLDER / f"{NAME}.ipynb", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert standing_parameters(tmp_path / "nowhere" / f"{NAME}.ipynb") == STANDING
