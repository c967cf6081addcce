"""Weights with their card: calibrated on validation data, measured, written, resumed."""

from __future__ import annotations

import dataclasses
import json
import platform
import re
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import sample_splits, small_config

from digitlib import Recognizer
from digitlib.__main__ import main
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import compare, metrics
from digitlib.models.card import Card
from digitlib.models.inference import digit_score
from digitlib.models.weights import load_model, model_digest
from digitlib.training import build, calibration
from digitlib.training.calibration import make_card
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.logits import predict_logits
from digitlib.training.trainer import TrainResult, _Run, fit

DIGIT_SETS = ("sample", "mnist", "unipen", "pendigits", "styles")


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


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The sample comes from memory; requests are recorded."""
    requests: list[tuple[str, str]] = []
    part = sample_splits().validation[0]  # stands in for every set and split

    def load(name: str, split: str, *_: object, **__: object) -> DigitData:
        requests.append((name, split))
        labels = part.labels if name in DIGIT_SETS else torch.full_like(part.labels, 10)
        return dataclasses.replace(part, name=name, split=split, labels=labels)

    monkeypatch.setattr(catalog, "load", load)
    return requests


def test_the_card_can_be_stored(card: Card) -> None:
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_the_card_holds_every_value_of_the_configuration(card: Card, result: TrainResult) -> None:
    assert card.model == "digitnet"
    assert card.model_arguments == {"width": 6, "outputs": 11}
    stored = card.training
    for field in dataclasses.fields(TrainConfig):
        value = getattr(result.config, field.name)
        value = [*value] if isinstance(value, tuple) else value
        assert stored["config"][field.name] == value
    assert stored["history"] == result.history
    assert stored["seconds"] == result.seconds
    assert stored["device"] == "cpu"
    assert stored["data"] == {"sample": sample_splits().train[0].digest}


def test_the_card_names_the_versions(card: Card) -> None:
    assert card.versions["python"] == platform.python_version()
    for package in ("digitlib", "torch", "torchvision", "numpy", "scipy", "pillow"):
        assert card.versions[package] == metadata.version(package)


def test_the_threshold_rejects_one_digit_in_a_hundred(card: Card, result: TrainResult) -> None:
    logits = predict_logits(result.model, sample_splits().validation[0].images)
    scores = digit_score(logits)
    threshold = card.threshold
    assert card.false_rejection_rate == 0.01
    assert float((scores < threshold).double().mean()) == pytest.approx(0.01, abs=0.006)


def test_the_temperature_is_the_best_on_validation(card: Card, result: TrainResult) -> None:
    part = sample_splits().validation[0]
    logits = predict_logits(result.model, part.images)[:, :10]

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / temperature, part.labels))

    best = card.temperature
    assert all(loss(best) <= loss(best * factor) + 1e-6 for factor in (0.8, 0.95, 1.05, 1.2))


def test_every_validation_set_counts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ink(torch.nn.Module):
        """A score that is the ink, by which the sets can be distinguished."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            ink = frames.mean(dim=(2, 3))  # [N, 1]
            return torch.cat([ink, (0 * ink - 50).repeat(1, 9), 0 * ink], dim=1)

    def part(name: str, count: int, grey: int, label: int) -> DigitData:
        images = torch.full((count, 28, 28), grey, dtype=torch.uint8)
        return DigitData(name, "validation", images, torch.full((count,), label))

    # Real digits, more real digits, some made from rules, and things that are no digit.
    sets = (
        part("a", 1000, 50, 0), part("b", 100, 150, 0), part("styles", 9, 99, 0),
        part("no", 50, 250, 10),
    )  # fmt: skip
    result = TrainResult(Ink(), small_config(), [], "cpu", {})
    used: list[torch.Tensor] = []
    monkeypatch.setattr(
        calibration, "fit_temperature", lambda logits, _: used.append(logits) or 1.0
    )
    made = make_card(result, sets)
    assert [*made.validation] == ["a", "b", "styles"]
    (logits,) = used
    # Of no set are more digits refused than promised, not even of the one with the faintest ink.
    lowest = float(logits[:, 0].min()) - calibration.SCORE_MARGIN
    assert made.threshold == pytest.approx(lowest, abs=1e-5)
    greys, counts = np.unique(logits[:, 0].numpy(), return_counts=True)
    assert counts.tolist() == [100, 100]
    assert len(greys) == 2


def test_a_measurement_is_of_the_calibrated_network(result: TrainResult) -> None:
    part = sample_splits().validation[0]
    made = Recognizer.from_model(result.model, Card("digitnet", temperature=2.0, threshold=1.0))
    found = compare.measure(made, part)
    expected = metrics.summarize(made.probabilities(part.images).numpy(), part.labels.numpy())
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    rejected = [score < 1.0 for score in digit_score(made.logits(part.images)).tolist()]
    assert found["rejected"] == pytest.approx(np.mean(rejected))
    assert found["digest"] == part.digest
    assert found["count"] == len(part)


def test_of_no_digits_only_the_rejections_are_measured(result: TrainResult) -> None:
    part = sample_splits().validation[0]
    none = dataclasses.replace(part, labels=torch.full_like(part.labels, 10))
    made = Recognizer.from_model(result.model, Card("digitnet", threshold=1.0))
    found = compare.measure(made, none)
    assert found == {
        "rejected": compare.measure(made, part)["rejected"],
        "count": len(part),
        "digest": none.digest,
    }


def test_a_release_is_whole(tmp_path: Path, no_loading: list[tuple[str, str]]) -> None:
    output = tmp_path / "out" / "net.safetensors"
    made = build.train(small_config(epochs=1), output)
    model, found = load_model(output)
    assert found == made
    assert set(found.validation) == set(found.test) == {"sample"}
    assert no_loading[-1] == ("sample", "test")
    assert no_loading.count(("sample", "test")) == 1  # looked at once, at the end
    assert [*output.parent.iterdir()] == [output]  # the checkpoint is gone
    again = compare.measure(Recognizer.from_model(model, found), catalog.load("sample", "test"))
    assert again["accuracy"] == found.test["sample"]["accuracy"]


@pytest.mark.usefixtures("no_loading")
def test_a_release_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(epochs=2)
    build.train(config, tmp_path / "whole.safetensors")
    train = _Run.train_epoch

    def stop_after_one(run: _Run) -> dict[str, float]:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return train(run)

    output = tmp_path / "net.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(_Run, "train_epoch", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            build.train(config, output)
    assert not output.exists()
    build.train(config, output)
    first, second = (
        load_model(tmp_path / n)[0].state_dict() for n in ("whole.safetensors", output.name)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


# By data set, in the order in which each is first named.
REPORT_ORDER = sorted(
    compare.REPORTED, key=lambda pair: [name for name, _ in compare.REPORTED].index(pair[0])
)


def command(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    assert ended.value.code == 0


@pytest.mark.usefixtures("no_loading")
def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "quick", small_config())
    output = tmp_path / "net.safetensors"
    changes = '{"epochs": 1, "model_arguments": {"width": 5}, "datasets": ["sample"]}'
    command("quick", str(output), "--seed", "7", "--set", changes)
    stored = load_model(output)[1].training["config"]
    assert (stored["seed"], stored["epochs"], stored["model_arguments"]) == (7, 1, {"width": 5})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [" ".join(pair) for pair in REPORT_ORDER]
    for line in lines:
        digits = line.split()[0] in DIGIT_SETS
        read = r"[\d.]+% right, ECE [\d.]+%, " if digits else ""
        assert re.fullmatch(rf"\w+ \w+: {read}[\d.]+% rejected", line)


@pytest.mark.usefixtures("no_loading")
def test_the_card_of_a_refined_network_tells_both_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "quick", small_config(epochs=1))
    monkeypatch.setitem(PRESETS, "wide", small_config(epochs=2, init_weight=0.5))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    command("quick", str(first))
    command("wide", str(second), "--init", str(first))
    before, after = (load_model(path) for path in (first, second))
    stored = after[1].training
    assert stored["init"] == before[1].training
    assert stored["data"]["init"] == model_digest(before[0])
    assert len(stored["history"]) == 2


@pytest.mark.usefixtures("no_loading")
def test_the_command_line_writes_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "quick", small_config(epochs=1))
    output, folder = tmp_path / "net.safetensors", tmp_path / "reports"
    command("quick", str(output), "--report", str(folder), "--half")
    found = json.loads((folder / "net.json").read_text())
    assert found == json.loads(json.dumps(compare.measure_weights(output)))
    assert "mnist test" in capsys.readouterr().out


@pytest.mark.usefixtures("no_loading")
def test_a_report_is_of_the_file_as_written(tmp_path: Path) -> None:
    output = tmp_path / "net.safetensors"
    card = build.train(small_config(epochs=1), output, half=True)
    found = compare.measure_weights(output)
    assert {name: found[name] for name in card.to_json()} == card.to_json()
    assert found["parameters"] == sum(
        parameter.numel() for parameter in load_model(output)[0].parameters()
    )
    pairs = [(name, split) for name, splits in found["measured"].items() for split in splits]
    assert pairs == REPORT_ORDER
    for name, splits in found["measured"].items():
        for numbers in splits.values():
            assert ("accuracy" in numbers) == (name in DIGIT_SETS)
    # Rounding to half precision came before measuring: the card's numbers are the file's.
    measured, stored = found["measured"]["mnist"]["test"], card.test["sample"]
    assert (measured["errors"], measured["digest"]) == (stored["errors"], stored["digest"])
    assert measured["nll"] == pytest.approx(stored["nll"], rel=1e-6)
    assert measured["ece"] == pytest.approx(stored["ece"], rel=1e-5)


@pytest.mark.usefixtures("no_loading")
def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    config = small_config(epochs=1, model_arguments={"width": 16})
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    build.train(config, whole)
    build.train(config, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    first, second = (load_model(path)[0].state_dict() for path in (whole, half))
    for name, tensor in first.items():
        assert second[name].dtype == tensor.dtype  # single precision again once loaded
        torch.testing.assert_close(second[name], tensor, atol=1e-3, rtol=1e-3)
    weight = next(iter(second.values()))
    assert torch.equal(weight, weight.half().float())


def test_what_is_chosen_by_is_never_a_test_split() -> None:
    assert {pair for pair in compare.REPORTED if pair[1] == "test"} == {
        ("mnist", "test"),
        ("unipen", "test"),
        ("pendigits", "test"),
        ("letters", "test"),
        ("signs", "test"),
        ("notmnist", "test"),
    }
