"""Weights files: saved and loaded unchanged; other files are refused, nothing is unpickled."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from digitlib import Recognizer, WeightsError
from digitlib.models import checksum
from digitlib.models.card import BUNDLED_NETWORK, BUNDLED_WEIGHTS, FORMAT, Card
from digitlib.models.checksum import add_checksum
from digitlib.models.networks import build_network
from digitlib.models.weights import load_model, read_tensors, save_model, write_tensors
from digitlib.training.config import TrainConfig

CARD = Card("digitnet", {"width": 4}, temperature=1.25)


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network("digitnet", width=4)


@pytest.fixture
def saved(model: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_model(path, model, CARD)
    return path


# --- there and back ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("baseline", {}), ("digitnet", {}), ("digitnet", {"width": 4, "outputs": 11})],
)
def test_weights_and_card_come_back(name: str, arguments: dict, tmp_path: Path) -> None:
    before = build_network(name, **arguments).train()
    card = Card(
        name, arguments, 0.5, 1.5, 1.2, 0.01, {"text": "Zürich, 1 ≤ π", "n": [1, 2.5, None]},
        {"torch": "2"}, {"mnist": {"errors": 3}}, {"mnist": {"errors": 4}},
    )  # fmt: skip
    save_model(tmp_path / "net.safetensors", before, card)
    after, found = load_model(str(tmp_path / "net.safetensors"))
    assert found == card
    assert type(after) is type(before)
    assert not after.training
    for key, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[key])
    frames = torch.randn(3, 4, 28, 28)
    assert torch.equal(before.eval()(frames), after(frames))


# --- refused files -------------------------------------------------------------------------

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "empty|no checksum"),
    "cut": (lambda content: content[:100], "truncated|damaged"),
    "half": (lambda content: content[: len(content) // 2], "truncated|damaged"),
    "last byte": (lambda content: content[:-1], "damaged"),
    "longer": (lambda content: content + b"more", "damaged"),
    "card": (lambda content: content.replace(b"temperature", b"temperatura"), "damaged"),
    "weight": (lambda content: content[:90_000] + b"\1" + content[90_001:], "damaged"),
    "checksum": (lambda content: re.sub(b"sha256:..", b"sha256:zz", content), "damaged"),
    "text": (lambda content: b"no weights, just a text file\n" * 50, "no checksum"),
    "picture": (lambda content: b"\x89PNG\r\n\x1a\n" + bytes(100), "no checksum"),
}


def refused(path: Path, reason: str, load: Callable[[Path], object] = load_model) -> None:
    """Loading fails with one line: the file and the reason."""
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}.*({reason})") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("bundled", [BUNDLED_WEIGHTS, BUNDLED_NETWORK], ids=["weights", "ONNX"])
def test_other_content_is_refused_before_it_is_parsed(
    bundled: Path, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, reason = DAMAGES[damage]
    path = tmp_path / f"net{bundled.suffix}"
    path.write_bytes(change(bundled.read_bytes()))
    monkeypatch.setattr("digitlib.models.weights.safe_open", None)
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    refused(path, reason, Recognizer.load)


@pytest.mark.parametrize("load", [load_model, read_tensors, Recognizer.load])
def test_missing_files_folders_and_forbidden_files_are_refused(
    load: Callable[[Path], object], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    refused(saved.with_name("none.safetensors"), "there is no such", load)
    refused(saved.parent, "there is no such", load)
    monkeypatch.setattr(Path, "is_file", fail)  # the folder is forbidden
    refused(saved, "cannot be read: Permission denied", load)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("mark", [b"", checksum.PLACEHOLDER.encode()], ids=["no", "valid"])
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "pickle"])
def test_pickles_are_never_unpickled(archive: bool, mark: bytes, tmp_path: Path) -> None:
    made, path = tmp_path / "unpickled", tmp_path / "net.safetensors"
    torch.save(Bomb(made), path, _use_new_zipfile_serialization=archive)
    if mark:
        path.write_bytes(add_checksum(path.read_bytes() + mark))
    refused(path, "no checksum|not a safetensors file")
    assert not made.exists()


@pytest.mark.parametrize(
    "metadata", [{}, {"format": "pt"}, {"format": FORMAT, "card": "[" * 10**5}]
)
def test_safetensors_without_a_card_are_refused(metadata: dict, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    signed = metadata | {checksum.NAME: checksum.PLACEHOLDER}
    path.write_bytes(add_checksum(safetensors.torch.save({"a": torch.zeros(1)}, signed)))
    refused(path, "card")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digitnet", {"width": 5}),
        ("digitnet", {"width": 10**400}),
        ("digitnet", {"size": 4}),
        ("baseline", {}),
        ("lenet", {}),
    ],
    ids=str,
)
def test_weights_of_another_model_are_refused(
    name: str, arguments: dict, model: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    write_tensors(path, model.state_dict(), Card(name, arguments).to_json())
    refused(path, "another model")


# --- the card ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rejection": {}}, "unknown: .'rejection'"),
        ({"model": ["digitnet"]}, "model .* a name"),
        ({"model": "m" * 101}, "model .* a name"),
        ({"model_arguments": None}, "model_arguments .* a JSON object, not None"),
        ({"versions": []}, "versions .* a JSON object"),
        ({"temperature": None}, "temperature .* a number"),
        ({"temperature": True}, "temperature .* a number"),
        ({"temperature": "1"}, "temperature .* a number"),
        ({"temperature": 0}, "temperature .* from 0.001 to 1000, not 0"),
        ({"temperature": 10**400}, "temperature .* from 0.001 to 1000"),
        ({"temperature": math.nan}, "JSON"),
        ({"threshold": math.nan}, "JSON"),
        ({"threshold": 1e10}, "threshold .* a number from"),
        ({"stroke_threshold": 10**400}, "stroke_threshold .* a number from"),
        ({"false_rejection_rate": 1.5}, "false_rejection_rate .* from 0 to 1, not 1.5"),
        ({"test": {"mnist": [{"nll": math.inf}]}}, "JSON"),
    ],
    ids=str,
)
def test_a_card_that_makes_no_sense_is_refused(
    changes: dict, reason: str, model: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    write_tensors(path, model.state_dict(), CARD.to_json() | changes)
    refused(path, f"card is not valid: .*{reason}")
    with pytest.raises((ValueError, TypeError)):  # it is not written, either
        save_model(tmp_path / "other.safetensors", model, replace(CARD, **changes))
    assert not (tmp_path / "other.safetensors").exists()


def test_a_card_of_a_larger_network_takes_no_memory(
    model: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    arguments = {"width": 256, "late": 1024, "depth": 16}  # 150 million weights
    write_tensors(path, model.state_dict(), CARD.to_json() | {"model_arguments": arguments})
    tensors = []
    load = torch.nn.Module.load_state_dict
    monkeypatch.setattr(
        torch.nn.Module,
        "load_state_dict",
        lambda self, *a, **k: (tensors.extend(self.parameters()), load(self, *a, **k))[1],
    )
    with pytest.raises(WeightsError, match="another model"):
        load_model(path)
    assert sum(tensor.numel() for tensor in tensors) > 10**8
    assert all(tensor.is_meta for tensor in tensors)


@pytest.mark.parametrize("threshold", [-math.inf, 0.0, -2.5])
def test_a_card_is_strict_json_and_back(threshold: float) -> None:
    card = replace(CARD, threshold=threshold)
    text = json.dumps(card.to_json(), allow_nan=False)
    assert Card.from_json(json.loads(text)) == card


# --- the bundled file ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def card() -> Card:
    return load_model()[1]


def test_the_bundled_card_says_how_it_came_about(card: Card) -> None:
    stored = card.training["config"]
    back = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    config = TrainConfig(**back).as_dict()  # no other value than it knows
    assert config == stored  # every value
    assert len(card.training["history"]) == stored["epochs"]
    assert set(card.training["data"]) == {*stored["datasets"], "soft_labels", "init"}
    # Before the last distillation a branch was added; before it came two refinements and the first.
    trainings = [card.training]
    while "init" in trainings[-1]:
        trainings.append(trainings[-1]["init"])
    trained = [each["config"].get("trained", "") for each in trainings]
    assert trained == ["", "pen", "", "", ""]
    distilled = [each for each, part in zip(trainings, trained, strict=True) if not part]
    assert all("soft_labels" in each["data"] for each in distilled)
    assert all(len(each["history"]) == each["config"]["epochs"] for each in trainings)
    assert all(each["data"]["mnist"] == "42787817956c" for each in distilled)
    assert all(re.fullmatch("[0-9a-f]{12}", d) for d in card.training["data"].values())
    assert card.training["device"]
    assert card.training["seconds"] > 0
    for package in ("python", "digitlib", "torch", "numpy", "pillow"):
        assert re.match(r"\d+\.\d+", card.versions[package]), package


def test_the_bundled_card_has_its_accuracies_with_intervals(card: Card) -> None:
    assert {"mnist", "pendigits"} <= set(card.validation)
    assert set(card.test) >= {"mnist"}
    for results in (card.validation, card.test):
        for numbers in results.values():
            accuracy = numbers["accuracy"]
            assert 0.9 < accuracy["low"] < accuracy["value"] < accuracy["high"] <= 1
            assert accuracy["count"] - numbers["errors"] == round(
                accuracy["value"] * accuracy["count"]
            )
    assert card.test["mnist"]["accuracy"]["count"] == 10_000
    assert card.test["mnist"]["accuracy"]["value"] >= 0.995


def test_the_bundled_card_names_no_path_of_a_machine(card: Card) -> None:
    assert not re.search(r'"[^"]*/(home|tmp|root|work|Users)/', json.dumps(card.to_json()))
