"""The build of the bundled weights: its settings, and which steps are made, skipped, made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import small_config

from digitlib.__main__ import main
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.models.weights import load_model, model_digest
from digitlib.training import stages, trainer
from digitlib.training.distillation import SoftLabels
from digitlib.training.stages import INSTALLED, STEPS
from digitlib.training.steps import Build, Step

SMALL = small_config(epochs=1, subset=64)
TINY = (
    Step("teacher", "teachers", SMALL),
    Step("labels", "soft labels", replace(SMALL, seed=9), teachers=("teacher",), passes=2),
    Step("student", "distillation", replace(SMALL, distill_weight=0.5), soft_labels=("labels",)),
    Step("refined", "refinement", replace(SMALL, init_weight=0.5), init="student", half=True),
    Step("alone", "comparison", replace(SMALL, seed=3)),
)
NAMES = [step.name for step in TINY]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete build."""
    folder = tmp_path_factory.mktemp("build")
    assert [step.name for step in Build(folder, TINY).run()] == NAMES
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the complete build."""
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def run(folder: Path, steps: tuple[Step, ...] = TINY, **options: Any) -> list[str]:
    return [step.name for step in Build(folder, steps).run(**options)]


def states(folder: Path, steps: tuple[Step, ...] = TINY) -> dict[str, str]:
    return {step.name: state for step, state in Build(folder, steps).states()}


def test_a_complete_build_is_not_repeated(made: Path) -> None:
    assert states(made) == dict.fromkeys(NAMES, "current")
    assert run(made) == []
    assert {path.name for path in made.iterdir()} == {f"{name}.safetensors" for name in NAMES}
    assert len(SoftLabels.load(made / "labels.safetensors")) == 2 * 64
    card = load_model(made / "refined.safetensors")[1]
    assert card.training["config"] == TINY[3].config.as_dict()
    assert card.training["step"]["name"] == "refined"
    assert card.training["init"]["step"]["name"] == "student"
    assert "soft_labels" in card.training["init"]["data"]


def test_another_configuration_makes_a_step_and_its_dependants_anew(folder: Path) -> None:
    labels = replace(TINY[1], config=replace(TINY[1].config, seed=10))
    steps = (TINY[0], labels, *TINY[2:])
    assert states(folder, steps) == {
        "teacher": "current", "labels": "stale", "student": "stale", "refined": "stale",
        "alone": "current",
    }  # fmt: skip
    assert run(folder, steps) == ["labels", "student", "refined"]
    assert run(folder, steps) == []


def test_other_data_makes_everything_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = catalog.load

    def fewer(*arguments: Any, **options: Any) -> DigitData:
        return load(*arguments, **options).select(slice(1, None))

    monkeypatch.setattr(catalog, "load", fewer)
    assert set(states(folder).values()) == {"stale"}


def test_one_step_alone_needs_current_inputs(folder: Path) -> None:
    (folder / "teacher.safetensors").unlink()
    assert states(folder)["teacher"] == "missing"
    with pytest.raises(ValueError, match="labels needs the steps teacher first"):
        run(folder, only="labels")
    with pytest.raises(ValueError, match="no step 'teachers'; there are teacher, labels"):
        run(folder, only="teachers")
    assert run(folder, only="teacher") == ["teacher"]
    assert run(folder, only="teacher") == []


def test_a_stopped_build_resumes_within_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tuple(replace(step, config=replace(step.config, epochs=2)) for step in TINY[::4])
    run(tmp_path / "whole", steps)
    whole, losses = trainer.training_loss, iter(range(3, 0, -1))  # one per epoch

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if not next(losses, 0):
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "training_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):  # in the second step
            run(stopped, steps)
    assert states(stopped, steps) == {"teacher": "current", "alone": "missing"}
    assert (stopped / "alone.ckpt").exists()
    assert run(stopped, steps) == ["alone"]
    first, second = (
        load_model(path / "alone.safetensors")[0] for path in (tmp_path / "whole", stopped)
    )
    assert model_digest(first) == model_digest(second)


def test_a_missing_or_damaged_output_is_made_anew_with_its_dependants(folder: Path) -> None:
    (folder / "student.safetensors").unlink()
    path = folder / "alone.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    assert (states(folder)["refined"], states(folder)["alone"]) == ("stale", "stale")
    assert run(folder) == ["student", "refined", "alone"]


def test_the_command_lists_and_makes_steps(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "STEPS", TINY)
    (folder / "alone.safetensors").unlink()
    for options, said in (
        (["--list"], "current  distillation       student from labels\n"),
        (["--list"], "missing  comparison         alone\n"),
        ([], f"comparison: wrote {folder / 'alone.safetensors'}.\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["weights", "--folder", str(folder), *options])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


# --- the steps of the bundled weights --------------------------------------------------------


def test_inputs_come_before_the_steps_that_need_them() -> None:
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    for number, step in enumerate(STEPS):
        assert set(step.inputs) <= set(names[:number])
        assert bool(step.config.distill_weight) == bool(step.soft_labels)
        assert step.init is not None or not step.config.init_weight
        assert bool(step.teachers) == bool(step.passes)
        assert set(step.labelled) <= set(step.teachers)
    assert set(INSTALLED) <= set(names)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_steps_have_the_settings_of_the_weights_in_the_repository(name: str) -> None:
    steps = {step.name: step for step in STEPS}
    training = load_model(INSTALLED[name])[1].training
    step: Step | None = steps[name]
    while step is not None:
        settings = step.config.as_dict()
        stored = training["config"]
        assert stored == {field: settings[field] for field in stored}
        # Fields that are younger than the weights have the values of that time.
        younger = {field: settings[field] for field in set(settings) - set(stored)}
        assert younger == {field: small_config().as_dict()[field] for field in younger}
        assert ("soft_labels" in training["data"]) == bool(step.soft_labels)
        assert ("init" in training) == bool(step.init)
        step = steps[step.init] if step.init else None
        training = training.get("init")


def test_installing_copies_weights_and_writes_their_numbers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "alone.safetensors"
    monkeypatch.setattr(stages, "INSTALLED", {"alone": target})
    monkeypatch.setattr(stages, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(stages, "measure_weights", lambda path: {"of": path.name})
    stages.install(folder)
    assert target.read_bytes() == (folder / "alone.safetensors").read_bytes()
    assert "alone.safetensors" in (tmp_path / "reports/weights/alone.json").read_text()
