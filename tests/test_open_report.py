"""``notebooks/shared.py``: parameters, banners, and the files that a report writes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from digitlib.files import NOTEBOOK_FOLDER

sys.path.append(str(NOTEBOOK_FOLDER))
import shared

NAME = "05_evaluate"
PARAMETERS = {"dataset": "sample", "seed": 0, "subset": None, "reports_folder": None}


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that a notebook shows, after a full run with ``PARAMETERS`` on MNIST."""
    texts: list[str] = []
    monkeypatch.setattr(shared, "show", texts.append)
    monkeypatch.setattr(shared, "REPORTS", tmp_path)
    (tmp_path / "metrics").mkdir()
    record = {"parameters": PARAMETERS | {"dataset": "mnist"}}
    (tmp_path / "metrics" / f"{NAME}.json").write_text(json.dumps(record))
    return texts


# --- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset", "emnist"), ("seed", -1), ("seed", True), ("subset", 99), ("epochs", {"a": 0}),
        ("presets", ["defualt"]), ("weights", "nowhere.safetensors"), ("reports_folder", 7),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_a_sentence(name: str, value: Any, shown: list[str]) -> None:
    with pytest.raises(ValueError, match=rf"^The parameter {name} is .*\.$") as caught:
        shared.open_report(NAME, PARAMETERS | {name: value})
    assert repr(value) in str(caught.value)
    assert not shown


def test_a_misspelled_name_that_papermill_injected_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = ["seed = 0", "# Parameters\nseed = 1\nepoch = 3\n", "epoch_count = 5"]
    monkeypatch.setattr(shared, "get_ipython", lambda: SimpleNamespace(user_ns={"In": cells}))
    with pytest.raises(ValueError, match="no parameter 'epoch'; it has seed, epochs"):
        shared.check_parameters({"seed": 1, "epochs": 3})


# --- banners ---------------------------------------------------------------------------------


def test_the_full_run_has_no_banner(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.catalog, "load", lambda *_: None)
    report = shared.open_report(NAME, PARAMETERS | {"dataset": "mnist", "other": object()})
    assert (report.dataset, shown) == ("mnist", [])


def test_another_run_says_so_and_where_the_full_numbers_are(
    shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notebooks" / "research"  # where a kernel runs
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    shared.open_report(NAME, PARAMETERS | {"subset": 300})
    (banner,) = shown
    assert "`dataset = 'sample'`, `subset = 300`" in banner
    (link,) = re.findall(r"\((.*)\)", banner)
    assert (folder / link).resolve() == (tmp_path / "metrics" / f"{NAME}.json").resolve()


@pytest.mark.usefixtures("offline")
def test_without_mnist_the_run_says_so_and_uses_the_sample(
    shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path / "data"))
    report = shared.open_report(NAME, PARAMETERS | {"dataset": "mnist"})
    assert report.dataset == "sample"
    (banner,) = shown
    assert "MNIST is missing, so this run uses scikit-learn's 8×8 digits instead" in banner
    assert not (tmp_path / "data" / "MNIST").exists()


# --- files -----------------------------------------------------------------------------------


def write(folder: Path | None, *figures: str) -> shared.Report:
    report = shared.Report(NAME, {"seed": 3, "reports_folder": folder}, "sample")
    made = {}
    for name in figures:
        made[name], axes = plt.subplots()
        axes.plot([1, 3, 2])
    report.figures(**made)
    numbers = {3: torch.tensor(2), "missing": float("nan"), "counts": np.arange(3)}
    report.numbers(share=np.float32(0.5), nested=numbers)
    return report


def test_a_report_without_a_folder_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(write(None, "curve")) == f"Report({NAME}, not written)"
    assert not [*tmp_path.iterdir()]


def test_a_report_writes_figures_and_numbers(tmp_path: Path) -> None:
    write(tmp_path, "old_curve")
    write(tmp_path, "way_of_errors")
    figure = tmp_path / "figures" / f"{NAME}-way-of-errors.png"
    assert [*figure.parent.iterdir()] == [figure]  # the one of the earlier run is removed
    record = json.loads((tmp_path / "metrics" / f"{NAME}.json").read_text())
    assert record["parameters"] == {"seed": 3}
    assert record["figures"] == [figure.name]
    nested = {"3": 2, "missing": None, "counts": [0, 1, 2]}
    assert record["numbers"] == {"share": 0.5, "nested": nested}
    expected = {"revision", "modified", "versions", "machine", "finished", "seconds"}
    assert set(record["run"]) == expected
