"""Data sets: where they are looked for, what damage does, and splits that never change."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from helpers import bundled
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from digitlib.datasets import catalog, rendering
from digitlib.datasets.base import (
    NO_DIGIT,
    SPLITS,
    DigitData,
)
from digitlib.datasets.mnist import MNIST_FILES
from digitlib.datasets.pen import PEN_SAMPLES, PenDrawing, pen_data
from digitlib.datasets.pendigits import PEN_VALIDATION_WRITERS, read_pendigits
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import data_root
from digitlib.preprocessing import strokes

PEN_FILE = """\
.SEGMENT DIGIT 0 ? "1"
.COMMENT 1 2 1
.PEN_DOWN
 5 9
 5 0
.PEN_UP
"""


@pytest.fixture
def mnist_copy(mnist_root: Path, tmp_path: Path) -> Path:
    """A data root with MNIST of its own, to be damaged."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_FILES:
        shutil.copy(mnist_root / "MNIST" / "raw" / name, raw / name)
    return tmp_path


def flip_a_byte(path: Path, position: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if position is None else position] ^= 0x10
    path.write_bytes(content)


def rows(data: DigitData) -> set[bytes]:
    return {image.tobytes() for image in data.images.numpy()}


# --- where data lies -----------------------------------------------------------------------


def test_the_root_is_the_argument_then_the_variable_then_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path / "argument") == tmp_path / "argument"
    assert data_root(str(tmp_path)) == tmp_path
    assert data_root() == tmp_path / "variable"
    repository_data = Path(catalog.__file__).resolve().parents[2] / "data"
    monkeypatch.setenv("DIGITLIB_DATA", "")
    assert data_root() == repository_data
    monkeypatch.delenv("DIGITLIB_DATA")
    assert data_root() == repository_data
    monkeypatch.chdir(tmp_path)  # a notebook's folder does not matter
    assert data_root() == repository_data


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_set_is_read_from_that_root(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "pendigits-orig"
    folder.mkdir()
    (folder / "pendigits-orig.tes").write_text(PEN_FILE)
    if how == "variable":
        monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path))
    else:
        monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path / "elsewhere"))
    root = tmp_path if how == "argument" else None
    try:
        found = read_pendigits("test", root, download=False)
    except DataDamagedError:
        return  # a file of one digit may well be refused: it was looked for in the right place
    assert len(found) == 1


# --- what is missing -----------------------------------------------------------------------


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize(
    ("name", "what", "place"),
    [
        ("mnist", "MNIST", "MNIST/raw"),
        ("pendigits", "pendigits", "pendigits-orig/pendigits-orig.tes"),
        ("notmnist", "notMNIST", "notMNIST/t10k-images-idx3-ubyte.gz"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_missing_data_says_what_where_and_two_ways_out(
    name: str, what: str, place: str, download: bool, tmp_path: Path
) -> None:
    with pytest.raises(DataMissingError) as caught:
        catalog.load(name, "test", tmp_path, download=download)
    message = str(caught.value)
    assert message.startswith(what) or f"UCI {what}" in message
    assert str(tmp_path / place) in message
    assert "go online" in message
    assert "by hand" in message
    assert "data/README.md" in message
    assert "DIGITLIB_DATA" in message
    assert ("switched off" in message) == (not download and name != "notmnist")
    assert [path for path in tmp_path.rglob("*") if path.is_dir()] == []


@pytest.mark.usefixtures("offline")
def test_the_reason_of_a_failed_download_is_whole(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError) as caught:
        catalog.load("mnist", "test", tmp_path)
    assert " ".join(str(caught.value.__cause__).split()) in str(caught.value)


@pytest.mark.parametrize("name", ["styles", "no_digits"])
@pytest.mark.usefixtures("offline")
def test_sets_made_from_pen_strokes_name_the_missing_strokes(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"pendigits-orig\.tra.*DIGITLIB_DATA"):
        catalog.load(name, "train", tmp_path, download=False)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["mnist", "pendigits"])
@pytest.mark.usefixtures("offline")
def test_no_other_set_is_taken_instead(name: str, split: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError):
        catalog.load(name, split, tmp_path)


def test_one_missing_file_of_mnist_is_enough(mnist_copy: Path) -> None:
    (mnist_copy / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataMissingError, match="MNIST is not at"):
        catalog.load("mnist", "test", mnist_copy, download=False)


def test_downloads_that_are_off_do_not_try(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []
    monkeypatch.setattr(urllib.request, "urlretrieve", lambda *a, **k: calls.append(a))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: calls.append(a))
    for name in ("mnist", "pendigits"):
        with pytest.raises(DataMissingError):
            catalog.load(name, "test", tmp_path, download=False)
    assert calls == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("name", "split"), [("emnist", "train"), ("mnist", "dev"), ("", "test")])
def test_unknown_names_are_told_the_known_ones(name: str, split: str) -> None:
    with pytest.raises(ValueError, match=r"there are (mnist, sample|train, validation, test)"):
        catalog.load(name, split)


# --- what is damaged -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MNIST_FILES])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_mnist_is_named(name: str, damage: str, mnist_copy: Path) -> None:
    path = mnist_copy / "MNIST" / "raw" / name
    if damage == "flipped":
        flip_a_byte(path)
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else b"")
    split = "test" if name.startswith("t10k") else "validation"
    with pytest.raises(DataDamagedError) as caught:
        catalog.load("mnist", split, mnist_copy, download=False)
    assert str(path) in str(caught.value)
    assert "python -m digitlib data mnist fetches it anew" in str(caught.value)


def test_a_data_set_that_only_has_the_name_is_no_mnist(mnist_copy: Path) -> None:
    # As FashionMNIST's files, which bear the same names: right in form, other pictures.
    raw = mnist_copy / "MNIST" / "raw"
    content = bytearray((raw / "t10k-images-idx3-ubyte").read_bytes())
    content[16:] = content[:15:-1]
    (raw / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataDamagedError, match="t10k-images-idx3-ubyte"):
        catalog.load("mnist", "test", mnist_copy)


@pytest.fixture
def pen_copy(pendigits_file: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "pendigits-orig"
    folder.mkdir()
    return Path(shutil.copy(pendigits_file, folder))


@pytest.mark.parametrize("damage", ["at a line", "at a segment", "in a number", "in the label"])
def test_damaged_pendigits_are_named(damage: str, pen_copy: Path) -> None:
    text = pen_copy.read_text(encoding="utf-8")
    middle = text.index(".SEGMENT", len(text) // 2)
    if damage == "at a line":
        text = text[: text.index("\n", middle + 200)]
    elif damage == "at a segment":  # each segment left is whole: only the file as such is not
        text = text[:middle]
    elif damage == "in a number":
        place = text.index(".PEN_DOWN\n", middle) + len(".PEN_DOWN\n ")
        digit = next(i for i in range(place, place + 20) if text[i].isdigit())
        text = text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :]
    else:
        quote = text.index('"', middle) + 1
        text = text[:quote] + str((int(text[quote]) + 1) % 10) + text[quote + 1 :]
    pen_copy.write_text(text, encoding="utf-8")
    with pytest.raises(DataDamagedError, match=r"pendigits-orig\.tra"):
        read_pendigits("train", pen_copy.parent.parent, download=False)


@pytest.mark.parametrize(
    "content",
    [b"", b"no compressed file", b"\x1f\x9d", b"\x1f\x9d\x90" + bytes(range(255, 0, -1))],
    ids=["empty", "another", "short", "damaged"],
)
def test_damaged_packed_pendigits_are_named(content: bytes, tmp_path: Path) -> None:
    packed = tmp_path / "pendigits-orig" / "pendigits-orig.tra.Z"
    packed.parent.mkdir()
    packed.write_bytes(content)
    with pytest.raises(DataDamagedError, match=r"pendigits-orig\.tra\.Z"):
        catalog.load("pendigits", "train", tmp_path, download=False)
    assert not packed.with_suffix("").exists()  # nothing half-made is left to be read next time


@pytest.mark.parametrize("position", [0, 4893, 100_000, -5, -2])
def test_damaged_notmnist_is_named(position: int, notmnist_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(notmnist_folder, tmp_path / "notMNIST")
    path = tmp_path / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    path.chmod(0o644)
    flip_a_byte(path, position)
    with pytest.raises(DataDamagedError) as caught:
        catalog.load("notmnist", "test", tmp_path)
    assert str(path) in str(caught.value)


def test_truncated_notmnist_is_named(notmnist_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir()
    content = (notmnist_folder / path.name).read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:length])
        with pytest.raises(DataDamagedError, match="t10k-images-idx3-ubyte"):
            catalog.load("notmnist", "test", tmp_path)


# --- MNIST ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist(mnist_root: Path) -> dict[str, DigitData]:
    return {split: catalog.load("mnist", split, mnist_root, download=False) for split in SPLITS}


def test_mnist_is_whole_and_as_torchvision_has_it(
    mnist: dict[str, DigitData], mnist_root: Path
) -> None:
    assert {split: len(data) for split, data in mnist.items()} == {
        "train": 55_000,
        "validation": 5_000,
        "test": 10_000,
    }
    for split, data in mnist.items():
        assert data.images.dtype == torch.uint8
        assert data.images.shape == (len(data), 28, 28)
        assert data.labels.dtype == torch.int64
        assert (data.name, data.split) == ("mnist", split)
    source = torchvision.datasets.MNIST(str(mnist_root), train=False)
    assert torch.equal(mnist["test"].images, source.data)
    assert torch.equal(mnist["test"].labels, source.targets)


def test_mnist_train_and_validation_part_the_training_images(
    mnist: dict[str, DigitData], mnist_root: Path
) -> None:
    source = torchvision.datasets.MNIST(str(mnist_root), train=True)
    both = torch.cat([mnist["train"].images, mnist["validation"].images])
    labels = torch.cat([mnist["train"].labels, mnist["validation"].labels])

    def digests(images: torch.Tensor, targets: torch.Tensor) -> list[bytes]:
        pairs = zip(images.numpy(), targets.tolist(), strict=True)
        return sorted(hashlib.md5(i.tobytes() + bytes([t])).digest() for i, t in pairs)

    assert digests(both, labels) == digests(source.data, source.targets)


def test_mnist_splits_never_change(mnist: dict[str, DigitData]) -> None:
    # Accuracies of different days and machines are compared: these are the digits they are of.
    assert {split: data.digest for split, data in mnist.items()} == {
        "train": "42787817956c",
        "validation": "b6f757dc5e44",
        "test": "a0863a96c44e",
    }


def test_mnist_validation_is_a_fair_sample(mnist: dict[str, DigitData]) -> None:
    shares = torch.bincount(mnist["validation"].labels) / 5000
    everything = torch.bincount(mnist["train"].labels) / 55_000
    assert (shares - everything).abs().max() < 0.015


# --- the sample ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> dict[str, DigitData]:
    return {split: catalog.load("sample", split) for split in SPLITS}


@pytest.mark.usefixtures("offline")
def test_the_sample_needs_no_files_and_no_network(tmp_path: Path) -> None:
    assert len(catalog.load("sample", "validation", tmp_path)) == 200


def test_the_sample_is_all_of_scikit_learns_digits(sample: dict[str, DigitData]) -> None:
    assert [len(data) for data in sample.values()] == [1297, 200, 300]
    labels = torch.cat([data.labels for data in sample.values()])
    expected = np.bincount(load_digits().target)
    assert torch.bincount(labels).tolist() == expected.tolist()
    assert not rows(sample["train"]) & rows(sample["test"])
    assert not rows(sample["train"]) & rows(sample["validation"])
    assert not rows(sample["validation"]) & rows(sample["test"])


def test_the_sample_is_in_frames(sample: dict[str, DigitData]) -> None:
    images = sample["train"].images
    assert images.dtype == torch.uint8
    assert images.shape[1:] == (28, 28)
    assert (images.amax(dim=(1, 2)) == 255).all()
    ramp = torch.arange(28.0)
    mass = images.sum(dim=(1, 2)).float()
    for axis in (1, 2):
        centre = (images.float().sum(dim=3 - axis) @ ramp) / mass
        assert (centre - 14).abs().mean() < 0.3


def test_the_samples_labels_belong_to_its_frames(sample: dict[str, DigitData]) -> None:
    test = sample["test"]
    flat = {split: data.images.flatten(1).numpy() / 255 for split, data in sample.items()}
    neighbours = KNeighborsClassifier(3).fit(flat["train"], sample["train"].labels)
    assert neighbours.score(flat["test"], test.labels) > 0.95
    # And they are digits as MNIST has them, upright: a network that never saw them reads them.
    read = bundled().probabilities(test.images).argmax(dim=1)
    assert (read == test.labels).double().mean() > 0.85


def test_the_sample_never_changes(sample: dict[str, DigitData]) -> None:
    assert torch.equal(catalog.load("sample", "test").images, sample["test"].images)
    # Labels hold on every machine; grey levels may differ by rounding between libraries.
    digests = {
        split: hashlib.sha256(data.labels.numpy().tobytes()).hexdigest()[:12]
        for split, data in sample.items()
    }
    assert digests == SAMPLE_LABELS


SAMPLE_LABELS = {"train": "014e240694a2", "validation": "64e17bd40f99", "test": "b0fe2ea521a1"}


# --- subsets -------------------------------------------------------------------------------


def test_a_subset_is_fixed_by_its_seed(sample: dict[str, DigitData]) -> None:
    data = sample["train"]
    part = data.subset(100, seed=3)
    assert len(part) == 100
    assert (part.name, part.split) == (data.name, data.split)
    assert torch.equal(part.images, data.subset(100, seed=3).images)
    assert part.digest != data.subset(100, seed=4).digest
    positions = [
        int(np.flatnonzero((data.images == image).all(dim=2).all(dim=1))[0])
        for image in part.images
    ]
    assert positions == sorted(set(positions))  # different digits, in their order
    assert torch.equal(part.labels, data.labels[positions])
    assert torch.bincount(part.labels).min() > 0  # drawn from everywhere


def test_a_subset_of_everything_is_everything(sample: dict[str, DigitData]) -> None:
    data = sample["validation"]
    assert data.subset(None) is data
    assert data.subset(200) is data
    assert data.subset(10**6) is data


@pytest.mark.parametrize("size", [0, -1])
def test_a_subset_of_nothing_is_refused(size: int, sample: dict[str, DigitData]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        sample["test"].subset(size)


def test_parts_of_a_digit_stay_together() -> None:
    count = torch.arange(6)
    data = DigitData(
        "made",
        "train",
        count[:, None, None].expand(6, 28, 28).to(torch.uint8),
        count + 10,
        writers=count + 20,
        characters=count + 30,
        points=count[:, None, None].expand(6, 4, 2).float(),
        stroke_numbers=count[:, None].expand(6, 4).short(),
    )
    part = data.select(torch.tensor([4, 1]))
    assert part.images[:, 0, 0].tolist() == [4, 1]
    assert part.labels.tolist() == [14, 11]
    assert part.writers.tolist() == [24, 21]
    assert part.characters.tolist() == [34, 31]
    assert part.points[:, 0, 0].tolist() == [4, 1]
    assert part.stroke_numbers[:, 0].tolist() == [4, 1]
    assert len(part.tensors()) == 6


def test_the_digest_is_of_images_and_labels(sample: dict[str, DigitData]) -> None:
    data = sample["test"]
    content = data.images.numpy().tobytes() + data.labels.numpy().tobytes()
    assert data.digest == hashlib.sha256(content).hexdigest()[:12]
    assert data.digest in repr(data)
    assert "sample test: 300 digits" in repr(data)
    assert data.select(torch.arange(299, -1, -1)).digest != data.digest


# --- pen digits and what is made of them ---------------------------------------------------


@pytest.mark.needs_pendigits
def test_pen_data_is_rendered_and_can_be_rendered_anew(pendigits_file: Path) -> None:
    root = pendigits_file.parent.parent
    data = catalog.load("pendigits", "validation", root, download=False)
    digits = read_pendigits("validation", root, download=False)
    assert len(data) == len(digits) == 1500
    assert set(data.writers.tolist()) == set(PEN_VALIDATION_WRITERS)
    assert data.labels.tolist() == [digit.label for digit in digits]
    assert data.points.shape == (1500, PEN_SAMPLES, 2)
    for row in range(0, 1500, 150):
        expected = strokes.render(digits[row].strokes)
        np.testing.assert_array_equal(data.images[row].numpy(), expected)
    # The samples kept are enough to draw the same frame again.
    again = rendering.render_batch(data.points[::5], torch.full((300,), strokes.PEN_WIDTH)) * 255
    assert (again - data.images[::5]).abs().mean(dim=(1, 2)).median() < 0.2
    assert (again - data.images[::5]).abs().mean() < 1.5


def test_a_long_drawing_keeps_its_ends() -> None:
    wave = np.linspace(0, 60, 2000)
    scribble = np.stack([wave, 30 * np.sin(wave)], axis=1)
    data = pen_data("made", "train", [PenDrawing([scribble], 3, 5)])
    samples, _ = strokes.resample([scribble])
    assert len(samples) > PEN_SAMPLES
    np.testing.assert_allclose(data.points[0, [0, -1]].numpy(), samples[[0, -1]])
    assert (data.labels.tolist(), data.writers.tolist()) == ([3], [5])


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


def test_symbols_are_only_judged_by() -> None:
    data = catalog.load("no_digits", "test", "nowhere", download=False)
    assert (data.labels == NO_DIGIT).all()
    again = catalog.load("no_digits", "test", "nowhere", download=False)
    assert torch.equal(data.images, again.images)


def test_typeset_splits_are_disjoint_and_of_no_digit() -> None:
    parts = [catalog.load("typeset", split) for split in SPLITS]
    assert sum(map(len, parts)) == len(catalog.TYPESET) * len(catalog.FONTS)
    assert not set("0123456789") & set(catalog.TYPESET)
    for part in parts:
        assert (part.labels == NO_DIGIT).all()
        assert (part.images.amax(dim=(1, 2)) == 255).all()
    train, validation, test = map(rows, parts)
    assert not train & validation
    assert not train & test
    assert not validation & test


@pytest.mark.parametrize("split", ["train", "validation"])
def test_notmnist_is_never_trained_on(split: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only a test split"):
        catalog.load("notmnist", split, tmp_path)


@pytest.mark.needs_notmnist
def test_notmnist_is_in_frames(notmnist_folder: Path) -> None:
    data = catalog.load("notmnist", "test", notmnist_folder.parent)
    assert len(data) == 10_000
    assert (data.labels == NO_DIGIT).all()
    assert (data.images.amax(dim=(1, 2)) == 255).all()
