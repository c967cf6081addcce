"""The build of the bundled weights: its settings, and which steps are made, skipped, made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import sample_splits, small_config
from torch.nn import functional as F

from digitlib.__main__ import main
from digitlib.datasets import augment, catalog
from digitlib.datasets.base import DigitData
from digitlib.models.weights import load_model
from digitlib.training import stages
from digitlib.training.distillation import SoftLabels
from digitlib.training.loader import BatchLoader, Splits
from digitlib.training.stages import INSTALLED, STEPS
from digitlib.training.steps import Build, Step
from digitlib.training.trainer import _Run

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


def changed(name: str, **changes: Any) -> tuple[Step, ...]:
    """The steps, with the configuration of one changed."""
    return tuple(
        replace(step, config=replace(step.config, **changes)) if step.name == name else step
        for step in TINY
    )


def test_a_complete_build_is_not_repeated(made: Path) -> None:
    assert states(made) == dict.fromkeys(NAMES, "current")
    assert run(made) == []
    assert sorted(path.name for path in made.iterdir()) == sorted(
        f"{name}.safetensors" for name in NAMES
    )


def test_outputs_are_of_their_steps(made: Path) -> None:
    assert len(SoftLabels.load(made / "labels.safetensors")) == 2 * 64
    card = load_model(made / "refined.safetensors")[1]
    assert card.training["config"] == TINY[3].config.as_dict()
    assert card.training["step"]["name"] == "refined"
    assert card.training["init"]["step"]["name"] == "student"
    assert "soft_labels" in card.training["init"]["data"]


def test_another_configuration_makes_a_step_and_its_dependants_anew(folder: Path) -> None:
    steps = changed("labels", seed=10)
    assert states(folder, steps) == {
        "teacher": "current", "labels": "stale", "student": "stale", "refined": "stale",
        "alone": "current",
    }  # fmt: skip
    assert run(folder, steps) == ["labels", "student", "refined"]
    assert run(folder, steps) == []


def test_another_input_makes_its_dependants_anew(folder: Path) -> None:
    (folder / "student.safetensors").unlink()
    assert states(folder)["refined"] == "stale"
    assert run(folder) == ["student", "refined"]


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


def stop_after(count: int) -> Callable[[_Run], dict[str, float]]:
    """Training that is stopped after ``count`` epochs."""
    train, done = _Run.train_epoch, 0

    def stopped(self: _Run) -> dict[str, float]:
        nonlocal done
        if done == count:
            raise KeyboardInterrupt
        done += 1
        return train(self)

    return stopped


def test_a_stopped_build_resumes_within_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tuple(replace(step, config=replace(step.config, epochs=2)) for step in TINY[::4])
    run(tmp_path / "whole", steps)
    with monkeypatch.context() as patched:
        patched.setattr(_Run, "train_epoch", stop_after(3))  # in the second step
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "stopped", steps)
    assert states(tmp_path / "stopped", steps) == {"teacher": "current", "alone": "missing"}
    assert (tmp_path / "stopped" / "alone.ckpt").exists()
    with monkeypatch.context() as patched:
        patched.setattr(_Run, "train_epoch", stop_after(1))  # one epoch is left
        assert run(tmp_path / "stopped", steps) == ["alone"]
    first, second = (
        load_model(tmp_path / name / "alone.safetensors")[0].state_dict()
        for name in ("whole", "stopped")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_damaged_output_is_made_anew(folder: Path) -> None:
    path = folder / "alone.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    assert states(folder)["alone"] == "stale"
    assert run(folder) == ["alone"]


def test_the_command_lists_and_makes_steps(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "STEPS", TINY)
    (folder / "alone.safetensors").unlink()
    for options, said in (
        (["--list"], "current  distillation       student from labels\n"),
        (["--list"], "missing  comparison         alone\n"),
        ([], f"comparison: {folder / 'alone.safetensors'} is made.\n"),
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


def test_soft_variation_is_bilinear_and_milder() -> None:
    frames = sample_splits().train[0].images[:50].float() / 255
    torch.manual_seed(0)
    found = augment.distort_frames(frames, augment.FRAME_VARIATIONS["soft"])
    torch.manual_seed(0)
    # As in the commit that trained the teachers.
    count, size = frames.shape[:2]
    matrix = augment.affine(count, frames, rotation=10, slant=0.2, stretch=0.1)
    offset = torch.stack([augment.uniform(count, -1, 1, frames) for _ in range(2)], -1)
    theta = torch.cat([matrix, (offset * (2 / size))[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    coarse = torch.randn(count, 2, 5, 5) * (0.6 * 2 / size)
    bent = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    grid = grid + bent.permute(0, 2, 3, 1)
    warped = F.grid_sample(frames[:, None], grid, align_corners=False)[:, 0]
    expected = augment.apply_to_share(frames, warped, 0.65)
    expected = augment.apply_to_share(expected, augment.change_stroke_width(expected), 0.6)
    torch.testing.assert_close(found, expected)


def test_pens_are_as_wide_as_configured() -> None:
    digits = sample_splits().train[0].select(slice(0, 128))
    points = torch.rand(1, 20, 2).expand(len(digits), 20, 2)
    numbers = torch.zeros(len(digits), 20, dtype=torch.int16)
    data = Splits((replace(digits, points=points, stroke_numbers=numbers),), ())
    ink = []
    for width in (2.0, 8.5):
        config = replace(SMALL, subset=None, max_pen_width=width, degrade_prob=0.0)
        (batch,) = BatchLoader(replace(config, batch_size=128), data, torch.device("cpu")).epoch(0)
        ink.append(float(batch.frames.mean()))
    assert ink[1] > 1.3 * ink[0]


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
