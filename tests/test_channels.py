"""Stroke direction and order: rendered alone and in batches, read by networks, and trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import DIGITS, sample_splits, small_config
from torch import nn

from digitlib import Recognizer
from digitlib.datasets import augment, catalog, pen, rendering
from digitlib.errors import WeightsError
from digitlib.models import export
from digitlib.models.card import Card
from digitlib.models.networks import PenBranch, build_network
from digitlib.preprocessing.frame import frames_to_images, images_to_frames
from digitlib.preprocessing.strokes import render
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Batch, BatchLoader, Splits
from digitlib.training.trainer import fit

CPU = torch.device("cpu")
INK, RIGHT, DOWN, TIME = range(4)


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


def padded(drawn: list[list[np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """All samples ``[N, P, 2]`` of the drawings and their stroke numbers ``[N, P]``."""
    samples = [pen.resample(each) for each in drawn]
    most = max(len(points) for points, _ in samples)
    points = [np.pad(each, ((0, most - len(each)), (0, 0)), "edge") for each, _ in samples]
    numbers = [np.pad(each, (0, most - len(each)), constant_values=-1) for _, each in samples]
    return torch.from_numpy(np.stack(points)), torch.from_numpy(np.stack(numbers))


# --- one drawing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "direction"),
    [
        ([(0, 0), (1, 0)], (1, 0)),
        ([(1, 0), (0, 0)], (-1, 0)),
        ([(5, 5), (5, 9)], (0, 1)),
        ([(5, 9), (5, 5)], (0, -1)),
        ([(0, 0), (1, 1)], (0.5**0.5, 0.5**0.5)),
    ],
)
def test_the_direction_is_that_of_the_pen(points: list, direction: tuple[float, float]) -> None:
    frame = render([line(*points)])
    for channel, part in zip(frame[[RIGHT, DOWN]], direction, strict=True):
        np.testing.assert_allclose(channel, frame[INK] * part, atol=0.003)


def test_the_time_rises_from_the_first_sample_to_the_last() -> None:
    frame = render([line((0, 0), (1, 0))], width=2)
    row = int(frame[INK].sum(axis=1).argmax())
    inked = frame[INK, row] > 0.9
    assert inked.sum() > 15
    time = frame[TIME, row, inked] / frame[INK, row, inked]
    assert (np.diff(time) > 0).all()
    np.testing.assert_allclose(time[[0, -1]], [-1, 1], atol=0.06)
    back = render([line((1, 0), (0, 0))], width=2)
    np.testing.assert_allclose(back[TIME], -frame[TIME], atol=0.06)


# --- batches -------------------------------------------------------------------------------


def assert_alike(drawn: list[list[np.ndarray]], batch: torch.Tensor, width: float) -> None:
    """Each drawing's frame, but for what samples 0.5 px apart miss.

    Where the centre of mass is a tie, rounding moves all channels together.
    """
    assert batch.shape == (len(drawn), 4, 28, 28)
    for drawing, made in zip(drawn, batch.numpy(), strict=True):
        frame = render(drawing, width=width)
        shifted = [np.roll(made, (y, x), (1, 2)) for y in (0, 1, -1) for x in (0, 1, -1)]
        same = min(shifted, key=lambda each: np.abs(each[INK] - frame[INK]).sum())
        away = np.abs(same - frame).mean(axis=(1, 2))
        assert (away < [0.005, 0.05, 0.05, 0.02]).all(), away


@pytest.mark.parametrize("width", [1.2, 2.5, 6.0])
def test_channels_of_a_batch_are_those_of_its_drawings(width: float) -> None:
    drawn = [*DIGITS.values()]
    points, numbers = padded(drawn)
    # In another unit, to see that each drawing is fitted by itself.
    assert_alike(
        drawn,
        rendering.render_batch(points * 37 - 5, numbers, torch.full((10,), width)),
        width,
    )


# --- another order -------------------------------------------------------------------------


def parts(points: torch.Tensor, numbers: torch.Tensor) -> dict[int, list[list[float]]]:
    """The samples of each stroke of one drawing, in its order."""
    order = numbers.unique_consecutive().tolist()
    assert len(order) == len(set(order))  # each stroke in one piece
    return {number: points[numbers == number].tolist() for number in order}


@pytest.fixture
def three() -> tuple[torch.Tensor, torch.Tensor]:
    """200 times a drawing of three strokes, with repeated points at its end."""
    drawing = [line((0, 0), (1, 0)), line((0, 0.5), (0.7, 0.5)), line((0, 1), (1, 0.9))]
    points, numbers = padded([drawing, list(DIGITS[8])])
    assert (numbers[0] < 0).any()
    return points[:1].expand(200, -1, -1), numbers[:1].expand(200, -1)


def test_strokes_turn_round(three: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    points, numbers = augment.reorder_strokes(*three, reverse=1, shuffle=0)
    assert torch.equal(numbers, three[1])
    before, after = parts(three[0][0], three[1][0]), parts(points[5], numbers[5])
    assert {number: samples[::-1] for number, samples in after.items()} == before
    # Some of them, each for itself.
    points, _ = augment.reorder_strokes(*three, reverse=0.3, shuffle=0)
    for number in range(3):
        first = int((three[1][0] == number).nonzero()[0])
        turned = (points[:, first] != three[0][:, first]).any(dim=1)
        assert 0.2 < turned.double().mean() < 0.4


def test_strokes_change_their_order_and_stay_whole(
    three: tuple[torch.Tensor, torch.Tensor],
) -> None:
    torch.manual_seed(0)
    points, numbers = augment.reorder_strokes(*three, reverse=0, shuffle=1)
    before, orders = parts(three[0][0], three[1][0]), set()
    for drawing, number in zip(points, numbers, strict=True):
        after = parts(drawing, number)
        assert after == before  # as mappings: the order may be another
        assert [*after][-1] == -1
        orders.add(tuple(after))
    assert len(orders) == 6
    points, _ = augment.reorder_strokes(*three, reverse=0, shuffle=0.3)
    changed = (points != three[0]).flatten(1).any(dim=1).double().mean()
    assert 0.15 < changed < 0.35  # one order in six is the old one


# --- networks ------------------------------------------------------------------------------


def pen_network(**arguments: int) -> nn.Module:
    """A small network whose pen branch, which adds nothing at first, has learned something."""
    torch.manual_seed(0)
    model = build_network("digitnet", **({"width": 4, "outputs": 11, "pen": 4} | arguments))
    for weight in model.pen.parameters():  # type: ignore[union-attr]
        nn.init.normal_(weight, std=0.3)
    return model


def pen_recognizer() -> Recognizer:
    card = Card("digitnet", {"width": 4, "outputs": 11, "pen": 4}, temperature=0.7, threshold=0.1)
    return Recognizer.from_model(pen_network(), card)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Frames ``[10, 4, 28, 28]`` of the ten digits."""
    return np.stack([render(drawing) for drawing in DIGITS.values()])


def test_the_branch_adds_nothing_where_channels_are_zero(drawn: np.ndarray) -> None:
    branch = pen_network().pen
    assert isinstance(branch, PenBranch)
    for part in branch(torch.zeros(3, 3, 28, 28)):
        assert not part.any()
    maps, logits = branch(torch.from_numpy(drawn[:, 1:]))
    assert (maps.shape, logits.shape) == ((10, 8, 6, 6), (10, 11))
    assert maps.any()
    assert logits.any()


# --- the recognizer ------------------------------------------------------------------------


def test_one_drawing_is_read_as_in_a_batch(drawn: np.ndarray) -> None:
    made = pen_recognizer()
    batch, as_pictures = made.predict_batch(drawn), made.predict_batch(frames_to_images(drawn))
    np.testing.assert_allclose(made.probabilities(drawn), batch.probabilities, atol=1e-6)
    assert np.abs(batch.probabilities - as_pictures.probabilities).max() > 0.01
    for row, (digit, frame) in enumerate(zip(DIGITS, drawn, strict=True)):
        for found in (made.predict_frame(frame), made.predict_strokes(DIGITS[digit])):
            np.testing.assert_allclose(found.probabilities, batch.probabilities[row], atol=1e-5)
            assert found.score == pytest.approx(batch.scores[row], abs=1e-4)
            np.testing.assert_array_equal(found.frame, frame)


def test_onnx_has_one_required_input(
    drawn: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = pen_recognizer()
    made.predict_frame(drawn[0])
    assert not capfd.readouterr().err  # onnxruntime may not warn into a notebook
    made.export_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_inputs()] == ["frames"]
    assert not session.get_overridable_initializers()
    for count in (1, 5):
        probabilities, scores, _ = session.run(None, {"frames": drawn[:count]})
        wanted = made.predict_batch(drawn[:count])
        np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)
        np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)


def test_a_file_with_another_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHANNELS", ("ink",))
    with pytest.raises(WeightsError, match="another digitlib: export its weights again"):
        Recognizer.from_model(build_network("quicknet"))


# --- training ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> Splits:
    """Pictures of digits, and drawings of no digit."""
    others = catalog.load("no_digits", "test", "nowhere", download=False).subset(256)
    digits = sample_splits()
    return Splits((*digits.train, others), digits.validation)


def pen_config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "model_arguments": {"width": 4, "outputs": 11, "pen": 4},
        "datasets": ("sample", "no_digits"),
        "mix_ratios": (1.0,),
        "channels_prob": 0.7,
        "epochs": 1,
    }
    return small_config(**(values | changes))


def batches(config: TrainConfig, data: Splits) -> list[Batch]:
    return [*BatchLoader(config, data, CPU).epoch(0)]


def test_pictures_have_channels_of_zeros_and_a_share_of_drawings_too(mixed: Splits) -> None:
    without = []
    for batch in batches(pen_config(), mixed):
        channels, count = batch.frames[:, 1:], batch.counts[0]
        assert channels.shape == (sum(batch.counts), 3, 28, 28)
        assert not channels[:count].any()
        assert channels.abs().max() <= 1
        without.append(~channels[count:].flatten(1).any(dim=1))
    assert torch.cat(without).double().mean() == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_decay": 0.1},
        {"ema_decay": 0.9, "epochs": 2},
        {"optimizer": "adam", "schedule": "constant", "learning_rate": 1e-3},
        {"precision": "bfloat16"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_branch_is_trained_and_nothing_else(changes: dict, mixed: Splits) -> None:
    start = fit(
        pen_config(model_arguments={"width": 4, "outputs": 11}, channels_prob=0.0),
        mixed, progress=False,
    ).model  # fmt: skip
    before = {name: value.clone() for name, value in start.state_dict().items()}
    result = fit(pen_config(trained="pen", **changes), mixed, init=start, progress=False)
    for name, value in result.model.state_dict().items():
        if name.startswith("pen."):
            assert value.any()  # the last layers began with zeros
        else:  # statistics of batch norm, too
            assert torch.equal(value, before[name]), name
    # Pictures are read exactly as before.
    images = mixed.validation[0].images
    logits = (Recognizer.from_model(model).logits(images) for model in (result.model, start))
    assert torch.equal(*logits)


def test_strokes_and_pictures_have_thresholds_of_their_own(drawn: np.ndarray) -> None:
    images = frames_to_images(drawn)
    card = Card("digitnet", {"width": 4, "outputs": 11, "pen": 4})
    model = pen_network(width=4, outputs=11, pen=4)
    scores = Recognizer.from_model(model, card).predict_batch(drawn).scores
    middle = float(np.median(scores))
    strict = Recognizer.from_model(
        model, dataclasses.replace(card, stroke_threshold=middle, threshold=-1e9)
    )
    np.testing.assert_array_equal(strict.predict_batch(drawn).rejected, scores < middle)
    assert not strict.predict_batch(images).rejected.any()
    for frame, image, score in zip(drawn, images, scores, strict=True):
        assert strict.predict_frame(frame).rejected == (score < middle)
        assert not strict.predict_frame(images_to_frames(image)).rejected
    same = Recognizer.from_model(model, dataclasses.replace(card, threshold=1e9))  # one for both
    assert same.predict_batch(drawn).rejected.all()
