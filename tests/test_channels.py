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
from digitlib.errors import WeightsError
from digitlib.models import export
from digitlib.models.card import Card
from digitlib.models.networks import PenBranch, build_network
from digitlib.preprocessing.frame import frames_to_images, images_to_frames
from digitlib.preprocessing.strokes import render

INK, RIGHT, DOWN, TIME = range(4)


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


# --- networks ------------------------------------------------------------------------------


def pen_network(**arguments: int) -> nn.Module:
    """A small network with a trained pen branch; at first, the branch adds nothing."""
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
        probabilities, scores, *_ = session.run(None, {"frames": drawn[:count]})
        wanted = made.predict_batch(drawn[:count])
        np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)
        np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)


def test_a_file_with_another_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHANNELS", ("ink",))
    with pytest.raises(WeightsError, match="another digitlib: export its weights again"):
        Recognizer.from_model(build_network("quicknet"))


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
