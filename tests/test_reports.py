"""``report``, the runner of the notebooks and the model card, on small notebooks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch

from digitlib.evaluation.metrics import GroupedProportion, Proportion
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.models.weights import load_model
from digitlib.reports import execution, runner
from digitlib.reports.model_card import render_model_card
from digitlib.reports.parameters import DRAWN_SEVEN, NOTEBOOKS, Notebook, check_parameters
from digitlib.reports.render import interval
from digitlib.reports.report import Report, say

SENTENCE = r"^[A-Z].*\.$"


def write_notebook(folder: Path, name: str, *cells: str) -> Path:
    """A notebook whose first cell is its ``parameters``."""
    made = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
    made[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


# --- Report ----------------------------------------------------------------------------------


def test_a_report_without_a_folder_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = Report("05_evaluate", None)
    report.figure(plt.figure(), "reliability")
    report.add(accuracy=0.99)
    report.save()
    assert list(tmp_path.rglob("*")) == []
    assert repr(report) == "Report(05_evaluate: 1 numbers, written to nowhere)"


def test_a_report_writes_figures_and_numbers(tmp_path: Path) -> None:
    report = Report("05_evaluate", tmp_path)
    report.figure(plt.figure(), "reliability")
    share = Proportion(99, 100).as_dict()
    report.add(z=np.float32(0.5), counts=np.arange(3), nested={3: torch.tensor(2)}, share=share)
    report.add(missing=float("nan"), flag=np.bool_(True))
    report.add_times(seconds=1.5)
    report.save()
    assert (tmp_path / "figures" / "05_evaluate-reliability.png").stat().st_size > 100
    text = (tmp_path / "metrics" / "05_evaluate.json").read_text()
    saved = json.loads(text)
    assert text == json.dumps(saved, indent=2, sort_keys=True) + "\n"
    assert saved["numbers"]["counts"] == [0, 1, 2]
    assert saved["numbers"]["nested"] == {"3": 2}
    assert saved["numbers"]["share"] == share
    assert saved["numbers"]["missing"] is None
    assert saved["numbers"]["flag"] is True
    assert saved["times"] == {"seconds": 1.5}
    assert saved["figures"] == ["05_evaluate-reliability.png"]
    assert not list(tmp_path.rglob(".*"))


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        figure, axes = plt.subplots()
        axes.plot([1, 3, 2])
        Report("n", tmp_path / folder).figure(figure, "f")
    first, second = ((tmp_path / f / "figures" / "n-f.png").read_bytes() for f in ("a", "b"))
    assert first == second


def test_figures_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        report = Report("06_confusion", tmp_path)
        report.figure(plt.figure(), name)
        report.save()
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["06_confusion-new.png"]


def test_a_name_is_used_once() -> None:
    report = Report("n", None)
    report.add(accuracy=1)
    report.add_times(seconds=1)
    report.figure(plt.figure(), "f")
    with pytest.raises(ValueError, match="already has a number 'accuracy'"):
        report.add(accuracy=2)
    with pytest.raises(ValueError, match="already has a time 'seconds'"):
        report.add_times(seconds=2)
    with pytest.raises(ValueError, match="already has a figure 'f'"):
        report.figure(plt.figure(), "f")
    with pytest.raises(TypeError, match="numbers, strings, lists and dicts"):
        report.add(thing=object())


def test_a_sentence_is_shown_as_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    say("One.", "Two.")
    assert [each.data for each in shown] == ["One. Two."]


# --- parameters ------------------------------------------------------------------------------

SENSELESS = [
    ("dataset", "emnist"), ("dataset", None), ("seed", -1), ("seed", 1.5), ("seed", True),
    ("seed", "0"), ("subset", 0), ("subset", 99),
    ("subset", "all"), ("epochs", 0), ("epochs", 1001), ("epochs", {}), ("epochs", {"default": 0}),
    ("presets", "default"), ("presets", []),
    ("presets", ["defualt"]),
    ("weights", "nowhere.safetensors"), ("weights_folder", ""), ("reports_folder", 7),
    ("strokes", []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SENSELESS)
def test_a_senseless_value_is_refused_with_a_sentence(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=SENTENCE) as caught:
        check_parameters(**{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_sensible_values_pass(tmp_path: Path) -> None:
    check_parameters(
        dataset="sample", seed=0, subset=None, epochs=None, presets=["baseline"],
        weights=str(BUNDLED_WEIGHTS), weights_folder=None, reports_folder=str(tmp_path / "new"),
        strokes=DRAWN_SEVEN,
    )  # fmt: skip
    check_parameters(subset=100, epochs=1)
    check_parameters(epochs={"default": 8})


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no parameter 'epoch'; known are"):
        check_parameters(epoch=3)


def test_a_misspelt_name_that_papermill_injected_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = ["", "seed = 0", "# Parameters\nseed = 1\nepoch = 3\n", "epoch_count = 5"]
    shell = SimpleNamespace(user_ns={"In": cells})
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    with pytest.raises(ValueError, match="no parameter 'epoch'; it has seed, epochs"):
        check_parameters(seed=1, epochs=3)
    cells[2] = "# Parameters\nseed = 1\n"
    check_parameters(seed=1, epochs=3)


# --- the runner ------------------------------------------------------------------------------

SAVES = """
    import numpy as np
    from digitlib.reports.report import Report
    report = Report("01_good", reports_folder)
    report.add(number=float(np.random.RandomState(seed).rand()))
    report.add_times(random=float(np.random.rand()))
    report.save()
"""
FAILS = """
    print("as far as here")
    1 / 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three notebooks, the second of which fails."""
    place = tmp_path / "notebooks"
    write_notebook(place, "01_good", "seed = 0\nreports_folder = None", SAVES)
    write_notebook(place, "02_bad", "seed = 0", FAILS, "never = True")
    write_notebook(place, "03_last", "seed = 0", "print(seed)")
    return place


def without_times(output: Path) -> dict[str, Any]:
    metrics = json.loads((output / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if name not in ("times", "run")}


@pytest.mark.slow
def test_a_failure_is_told_and_the_others_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "reports"
    plan = runner.ReportPlan(output, dataset="sample", seed=7)
    (failure,) = runner.make_reports(plan, folder=folder)
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith(f"1 of 3 notebooks failed:\n{failure}")
    assert "02_bad, cell 2: ZeroDivisionError: division by zero" in printed
    assert "1 / 0" in printed

    half = nbformat.read(output / "executed" / "02_bad.ipynb", as_version=4)
    assert any("as far as here" in str(cell.get("outputs")) for cell in half.cells)
    for name in ("01_good", "02_bad", "03_last"):
        assert (output / "executed" / f"{name}.html").stat().st_size > 1000

    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["missing"] == ["02_bad"]
    assert metrics["command"] == "python -m digitlib reports --dataset sample --seed 7"
    assert metrics["notebooks"]["01_good"]["parameters"] == {"seed": 7}
    assert metrics["notebooks"]["01_good"]["numbers"]["number"] == pytest.approx(0.0763083)
    assert set(metrics["data"]["sample"]) == {"train", "validation", "test"}
    assert metrics["versions"]["torch"] == torch.__version__.split("+")[0]
    assert "**Incomplete:** 02_bad" in (output / "README.md").read_text()

    # Again: complete notebooks are skipped, the failed one, now mended, is run.
    write_notebook(folder, "02_bad", "seed = 0", "1 / 1")
    before = (output / "executed" / "01_good.ipynb").stat().st_mtime_ns
    assert runner.make_reports(plan, folder=folder) == []
    printed = capsys.readouterr().out
    assert "01_good: current" in printed
    assert "02_bad: done" in printed
    assert (output / "executed" / "01_good.ipynb").stat().st_mtime_ns == before
    assert without_times(output)["missing"] == []

    # The same seed elsewhere gives the same numbers; only times differ.
    write_notebook(folder, "01_good", "seed = 0\nreports_folder = None", SAVES)
    other = tmp_path / "other"
    runner.make_reports(runner.ReportPlan(other, dataset="sample", seed=7), folder=folder)
    assert without_times(other) == without_times(output)
    times = [
        json.loads((place / "metrics.json").read_text())["times"]["01_good"]["random"]
        for place in (output, other)
    ]
    assert times[0] != times[1]


@pytest.mark.slow
def test_only_keeps_the_numbers_of_the_other_notebooks_and_says_which_are_stale(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "reports"
    write_notebook(folder, "02_bad", "seed = 0", "1 / 1")
    plan = runner.ReportPlan(output, dataset="sample", seed=7)
    assert runner.make_reports(plan, folder=folder) == []
    before = without_times(output)
    assert before["stale"] == []
    assert set(before["notebooks"]["01_good"]) >= {"key", "revision", "modified"}

    write_notebook(folder, "01_good", "seed = 0\nreports_folder = None", f"{SAVES}    1")
    write_notebook(folder, "03_last", "seed = 0", "print(seed + 1)")
    assert runner.make_reports(plan, ["03_last"], folder=folder) == []
    assert "01_good" not in capsys.readouterr().out.splitlines()[-1]
    after = without_times(output)
    assert after["notebooks"]["01_good"] == before["notebooks"]["01_good"]
    assert after["notebooks"]["03_last"] != before["notebooks"]["03_last"]
    assert (after["stale"], after["missing"]) == (["01_good"], [])
    assert "01_good" in (output / "README.md").read_text().split("**Of other code")[1].split(".")[0]


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    folder, output = tmp_path / "notebooks", tmp_path / "reports"
    write_notebook(folder, "01_quick", "seed = 0", "print(seed)")
    slow = "import os, time\ntime.sleep(0 if os.environ.get('HURRY') else 600)"
    write_notebook(folder, "02_slow", "seed = 0", slow)
    script = (
        "import sys; from pathlib import Path\n"
        "from digitlib.__main__ import main; from digitlib.reports import runner\n"
        "runner.make_reports.__kwdefaults__['folder'] = Path(sys.argv.pop(1))\n"
        "main()"
    )
    command = [sys.executable, "-c", script, str(folder), "reports"]
    command += ["--dataset", "sample", "--output", str(output)]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # As from a terminal: a shell starts what runs in its background deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (output / "executed" / ".02_slow.ipynb").exists():
        assert time.monotonic() < deadline, "the second notebook has not begun"
        assert run.poll() is None
        time.sleep(0.1)
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "continues from there" in error
    assert "Traceback" not in error

    environment = os.environ | {"HURRY": "1"}
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "01_quick: current" in again.stdout
    assert "02_slow: done" in again.stdout


def test_a_name_that_a_notebook_does_not_have_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NOTEBOOKS, "01_good", Notebook({"epoch": 3}))
    plan = runner.ReportPlan(tmp_path, dataset="sample")
    with pytest.raises(ValueError, match="01_good has no parameter 'epoch'; it has seed"):
        runner.make_reports(plan, folder=folder)
    with pytest.raises(ValueError, match="There is no notebook '09_none'; there are 01_good"):
        runner.make_reports(plan, ["09_none"], folder=folder)


def test_the_tables_name_notebooks_and_parameters_that_exist() -> None:
    known = {path.stem: path for path in execution.find_notebooks()}
    assert set(NOTEBOOKS) == set(known)
    for name, notebook in NOTEBOOKS.items():
        for parameters in (notebook.full, notebook.fast):
            execution.check_names(known[name], parameters)
            check_parameters(**parameters)


# --- kept outputs ----------------------------------------------------------------------------


def test_the_notebooks_keep_what_a_reader_sees_and_nothing_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_notebook(
        tmp_path,
        "01_page",
        "seed = 0",
        "import ipywidgets\ndisplay(ipywidgets.IntSlider())\nprint('a')\nprint('b')",
        "ipywidgets.IntSlider()",
    )
    monkeypatch.setattr(runner, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(runner, "_collect", lambda *_: None)
    plan = runner.ReportPlan(tmp_path / "reports")
    assert plan.keeps
    assert runner.make_reports(plan, folder=tmp_path) == []
    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3]
    assert [dict(output) for output in notebook.cells[1].outputs] == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"}
    ]
    assert list(notebook.cells[2].outputs[0].data) == ["text/plain"]
    assert notebook.cells[2].outputs[0].execution_count == 3
    assert set(notebook.metadata) == {"kernelspec", "language_info", "digitlib"}
    assert execution.outputs_are_current(notebook)
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert runner.make_reports(plan, folder=tmp_path) == []
    assert capsys.readouterr().out.endswith("01_page: current\n")
    notebook.cells[2].execution_count = None  # as after "clear outputs"
    nbformat.write(notebook, path)
    runner.make_reports(plan, folder=tmp_path)
    assert "01_page: done" in capsys.readouterr().out


def test_shortened_and_other_runs_are_not_kept() -> None:
    for plan in (
        runner.ReportPlan(runner.REPORTS, fast=True),
        runner.ReportPlan(runner.REPORTS, dataset="sample"),
        runner.ReportPlan(runner.REPORTS, seed=1),
        runner.ReportPlan(runner.REPORTS / "fast"),
    ):
        assert not plan.keeps


def test_outputs_of_code_that_was_edited_meanwhile_are_not_kept(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a", "01_page", "1 + 1")
    executed = write_notebook(tmp_path / "b", "01_page", "1 + 2")
    with pytest.raises(ValueError, match="was edited while it ran"):
        execution.keep_outputs(path, executed)


def test_a_path_of_the_machine_is_found(tmp_path: Path) -> None:
    lines = ["print('/home/somebody/data')", "1  # a/tmp/b and 3/4", f"'{execution.REPOSITORY}/x'"]
    path = write_notebook(tmp_path, "01_page", *lines)
    notebook = nbformat.read(path, as_version=4)
    assert execution.machine_paths(notebook) == [lines[0], lines[2]]


# --- the model card --------------------------------------------------------------------------


def card_metrics(share: dict[str, float]) -> dict[str, Any]:
    """``metrics.json`` of one notebook, with one share."""
    notebook = {
        "parameters": {"seed": 3},
        "revision": "0123456789abcdef",
        "modified": True,
        "numbers": {"default": {"accuracy": share}, "other": 1},
        "figures": ["05_evaluate-reliability.png"],
    }
    return {
        "command": "python -m digitlib reports",
        "seed": 3,
        "weights": "0123456789abcdef",
        "versions": {"torch": "2.0"},
        "device": "cpu",
        "notebooks": {"05_evaluate": notebook},
        "missing": [],
        "stale": [],
        "times": {"05_evaluate": {"notebook_seconds": 61.0}},
        "run": {"finished": "now", "machine": "m", "revision": None, "modified": None},
    }


def test_the_model_card_is_made_of_the_numbers() -> None:
    card = load_model()[1]
    metrics = card_metrics(Proportion(9957, 10000).as_dict())
    text = render_model_card(metrics, card, {})
    assert "[reliability](figures/05_evaluate-reliability.png)" in text
    for heading in ("Use", "Data", "Training", "Results", "Limits", "How it was made"):
        assert f"\n## {heading}\n" in text
    for results in (card.validation, card.test):
        for numbers in results.values():
            assert f"{numbers['accuracy']['value']:.2%}" in text
    assert "Incomplete" not in text
    assert "`05_evaluate`, 61 s, revision `0123456789ab` with changes: [" in text
    stale = render_model_card(metrics | {"stale": ["05_evaluate"], "missing": ["04_x"]}, card, {})
    assert "**Of other code, data or settings than the rest:** 05_evaluate." in stale
    assert "**Incomplete:** 04_x" in stale


def test_the_model_card_tells_of_reported_writers_apart_from_those_who_set_something() -> None:
    hits, writers = np.array([True] * 38 + [False] * 2), np.repeat(np.arange(4), 10)
    read = GroupedProportion.of_groups(hits, writers)
    lost = GroupedProportion.of_groups(~hits, writers)
    measured = load_model()[1].test["mnist"] | {
        "accuracy": read.as_dict(),
        "rejected by writer": lost.as_dict(),
    }
    card = replace(load_model()[1], test={"unipen": measured | {"pictures": measured}})
    others = {"letters": {"test": {"count": 7, "rejected": 0.5}}}
    text = render_model_card(card_metrics(read.as_dict()), card, others)
    assert "| letters, test: no digits, n = 7 | – | – | – | – | 50.0% |" in text
    for title in ("unipen, test", "unipen, test, as pictures"):
        assert f"| {title} | {interval(read.as_dict())}, n = 40 by 4 writers |" in text
    limits = text.split("## Limits")[1].split("\n## ")[0]
    assert f"(UNIPEN), it rejects {interval(lost.as_dict())}, and of one writer" in limits
    assert "with at least 20 digits up to 20%." in limits
    assert "set temperature and threshold, so their rows are no test" in text
    without = render_model_card(card_metrics(read.as_dict()), replace(card, test={}), {})
    assert "On other drawings it is another share." in without
    assert "**MNIST's**" not in without


def test_the_model_card_tells_limits_that_the_notebooks_measured() -> None:
    metrics = card_metrics(Proportion(1, 2).as_dict())
    share = Proportion(294, 300).as_dict()
    numbers = {
        "08_robustness": {"tolerated_range": {"noise": {"digitnet": "0 to 0.2"}}},
        "09_pictures": {"accuracy": {"phone photos": {"digitnet": share}}},
    }
    own = metrics["notebooks"]["05_evaluate"]
    metrics["notebooks"] |= {name: own | {"numbers": each} for name, each in numbers.items()}
    metrics["times"] |= {name: {"notebook_seconds": 1.0} for name in numbers}
    limits = render_model_card(metrics, load_model()[1], {}).split("## Limits")[1].split("\n## ")[0]
    assert f"({interval(share)} of 300 read right)" in limits
    assert "noise: 0 to 0.2. Beyond" in limits


def test_the_model_card_tells_every_training() -> None:
    card = load_model()[1]
    last = {"data": {"unipen": "abc", "init": "def"}, "init": card.training, "seconds": 120.0}
    config = card.training["config"] | {"trained": "pen", "datasets": ["unipen"], "epochs": 77}
    made = replace(card, training=card.training | last | {"config": config})
    text = render_model_card(card_metrics(Proportion(1, 2).as_dict()), made, {})
    count, first = 2, card.training
    while "init" in first:
        count, first = count + 1, first["init"]
    assert f"was trained {count} times" in text
    assert f"| 1 | {', '.join(first['config']['datasets'])} | all parameters |" in text
    assert re.search(rf"\| {count} \| unipen \| `pen` alone \| .* \| 77 \| 2 \|", text)
    data = text.split("## Data")[1].split("\n## ")[0]
    for name, digest in (*first["data"].items(), ("unipen", "abc")):
        assert data.count(f"| `{digest}` |") == 1, name
