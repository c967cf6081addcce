"""The recognizer: kinds of input, probabilities, rejection, loading, other runtimes."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import DIGITS, bundled, page
from PIL import Image
from torch import nn

from digitlib import Prediction, Recognizer
from digitlib.datasets import catalog
from digitlib.models.card import Card
from digitlib.models.inference import digit_score, optimize_for_inference
from digitlib.models.networks import NETWORKS, as_input, build_network, count_parameters
from digitlib.models.weights import save_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import frames_to_images, images_to_frames
from digitlib.training.calibration import fit_temperature


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """Ten frames ``[10, 4, 28, 28]``."""
    return torch.from_numpy(np.stack([strokes.render(drawing) for drawing in DIGITS.values()]))


def tiny_network(outputs: int = 10) -> nn.Module:
    torch.manual_seed(1)
    return build_network("digitnet", width=4, outputs=outputs).eval()


def tiny(outputs: int = 10, card: Card | None = None) -> Recognizer:
    return Recognizer.from_model(tiny_network(outputs), card)


class Fixed(nn.Module):
    """A network with the same logits for all frames."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.fixed = nn.Parameter(torch.tensor(logits))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.fixed + 0 * frames.mean(dim=(1, 2, 3))[:, None]


# --- pictures and strokes ------------------------------------------------------------------


def test_the_ten_digits_are_read() -> None:
    for digit, drawing in DIGITS.items():
        assert bundled().predict(page(digit)).digit == digit
        assert bundled().predict_strokes(drawing).digit == digit


# --- frames --------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_divides_the_logits(temperature: float) -> None:
    logits = [0.5 * digit for digit in range(10)] + [99.0]  # the last is of "not a digit"
    made = Recognizer.from_model(Fixed(logits), Card("fixed", temperature=temperature))
    scaled = np.exp(np.array(logits[:10]) / temperature)
    expected = scaled / scaled.sum()
    found = made.probabilities(torch.zeros(1, 4, 28, 28))[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(made.predict(page(0)).probabilities, expected, rtol=1e-5)


@pytest.mark.parametrize("outputs", [10, 11])
def test_a_batch_is_predicted_as_the_formulas_say(outputs: int, frames: torch.Tensor) -> None:
    middle = float(np.median(tiny(outputs).predict_batch(frames).scores))
    made = tiny(outputs, Card("digitnet", temperature=0.7, threshold=middle))
    logits = tiny_network(outputs)(as_input(frames)).detach().double().numpy()
    powers = np.exp(logits[:, :10] / 0.7)
    mass = np.exp(logits)
    scores = np.log(mass[:, :10].sum(axis=1) / (mass[:, 10] if outputs == 11 else 1))
    found = made.predict_batch(frames)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    assert found.rejected.sum() == len(frames) / 2
    assert found.scores[found.rejected].max() < middle < found.scores[~found.rejected].min()


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        (torch.zeros(28, 28), r"\[N, 4, 28, 28\], .* these are float32 \[28, 28\]"),
        (torch.zeros(2, 1, 28, 28), r"float32 \[N, 4, 28, 28\]"),
        (torch.zeros(2, 4, 28, 27), r"float32 \[N, 4, 28, 28\]"),
        (torch.zeros(2, 4, 28, 28).double(), r"these are float64 \[2, 4, 28, 28\]"),
        (torch.zeros(2, 28, 28), r"images uint8 \[N, 28, 28\]"),
        (np.zeros((2, 28, 28), bool), r"these are bool \[2, 28, 28\]"),
        (torch.full((2, 4, 28, 28), 255.0), "-1 to 1.*scale"),
        (torch.full((2, 4, 28, 28), torch.nan), "NaN"),
    ],
    ids=str,
)
def test_other_frames_are_refused(bad: object, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        bundled().probabilities(bad)


def test_images_are_read_as_their_frames(frames: torch.Tensor) -> None:
    images = frames_to_images(frames.numpy())
    expected = bundled().predict_batch(images_to_frames(images))
    for given in (images, torch.from_numpy(images)):
        for found, wanted in zip(bundled().predict_batch(given), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert np.abs(bundled().predict_batch(frames).scores - expected.scores).max() > 0.1


def test_there_may_be_no_frames() -> None:
    for none in (np.zeros((0, 4, 28, 28), np.float32), np.zeros((0, 28, 28), np.uint8)):
        assert bundled().predict_batch(none).probabilities.shape == (0, 10)


def test_the_network_given_is_left_alone(frames: torch.Tensor) -> None:
    model = build_network("digitnet", width=4).train()
    model.head.requires_grad_(False)
    before = [parameter.requires_grad for parameter in model.parameters()]
    made = Recognizer.from_model(model)
    expected = made.probabilities(frames)
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == before
    assert {True, False} == set(before)
    torch.nn.init.zeros_(model.head[-1].weight)  # trained on: the recognizer keeps its own copy
    assert torch.equal(made.probabilities(frames), expected)
    size = count_parameters(model)
    assert f"{size:,} parameters" in repr(made)


# --- loading -------------------------------------------------------------------------------


def test_a_file_is_loaded_with_its_card(tmp_path: Path, frames: torch.Tensor) -> None:
    card = Card("digitnet", {"width": 4}, temperature=1.7, threshold=0.25)
    made = tiny(card=card)
    save_model(tmp_path / "net.safetensors", tiny_network(), card)
    for path in (tmp_path / "net.safetensors", str(tmp_path / "net.safetensors")):
        loaded = Recognizer.load(path)
        assert (loaded.temperature, loaded.threshold, loaded.card) == (1.7, 0.25, card)
        assert torch.equal(loaded.probabilities(frames), made.probabilities(frames))


# --- predictions ---------------------------------------------------------------------------

SHARES = (0.01, 0.02, 0.03, 0.5, 0.04, 0.3, 0.05, 0.02, 0.02, 0.01)


def prediction(rejected: bool = False) -> Prediction:
    image = np.zeros((28, 28), np.uint8)
    image[5:20, 13] = 200
    return Prediction(SHARES, images_to_frames(image), 1.5, 2.5 if rejected else 0.5)


def test_a_prediction_has_its_best_digits_first() -> None:
    found = prediction()
    assert (found.digit, found.confidence) == (3, 0.5)
    assert found.top() == [(3, 0.5), (5, 0.3), (6, 0.05)]
    assert found.top(1) == [(3, 0.5)]
    everything = found.top(10)
    assert sorted(digit for digit, _ in everything) == [*range(10)]
    assert [share for _, share in everything] == sorted(SHARES, reverse=True)
    assert all(type(digit) is int and type(share) is float for digit, share in everything)


def test_a_prediction_is_shown_in_one_line() -> None:
    assert repr(prediction()) == "Prediction(3: 50.0%, 5: 30.0%, 6: 5.0%)"
    assert repr(prediction(rejected=True)).endswith(", rejected)")


def test_a_notebook_shows_frame_and_bars() -> None:
    page_of = prediction()._repr_html_()
    assert page_of.count("<li") == 10
    *bars, doubt = re.findall(r"width:([\d.]+)%", page_of)
    assert bars == [f"{100 * share:.2f}" for share in SHARES]
    assert float(doubt) == pytest.approx(100 * prediction().doubt, abs=0.005)
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page_of)
    with Image.open(io.BytesIO(base64.b64decode(picture))) as frame:
        np.testing.assert_array_equal(np.asarray(frame), frames_to_images(prediction().frame))
    assert 'alt="' in page_of
    assert "Not a digit" not in page_of
    assert "Not a digit" in prediction(rejected=True)._repr_html_()


# --- rejection -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "threshold", "doubt"),
    [(1.5, 1.5, 0.5), (-1e9, 1.5, 1), (1e9, 1.5, 0), (3, -math.inf, 0), (0, math.log(3), 0.75)],
)
def test_doubt_is_even_at_the_threshold(score: float, threshold: float, doubt: float) -> None:
    found = Prediction(SHARES, prediction().frame, score, threshold)
    assert found.doubt == pytest.approx(doubt)
    assert found.rejected == (found.doubt > 0.5)


@pytest.mark.parametrize(("threshold", "rejected"), [(-1.0, False), (1.2, False), (1.4, True)])
def test_scores_below_the_threshold_are_rejected(threshold: float, rejected: bool) -> None:
    logits = [-100.0] * 11
    logits[4], logits[10] = 2.3, 1.0  # log-odds 1.3
    made = Recognizer.from_model(Fixed(logits), Card("fixed", threshold=threshold))
    found = made.predict(page(1))
    assert found.score == pytest.approx(1.3)
    assert found.rejected is rejected
    assert found.digit == 4


def test_the_bundled_network_rejects_symbols() -> None:
    kept = [not bundled().predict_strokes(drawing).rejected for drawing in DIGITS.values()]
    assert sum(kept) >= 9
    others = catalog.load("no_digits", "validation", "nowhere", download=False)
    scores = digit_score(bundled().logits(others.images))
    assert (scores < bundled().threshold).double().mean() > 0.5


# --- the bundled weights and calibration ---------------------------------------------------


@pytest.mark.needs_mnist
def test_the_bundled_network_reads_mnist() -> None:
    data = catalog.load("mnist", "test", download=False)
    right = bundled().probabilities(data.images).argmax(dim=1) == data.labels
    assert float(right.double().mean()) >= 0.995


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(20_000, 10, generator=generator) * 2
    labels = torch.multinomial(true.softmax(dim=1), 1, generator=generator)[:, 0]
    # The network is too sure, or not sure enough, by this factor.
    assert fit_temperature(true * temperature, labels) == pytest.approx(temperature, rel=0.03)
    eleven = torch.cat([true * temperature, torch.full((20_000, 1), 50.0)], dim=1)
    assert fit_temperature(eleven, labels) == pytest.approx(temperature, rel=0.03)


# --- speed, memory, other runtimes ----------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "pooled late"])
def test_the_optimized_network_has_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    late = {"pool_first": False, "stride": 1}
    model = build_network("quicknet", **late) if name == "pooled late" else build_network(name)
    frames = torch.randn(64, 4, 28, 28)
    model.train()(frames)  # batch norm's means are no longer 0 and 1
    made = optimize_for_inference(model)
    torch.testing.assert_close(made(frames), model.eval()(frames), atol=1e-5, rtol=1e-5)
    assert not any(isinstance(layer, nn.Dropout) for layer in made.modules())


@pytest.mark.parametrize("outputs", [10, 11])
def test_one_frame_is_read_as_many_are(outputs: int) -> None:
    made = bundled() if outputs == 11 else tiny(card=Card("digitnet", temperature=0.8))
    frames = np.stack([strokes.render(drawing) for drawing in DIGITS.values()])
    batch = made.predict_batch(frames)
    for frame, expected, score in zip(frames, batch.probabilities, batch.scores, strict=True):
        found = made.predict_frame(frame)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
        assert found.score == pytest.approx(score.item(), abs=1e-4)
        assert found.frame is frame
