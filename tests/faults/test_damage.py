"""Damaged weights, networks, checkpoints and data: refused in a sentence, or read as undamaged.

The long form, with 2,000 damages each, records its numbers: ``DIGITLIB_WRITE_REPORTS=1``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import damages, judge
from pen_files import unipen_folder
from reliability import LONG, record

from digitlib import Recognizer
from digitlib.datasets import catalog, mnist, unipen
from digitlib.errors import DataDamagedError
from digitlib.models.card import BUNDLED_NETWORK, BUNDLED_WEIGHTS
from digitlib.models.explain import TRAINING_DIGITS, read_training_digits
from digitlib.models.weights import load_model, model_digest

COUNT = 2000 if LONG else 24


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))


# --- weights ---------------------------------------------------------------------------------


def weights(path: Path) -> object:
    model, card = load_model(path)
    return model_digest(model), card


def network(path: Path) -> object:
    found = Recognizer.load(path)
    return found.weights, found.card, found.network


def training_digits(path: Path) -> object:
    found = read_training_digits(path)
    return [(name, str(found[name].dtype), found[name].tobytes()) for name in sorted(found)]


@pytest.mark.parametrize(
    ("file", "read"),
    [
        (BUNDLED_WEIGHTS, weights),
        (BUNDLED_NETWORK, network),
        (TRAINING_DIGITS, training_digits),
    ],
    ids=["weights", "ONNX", "training digits"],
)
def test_damaged_bundled_files(file: Path, read: Callable[[Path], object], tmp_path: Path) -> None:
    path, content = tmp_path / file.name, file.read_bytes()
    found = judge(path, damages(content, COUNT), lambda: read(path), read(file))
    record("damage", {read.__name__: found})


def test_damaged_heads_of_weights(tmp_path: Path) -> None:
    # The names, shapes and the card, where a random damage of the whole file seldom is.
    path, content = tmp_path / "net.safetensors", BUNDLED_WEIGHTS.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    heads = ((kind, head + content[end:]) for kind, head in damages(content[:end], COUNT))
    found = judge(path, heads, lambda: weights(path), weights(BUNDLED_WEIGHTS))
    record("damage", {"cards": found})


# --- data ------------------------------------------------------------------------------------


def digest(name: str, split: str, root: Path) -> str:
    return catalog.load(name, split, root, download=False).digest


@pytest.mark.needs_mnist
@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_damaged_idx_files(name: str, mnist_root: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for each in mnist.MNIST_FILES:  # those of the other split are not read
        (raw / each).write_bytes(b"")
        if each.startswith("t10k"):
            shutil.copy(mnist_root / "MNIST" / "raw" / each, raw / each)
    undamaged = digest("mnist", "test", tmp_path)
    damaged = damages((raw / name).read_bytes(), COUNT)
    found = judge(raw / name, damaged, lambda: digest("mnist", "test", tmp_path), undamaged)
    record("damage", {f"IDX, {name}": found})


@pytest.mark.needs_pendigits
def test_damaged_pen_files(pendigits_file: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "pendigits-orig" / pendigits_file.name, pendigits_file.read_bytes()
    path.parent.mkdir()
    path.write_bytes(content)
    undamaged = digest("pendigits", "validation", tmp_path)
    damaged = damages(content, COUNT)
    found = judge(path, damaged, lambda: digest("pendigits", "validation", tmp_path), undamaged)
    record("damage", {"pendigits": found})


@pytest.mark.parametrize("which", ["ink", "page"])
def test_damaged_unipen_files(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ink = unipen_folder(tmp_path)
    monkeypatch.setattr(unipen, "DIGESTS", {"strokes-unipen-validation": "unknown"})
    with pytest.raises(DataDamagedError, match="with the digest") as found:
        digest("unipen", "validation", tmp_path)
    known = str(found.value).partition("digest ")[2][:12]
    monkeypatch.setattr(unipen, "DIGESTS", {"strokes-unipen-validation": known})
    undamaged = digest("unipen", "validation", tmp_path)
    path = ink if which == "ink" else tmp_path / "unipen" / "data" / "1a" / "tos" / "page"
    counts = judge(
        path, damages(path.read_bytes(), COUNT),
        lambda: digest("unipen", "validation", tmp_path), undamaged, str(tmp_path),
    )  # fmt: skip
    record("damage", {f"UNIPEN, {which}": counts})


@pytest.mark.needs_notmnist
def test_damaged_notmnist(notmnist_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir()
    content = (notmnist_folder / path.name).read_bytes()
    path.write_bytes(content)
    undamaged = digest("notmnist", "test", tmp_path)
    damaged = damages(content, COUNT)
    found = judge(path, damaged, lambda: digest("notmnist", "test", tmp_path), undamaged)
    record("damage", {"notMNIST": found})
