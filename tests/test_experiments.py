"""The log of experiments: its lines, its Markdown, lines of other scripts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import small_config
from scipy import stats

from digitlib.__main__ import main
from digitlib.evaluation.differences import welch_interval
from digitlib.training import experiment_log, experiments
from digitlib.training.config import PRESETS
from digitlib.training.experiments import Experiment, Group


def line(group: str, what: str, validation: list[float], seconds: float = 2.0) -> dict[str, Any]:
    return {"group": group, "what": what, "validation": validation, "seconds": seconds,
            "verdict": "kept"}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(experiment_log.ABOUT, "small", "About it.")
    tried = Experiment("more", {"epochs": 2}), Experiment("small batches", {"batch_size": 8})
    group = Group(small_config(epochs=1), tried, one_thread=True)
    monkeypatch.setitem(experiments.GROUPS, "small", group)


@pytest.mark.usefixtures("small")
def test_a_group_is_run_and_written(tmp_path: Path) -> None:
    log = tmp_path / "experiments.json"
    experiment_log.record([line("accuracy", "deeper", [0.99, 0.992])], log)
    with pytest.raises(SystemExit) as ended:
        main(["experiments", "--run", "small", "--seeds", "2", "--log", str(log)])
    assert ended.value.code == 0
    lines = experiment_log.read(log)
    assert [each["what"] for each in lines] == ["deeper", "as it is", "more", "small batches"]
    assert lines[2]["changes"] == {"epochs": 2}
    assert all(len(each["validation"]) == 2 for each in lines)
    text = (tmp_path / "experiments.md").read_text()
    assert text.index("## accuracy") < text.index("## small")
    assert "About it." in text
    assert re.search(r"\| as it is \| .* \| the reference \|", text)
    assert "| deeper | 99.10 ± 0.14 % | 2 | 2.0 | kept |" in text


def test_lines_of_a_group_are_replaced_by_newer_ones(tmp_path: Path) -> None:
    log = tmp_path / "experiments.json"
    experiment_log.record([line("a", "old", [0.9]), line("b", "stays", [0.9])], log)
    experiment_log.record([line("a", "new", [0.9])], log)
    assert [each["what"] for each in experiment_log.read(log)] == ["stays", "new"]
    assert "old" not in log.with_suffix(".md").read_text()


def test_verdicts_call_better_only_what_clearly_is() -> None:
    reference = line("a", "it", [0.990, 0.991, 0.992])
    verdict = experiment_log.verdict
    assert verdict(reference, reference) == "the reference"
    assert verdict(line("a", "x", [0.995, 0.996, 0.997], 4.0), reference) == (
        "better, +0.50 points (+0.27 to +0.73) in 2.00 times the time"
    )
    assert verdict(line("a", "x", [0.98, 0.981, 0.982]), reference).startswith("worse, -1.00")
    assert verdict(line("a", "x", [0.9905, 0.9912, 0.992]), reference).startswith("no clear")
    two = verdict(line("a", "x", [0.995, 0.996]), line("a", "it", [0.990, 0.994]))
    assert two.startswith("no clear difference, +0.35 points")
    assert verdict(line("a", "x", [0.98]), reference).startswith("no verdict of one run (-1.10")
    busy = line("unseen writers", "x", [0.98, 0.981])
    assert verdict(busy, line("unseen writers", "it", [0.99, 0.991])).endswith(")")


def test_the_interval_is_welchs() -> None:
    random = np.random.RandomState(0)
    ours, theirs = random.normal(0.99, 0.01, 7).tolist(), random.normal(0.98, 0.002, 4).tolist()
    known = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert welch_interval(ours, theirs) == pytest.approx((known.low, known.high))
    assert welch_interval([0.5, 0.5], [0.25, 0.25]) == (0.25, 0.25)


def test_five_lessons_open_the_report_and_only_clear_differences_are_lessons() -> None:
    lines = experiment_log.read()
    lessons = experiment_log.markdown(lines).split("## Lessons")[1].split("\n## ")[0]
    assert len(re.findall(r"^\d\. \*\*", lessons, flags=re.MULTILINE)) == 5
    blurred = [
        each | {"validation": [0.5, 0.9, 0.99], "rejected": [0.5, 0.9, 0.99]} for each in lines
    ]
    assert "## Lessons" not in experiment_log.markdown(blurred)


def test_what_was_bundled_once_is_not_told_as_bundled_now() -> None:
    old = line("tremor", "x", [0.9]) | {"verdict": "bundled; good"}
    text = experiment_log.markdown([old])
    assert "| bundled then; good |" in text
    assert "**Superseded:**" in text
    text = experiment_log.markdown([old | {"group": "strokes"}])
    assert "| bundled; good |" in text
    assert "Superseded" not in text


def test_every_experiment_is_a_configuration() -> None:
    for group in experiments.GROUPS.values():
        names = [experiment.what for experiment in group.experiments]
        assert len(set(names)) == len(names)
        for experiment in group.experiments:
            config = replace(group.reference, **experiment.changes)
            assert config != group.reference


def test_the_report_is_made_from_the_log() -> None:
    lines = json.loads(experiment_log.LOG.read_text())
    assert experiment_log.LOG.with_suffix(".md").read_text() == experiment_log.markdown(lines)
    assert {"group", "what", "validation", "seconds"} <= set(lines[0])


def test_quick_is_documented_and_small() -> None:
    quick = PRESETS["quick"]
    assert quick.epochs <= 2
    assert not quick.augment


def test_effects_are_differences_from_the_first_line_of_a_group(tmp_path: Path) -> None:
    log = tmp_path / "experiments.json"
    lines = [line("a", "it", [0.990, 0.991, 0.992], 2.0), line("a", "one run", [0.9]),
             line("a", "slow", [0.980, 0.981, 0.982], 5.0)]  # fmt: skip
    experiment_log.record(lines, log)
    (slow,) = experiment_log.effects("a", ("slow", "one run", "unknown"), log)
    assert slow["points"] == pytest.approx(-1)
    assert (slow["times"], slow["seeds"], slow["what"]) == (2.5, 3, "slow")
    low, high = map(float, slow["interval"].split(" to "))
    assert low < -1 < high < 0
