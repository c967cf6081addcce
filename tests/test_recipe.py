"""The recipe of the bundled weights: what is made, skipped, made anew; and the cards."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import DIGITS, sample_splits, small_config
from torch.nn import functional as F

from digitlib import Recognizer
from digitlib.__main__ import main
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.evaluation import compare
from digitlib.models.card import Card
from digitlib.models.inference import digit_score
from digitlib.models.weights import load_model, model_digest
from digitlib.training import calibration, recipe
from digitlib.training.calibration import make_card
from digitlib.training.config import PRESETS, STUDENT, TEACHERS
from digitlib.training.recipe import Output
from digitlib.training.trainer import TrainResult, fit, predict_logits

SMALL = small_config(epochs=2, subset=64)
TAUGHT = replace(SMALL, distill_weight=0.5)
TINY = (
    (Output("one", replace(SMALL, seed=1)), Output("two", replace(SMALL, seed=2), half=True)),
    (Output("student", TAUGHT, ("one", "two")),),
)
NAMES = ["one", "two", "student"]
DIGIT_SETS = ("sample", "mnist", "unipen", "pendigits", "styles")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small recipe, made in this process."""
    monkeypatch.setattr(recipe, "STAGES", TINY)
    monkeypatch.setattr(recipe.os, "cpu_count", lambda: 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all outputs."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recipe, "STAGES", TINY)
        patched.setattr(recipe.os, "cpu_count", lambda: 1)
        assert run(folder) == NAMES
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def run(folder: Path) -> list[str]:
    return [output.name for output in recipe.run(folder)]


def states(folder: Path) -> dict[str, str]:
    return {output.name: state for output, state in recipe.states(folder)}


def digests(folder: Path) -> list[str]:
    return [model_digest(load_model(folder / f"{name}.safetensors")[0]) for name in NAMES]


# --- outputs -------------------------------------------------------------------------------


def test_what_is_made_is_not_made_again(made: Path) -> None:
    assert states(made) == dict.fromkeys(NAMES, "current")
    assert run(made) == []
    assert {path.name for path in made.iterdir()} == {f"{name}.safetensors" for name in NAMES}


def test_a_student_has_its_teachers_in_its_card(made: Path) -> None:
    card = load_model(made / "student.safetensors")[1]
    assert card.training["data"] == {
        "sample": catalog.load("sample").subset(64).digest, "teachers": digests(made)[:2],
    }  # fmt: skip


def test_the_same_recipe_gives_the_same_weights(made: Path, tmp_path: Path) -> None:
    assert run(tmp_path) == NAMES
    assert digests(tmp_path) == digests(made)


@pytest.mark.slow
def test_outputs_can_be_made_side_by_side(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe.os, "cpu_count", lambda: 2)
    assert sorted(run(tmp_path)) == sorted(NAMES)
    assert digests(tmp_path) == digests(made)


def test_other_settings_of_a_teacher_make_the_student_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = (TINY[0][0], Output("two", replace(SMALL, seed=5), half=True))
    monkeypatch.setattr(recipe, "STAGES", (changed, TINY[1]))
    assert states(folder) == {"one": "current", "two": "stale", "student": "current"}
    assert run(folder) == ["two", "student"]
    assert states(folder) == dict.fromkeys(NAMES, "current")


def test_other_data_make_everything_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe._data_digests.cache_clear()
    monkeypatch.setattr(DigitData, "digest", "another")
    assert states(folder) == dict.fromkeys(NAMES, "stale")
    recipe._data_digests.cache_clear()


def test_a_missing_or_damaged_output_is_made_anew(folder: Path) -> None:
    (folder / "student.safetensors").unlink()
    path = folder / "one.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    assert states(folder) == {"one": "stale", "two": "current", "student": "missing"}
    assert run(folder) == ["one", "student"]


def test_a_stopped_recipe_resumes_within_an_output(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, losses = F.cross_entropy, iter(range(3, 0, -1))

    def interrupted(*arguments: object, **options: object) -> torch.Tensor:
        if not next(losses, 0):
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(F, "cross_entropy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert [*tmp_path.iterdir()] == [tmp_path / "two.ckpt"] or (tmp_path / "one.ckpt").exists()
    run(tmp_path)
    assert digests(tmp_path) == digests(made)


def test_the_command_lists_and_makes_outputs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "student.safetensors").unlink()
    for options, said in (
        (["--list"], "current  one\n"),
        (["--list"], "missing  student from one, two\n"),
        ([], f"Wrote {folder / 'student.safetensors'}.\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["weights", "--folder", str(folder), *options])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_installing_copies_weights_and_writes_their_numbers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "one.safetensors"
    monkeypatch.setattr(recipe, "INSTALLED", {"one": target})
    monkeypatch.setattr(recipe, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(recipe, "measure_weights", lambda path: {"of": path.name})
    monkeypatch.setattr(recipe, "export_bundled", lambda: None)
    recipe.install(folder)
    assert target.read_bytes() == (folder / "one.safetensors").read_bytes()
    assert "one.safetensors" in (tmp_path / "reports/weights/one.json").read_text()


def test_teachers_differ_in_their_seeds_alone() -> None:
    seeds = {config.seed for config in TEACHERS}
    assert len(seeds) == len(TEACHERS)
    assert PRESETS["digitnet"].seed not in seeds
    assert (
        len({replace(config, seed=0) == replace(TEACHERS[0], seed=0) for config in TEACHERS}) == 1
    )
    assert all(config.datasets == STUDENT.datasets for config in TEACHERS)


# --- one network ---------------------------------------------------------------------------


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The sample comes from memory; requests are recorded."""
    requests: list[tuple[str, str]] = []
    part = sample_splits().validation[0]  # in place of every set and split

    def load(name: str, split: str, *_: object, **__: object) -> DigitData:
        requests.append((name, split))
        labels = part.labels if name in DIGIT_SETS else torch.full_like(part.labels, 10)
        return replace(part, name=name, split=split, labels=labels)

    monkeypatch.setattr(catalog, "load", load)
    return requests


def test_weights_and_card_are_written_and_tested_once(
    tmp_path: Path, no_loading: list[tuple[str, str]]
) -> None:
    output = tmp_path / "out" / "net.safetensors"
    made = recipe.train(small_config(epochs=1), output)
    model, found = load_model(output)
    assert found == made
    assert set(found.validation) == set(found.test) == {"sample"}
    assert Counter(no_loading)["sample", "test"] == 1  # only once, at the end
    assert no_loading[-1] == ("sample", "test")
    assert [*output.parent.iterdir()] == [output]  # the checkpoint is gone
    again = compare.measure(Recognizer.from_model(model, found), catalog.load("sample", "test"))
    assert again["accuracy"] == found.test["sample"]["accuracy"]


# By data set, in the order in which each is first named.
REPORT_ORDER = sorted(
    compare.REPORTED, key=lambda pair: [name for name, _ in compare.REPORTED].index(pair[0])
)


@pytest.mark.usefixtures("no_loading")
def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "quick", small_config())
    output = tmp_path / "net.safetensors"
    changes = '{"epochs": 1, "model_arguments": {"width": 5}, "datasets": ["sample"]}'
    with pytest.raises(SystemExit) as ended:
        main(["train", "quick", str(output), "--seed", "7", "--set", changes])
    assert ended.value.code == 0
    stored = load_model(output)[1].training["config"]
    assert (stored["seed"], stored["epochs"], stored["model_arguments"]) == (7, 1, {"width": 5})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [" ".join(pair) for pair in REPORT_ORDER]
    for line in lines:
        digits = line.split()[0] in DIGIT_SETS
        read = r"accuracy [\d.]+%, ECE [\d.]+%, " if digits else ""
        assert re.fullmatch(rf"\w+ \w+: {read}[\d.]+% rejected", line)


@pytest.mark.usefixtures("no_loading")
def test_half_precision_is_measured_as_it_is_stored(tmp_path: Path) -> None:
    config = small_config(epochs=1, model_arguments={"width": 16})
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    recipe.train(config, whole)
    card = recipe.train(config, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    first, second = (load_model(path)[0].state_dict() for path in (whole, half))
    for name, tensor in first.items():
        assert second[name].dtype == tensor.dtype  # single precision again when loaded
        torch.testing.assert_close(second[name], tensor, atol=1e-3, rtol=1e-3)
    found = compare.measure_weights(half)
    assert {name: found[name] for name in card.to_json()} == card.to_json()


# --- calibration ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> TrainResult:
    return fit(
        small_config(model_arguments={"width": 6, "outputs": 11}, augment=False, epochs=10),
        sample_splits(),
        progress=False,
    )


@pytest.fixture(scope="module")
def card(result: TrainResult) -> Card:
    return make_card(result, sample_splits().validation)


def test_the_card_holds_the_training(card: Card, result: TrainResult) -> None:
    assert (card.model, card.model_arguments) == ("digitnet", {"width": 6, "outputs": 11})
    assert card.training == {
        "config": result.config.as_dict(), "history": result.history, "seconds": result.seconds,
        "device": "cpu", "data": {"sample": sample_splits().train[0].digest},
    }  # fmt: skip


def test_the_threshold_rejects_one_digit_in_a_hundred(card: Card, result: TrainResult) -> None:
    logits = predict_logits(result.model, sample_splits().validation[0].frames())
    assert card.false_rejection_rate == 0.01
    rejected = digit_score(logits) < card.threshold
    assert float(rejected.double().mean()) == pytest.approx(0.01, abs=0.006)


def test_the_threshold_spares_each_writer() -> None:
    logits = torch.zeros(1000, 11)
    logits[:, 10] = -torch.arange(1000.0)  # later digits are more certain
    writers = torch.arange(1000) // 100
    alone, together = (calibration.rejection_threshold(logits, each) for each in (writers, None))
    rejected = digit_score(logits) < together
    assert int(rejected.sum()) == 9  # of 1,000, and of the first writer's 100
    assert int((digit_score(logits) < alone).sum()) == 4


def test_strokes_have_a_threshold_of_their_own(result: TrainResult) -> None:
    drawings = [PenDrawing(list(DIGITS[digit]), digit, 0) for digit in range(10)]
    data = pen_data("pens", "validation", drawings)
    made = make_card(result, [data])
    frames = data.frames()
    strokes = calibration.rejection_threshold(predict_logits(result.model, frames))
    frames[:, 1:] = 0
    pictures = calibration.rejection_threshold(predict_logits(result.model, frames))
    assert (made.stroke_threshold, made.threshold) == pytest.approx((strokes, pictures))
    assert strokes != pictures
    assert "pictures" in made.validation["pens"]


def test_every_validation_set_has_the_same_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ink(torch.nn.Module):
        """A score that is the ink, which differs between the sets."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            ink = frames[:, :1].mean(dim=(2, 3))  # [N, 1]
            return torch.cat([ink, (0 * ink - 50).repeat(1, 9), 0 * ink], dim=1)

    def part(name: str, count: int, gray: int, label: int) -> DigitData:
        images = torch.full((count, 28, 28), gray, dtype=torch.uint8)
        return DigitData(name, "validation", images, torch.full((count,), label))

    # Two sets of real digits, one of synthetic digits, and one without digits.
    sets = (
        part("a", 1000, 50, 0), part("b", 100, 150, 0), part("styles", 9, 99, 0),
        part("no", 50, 250, 10),
    )  # fmt: skip
    used: list[torch.Tensor] = []
    monkeypatch.setattr(
        calibration, "fit_temperature", lambda logits, _: used.append(logits) or 1.0
    )
    made = make_card(TrainResult(Ink(), small_config(), [], "cpu", {}), sets)
    assert [*made.validation] == ["a", "b", "styles"]
    (logits,) = used
    assert logits[:, 0].unique(return_counts=True)[1].tolist() == [100, 100]
    # The threshold holds for every set, even for the one with the faintest ink.
    lowest = float(logits[:, 0].min()) - calibration.SCORE_MARGIN
    assert made.threshold == pytest.approx(lowest, abs=1e-5)
