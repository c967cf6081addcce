"""Weights with their card: calibrated on validation data, measured, written, resumed."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import sample_splits, small_config
from torch.nn import functional as F

from digitlib import Recognizer
from digitlib.__main__ import main
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import compare
from digitlib.models.card import Card
from digitlib.models.inference import digit_score
from digitlib.models.weights import load_model, model_digest
from digitlib.training import build, calibration
from digitlib.training.calibration import make_card
from digitlib.training.config import PRESETS
from digitlib.training.logits import predict_logits
from digitlib.training.trainer import TrainResult, fit

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


def test_the_card_holds_the_training(card: Card, result: TrainResult) -> None:
    assert (card.model, card.model_arguments) == ("digitnet", {"width": 6, "outputs": 11})
    assert card.training == {
        "config": result.config.as_dict(), "history": result.history, "seconds": result.seconds,
        "device": "cpu", "data": {"sample": sample_splits().train[0].digest},
    }  # fmt: skip


def test_the_threshold_rejects_one_digit_in_a_hundred(card: Card, result: TrainResult) -> None:
    logits = predict_logits(result.model, sample_splits().validation[0].images)
    assert card.false_rejection_rate == 0.01
    rejected = digit_score(logits) < card.threshold
    assert card.stroke_threshold is None
    assert float(rejected.double().mean()) == pytest.approx(0.01, abs=0.006)


def test_the_threshold_spares_each_writer() -> None:
    logits = torch.zeros(1000, 11)
    logits[:, 10] = -torch.arange(1000.0)  # later digits are more certain
    writers = torch.arange(1000) // 100
    alone, together = (calibration.rejection_threshold(logits, each) for each in (writers, None))
    rejected = digit_score(logits) < together
    assert int(rejected.sum()) == 9  # of 1,000, and of the first writer's 100
    assert int((digit_score(logits) < alone).sum()) == 4


def test_every_validation_set_has_the_same_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ink(torch.nn.Module):
        """A score that is the ink, which differs between the sets."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            ink = frames.mean(dim=(2, 3))  # [N, 1]
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


def test_weights_and_card_are_written_and_tested_once(
    tmp_path: Path, no_loading: list[tuple[str, str]]
) -> None:
    output = tmp_path / "out" / "net.safetensors"
    made = build.train(small_config(epochs=1), output)
    model, found = load_model(output)
    assert found == made
    assert set(found.validation) == set(found.test) == {"sample"}
    assert no_loading[-1] == ("sample", "test")
    assert no_loading.count(("sample", "test")) == 1  # only once, at the end
    assert [*output.parent.iterdir()] == [output]  # the checkpoint is gone
    again = compare.measure(Recognizer.from_model(model, found), catalog.load("sample", "test"))
    assert again["accuracy"] == found.test["sample"]["accuracy"]


@pytest.mark.usefixtures("no_loading")
def test_a_stopped_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(epochs=2)
    build.train(config, tmp_path / "whole.safetensors")
    whole, losses = F.cross_entropy, iter(range(4, 0, -1))

    def interrupted(*arguments: Any, **options: Any) -> torch.Tensor:
        if not next(losses, 0):  # in the second epoch
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    output = tmp_path / "net.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(F, "cross_entropy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build.train(config, output)
    assert not output.exists()
    build.train(config, output)
    whole_path = tmp_path / "whole.safetensors"
    assert model_digest(load_model(output)[0]) == model_digest(load_model(whole_path)[0])


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
        read = r"accuracy [\d.]+%, ECE [\d.]+%, " if digits else ""
        assert re.fullmatch(rf"\w+ \w+: {read}[\d.]+% rejected", line)


@pytest.mark.usefixtures("no_loading")
def test_the_card_of_a_refined_network_has_both_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "quick", small_config(epochs=1))
    monkeypatch.setitem(PRESETS, "wide", small_config(epochs=2, init_weight=0.5))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    command("quick", str(first))
    command("wide", str(second), "--init", str(first), "--report", str(tmp_path))
    before, after = (load_model(path) for path in (first, second))
    stored = after[1].training
    assert stored["init"] == before[1].training
    assert stored["data"]["init"] == model_digest(before[0])
    assert len(stored["history"]) == 2
    report = json.loads((tmp_path / "second.json").read_text())
    assert report == json.loads(json.dumps(compare.measure_weights(second)))


@pytest.mark.usefixtures("no_loading")
def test_half_precision_is_measured_as_it_is_stored(tmp_path: Path) -> None:
    config = small_config(epochs=1, model_arguments={"width": 16})
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    build.train(config, whole)
    card = build.train(config, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    first, second = (load_model(path)[0].state_dict() for path in (whole, half))
    for name, tensor in first.items():
        assert second[name].dtype == tensor.dtype  # single precision again when loaded
        torch.testing.assert_close(second[name], tensor, atol=1e-3, rtol=1e-3)
    found = compare.measure_weights(half)
    assert {name: found[name] for name in card.to_json()} == card.to_json()
    measured, stored = found["measured"]["mnist"]["test"], card.test["sample"]
    assert (measured["errors"], measured["digest"]) == (stored["errors"], stored["digest"])
    assert measured["nll"] == pytest.approx(stored["nll"], rel=1e-6)
