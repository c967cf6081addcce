"""Experiments: runs in a CSV, and a page with tables of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import small_config
from scipy import stats

from digitlib.training import experiments


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A copy of the log and its page."""
    for path in (experiments.LOG, experiments.LOG.with_suffix(".md")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / experiments.LOG.name


def test_the_page_has_the_results_of_the_log(log: Path) -> None:
    page = log.with_suffix(".md")
    before = page.read_bytes()
    experiments.write_page(log)
    assert page.read_bytes() == before
    assert "| BaselineCNN | 4 | 12.9 | 98.17%: -1.08 (-1.25 to -0.91) |" in page.read_text(
        encoding="utf-8"
    )


def test_a_group_is_run_and_replaces_its_older_runs(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"as it is": {}, "more": {"epochs": 2}}
    monkeypatch.setitem(experiments.GROUPS, "quick", (small_config(epochs=1), changes))

    def sweep(configs: dict[str, Any], seeds: range, table: Path) -> pd.DataFrame:
        assert [config.epochs for config in configs.values()] == [1, 2]
        rows = [
            {"name": name, "seed": seed, "validation": 0.9, "validation_errors": 20, "errors": 30,
             "validation_count": 200, "nll": 0.5, "parameters": 9, "seconds": 1.5,
             "revision": "abc"}
            for name in [*configs][::-1] for seed in seeds
        ]  # fmt: skip
        return pd.DataFrame(rows)

    monkeypatch.setattr(experiments, "sweep", sweep)
    before = log.read_text(encoding="utf-8").splitlines()
    experiments.run("quick", range(2), log)
    after = log.read_text(encoding="utf-8").splitlines()
    assert after[:-4] == [line for line in before if not line.startswith("quick,")]
    own = pd.read_csv(log).iloc[-4:]
    assert own["experiment"].tolist() == ["as it is", "as it is", "more", "more"]
    assert (own[["seed", "validation_errors", "test_errors"]].iloc[1] == [1, 20, 30]).all()
    assert "| more | 2 | 1.5 | 90.00%: +0.00 |" in log.with_suffix(".md").read_text(
        encoding="utf-8"
    )


def test_the_interval_is_welchs() -> None:
    random = np.random.RandomState(0)
    ours, theirs = (pd.Series(random.normal(0.99, 0.01, count)) for count in (7, 4))
    known = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    value, low, high = (100 * each for each in (ours.mean() - theirs.mean(), known.low, known.high))
    found = experiments.difference(ours, theirs)
    assert found == f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
    assert experiments.difference(ours[:1], theirs) == f"{100 * (ours[0] - theirs.mean()):+.2f}"


def test_every_experiment_changes_its_reference() -> None:
    for reference, changes in experiments.GROUPS.values():
        configs = [replace(reference, **dict(change)) for change in changes.values()]
        assert configs[0] == reference
        assert reference not in configs[1:]
