"""Stored drawings as a data set: found by name, split by id, trained on, strokes and pictures."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import numpy as np
import pytest
import torch
from helpers import DIGITS, page, small_config

from digitlib.datasets import catalog, drawings
from digitlib.datasets.base import NO_DIGIT, SPLITS, DigitData
from digitlib.datasets.drawing import Drawing, encode_picture
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.preprocessing.frame import frames_to_images
from digitlib.training.examples import Examples, Splits
from digitlib.training.trainer import fit


def identity(number: int) -> str:
    return UUID(int=number).hex


def drawn(number: int, label: int | None = None) -> Drawing:
    """A digit a little different each time."""
    digit, random = number % 10, np.random.RandomState(number)
    slant = 100 * (np.eye(2) + random.normal(0, 0.05, (2, 2)))
    strokes = [stroke @ slant for stroke in DIGITS[digit]]
    return Drawing(digit if label is None else label, strokes=strokes, id=identity(number))


def pictured(number: int, label: int = 3) -> Drawing:
    return Drawing(label, picture=encode_picture(page(3)), id=identity(number))


@pytest.fixture
def sixty(store: DrawingFile) -> DrawingFile:
    """Fifty digits, five pictures of them, and five that are none."""
    store.append(*(drawn(n) for n in range(50)), *(pictured(n) for n in range(50, 55)))
    store.append(*(drawn(n, NO_DIGIT) for n in range(55, 60)))
    return store


def whole(name: str) -> dict[str, DigitData]:
    return {split: catalog.load(name, split) for split in SPLITS}


def test_the_split_depends_on_the_id_alone() -> None:
    splits = [drawings.split_of(identity(number)) for number in range(2000)]
    assert splits[:6] == ["train"] * 3 + ["validation", "train", "validation"]  # forever
    shares = {split: count / 2000 for split, count in Counter(splits).items()}
    assert shares == pytest.approx({"train": 0.6, "validation": 0.2, "test": 0.2}, abs=0.03)


def test_digits_are_found_by_name(sixty: DrawingFile) -> None:
    found = whole("drawings")
    assert sum(map(len, found.values())) == 55
    for split, data in found.items():
        own = [each for each in sixty.read() if drawings.split_of(each.id) == split]
        digits = [each for each in own if each.label < NO_DIGIT]
        assert data.labels.tolist() == [each.label for each in digits]
        frames = np.stack([each.frame() for each in digits])
        np.testing.assert_array_equal(data.images, frames_to_images(frames))
        assert data.drawn.tolist() == [bool(each.strokes) for each in digits]
    others = catalog.load("no_digit_drawings")
    assert 0 < len(others) < 5  # the rest is in the other splits
    assert {*others.labels.tolist()} == {NO_DIGIT}


def test_drawings_that_are_added_move_no_other(sixty: DrawingFile) -> None:
    before = whole("drawings")
    sixty.append(*(drawn(number) for number in range(60, 90)))
    for split, data in whole("drawings").items():
        assert len(data) > len(before[split])
        assert torch.equal(data.images[: len(before[split])], before[split].images)


def test_strokes_are_pen_data(sixty: DrawingFile) -> None:
    data = catalog.load("drawings")
    rendered = data.frames()
    frames = data.images.float() / 255
    own = [each for each in sixty.read() if drawings.split_of(each.id) == "train"]
    pens = [PenDrawing(e.points, e.label, -1) for e in own if e.strokes and e.label < NO_DIGIT]
    assert torch.equal(rendered[data.drawn], pen_data("pens", "train", pens).frames())
    assert torch.equal(rendered[~data.drawn, 0], frames[~data.drawn])
    moving = rendered[:, 1:].flatten(1).any(dim=1)
    assert moving.tolist() == data.drawn.tolist()
    assert not data.drawn.all()


def test_batches_mix_strokes_and_pictures(sixty: DrawingFile) -> None:
    config = small_config(datasets=("drawings",), batch_size=16, epochs=1)
    data = Splits.load(config)
    batches = [*Examples(config, data.train).loader(0, 0)]
    frames = torch.cat([batch.frames for batch in batches])
    labels = torch.cat([batch.labels for batch in batches])
    moving = frames[:, 1:].flatten(1).any(dim=1)
    assert int(moving.sum()) == int(data.train[0].drawn.sum())
    assert set(labels[~moving].tolist()) == {3}  # the pictures: rows are with their labels
    assert frames[:, 0].flatten(1).any(dim=1).all()


def test_a_network_is_trained_on_them(sixty: DrawingFile) -> None:
    mixed = small_config(datasets=("sample", "drawings"), mix_ratios=(0.2,), epochs=1)
    assert len(fit(mixed, Splits.load(mixed)).history) == 1


def test_no_drawings_are_told(store: DrawingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataMissingError, match=rf"no drawings in {store.folder}\. Draw in the pad"):
        catalog.load("drawings")
    store.append(drawn(0))
    assert len(catalog.load("drawings")) == 1
    with pytest.raises(DataMissingError, match=r"no test split yet: .* has 1 drawing of its kind"):
        catalog.load("drawings", "test")
    with pytest.raises(DataMissingError, match="no_digit_drawings has no train split yet"):
        catalog.load("no_digit_drawings")
    monkeypatch.setenv("DIGITLIB_DRAWINGS", "")
    with pytest.raises(DataMissingError, match="switched off"):
        catalog.load("drawings")


def test_damage_is_told(store: DrawingFile) -> None:
    store.append(drawn(0))
    with store.path.open("ab") as file:
        file.write(b"torn")
    with pytest.warns(UserWarning, match=f"1 damaged line is left out of {store.path}"):
        assert len(catalog.load("drawings")) == 1
    whole_picture = encode_picture(page(3))
    cut = Drawing(3, picture=whole_picture[: len(whole_picture) // 2], id=identity(1))
    store.append(cut)
    store.path.write_bytes(store.export())
    with pytest.raises(DataDamagedError, match=f"drawing {cut.id} can't be read"):
        catalog.load("drawings")
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(DataMissingError, match="no drawings"):
        catalog.load("drawings")
