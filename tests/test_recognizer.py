"""The recognizer: kinds of input, probabilities, rejection, loading, other runtimes."""

from __future__ import annotations

import base64
import io
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import DIGITS, bundled, coverage, page
from PIL import Image
from torch import nn

from digitlib import BlankDrawingError, Prediction, Recognizer, WeightsError
from digitlib.datasets import catalog
from digitlib.datasets.pendigits import read_pendigits
from digitlib.models import recognizer
from digitlib.models.card import Card
from digitlib.models.display import answer_style
from digitlib.models.inference import digit_score, optimize_for_inference
from digitlib.models.networks import NETWORKS, build_network, count_parameters
from digitlib.models.recognizer import CHUNK
from digitlib.models.weights import load_model, save_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import normalize, to_frame
from digitlib.training.calibration import fit_temperature
from digitlib.training.logits import predict_logits
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.html import result_html, style_html


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """Ten frames, uint8 ``[10, 28, 28]``."""
    return torch.from_numpy(np.stack([strokes.render(drawing) for drawing in DIGITS.values()]))


def tiny_network(outputs: int = 10) -> nn.Module:
    torch.manual_seed(0)
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


def test_every_kind_of_picture_gives_the_same(tmp_path: Path) -> None:
    grey = page(5)
    path = tmp_path / "five.png"
    Image.fromarray(grey).save(path)
    colour = np.stack([grey] * 3, axis=-1)
    opaque = np.dstack([colour, np.full_like(grey, 255)])
    wanted = bundled().predict(grey)
    pictures = [
        path,
        str(path),
        Image.open(path),
        Image.fromarray(colour),
        colour,
        opaque,
        255 - grey,
        grey / 255,
        (colour / 255).astype(np.float32),
        opaque / 255,
    ]
    for picture in pictures:
        found = bundled().predict(picture)
        assert found.digit == 5
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=2e-3)
        assert np.abs(found.frame.astype(int) - wanted.frame).max() <= 1


def test_the_frame_is_the_input_of_the_network() -> None:
    seen: list[np.ndarray] = []
    watched = tiny()
    read_one = watched._session.run
    watched._session = SimpleNamespace(  # type: ignore[assignment]
        run=lambda names, given: seen.append(given["frames"]) or read_one(names, given)
    )
    for read, drawn, frame in (
        (watched.predict, page(3), to_frame(page(3))),
        (watched.predict_strokes, DIGITS[3], strokes.render(DIGITS[3])),
    ):
        found = read(drawn)
        np.testing.assert_array_equal(found.frame, frame)
        np.testing.assert_array_equal(seen.pop(), frame[None])
        assert not seen
        expected = tiny_network()(
            torch.from_numpy(normalize(frame.astype(np.float32) / 255))[None, None]
        )
        np.testing.assert_allclose(
            found.probabilities, expected.softmax(dim=1)[0].detach().numpy(), atol=1e-5
        )


def test_a_prediction_is_the_probabilities_of_its_frame() -> None:
    found = bundled().predict_strokes(DIGITS[8])
    assert found.planes is not None
    again = bundled().probabilities(found.frame[None], found.planes[None])[0]
    np.testing.assert_allclose(found.probabilities, again, atol=1e-6)


@pytest.mark.needs_pendigits
def test_strokes_and_their_pictures_are_read_alike(pendigits_file: Path) -> None:
    digits = read_pendigits("validation", pendigits_file.parent.parent, download=False)
    random = np.random.RandomState(0)
    pictures, drawn, labels = [], [], []
    for row in random.permutation(len(digits))[:100]:
        # Any brush, zoom and place on a canvas.
        height = random.uniform(60, 200)
        ink = coverage(
            digits[row].strokes,
            page=(260, 260),
            height=height,
            brush=height * random.uniform(0.05, 0.16),
            middle=tuple(130 + random.uniform(-12, 12, 2)),
        )
        pictures.append(to_frame(1 - ink))
        drawn.append(strokes.render(digits[row].strokes))
        labels.append(digits[row].label)
    by_picture, by_strokes = (
        bundled().probabilities(np.stack(made)).argmax(axis=1) for made in (pictures, drawn)
    )
    assert (by_picture == by_strokes).sum() >= 94
    assert (by_strokes == labels).sum() >= 95
    assert (by_picture == labels).sum() >= 93


@pytest.mark.parametrize("zoom", [0.01, 1, 33])
def test_zoom_and_canvas_do_not_change_what_is_read(zoom: float) -> None:
    for drawing in DIGITS.values():
        wanted = bundled().predict_strokes(drawing).probabilities
        found = bundled().predict_strokes([stroke * zoom + 5 * zoom for stroke in drawing])
        np.testing.assert_allclose(found.probabilities, wanted, atol=0.02)


@pytest.mark.parametrize("nothing", [np.zeros((50, 50)), np.full((50, 50, 3), 9, np.uint8)])
def test_blank_drawings_are_refused(nothing: np.ndarray) -> None:
    with pytest.raises(BlankDrawingError, match="digit"):
        bundled().predict(nothing)
    with pytest.raises(BlankDrawingError, match="draw a digit"):
        bundled().predict_strokes([])


@pytest.mark.parametrize("bad", [np.full((9, 9), np.nan), np.zeros(5), None, np.zeros((0, 0))])
def test_inputs_that_are_no_picture_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="picture"):
        bundled().predict(bad)
    with pytest.raises(ValueError, match=r"stroke"):
        bundled().predict_strokes([np.zeros((4, 3))])


# --- frames --------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [10, 11])
def test_probabilities_are_a_distribution(outputs: int) -> None:
    frames = torch.randint(0, 256, (33, 28, 28), dtype=torch.uint8)
    found = tiny(outputs).probabilities(frames)
    assert found.shape == (33, 10)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(33))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_divides_the_logits(temperature: float) -> None:
    logits = [0.5 * digit for digit in range(10)] + [99.0]  # the last is no digit's
    made = Recognizer.from_model(Fixed(logits), Card("fixed", temperature=temperature))
    scaled = np.exp(np.array(logits[:10]) / temperature)
    expected = scaled / scaled.sum()
    found = made.probabilities(torch.zeros(1, 28, 28))[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(made.predict(page(0)).probabilities, expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["probabilities", "logits", "predict_batch"])
def test_many_frames_stream_through(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randint(0, 256, (53, 28, 28), dtype=torch.uint8)
    made = tiny(outputs=11)
    whole = getattr(made, method)(frames)
    sizes: list[int] = []
    session = made._session

    def run(names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        sizes.append(len(given["frames"]))
        return session.run(names, given)

    made._session = SimpleNamespace(run=run, get_outputs=session.get_outputs)  # type: ignore[assignment]
    monkeypatch.setattr(recognizer, "CHUNK", 16)
    torch.testing.assert_close(getattr(made, method)(frames), whole, atol=1e-5, rtol=1e-4)
    assert sorted(sizes) == [5, 16, 16, 16]


@pytest.mark.parametrize(
    ("cores", "count", "sizes"), [(2, 1, [1]), (2, 40, [8, 32]), (3, 200, [66, 67, 67])]
)
def test_every_core_gets_a_part(
    cores: int, count: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizer.os, "cpu_count", lambda: cores)
    made, found = tiny(), []
    session = made._session
    made._session = SimpleNamespace(  # type: ignore[assignment]
        run=lambda names, given: found.append(len(given["frames"])) or session.run(names, given),
        get_outputs=session.get_outputs,
    )
    made.probabilities(np.zeros((count, 28, 28), np.uint8))
    assert sorted(found) == sizes


@pytest.mark.parametrize("outputs", [10, 11])
def test_a_batch_is_predicted_as_the_formulas_say(outputs: int, frames: torch.Tensor) -> None:
    middle = float(np.median(tiny(outputs).predict_batch(frames).scores))
    made = tiny(outputs, Card("digitnet", temperature=0.7, threshold=middle))
    logits = tiny_network(outputs)(normalize(frames[:, None] / 255)).detach().double().numpy()
    powers = np.exp(logits[:, :10] / 0.7)
    mass = np.exp(logits)
    scores = np.log(mass[:, :10].sum(axis=1) / (mass[:, 10] if outputs == 11 else 1))
    found = made.predict_batch(frames)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    assert found.rejected.sum() == len(frames) / 2
    assert found.scores[found.rejected].max() < middle < found.scores[~found.rejected].min()


def test_all_kinds_of_frames_agree(frames: torch.Tensor) -> None:
    wanted = bundled().probabilities(frames)
    scaled = frames.float() / 255
    for kind in (scaled, scaled.double(), scaled.half(), scaled + 0.4 / 255 * (scaled < 1)):
        assert torch.equal(bundled().probabilities(kind), wanted)
    for array in (frames.numpy(), scaled.numpy(), scaled.double().numpy()):
        np.testing.assert_array_equal(bundled().probabilities(array), wanted.numpy())
    assert torch.equal(wanted.argmax(dim=1), torch.arange(10))


def test_the_frames_given_are_left_alone(frames: torch.Tensor) -> None:
    for kind in (frames.clone(), frames / 255):
        before = kind.clone()
        bundled().probabilities(kind)
        assert torch.equal(kind, before)


def test_no_frames_have_no_probabilities() -> None:
    assert bundled().probabilities(torch.zeros(0, 28, 28)).shape == (0, 10)
    assert bundled().probabilities(np.zeros((0, 28, 28), np.uint8)).shape == (0, 10)


def test_views_of_frames_are_read(frames: torch.Tensor) -> None:
    wanted = bundled().probabilities(frames)
    spread = torch.zeros(10, 56, 56, dtype=torch.uint8)
    spread[:, ::2, ::2] = frames
    torch.testing.assert_close(bundled().probabilities(spread[:, ::2, ::2]), wanted)


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        (torch.zeros(28, 28), r"\[N, 28, 28\]; these are \(28, 28\)"),
        (torch.zeros(2, 1, 28, 28), r"\[N, 28, 28\]"),
        (torch.zeros(2, 28, 27), r"\[N, 28, 28\]"),
        (torch.zeros(2, 28, 28, dtype=torch.int64), "uint8 0-255 or float 0-1"),
        (np.zeros((2, 28, 28), bool), "uint8 0-255 or float 0-1"),
        (torch.full((2, 28, 28), 255.0), "0 to 1.*scale"),
        (torch.full((2, 28, 28), -0.1), "0 to 1"),
        (torch.full((2, 28, 28), torch.nan), "NaN"),
    ],
    ids=str,
)
def test_other_frames_are_refused(bad: object, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        bundled().probabilities(bad)


def test_one_frame_with_nan_among_many_is_found() -> None:
    frames = torch.zeros(2 * CHUNK + 5, 28, 28)
    frames[-1, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        tiny().probabilities(frames)


def test_recognising_keeps_no_gradients(frames: torch.Tensor) -> None:
    assert not tiny().probabilities(frames).requires_grad
    assert not tiny().logits(frames / 255).requires_grad


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


def test_the_recognizer_says_what_it_is() -> None:
    made = tiny(card=Card("digitnet", temperature=1.2345))
    count = count_parameters(build_network("digitnet", width=4))
    assert repr(made) == f"Recognizer(digitnet, {count:,} parameters, temperature 1.234)"


# --- loading -------------------------------------------------------------------------------


def test_a_file_is_loaded_with_its_card(tmp_path: Path, frames: torch.Tensor) -> None:
    card = Card("digitnet", {"width": 4}, temperature=1.7, threshold=0.25)
    made = tiny(card=card)
    save_model(tmp_path / "net.safetensors", tiny_network(), card)
    for path in (tmp_path / "net.safetensors", str(tmp_path / "net.safetensors")):
        loaded = Recognizer.load(path)
        assert (loaded.temperature, loaded.threshold, loaded.card) == (1.7, 0.25, card)
        assert torch.equal(loaded.probabilities(frames), made.probabilities(frames))


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04.", b"no weights"], ids=str)
def test_a_missing_or_damaged_file_is_one_sentence(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=re.escape(str(path))) as caught:
        Recognizer.load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_without_a_path_the_bundled_weights_are_loaded() -> None:
    card = load_model()[1]
    assert bundled().card == card
    assert bundled().temperature == card.temperature
    assert bundled().threshold == card.threshold


# --- predictions ---------------------------------------------------------------------------

SHARES = (0.01, 0.02, 0.03, 0.5, 0.04, 0.3, 0.05, 0.02, 0.02, 0.01)


def prediction(rejected: bool = False) -> Prediction:
    frame = np.zeros((28, 28), np.uint8)
    frame[5:20, 13] = 200
    return Prediction(SHARES, frame, 1.5, 2.5 if rejected else 0.5)


def test_a_prediction_has_its_best_digits_first() -> None:
    found = prediction()
    assert (found.digit, found.confidence) == (3, 0.5)
    assert found.top() == [(3, 0.5), (5, 0.3), (6, 0.05)]
    assert found.top(1) == [(3, 0.5)]
    everything = found.top(10)
    assert sorted(digit for digit, _ in everything) == [*range(10)]
    assert [share for _, share in everything] == sorted(SHARES, reverse=True)
    assert all(type(digit) is int and type(share) is float for digit, share in everything)


@pytest.mark.parametrize("k", [0, -1, 11])
def test_top_takes_one_to_ten(k: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 10, not {k}"):
        prediction().top(k)


def test_a_prediction_has_ten_python_floats() -> None:
    found = bundled().predict(page(7))
    assert len(found.probabilities) == 10
    assert all(type(share) is float for share in found.probabilities)
    assert sum(found.probabilities) == pytest.approx(1)
    assert type(found.digit) is int
    assert type(found.rejected) is bool
    assert type(found.score) is float
    assert (found.frame.dtype, found.frame.shape) == (np.uint8, (28, 28))


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
        np.testing.assert_array_equal(np.asarray(frame), prediction().frame)
    assert 'alt="' in page_of
    assert "No digit" not in page_of
    assert "No digit" in prediction(rejected=True)._repr_html_()


def test_the_answer_is_the_same_in_a_notebook_and_in_the_pad() -> None:
    """Colours too: both bring the same style sheet, and it has no colours of a page."""
    for rejected in (False, True):
        drawn = result_html(prediction(rejected))
        without_frame = re.sub(r"<img[^>]*>", "", drawn)
        assert without_frame in prediction(rejected)._repr_html_()
    assert answer_style() in style_html((400, 400), EXAMPLES["3"])
    assert answer_style() in prediction()._repr_html_()
    assert "--jp-" not in answer_style()


# --- rejection -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "threshold", "doubt"),
    [(1.5, 1.5, 0.5), (-1e9, 1.5, 1), (1e9, 1.5, 0), (3, -math.inf, 0), (0, math.log(3), 0.75)],
)
def test_doubt_is_even_at_the_threshold(score: float, threshold: float, doubt: float) -> None:
    found = Prediction(SHARES, prediction().frame, score, threshold)
    assert found.doubt == pytest.approx(doubt)
    assert found.rejected == (found.doubt > 0.5)


def test_the_score_is_the_log_odds_against_no_digit() -> None:
    logits = torch.randn(7, 11, dtype=torch.float64)
    shares = logits.softmax(dim=1)
    odds = shares[:, :10].sum(dim=1) / shares[:, 10]
    torch.testing.assert_close(digit_score(logits), odds.log())


def test_without_that_class_the_score_is_the_energy() -> None:
    logits = torch.randn(7, 10, dtype=torch.float64)
    torch.testing.assert_close(digit_score(logits), logits.exp().sum(dim=1).log())


@pytest.mark.parametrize(("threshold", "rejected"), [(-1.0, False), (1.2, False), (1.4, True)])
def test_scores_below_the_threshold_are_rejected(threshold: float, rejected: bool) -> None:
    logits = [-100.0] * 11
    logits[4], logits[10] = 2.3, 1.0  # log-odds 1.3
    made = Recognizer.from_model(Fixed(logits), Card("fixed", threshold=threshold))
    found = made.predict(page(1))
    assert found.score == pytest.approx(1.3)
    assert found.rejected is rejected
    assert found.digit == 4


def test_without_a_threshold_nothing_is_rejected() -> None:
    logits = [0.0] * 10 + [500.0]
    assert not Recognizer.from_model(Fixed(logits)).predict(page(1)).rejected


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


def test_the_fitted_temperature_is_the_best() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(500, 10, generator=generator) * 4
    labels = torch.randint(0, 10, (500,), generator=generator)
    labels[:400] = logits[:400].argmax(dim=1)
    best = fit_temperature(logits, labels)

    def loss(temperature: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / temperature, labels))

    assert all(
        loss(best) <= loss(best * factor) + 1e-9 for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2)
    )


def test_the_recognizer_and_training_see_the_same_logits(frames: torch.Tensor) -> None:
    by_training = predict_logits(tiny_network(), frames)
    torch.testing.assert_close(tiny().logits(frames), by_training, atol=1e-5, rtol=1e-5)


# --- speed, memory, other runtimes ----------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "pooled late"])
def test_the_optimized_network_has_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    late = {"pool_first": False, "stride": 1}
    model = build_network("quicknet", **late) if name == "pooled late" else build_network(name)
    frames = torch.randn(64, 1, 28, 28)
    model.train()(frames)  # batch norm's means are no longer 0 and 1
    made = optimize_for_inference(model)
    torch.testing.assert_close(made(frames), model.eval()(frames), atol=1e-5, rtol=1e-5)
    assert not any(isinstance(layer, nn.Dropout) for layer in made.modules())


def test_batch_norm_is_merged_and_the_model_given_stays() -> None:
    model = tiny_network()
    kinds = [type(layer) for layer in optimize_for_inference(model).modules()]
    layers = [kind for kind in kinds if kind not in (nn.Sequential, type(model))]
    assert layers.count(nn.Conv2d) == 6
    assert nn.BatchNorm2d not in layers
    assert (nn.ReLU, nn.MaxPool2d) not in [*pairwise(layers)]
    assert layers.count(nn.MaxPool2d) == 3
    assert nn.BatchNorm2d in [type(layer) for layer in model.modules()]


def test_batch_norm_with_a_negative_factor_stays_behind_the_pooling() -> None:
    model, frames = tiny_network(), torch.randn(8, 1, 28, 28)
    torch.nn.init.constant_(model.early[2].weight[:1], -1)
    made = optimize_for_inference(model)
    kinds = [type(layer) for layer in made.early]
    assert kinds[:4] == [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
    torch.testing.assert_close(made(frames), model(frames), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("outputs", [10, 11])
def test_the_onnx_file_reads_as_the_recognizer_does(outputs: int, tmp_path: Path) -> None:
    card = Card("digitnet", temperature=1.7, threshold=0.25)
    made = bundled() if outputs == 11 else tiny(card=card)
    path = tmp_path / "net.onnx"
    made.export_onnx(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    assert float(stored["rejection_threshold"]) == made.threshold
    drawn = np.stack([strokes.render(drawing) for drawing in DIGITS.values()])
    noise = np.random.RandomState(0).randint(0, 256, (23, 28, 28), np.uint8)
    for frames in (drawn, drawn[:1], noise):
        found, score, logits = session.run(None, {"frames": frames})
        np.testing.assert_allclose(found, made.probabilities(frames), atol=1e-5)
        np.testing.assert_allclose(logits, made.logits(frames), atol=1e-4, rtol=1e-5)
        expected = digit_score(torch.from_numpy(logits))
        np.testing.assert_allclose(score, expected, atol=1e-4, rtol=1e-5)
    assert Recognizer.load(path).card == made.card
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


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


def test_arrays_that_are_no_frame_are_refused() -> None:
    for shape, kind in (((28, 27), np.uint8), ((28, 28), float), ((1, 28, 28), np.uint8)):
        with pytest.raises(ValueError, match=r"uint8 \[28, 28\]"):
            tiny().predict_frame(np.zeros(shape, kind))


def test_importing_digitlib_imports_nothing_heavy() -> None:
    heavy = {
        "torch",
        "onnx",
        "onnxruntime",
        "numpy",
        "scipy",
        "skimage",
        "sklearn",
        "matplotlib",
        "pandas",
        "IPython",
    }
    code = "import sys, digitlib; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
