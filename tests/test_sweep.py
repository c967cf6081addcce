"""Sweeps: one table, only missing runs, the same results in any process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import small_config

from digitlib.__main__ import main
from digitlib.training import sweep
from digitlib.training.config import PRESETS

CONFIGS = {
    "wide": small_config(epochs=1),
    "narrow": small_config(epochs=1, model_arguments={"width": 2}),
}
MACHINE = ["seconds", "device"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in threads of this process, which start at once."""
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, **options) as workers:
        yield workers


@pytest.fixture(scope="module")
def swept(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A sweep: the file of its table, and its rows."""
    path = tmp_path_factory.mktemp("sweep") / "table.jsonl"
    return path, sweep.sweep(CONFIGS, [0, 1], path, cluster=cluster)


def test_every_seed_of_every_configuration_is_one_row(swept: Any) -> None:
    path, table = swept
    assert [*zip(table["name"], table["seed"], strict=True)] == [
        ("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1),
    ]  # fmt: skip
    assert len(path.read_text().splitlines()) == 4
    assert table["test"].between(0.05, 1).all()
    assert (table["errors"] == ((1 - table["test"]) * table["count"]).round()).all()
    assert table["parameters"].nunique() == 2


def test_only_what_is_missing_is_run(swept: Any, cluster: Any, tmp_path: Path) -> None:
    path, table = tmp_path / "table.jsonl", swept[1]
    lines = swept[0].read_text().splitlines()
    path.write_text("\n".join(lines[:3]) + "\n")
    again = sweep.sweep(CONFIGS, [0, 1], path, cluster=cluster)
    assert path.read_text().splitlines()[:3] == lines[:3]
    assert again.drop(columns=MACHINE).equals(table.drop(columns=MACHINE))
    other = {"wide": replace(CONFIGS["wide"], subset=128)}
    assert len(sweep.sweep(other, [0], path, cluster=cluster)) == 1
    assert len(sweep.read(path)) == 5


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"key"')
    with pytest.raises(ValueError, match=r"table\.jsonl is damaged .*Remove the line"):
        sweep.read(path)


def test_the_report_of_several_seeds_is_what_notebooks_read(swept: Any, tmp_path: Path) -> None:
    rows = [row for row in sweep.read(swept[0]) if row["name"] == "wide"]
    sweep.write_seeds(rows[::-1], tmp_path / "seeds.json")
    runs = json.loads((tmp_path / "seeds.json").read_text())["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    expected = [row["test"] for row in sorted(rows, key=lambda row: row["seed"])]
    assert [run["test"]["accuracy"]["value"] for run in runs] == pytest.approx(expected)


@pytest.mark.stress  # starts processes
def test_the_command_sweeps_presets_in_processes(
    swept: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(PRESETS, "quick", CONFIGS["narrow"])
    table, report = tmp_path / "t.jsonl", tmp_path / "seeds.json"
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "quick", "--seeds", "0-1", "--set", '{"device": "cpu"}', "--workers", "1",
              "--table", str(table), "--seeds-report", str(report)])  # fmt: skip
    assert ended.value.code == 0
    expected = swept[1].query("name == 'narrow'")
    assert [row["errors"] for row in sweep.read(table)] == expected["errors"].tolist()
    assert len(json.loads(report.read_text())["runs"]) == 2
    assert "validation" in capsys.readouterr().out
