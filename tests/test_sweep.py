"""Many runs: the same anywhere, resumed, done again where a worker dies, one tidy table."""

from __future__ import annotations

import json
import os
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
SAME = ["key", "name", "seed", "validation", "test", "errors", "count", "nll", "ece", "parameters"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A sweep in two processes here: its table and its rows."""
    path = tmp_path_factory.mktemp("sweep") / "table.jsonl"
    return path, sweep.sweep(CONFIGS, [0, 1], path, workers=2, progress=False)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers, each a process of its own."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def test_every_seed_of_every_configuration_is_one_row(local: Any) -> None:
    path, table = local
    assert [*zip(table["name"], table["seed"], strict=True)] == [
        ("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1),
    ]  # fmt: skip
    assert len(path.read_text().splitlines()) == 4
    assert table["test"].between(0.05, 1).all()
    assert (table["errors"] == ((1 - table["test"]) * table["count"]).round()).all()
    assert table["parameters"].nunique() == 2
    assert not any(isinstance(value, (dict, list)) for row in sweep.read(path) for value in row)


def test_one_process_gives_the_same(local: Any, tmp_path: Path) -> None:
    alone = sweep.sweep(CONFIGS, [0], tmp_path / "t.jsonl", workers=1, progress=False)
    whole = local[1]
    wanted = whole[whole["seed"] == 0].reset_index(drop=True)
    assert alone[SAME].to_dict("records") == wanted[SAME].to_dict("records")


def test_only_what_is_missing_is_run(
    local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.jsonl"
    lines = local[0].read_text().splitlines()
    path.write_text("\n".join(lines[:3]) + "\n")
    run: list[str] = []
    whole = sweep.train

    def noted(job: sweep.Job, **options: Any) -> sweep.Row:
        run.append(job.key)
        return whole(job, **options)

    monkeypatch.setattr(sweep, "train", noted)
    again = sweep.sweep(CONFIGS, [0, 1], path, workers=1, progress=False)
    assert run == [json.loads(lines[3])["key"]]
    assert again[SAME].to_dict("records") == local[1][SAME].to_dict("records")
    sweep.sweep(CONFIGS, [0, 1], path, workers=1, progress=False)
    assert len(run) == 1


def test_another_setting_is_another_run() -> None:
    config = small_config()
    keys = {sweep.Job("a", replace(config, seed=seed)).key for seed in range(3)}
    keys |= {sweep.Job("b", config).key, sweep.Job("a", replace(config, epochs=9)).key}
    assert len(keys) == 5


def test_a_cluster_gives_the_same_as_this_machine(local: Any, cluster: Any, tmp_path: Path) -> None:
    there = sweep.sweep(
        CONFIGS, [0, 1], tmp_path / "t.jsonl", cluster=cluster.cluster, progress=False
    )
    assert there[SAME].to_dict("records") == local[1][SAME].to_dict("records")


def _die_once(job: sweep.Job, mark: str) -> sweep.Row:
    """Kill the worker that is the first to run the first seed."""
    if job.config.seed == 0:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os._exit(1)
    return {"key": job.key, "seed": job.config.seed, "process": os.getpid()}


def test_a_run_whose_worker_was_killed_is_done_again(cluster: Any, tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    before = set(cluster.run(os.getpid).values())
    todo = sweep.jobs({"wide": CONFIGS["wide"]}, range(6))
    rows = [*sweep.fan_out(_die_once, todo, cluster=cluster.cluster, mark=str(mark))]
    assert mark.exists()
    assert sorted(row["seed"] for row in rows) == [*range(6)]
    cluster.wait_for_workers(2, timeout=60)
    assert set(cluster.run(os.getpid).values()) != before


def test_the_report_of_several_seeds_is_what_the_studies_read(local: Any, tmp_path: Path) -> None:
    rows = [row for row in sweep.read(local[0]) if row["name"] == "wide"]
    path = tmp_path / "seeds.json"
    sweep.write_seeds(rows[::-1], path)
    runs = json.loads(path.read_text())["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    assert [run["test"]["accuracy"]["value"] for run in runs] == pytest.approx(
        [row["test"] for row in sorted(rows, key=lambda row: row["seed"])]
    )


def test_the_command_sweeps_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "quick", CONFIGS["narrow"])
    table, report = tmp_path / "t.jsonl", tmp_path / "seeds.json"
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "quick", "--seeds", "0-1", "--set", '{"subset": 128}', "--workers", "1",
         "--table", str(table), "--seeds-report", str(report)])  # fmt: skip
    assert ended.value.code == 0
    assert [row["seed"] for row in sweep.read(table)] == [0, 1]
    assert len(json.loads(report.read_text())["runs"]) == 2
    assert "validation" in capsys.readouterr().out
