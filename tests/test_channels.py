"""Stroke direction and order: rendered, and read by networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import DIGITS
from torch import nn

from digitlib import Recognizer
from digitlib.models.card import Card
from digitlib.models.networks import PenBranch, build_network
from digitlib.preprocessing.strokes import render_with_channels

RIGHT, DOWN, TIME = range(3)


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


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
    frame, channels = render_with_channels([line(*points)])
    for channel, part in zip(channels[:2], direction, strict=True):
        np.testing.assert_allclose(channel, frame * (part / 255), atol=0.003)


def test_the_time_rises_from_the_first_sample_to_the_last() -> None:
    frame, channels = render_with_channels([line((0, 0), (1, 0))], width=2)
    row = int(frame.sum(axis=1).argmax())
    inked = frame[row] > 230
    assert inked.sum() > 15
    time = channels[TIME, row, inked] / (frame[row, inked] / 255)
    assert (np.diff(time) > 0).all()
    np.testing.assert_allclose(time[[0, -1]], [-1, 1], atol=0.06)
    back = render_with_channels([line((1, 0), (0, 0))], width=2)[1]
    np.testing.assert_allclose(back[TIME], -channels[TIME], atol=0.06)


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
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Frames ``[10, 28, 28]`` and channels ``[10, 3, 28, 28]`` of the ten digits."""
    frames, channels = zip(*map(render_with_channels, DIGITS.values()), strict=True)
    return np.stack(frames), np.stack(channels)


def test_the_branch_adds_nothing_where_channels_are_zero(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    branch = pen_network().pen
    assert isinstance(branch, PenBranch)
    for part in branch(torch.zeros(3, 3, 28, 28)):
        assert not part.any()
    maps, logits = branch(torch.from_numpy(drawn[1]))
    assert (maps.shape, logits.shape) == ((10, 8, 6, 6), (10, 11))
    assert maps.any()
    assert logits.any()


# --- the recognizer ------------------------------------------------------------------------


def test_one_drawing_is_read_as_in_a_batch(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    made = pen_recognizer()
    batch = made.predict_batch(*drawn)
    np.testing.assert_allclose(made.probabilities(*drawn), batch.probabilities, atol=1e-6)
    as_pictures = made.predict_batch(drawn[0])
    assert np.abs(batch.probabilities - as_pictures.probabilities).max() > 0.01
    for row, (digit, frame, channels) in enumerate(zip(DIGITS, *drawn, strict=True)):
        for found, wanted in (
            (made.predict_frame(frame, channels), batch),
            (made.predict_strokes(DIGITS[digit]), batch),
            (made.predict_frame(frame), as_pictures),
        ):
            np.testing.assert_allclose(found.probabilities, wanted.probabilities[row], atol=1e-5)
            assert found.score == pytest.approx(wanted.scores[row], abs=1e-4)
            np.testing.assert_array_equal(found.frame, frame)


@pytest.mark.parametrize(
    "change",
    [
        lambda channels: channels[:9],
        lambda channels: channels[:, :2],
        lambda channels: channels[..., :27],
        lambda channels: channels.astype(np.float64),
    ],
)
def test_other_channels_are_refused(change: object, drawn: tuple[np.ndarray, np.ndarray]) -> None:
    made, channels = pen_recognizer(), change(drawn[1])  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"channels must be float32 \[10, 3, 28, 28\]"):
        made.logits(drawn[0], channels)
    with pytest.raises(ValueError, match="no pen branch"):
        Recognizer.from_model(build_network("digitnet", width=4, channels=1)).logits(*drawn)


def test_onnx_takes_channels_or_none(
    drawn: tuple[np.ndarray, np.ndarray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = pen_recognizer()
    made.predict_frame(drawn[0][0])
    assert not capfd.readouterr().err  # onnxruntime may not warn into a notebook
    made.export_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_inputs()] == ["frames"]
    assert [each.name for each in session.get_overridable_initializers()] == ["channels"]
    for count in (1, 5):
        frames, channels = drawn[0][:count], drawn[1][:count]
        zeros = np.zeros_like(channels)
        for inputs, wanted in (
            ({}, made.predict_batch(frames)),
            ({"channels": zeros}, made.predict_batch(frames)),
            ({"channels": channels}, made.predict_batch(frames, channels)),
        ):
            probabilities, scores, _ = session.run(None, {"frames": frames} | inputs)
            np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)
            np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)


def test_strokes_and_pictures_have_thresholds_of_their_own(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    frames, channels = drawn
    card = Card("digitnet", {"width": 4, "outputs": 11, "pen": 4})
    model = pen_network(width=4, outputs=11, pen=4)
    scores = Recognizer.from_model(model, card).predict_batch(frames, channels).scores
    middle = float(np.median(scores))
    strict = Recognizer.from_model(
        model, dataclasses.replace(card, stroke_threshold=middle, threshold=-1e9)
    )
    np.testing.assert_array_equal(strict.predict_batch(frames, channels).rejected, scores < middle)
    assert not strict.predict_batch(frames).rejected.any()
    assert not strict.predict_batch(frames, np.zeros_like(channels)).rejected.any()
    for frame, channel, score in zip(frames, channels, scores, strict=True):
        assert strict.predict_frame(frame, channel).rejected == (score < middle)
        assert not strict.predict_frame(frame).rejected
    same = Recognizer.from_model(model, dataclasses.replace(card, threshold=1e9))  # one for both
    assert same.predict_batch(frames, channels).rejected.all()
