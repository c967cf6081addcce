"""The bundled network as ONNX and in safetensors: one network, one card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import DIGITS, bundled, page
from torch import nn

from digitlib import Recognizer
from digitlib.models import export
from digitlib.models.card import BUNDLED_NETWORK, BUNDLED_WEIGHTS, Card
from digitlib.models.networks import as_input, build_network, count_parameters, reads_strokes
from digitlib.models.weights import load_model, model_digest
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import to_frame

Inputs = tuple[np.ndarray, np.ndarray | None]


def kinds() -> dict[str, Inputs]:
    """Frames of every kind, ``[N, 28, 28]``, and their channels, where they have some."""
    drawn = [strokes.render_with_channels(drawing) for drawing in DIGITS.values()]
    frames, channels = (np.stack(parts) for parts in zip(*drawn, strict=True))
    thick = [strokes.render_with_channels(drawing, width=7) for drawing in DIGITS.values()]
    pictures = np.stack([to_frame(page(digit)) for digit in DIGITS])
    random = np.random.RandomState(0)
    noise = random.randint(0, 256, (10, 28, 28)).astype(np.uint8)
    return {
        "drawings": (frames, channels),
        "drawings as pictures": (frames, None),
        "thick": (
            np.stack([frame for frame, _ in thick]),
            np.stack([channel for _, channel in thick]),
        ),
        "pictures": (pictures, None),
        "blank": (np.zeros((3, 28, 28), np.uint8), None),
        "noise": (noise, random.uniform(-1, 1, channels.shape).astype(np.float32)),
    }


def formulas(
    model: nn.Module, card: Card, frames: np.ndarray, channels: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """Logits of the network as it was trained, in double precision, and what follows from them."""
    given = torch.zeros(len(frames), 4, 28, 28, dtype=torch.float64)
    given[:, 0] = torch.from_numpy(frames) / 255
    if channels is not None:
        given[:, 1:] = torch.from_numpy(channels)
    with torch.no_grad():
        logits = model.double().eval()(as_input(given))
    probabilities = (logits[:, :10] / card.temperature).softmax(dim=1)
    scores = logits[:, :10].exp().sum(dim=1).log()
    if logits.shape[1] > 10:
        scores -= logits[:, 10]
    return logits.numpy(), probabilities.numpy(), scores.numpy()


@pytest.mark.parametrize("kind", kinds())
def test_both_files_are_one_network(kind: str) -> None:
    model, card = load_model(BUNDLED_WEIGHTS)
    frames, channels = kinds()[kind]
    if not reads_strokes(model):
        channels = None
    logits, probabilities, scores = formulas(model, card, frames, channels)
    found = bundled().predict_batch(frames, channels)
    np.testing.assert_allclose(bundled().logits(frames, channels), logits, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(found.probabilities, probabilities, atol=1e-5)
    np.testing.assert_allclose(found.scores, scores, atol=1e-4, rtol=1e-5)


def test_both_files_have_the_same_card_and_weights() -> None:
    model, card = load_model(BUNDLED_WEIGHTS)
    assert BUNDLED_NETWORK.stat().st_size <= 2**20
    assert bundled().card == card
    assert bundled().parameters == count_parameters(model)
    assert bundled().takes_channels == reads_strokes(model)
    session = onnxruntime.InferenceSession(BUNDLED_NETWORK, providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    assert stored["weights"] == model_digest(model)
    assert json.loads(stored["card"]) == card.to_json()


def test_the_bundled_file_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BUNDLED_NETWORK", tmp_path / "net.onnx")
    export.export_bundled()
    made = Recognizer.load(tmp_path / "net.onnx")
    assert made.card == bundled().card
    frames, channels = kinds()["drawings"]
    used = channels if made.takes_channels else None
    wanted = bundled().logits(frames, used)
    np.testing.assert_allclose(made.logits(frames, used), wanted, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("baseline", {}),
        ("quicknet", {}),
        ("quicknet", {"padding": 2}),
        ("quicknet", {"deskewed": 20}),
        ("digitnet", {"width": 8, "channels": 1}),
        ("digitnet", {"outputs": 11, "width": 8}),
        ("digitnet", {"outputs": 11, "width": 8, "pen": 8}),
    ],
    ids=str,
)
def test_every_network_is_read_as_it_was_trained(name: str, arguments: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = build_network(name, **arguments)
    model.train()(torch.randn(64, 4, 28, 28))  # batch norm's means are no longer 0 and 1
    card = Card(name, arguments, temperature=1.3)
    made = Recognizer.from_model(model, card)
    for frames, channels in kinds().values():
        used = channels if reads_strokes(model) else None
        logits, probabilities, _ = formulas(model.float(), card, frames, used)
        np.testing.assert_allclose(made.logits(frames, used), logits, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(made.probabilities(frames, used), probabilities, atol=1e-5)
