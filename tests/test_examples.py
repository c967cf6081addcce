"""Training examples: batches by their numbers, the same in any process."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from helpers import DIGITS, small_config

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.models.networks import as_input
from digitlib.training.config import TrainConfig
from digitlib.training.examples import Batch, Examples

CONFIG = small_config(datasets=("mnist", "sample"), mix_ratios=(0.25,), batch_size=40, epochs=3)


def numbered(name: str, count: int, first: int) -> DigitData:
    """Pictures with labels from ``first`` on, by row."""
    images = torch.from_numpy(np.random.RandomState(0).randint(0, 255, (count, 28, 28), np.uint8))
    return DigitData(name, "train", images, torch.arange(count) % 5 + first)


@cache
def pens() -> DigitData:
    """40 drawings and a picture among them."""
    drawings = [PenDrawing(list(DIGITS[n % 10]), n % 10, n) for n in range(40)]
    data = pen_data("pens", "train", drawings)
    strokes = [*(data.strokes or ())]
    return replace(data, strokes=[*strokes[:7], [], *strokes[8:]])


def drawn(**changes: object) -> Examples:
    config = small_config(datasets=("pens",), batch_size=40, epochs=4, **changes)
    return Examples(config, [pens()])


def test_an_epoch_is_one_pass_in_random_order() -> None:
    sets = [numbered("mnist", 130, 0)]
    examples = Examples(replace(CONFIG, datasets=("mnist",), mix_ratios=(), augment=False), sets)
    assert (examples.steps, len(examples)) == (4, 12)
    for epoch in range(3):
        batches = [examples[number].frames for number in range(4 * epoch, 4 * epoch + 4)]
        assert [len(frames) for frames in batches] == [40, 40, 40, 10]
        seen = torch.cat(batches).flatten(1).sum(dim=1)
        expected = sets[0].frames().flatten(1).sum(dim=1)
        assert torch.equal(seen.sort().values, expected.sort().values)
        assert not torch.equal(seen, expected)


def test_further_sets_get_their_share_of_every_batch() -> None:
    examples = Examples(CONFIG, [numbered("mnist", 130, 0), numbered("sample", 12, 5)])
    labels = [examples[number].labels for number in range(12)]
    assert [int((each < 5).sum()) for each in labels] == [40, 40, 40, 10] * 3
    assert [int((each >= 5).sum()) for each in labels] == [10] * 12
    # The smaller set is repeated as a whole, across epochs: ten times in 120 places.
    counts = torch.bincount(torch.cat(labels), minlength=10)[5:]
    assert counts.tolist() == [30, 30, 20, 20, 20]


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_depends_on_the_seed_and_its_number_alone() -> None:
    examples = drawn(tremor=0.5, marks=0.2)
    first = examples[1]
    torch.rand(9)
    assert same(drawn(tremor=0.5, marks=0.2)[1], first)
    assert not torch.equal(examples[2].frames, first.frames)
    assert not torch.equal(drawn(tremor=0.5, marks=0.2, seed=1)[1].frames, first.frames)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_and_resumption_change_no_batch(processes: int) -> None:
    examples = drawn()
    loaded = [*examples.loader(1, processes)]
    assert len(loaded) == 3
    assert all(same(batch, examples[n]) for n, batch in enumerate(loaded, 1))


def test_drawings_are_drawn_anew_and_pictures_distorted() -> None:
    examples = drawn()
    first, second = examples[0], examples[1]
    inputs = as_input(first.frames)
    assert inputs.shape == (40, 4, 28, 28)
    assert inputs[:, 0].min() == pytest.approx(-0.1307 / 0.3081, abs=1e-4)  # as MNIST's
    assert first.frames[:, 1:].abs().max() <= 1
    ink = [batch.frames[:, 0].sum(dim=(1, 2)).sort().values for batch in (first, second)]
    assert (ink[0] - ink[1]).abs().max() > 1
    # Thin and thick pens: more variety than in the data set itself.
    assert ink[0].std() > 1.2 * pens().frames()[:, 0].sum(dim=(1, 2)).std()
    for batch in (first, second):
        moving = batch.frames[:, 1:].flatten(1).any(dim=1)
        assert int(moving.sum()) == 39


def test_without_augmentation_every_frame_is_as_it_is() -> None:
    batch = drawn(augment=False, marks=1.0)[0]
    frames = pens().frames()
    assert (batch.labels < NO_DIGIT).all()
    assert all((frames == each).flatten(1).all(dim=1).any() for each in batch.frames)


def test_a_share_of_the_drawings_is_shown_as_pictures() -> None:
    batches = [drawn(picture_share=0.3)[number] for number in range(4)]
    share = torch.cat([batch.pictures for batch in batches]).double().mean()
    assert share == pytest.approx(0.3, abs=0.12)
    for batch in batches:
        assert torch.equal(batch.shown[:, 0], batch.frames[:, 0])
        assert torch.equal(batch.shown[~batch.pictures], batch.frames[~batch.pictures])
        assert not batch.shown[batch.pictures, 1:].any()
        assert batch.frames[batch.pictures, 1:].any()


def test_drawings_with_a_mark_are_not_digits_and_keep_their_channels() -> None:
    batch = drawn(marks=1.0, picture_share=1.0)[0]
    drawings = batch.frames[:, 1:].flatten(1).any(dim=1)
    digits = batch.labels < NO_DIGIT
    assert torch.equal(batch.pictures, digits & drawings)
    assert set(batch.labels[digits & drawings].tolist()) <= {1}  # an underlined 1 has a foot
    some = torch.cat([drawn(marks=0.25)[n].labels for n in range(4)])
    assert (some == NO_DIGIT).double().mean() == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("changes", [{"habits": 1.0}, {"moved": 1.0}, {"tremor": 1.0}])
def test_every_share_has_an_effect(changes: dict[str, float]) -> None:
    none = {"habits": 0.0, "moved": 0.0, "tremor": 0.0}
    plain, changed = (drawn(**each)[0].frames for each in (none, none | changes))
    assert not torch.equal(plain, changed)


def test_the_default_shares_are_valid() -> None:
    config = TrainConfig()
    assert 0 < config.habits < 1
    assert 0 < config.picture_share < 1
