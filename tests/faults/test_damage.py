"""Damaged weights, networks, checkpoints and data: refused in a sentence, or as if undamaged.

The long form, with 2,000 damages each, writes its figures: ``DIGITLIB_WRITE_REPORTS=1``.
"""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from damage import Damage, damages, judge
from helpers import sample_splits, small_config
from pen_files import pen_text, unipen_folder
from reliability import LONG, record
from safetensors import safe_open

from digitlib import Recognizer, WeightsError
from digitlib.datasets import catalog, mnist, pendigits, unipen
from digitlib.datasets.base import DigitData
from digitlib.models.card import BUNDLED_NETWORK, BUNDLED_WEIGHTS, Card
from digitlib.models.explain import TRAINING_DIGITS, read_training_digits
from digitlib.models.networks import build_network
from digitlib.models.weights import load_model, model_digest, write_tensors
from digitlib.training.trainer import _Run, fit

COUNT = 2000 if LONG else 24


def network(path: Path) -> tuple[str, Card]:
    model, card = load_model(path)
    return model_digest(model), card


# --- weights ---------------------------------------------------------------------------------


def well_formed(path: Path, count: int, seed: int = 0) -> Iterator[Damage]:
    """Damages that a reader of safetensors does not see: of tensors and of the card."""
    chance = random.Random(seed)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for number in range(count):
        tensors = {name: tensor.clone() for name, tensor in whole.items()}
        about = dict(metadata)
        changed = [name for name in tensors if tensors[name].numel() and tensors[name].any()]
        kind = ("zeroed tensor", "swapped tensors", "flipped bit", "edited card")[number % 4]
        if kind == "zeroed tensor":
            tensors[chance.choice(changed)].zero_()
        elif kind == "swapped tensors":
            first, second = chance.sample(changed, 2)
            while torch.equal(tensors[first], tensors[second]):  # counters of batches are
                first, second = chance.sample(changed, 2)
            tensors[first], tensors[second] = tensors[second], tensors[first]
        elif kind == "flipped bit":
            bits = tensors[chance.choice(changed)].reshape(-1).view(torch.uint8)
            bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
        else:
            about["card"] = next(text for text in edited_cards(about["card"], 1, chance.random()))
        yield kind, safetensors.torch.save(tensors, metadata=about)


VALUES = (
    None,
    True,
    -1,
    0,
    1e-9,
    3,
    10**400,
    "3",
    [],
    {},
    [[[1]]],
    {"a": 1},
    0.5,
    1e308,
    "é" * 999,
)


def edited_cards(text: str, count: int, seed: float = 0) -> Iterator[str]:
    """Cards with one value, anywhere, another, missing or added."""
    chance = random.Random(seed)
    for _ in range(count):
        while True:
            card = json.loads(text)
            place: Any = card
            while True:
                keys = [*place] if isinstance(place, dict) else range(len(place))
                key = chance.choice([*keys])
                if (
                    not isinstance(place[key], dict | list)
                    or not place[key]
                    or chance.random() < 0.4
                ):
                    break
                place = place[key]
            how = chance.randrange(8)
            if how == 0:
                del place[key]
            elif how == 1 and isinstance(place, dict):
                place[f"{key}s"] = place[key]
            elif how == 2 and isinstance(place[key], int | float):
                place[key] *= 1.5
            else:
                place[key] = chance.choice(VALUES)
            if (edited := json.dumps(card)) != json.dumps(json.loads(text)):
                break
        yield edited


def test_damaged_weights(tmp_path: Path) -> None:
    path, undamaged = tmp_path / "net.safetensors", network(BUNDLED_WEIGHTS)
    content = BUNDLED_WEIGHTS.read_bytes()
    found = judge(path, damages(content, COUNT), lambda: network(path), undamaged)
    formed = judge(path, well_formed(BUNDLED_WEIGHTS, COUNT), lambda: network(path), undamaged)
    assert formed["refused"] == COUNT
    record("damage", {"weights": found, "weights, well formed": formed})


def test_damaged_heads_of_weights(tmp_path: Path) -> None:
    # The names, shapes and the card, where a byte in ten thousand of all would seldom fall.
    path, undamaged = tmp_path / "net.safetensors", network(BUNDLED_WEIGHTS)
    content = BUNDLED_WEIGHTS.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    heads = ((kind, head + content[end:]) for kind, head in damages(content[:end], COUNT))
    record("damage", {"cards": judge(path, heads, lambda: network(path), undamaged)})


def test_edited_cards_are_refused_or_make_sense(tmp_path: Path) -> None:
    # With a digest of their own, as by somebody who edits a card and stamps the file.
    torch.manual_seed(0)
    model = build_network("digitnet", width=4)
    stored = Card("digitnet", {"width": 4, "depth": 3}, 1.25, 0.5, 0.25, 0.01).to_json()
    path, found = tmp_path / "net.safetensors", Counter(damages=0, refused=0)
    undamaged = model_digest(model)
    for text in edited_cards(json.dumps(stored | {"versions": {"torch": "2"}}), COUNT):
        found["damages"] += 1
        write_tensors(path, model.state_dict(), json.loads(text))
        try:
            digest, card = network(path)
        except WeightsError:
            found["refused"] += 1
            continue
        assert digest == undamaged
        assert 0 < card.temperature <= 1e3
        if found["damages"] - found["refused"] <= 10:
            Recognizer.from_model(model, card).predict_frame(np.zeros((28, 28), np.uint8))
    record("damage", {"edited cards": dict(found)})


def test_damaged_networks(tmp_path: Path) -> None:
    path, content = tmp_path / "net.onnx", BUNDLED_NETWORK.read_bytes()

    def read() -> tuple[str, Card, bytes]:
        found = Recognizer.load(path)
        return found.weights, found.card, found.network

    bundled = Recognizer.load()
    undamaged = bundled.weights, bundled.card, bundled.network
    record("damage", {"ONNX": judge(path, damages(content, COUNT), read, undamaged)})


def test_damaged_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "net.ckpt"
    config, splits = small_config(epochs=2), sample_splits()
    undamaged = model_digest(fit(config, splits, progress=False, checkpoint=path).model)
    run = _Run(config, splits, torch.device("cpu"))

    def read() -> str:
        run.resume(path)
        return model_digest(run.result)

    content = path.read_bytes()
    assert read() == undamaged
    found = judge(path, damages(content, COUNT), read, undamaged)
    path.write_bytes(content)
    formed = judge(path, well_formed_checkpoints(path), read, undamaged)
    record("damage", {"checkpoints": found, "checkpoints, well formed": formed})


def well_formed_checkpoints(path: Path) -> list[Damage]:
    return [each for each in well_formed(path, COUNT) if each[0] != "edited card"]


def test_damaged_training_digits(tmp_path: Path) -> None:
    path, content = tmp_path / "digits.npz", TRAINING_DIGITS.read_bytes()

    def read() -> list[tuple[str, str, bytes]]:
        found = read_training_digits(path)
        return [(name, str(found[name].dtype), found[name].tobytes()) for name in sorted(found)]

    path.write_bytes(content)
    found = judge(path, damages(content, COUNT), read, read())
    record("damage", {"training digits": found})


# --- data ------------------------------------------------------------------------------------


def packed(data: DigitData) -> tuple[str, list[int] | None]:
    return data.digest, None if data.writers is None else data.writers.tolist()


@pytest.mark.needs_mnist
@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_damaged_idx_files(name: str, mnist_root: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for each in mnist.MNIST_FILES:  # those of the other split are not looked at
        (raw / each).write_bytes(b"")
        if each.startswith("t10k"):
            shutil.copy(mnist_root / "MNIST" / "raw" / each, raw / each)

    def read() -> object:
        return packed(catalog.load("mnist", "test", tmp_path, download=False))

    path, undamaged = raw / name, read()
    found = judge(path, damages(path.read_bytes(), COUNT), read, undamaged)
    record("damage", {f"IDX, {name}": found})


@pytest.mark.needs_pendigits
def test_damaged_pen_files(pendigits_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "pendigits-orig" / pendigits_file.name
    path.parent.mkdir()

    def read() -> object:
        return packed(catalog.load("pendigits", "validation", tmp_path, download=False))

    content = pendigits_file.read_bytes()
    path.write_bytes(content)
    found = judge(path, damages(content, COUNT), read, read())
    record("damage", {"pendigits": found})


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_a_pen_file_of_unknown_content_is_said_and_known_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pendigits.COUNTS, pendigits.TESTING, 30)
    path = tmp_path / "pendigits-orig" / pendigits.TESTING
    path.parent.mkdir()
    path.write_text(pen_text())

    def read() -> object:
        return packed(catalog.load("pendigits", "test", tmp_path, download=False))

    with pytest.warns(UserWarning, match=r"pendigits-orig\.tes is believed as it is"):
        undamaged = read()
    with warnings.catch_warnings(action="error"):
        assert read() == undamaged
        found = judge(path, damages(path.read_bytes(), COUNT), read, undamaged)
    path.write_text(pen_text())
    kept = path.with_name(path.name + ".sha256")
    with warnings.catch_warnings(action="error"):
        also = judge(kept, damages(kept.read_bytes(), COUNT), read, undamaged, str(path))
    record("damage", {"pen file of unknown digest": found, "its digest": also})


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("which", ["ink", "page"])
def test_damaged_unipen_files(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = unipen_folder(tmp_path)
    name, files = "strokes-unipen-validation", unipen.find_unipen(["1a"], "validation", tmp_path)
    monkeypatch.setattr(unipen, "DIGESTS", {})
    with pytest.warns(UserWarning, match="unipen is believed as it is"):
        whole = unipen.content_digest(unipen._checked(name, files))
    monkeypatch.setattr(unipen, "DIGESTS", {name: whole})
    path = path if which == "ink" else files[0]

    def read() -> object:
        return packed(catalog.load("unipen", "validation", tmp_path, download=False))

    undamaged = read()
    found = judge(path, damages(path.read_bytes(), COUNT), read, undamaged, str(tmp_path))
    record("damage", {f"UNIPEN, {which}": found})


@pytest.mark.needs_notmnist
def test_damaged_notmnist(notmnist_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir()
    content = (notmnist_folder / path.name).read_bytes()

    def read() -> object:
        return packed(catalog.load("notmnist", "test", tmp_path, download=False))

    path.write_bytes(content)
    record("damage", {"notMNIST": judge(path, damages(content, COUNT), read, read())})
