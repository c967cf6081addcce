"""Data sets: missing files, damage, and splits that never change."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from helpers import DIGITS
from sklearn.datasets import load_digits

from digitlib.datasets import catalog, typeset
from digitlib.datasets.base import NO_DIGIT, SPLITS, DigitData
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.datasets.pendigits import VALIDATION_WRITERS, read_pendigits
from digitlib.errors import DataDamagedError, DataMissingError


def rows(data: DigitData) -> set[bytes]:
    return {image.tobytes() for image in data.images.numpy()}


def test_reading_drawing_and_training_import_no_data_set() -> None:
    code = """import sys
from digitlib import DrawingPad, Recognizer, Studio, TrainConfig, fit
from digitlib.datasets.catalog import MODULES
print([name for name in MODULES.values() if f"digitlib.datasets.{name}" in sys.modules])
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


# --- missing files -------------------------------------------------------------------------


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize(
    ("name", "what", "place"),
    [
        ("mnist/test", "MNIST", "MNIST/raw"),
        ("fashion/test", "Fashion-MNIST", "FashionMNIST/raw"),
        ("pendigits/train", "UCI pendigits", "pendigits-orig/pendigits-orig.tra"),
        ("notmnist/test", "notMNIST", "notMNIST/t10k-images-idx3-ubyte.gz"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_missing_data_says_what_where_and_two_ways_out(
    name: str, what: str, place: str, download: bool, tmp_path: Path
) -> None:
    with pytest.raises(DataMissingError) as caught:
        catalog.load(*name.split("/"), tmp_path, download=download)
    message = str(caught.value)
    assert message.startswith(what)
    assert str(tmp_path / place) in message
    assert "go online" in message
    assert "by hand" in message
    assert "data/README.md" in message
    assert "DIGITLIB_DATA" in message
    assert ("switched off" in message) == (not download and what != "notMNIST")
    assert [path for path in tmp_path.rglob("*") if path.is_dir()] == []


@pytest.mark.parametrize("name", ["styles", "no_digits"])
@pytest.mark.usefixtures("offline")
def test_sets_made_from_pen_strokes_name_the_missing_strokes(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"pendigits-orig\.tra.*DIGITLIB_DATA"):
        catalog.load(name, "train", tmp_path, download=False)


@pytest.mark.parametrize(("name", "split"), [("emnist", "train"), ("mnist", "dev"), ("", "test")])
def test_unknown_names_are_told_the_known_ones(name: str, split: str) -> None:
    with pytest.raises(ValueError, match=r"Choose one of (mnist, sample|train, validation, test)"):
        catalog.load(name, split)


# --- MNIST ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist(mnist_root: Path) -> dict[str, DigitData]:
    return {split: catalog.load("mnist", split, mnist_root, download=False) for split in SPLITS}


def test_mnist_is_whole_and_as_torchvision_has_it(
    mnist: dict[str, DigitData], mnist_root: Path
) -> None:
    assert [len(data) for data in mnist.values()] == [55_000, 5_000, 10_000]
    for split, data in mnist.items():
        assert data.images.dtype == torch.uint8
        assert data.images.shape == (len(data), 28, 28)
        assert data.labels.dtype == torch.int64
        assert (data.name, data.split) == ("mnist", split)
    source = torchvision.datasets.MNIST(str(mnist_root), train=False)
    assert torch.equal(mnist["test"].images, source.data)
    assert torch.equal(mnist["test"].labels, source.targets)


def test_mnist_splits_never_change(mnist: dict[str, DigitData]) -> None:
    # Accuracies of different days and machines are compared: these are the digits they are of.
    assert {split: data.digest for split, data in mnist.items()} == {
        "train": "42787817956c",
        "validation": "b6f757dc5e44",
        "test": "a0863a96c44e",
    }


# --- the sample ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> dict[str, DigitData]:
    return {split: catalog.load("sample", split) for split in SPLITS}


def test_the_sample_is_all_of_scikit_learns_digits(sample: dict[str, DigitData]) -> None:
    assert [len(data) for data in sample.values()] == [1297, 200, 300]
    labels = torch.cat([data.labels for data in sample.values()])
    expected = np.bincount(load_digits().target)
    assert torch.bincount(labels).tolist() == expected.tolist()
    assert not rows(sample["train"]) & rows(sample["test"])
    assert not rows(sample["train"]) & rows(sample["validation"])
    assert not rows(sample["validation"]) & rows(sample["test"])


def test_the_sample_never_changes(sample: dict[str, DigitData]) -> None:
    assert torch.equal(catalog.load("sample", "test").images, sample["test"].images)
    # Labels hold on every machine; gray levels may differ by rounding between libraries.
    digests = {
        split: hashlib.sha256(data.labels.numpy().tobytes()).hexdigest()[:12]
        for split, data in sample.items()
    }
    assert digests == SAMPLE_LABELS


SAMPLE_LABELS = {"train": "014e240694a2", "validation": "64e17bd40f99", "test": "b0fe2ea521a1"}


# --- pen digits and what is made of them ---------------------------------------------------


@pytest.mark.needs_pendigits
def test_pen_data_is_rendered_and_keeps_its_strokes(pendigits_file: Path) -> None:
    root = pendigits_file.parent.parent
    data = catalog.load("pendigits", "validation", root, download=False)
    digits = read_pendigits("validation", root, download=False)
    assert len(data) == len(digits) == 1500
    assert set(data.writers.tolist()) == set(VALIDATION_WRITERS)
    assert data.labels.tolist() == [digit.label for digit in digits]
    rows = torch.arange(0, 1500, 150)
    frames = data.frames(rows)
    assert frames.shape == (10, 4, 28, 28)
    assert torch.equal((frames[:, 0] * 255).round().byte(), data.images[rows])
    for row in rows.tolist():
        for kept, stroke in zip(data.strokes[row], digits[row].strokes, strict=True):
            np.testing.assert_array_equal(kept, stroke)


def test_pictures_have_frames_with_empty_channels() -> None:
    data = catalog.load("sample", "test").subset(5)
    frames = data.frames()
    assert torch.equal((frames[:, 0] * 255).round().byte(), data.images)
    assert not frames[:, 1:].any()
    assert not data.drawn.any()


def test_parts_of_pen_data_keep_their_strokes() -> None:
    drawings = [PenDrawing(list(DIGITS[digit]), digit, 5) for digit in range(10)]
    data = pen_data("made", "train", drawings)
    for chosen in (torch.tensor([7, 2]), slice(3, 5), data.labels > 7):
        part = data.select(chosen)
        for label, strokes in zip(part.labels.tolist(), part.strokes, strict=True):
            np.testing.assert_array_equal(np.concatenate(strokes), np.concatenate(DIGITS[label]))


@pytest.mark.slow
@pytest.mark.needs_pendigits
def test_made_sets_keep_train_and_validation_apart(pendigits_file: Path) -> None:
    root = pendigits_file.parent.parent
    for name in ("styles", "no_digits"):
        train, validation = (catalog.load(name, s, root) for s in ("train", "validation"))
        assert len(train) > len(validation) > 500
        both = rows(train) & rows(validation)
        # Nothing but plain straight ones looks the same in both.
        shared = [image.tobytes() in both for image in validation.images.numpy()]
        assert set(validation.labels[shared].tolist()) <= {1}
        assert sum(shared) < 20


def test_typeset_splits_are_disjoint_and_of_no_digit() -> None:
    parts = [catalog.load("typeset", split) for split in SPLITS]
    assert sum(map(len, parts)) == len(typeset.TYPESET) * len(typeset.FONTS)
    assert not set("0123456789") & set(typeset.TYPESET)
    for part in parts:
        assert (part.labels == NO_DIGIT).all()
        assert (part.images.amax(dim=(1, 2)) == 255).all()
    train, validation, test = map(rows, parts)
    assert not train & validation
    assert not train & test
    assert not validation & test


@pytest.mark.parametrize("name", ["pendigits", "styles"])
def test_the_test_file_of_pendigits_is_not_used(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{name} has no test split"):
        catalog.load(name, "test", tmp_path)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_notmnist_is_never_trained_on(split: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only a test split"):
        catalog.load("notmnist", split, tmp_path)


def test_a_subset_is_fixed_by_its_seed(sample: dict[str, DigitData]) -> None:
    data = sample["train"]
    part = data.subset(100, seed=3)
    assert (len(part), part.name, part.split) == (100, "sample", "train")
    assert torch.equal(part.images, data.subset(100, seed=3).images)
    assert part.digest != data.subset(100, seed=4).digest
    rows = data.sample_indices(100, seed=3)
    assert (rows.diff() > 0).all()
    assert torch.equal(part.labels, data.labels[rows])
    assert data.subset(None) is data.subset(10**6) is data
    with pytest.raises(ValueError, match="at least one"):
        data.subset(0)


# --- Fashion-MNIST -------------------------------------------------------------------------


@pytest.fixture
def clothes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with made-up files in the format, 6,000 pictures to train and 10 to test."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    digests = []
    for prefix, count in (("train", 6_000), ("t10k", 10)):
        numbers = (np.arange(count) % 256).astype(np.uint8)
        parts = {"images-idx3": bytes(16) + np.repeat(numbers, 784).tobytes(),
                 "labels-idx1": bytes(8) + (numbers % 10).tobytes()}  # fmt: skip
        for kind, content in parts.items():
            path = raw / f"{prefix}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(content))
            digests.append((path.name, hashlib.md5(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", digests)
    return tmp_path


def test_clothes_are_read_and_split_like_mnist(clothes: Path) -> None:
    found = {split: catalog.load("fashion", split, clothes, download=False) for split in SPLITS}
    assert {split: len(data) for split, data in found.items()} == {
        "train": 1_000, "validation": 5_000, "test": 10,
    }  # fmt: skip
    assert found["test"].images[7].unique().tolist() == [7]
    assert found["test"].labels.tolist() == [*range(10)]


def test_damaged_clothes_are_named(clothes: Path) -> None:
    path = clothes / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataDamagedError, match=r"t10k-labels.* is damaged: delete it"):
        catalog.load("fashion", "test", clothes)
