"""Weights files: saved and loaded unchanged; other files are refused, nothing is unpickled."""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from digitlib import Recognizer, WeightsError
from digitlib.datasets import catalog
from digitlib.models.card import BUNDLED_WEIGHTS, Card
from digitlib.models.networks import build_network, count_parameters
from digitlib.models.weights import (
    FORMAT,
    load_model,
    read_tensors,
    save_model,
    stamp,
    write_tensors,
)
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


def refused(path: Path, *words: str) -> None:
    """Loading fails with one line: the file and the reason."""
    for function in (load_model, read_tensors):
        with pytest.raises(WeightsError) as caught:
            function(path)
        message = str(caught.value)
        assert str(path) in message
        assert "\n" not in message
        assert len(message) < 400 + len(str(path))
        assert any(word in message for word in words), message


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
    frames = torch.randn(3, 1, 28, 28)
    assert torch.equal(before.eval()(frames), after(frames))


def test_the_file_is_safetensors_with_its_card_inside(saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        assert json.loads(file.metadata()["card"]) == CARD.to_json()


def test_saving_replaces_the_file_at_once(saved: Path, model: torch.nn.Module) -> None:
    save_model(saved, model, replace(CARD, temperature=2.0))
    assert load_model(saved)[1].temperature == 2.0
    assert [*saved.parent.iterdir()] == [saved]


def test_folders_are_made(model: torch.nn.Module, tmp_path: Path) -> None:
    save_model(tmp_path / "a" / "b" / "net.safetensors", model, CARD)
    assert load_model(tmp_path / "a" / "b" / "net.safetensors")[1] == CARD


@pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")
def test_others_may_read_the_file_as_the_umask_says(saved: Path) -> None:
    other = saved.with_name("other")
    other.write_bytes(b"")
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_layouts_in_memory_do_not_matter(tmp_path: Path) -> None:
    model = build_network("baseline").to(memory_format=torch.channels_last)
    save_model(tmp_path / "net.safetensors", model, Card("baseline"))
    after, _ = load_model(tmp_path / "net.safetensors")
    assert torch.equal(after.features[3].weight, model.features[3].weight)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": ""}, "has a name"),
        ({"model": "lenet"}, "there are baseline, digitnet"),
        ({"model_arguments": {"width": 2000}}, "width of digitnet lies between"),
        ({"validation": {"mnist": {"nll": math.nan}}}, "validation has a number that is not fin"),
    ],
    ids=str,
)
def test_what_cannot_be_read_again_is_not_written(
    changes: dict, reason: str, model: torch.nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=reason):
        save_model(tmp_path / "net.safetensors", model, replace(CARD, **changes))
    assert not (tmp_path / "net.safetensors").exists()


# Lengths of the header that begin, in a file, with the same two bytes as pickles and zips do.
LOOK_ALIKES = [
    int.from_bytes(start + after, "little")
    for start in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK")
    for after in (b"\x00", b"\x01")
]


@pytest.mark.parametrize("length", LOOK_ALIKES)
def test_a_card_may_have_any_length(length: int, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for padding in range(length - 400, length):
        write_tensors(path, {"a": torch.zeros(1)}, {"text": "x" * padding})
        with path.open("rb") as file:
            (found,) = struct.unpack("<Q", file.read(8))
        if found >= length:
            break
    assert found == length
    assert read_tensors(path)[1] == {"text": "x" * padding}


# --- refused files -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(share: float, saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    refused(saved, "truncated")


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, -1])
def test_files_cut_at_the_ends_are_refused(length: int, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    refused(saved, "truncated")


def test_a_file_with_more_at_its_end_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"more")
    refused(saved, "damaged")


@pytest.mark.parametrize(
    "content",
    [
        b"\x00" * 1000,
        b"\xff" * 1000,
        b"no weights, just a text file\n" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\x10\x00\x00\x00\x00\x00\x00\x00not json at all!",
    ],
    ids=["zeros", "ones", "text", "png", "no json"],
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    refused(path, "not a safetensors file", "pickle or zip")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "there is no such")
    refused(tmp_path, "there is no such", "folder", "directory")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_never_unpickled(protocol: int, tmp_path: Path) -> None:
    mark, path = tmp_path / "unpickled", tmp_path / "net.safetensors"
    path.write_bytes(pickle.dumps(Bomb(mark), protocol))
    refused(path, "pickle", "not a safetensors file")
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # the bomb works: it is only never lit
    assert mark.exists()


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_files_of_torch_save_are_never_unpickled(
    archive: bool, model: torch.nn.Module, tmp_path: Path
) -> None:
    mark, path = tmp_path / "unpickled", tmp_path / "net.pt"
    content = {"weights": model.state_dict(), "bomb": Bomb(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    refused(path, "pickle")
    assert not mark.exists()


def test_zips_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net.safetensors", b"weights")
    refused(path, "zip")


def test_safetensors_of_others_are_refused(model: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    refused(path, "no digitlib-1 card")
    safetensors.torch.save_file(model.state_dict(), path, metadata={"format": "pt"})
    refused(path, "no digitlib-1 card")


@pytest.mark.parametrize(
    "metadata",
    [{}, *({"card": text} for text in ("{", "", "null", "[]", "3", "[" * 10**5, '{"a":' * 10**5))],
    ids=["none", "cut", "empty", "null", "list", "number", "deep", "deep objects"],
)
def test_files_with_a_broken_card_are_refused(
    metadata: dict, model: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    whole = {"format": FORMAT} | metadata
    safetensors.torch.save_file(model.state_dict(), path, metadata=whole)
    refused(path, "card")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digitnet", {"width": 5}),
        ("digitnet", {"width": 4, "outputs": 11}),
        ("digitnet", {"depth": 4}),
        ("digitnet", {"size": 4}),
        ("baseline", {}),
        ("lenet", {}),
    ],
)
def test_weights_of_another_model_are_refused(
    name: str, arguments: dict, model: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    write_tensors(path, model.state_dict(), Card(name, arguments).to_json())
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}.*another model") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", [load_model, read_tensors, Recognizer.load])
def test_a_file_that_cannot_be_read_is_said_with_its_reason(
    function: Callable[[Path], object], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("digitlib.models.weights.safe_open", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    monkeypatch.setattr(Path, "open", fail)
    for path in (saved, Path(shutil.copy(saved, saved.with_suffix(".onnx")))):
        with pytest.raises(WeightsError, match=re.escape(str(path))) as caught:
            function(path)
        assert "Permission denied" in str(caught.value)
        assert isinstance(caught.value.__cause__, PermissionError)
    monkeypatch.setattr(Path, "is_file", fail)  # of a folder that cannot be looked into
    with pytest.raises(WeightsError, match="cannot be read: Permission denied"):
        function(saved)


# --- content that is not as it was written ---------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    """Change tensors or metadata of a file, in the right form: only the digest tells."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    change(tensors, metadata)
    safetensors.torch.save_file(tensors, path, metadata=metadata)


def swap(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    names = ("early.5.weight", "early.5.bias")
    tensors.update(zip(names, [tensors[name] for name in reversed(names)], strict=True))


def zero(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    tensors["head.2.weight"].zero_()


def flip(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    tensors["head.2.weight"].view(torch.int32)[3, 3] ^= 1


def edit(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    metadata["card"] = metadata["card"].replace("1.25", "1.24")


def reshape(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    tensors["head.2.weight"] = tensors["head.2.weight"].T.contiguous()


def restamp(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    metadata["digest"] = "0" * 64


@pytest.mark.parametrize("change", [swap, zero, flip, edit, reshape, restamp])
def test_tensors_and_cards_are_believed_only_as_written(change: Callable, saved: Path) -> None:
    rewrite(saved, change)
    refused(saved, "damaged: its content is not as it was written")


def test_a_file_without_a_digest_is_refused_until_it_is_stamped(saved: Path) -> None:
    before = load_model(saved)[0].state_dict()
    rewrite(saved, lambda tensors, metadata: metadata.pop("digest"))
    refused(saved, f"python -m digitlib stamp {saved}")
    stamp(saved)
    after, card = load_model(saved)
    assert card == CARD
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.items())


# --- the card ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rejection": {}}, "rejection is unknown"),
        ({"model": ["digitnet"]}, "model cannot be"),
        ({"model_arguments": None}, "model_arguments cannot be None"),
        ({"temperature": None}, "temperature cannot be None"),
        ({"temperature": True}, "temperature cannot be True"),
        ({"temperature": "1"}, "temperature cannot be '1'"),
        ({"temperature": 0}, "temperature lies between 0.001 and 1000, not 0"),
        ({"temperature": -1.0}, "temperature lies between"),
        ({"temperature": math.nan}, "temperature has a number that is not finite"),
        ({"temperature": math.inf}, "temperature has a number that is not finite"),
        ({"temperature": 10**400}, "temperature lies between"),
        ({"threshold": math.nan}, "threshold has a number that is not finite"),
        ({"threshold": -math.inf}, "threshold has a number that is not finite"),
        ({"threshold": 1e10}, "threshold lies between"),
        ({"stroke_threshold": -math.inf}, "stroke_threshold has a number that is not"),
        ({"stroke_threshold": 10**400}, "stroke_threshold lies between"),
        ({"false_rejection_rate": 1.5}, "false_rejection_rate lies between 0 and 1, not 1.5"),
        ({"test": {"mnist": [{"nll": math.inf}]}}, "test has a number that is not finite"),
        ({"model": "m" * 101}, "has a name"),
        ({"versions": []}, "versions cannot be"),
    ],
    ids=str,
)
def test_a_senseless_card_is_refused(
    changes: dict, reason: str, model: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    write_tensors(path, model.state_dict(), CARD.to_json() | changes)
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: .*{reason}") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [{"width": 2000}, {"depth": 10**6}, {"width": 10**400}, {"width": 4.0}], ids=str
)
def test_a_card_with_arguments_beyond_their_limits_builds_nothing(
    arguments: dict, model: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    write_tensors(path, model.state_dict(), CARD.to_json() | {"model_arguments": arguments})
    monkeypatch.setattr(torch.nn.Module, "__init__", None)
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}.*lies between"):
        load_model(path)


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


@pytest.mark.parametrize("name", [field.name for field in fields(Card)])
def test_a_card_has_every_field(name: str) -> None:
    stored = CARD.to_json()
    del stored[name]
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        Card.from_json(stored)


@pytest.mark.parametrize("stored", [[], "card", None, 1])
def test_a_card_is_an_object(stored: object) -> None:
    with pytest.raises(WeightsError, match="JSON object"):
        Card.from_json(stored)


@pytest.mark.parametrize("temperature", [math.nan, math.inf, 0.0, -1.0, 1e4])
def test_a_card_cannot_be_made_with_a_senseless_temperature(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        Card("digitnet", temperature=temperature)


@pytest.mark.parametrize("threshold", [-math.inf, 0.0, -2.5])
def test_a_card_is_strict_json_and_back(threshold: float) -> None:
    card = replace(CARD, threshold=threshold)
    text = json.dumps(card.to_json(), allow_nan=False)
    assert Card.from_json(json.loads(text)) == card


def test_a_weights_error_is_a_value_error() -> None:
    assert issubclass(WeightsError, ValueError)


# --- the bundled file ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def card() -> Card:
    return load_model()[1]


def test_the_bundled_file_is_small() -> None:
    assert BUNDLED_WEIGHTS.stat().st_size <= 2**20


def test_the_bundled_card_says_how_to_use_the_network(card: Card) -> None:
    model, _ = load_model()
    assert card.model == "digitnet"
    assert card.model_arguments["outputs"] == 11
    assert 4 * count_parameters(model) < 2**20  # in a file of at most 1 MiB
    assert 0.3 < card.temperature < 3
    assert card.false_rejection_rate == 0.01
    assert -50 < card.threshold < 50


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


@pytest.mark.needs_mnist
def test_the_bundled_card_is_of_the_data_that_is_here(card: Card) -> None:
    validation = catalog.load("mnist", "validation", download=False)
    assert card.validation["mnist"]["digest"] == validation.digest
    test = catalog.load("mnist", "test", download=False)
    assert card.test["mnist"]["digest"] == test.digest
