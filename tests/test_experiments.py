"""The log of experiments: its lines, its Markdown, lines of other scripts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import small_config

from digitlib.__main__ import main
from digitlib.training import experiments
from digitlib.training.config import PRESETS
from digitlib.training.experiments import Experiment, Group


def line(group: str, what: str, validation: list[float], seconds: float = 2.0) -> dict[str, Any]:
    return {"group": group, "what": what, "validation": validation, "seconds": seconds,
            "verdict": "kept"}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group("About it.", small_config(epochs=1), (Experiment("more", {"epochs": 2}),
                  Experiment("one thread", threads=1)))  # fmt: skip
    monkeypatch.setitem(experiments.GROUPS, "small", group)


@pytest.mark.usefixtures("small")
def test_a_group_is_run_and_written(tmp_path: Path) -> None:
    log = tmp_path / "experiments.json"
    experiments.record([line("accuracy", "deeper", [0.99, 0.992])], log)
    with pytest.raises(SystemExit) as ended:
        main(["experiments", "--run", "small", "--seeds", "2", "--log", str(log)])
    assert ended.value.code == 0
    lines = experiments.read(log)
    assert [each["what"] for each in lines] == ["deeper", "as it is", "more", "one thread"]
    assert lines[1]["verdict"] == "the reference"
    assert lines[2]["changes"] == {"epochs": 2}
    assert all(len(each["validation"]) == 2 for each in lines)
    text = (tmp_path / "experiments.md").read_text()
    assert text.index("## accuracy") < text.index("## small")
    assert "About it." in text
    assert "| deeper | 99.10 ± 0.14 % | 2 | 2.0 | kept |" in text


def test_lines_of_a_group_are_replaced_by_newer_ones(tmp_path: Path) -> None:
    log = tmp_path / "experiments.json"
    experiments.record([line("a", "old", [0.9]), line("b", "stays", [0.9])], log)
    experiments.record([line("a", "new", [0.9])], log)
    assert [each["what"] for each in experiments.read(log)] == ["stays", "new"]
    assert "old" not in log.with_suffix(".md").read_text()


def test_verdicts_call_better_only_what_clearly_is() -> None:
    reference = line("a", "it", [0.990, 0.991, 0.992])
    verdict = experiments.verdict
    assert verdict(reference, reference) == "the reference"
    assert verdict(line("a", "x", [0.995, 0.996, 0.997], 4.0), reference) == (
        "better (+0.50 points) in 2.00 times the time"
    )
    assert verdict(line("a", "x", [0.98, 0.981, 0.982]), reference).startswith("worse (-1.00")
    assert verdict(line("a", "x", [0.9905, 0.9912, 0.992]), reference).startswith("no clear")
    # of a single run the standard error is taken as 0
    assert verdict(line("a", "x", [0.98]), line("a", "it", [0.99])).startswith("worse (-1.00")


def test_every_experiment_is_a_configuration() -> None:
    for group in experiments.GROUPS.values():
        names = [experiment.what for experiment in group.experiments]
        assert len(set(names)) == len(names)
        for experiment in group.experiments:
            config = replace(group.reference, **experiment.changes)
            assert config != group.reference or experiment.threads


def test_the_report_is_made_from_the_log() -> None:
    lines = json.loads(experiments.LOG.read_text())
    assert experiments.LOG.with_suffix(".md").read_text() == experiments.markdown(lines)
    assert {"group", "what", "validation", "seconds", "verdict"} <= set(lines[0])


def test_quick_is_documented_and_small() -> None:
    quick = PRESETS["quick"]
    assert quick.epochs <= 2
    assert not quick.augment
