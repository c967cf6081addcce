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
from digitlib.models.networks import as_input, build_network, count_parameters
from digitlib.models.weights import load_model, model_digest
from digitlib.preprocessing.frame import to_frame
from digitlib.preprocessing.strokes import render


def kinds() -> dict[str, np.ndarray]:
    """Frames of every kind, ``[N, 4, 28, 28]``."""
    noise = np.random.RandomState(0).uniform(-1, 1, (10, 4, 28, 28)).astype(np.float32)
    return {
        "drawings": np.stack([render(drawing) for drawing in DIGITS.values()]),
        "thick": np.stack([render(drawing, width=7) for drawing in DIGITS.values()]),
        "pictures": np.stack([to_frame(page(digit)) for digit in DIGITS]),
        "blank": np.zeros((3, 4, 28, 28), np.float32),
        "noise": noise,
    }


def formulas(model: nn.Module, card: Card, frames: np.ndarray) -> tuple[np.ndarray, ...]:
    """Logits of the network as it was trained, in double precision, and what follows from them."""
    with torch.no_grad():
        logits = model.double().eval()(as_input(torch.from_numpy(frames).double()))
    probabilities = (logits[:, :10] / card.temperature).softmax(dim=1)
    scores = logits[:, :10].exp().sum(dim=1).log()
    if logits.shape[1] > 10:
        scores -= logits[:, 10]
    return logits.numpy(), probabilities.numpy(), scores.numpy()


@pytest.mark.parametrize("kind", kinds())
def test_both_files_are_one_network(kind: str) -> None:
    model, card = load_model(BUNDLED_WEIGHTS)
    frames = kinds()[kind]
    logits, probabilities, scores = formulas(model, card, frames)
    found = bundled().predict_batch(frames)
    np.testing.assert_allclose(bundled().logits(frames), logits, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(found.probabilities, probabilities, atol=1e-5)
    np.testing.assert_allclose(found.scores, scores, atol=1e-4, rtol=1e-5)


def test_both_files_have_the_same_card_and_weights() -> None:
    model, card = load_model(BUNDLED_WEIGHTS)
    assert BUNDLED_NETWORK.stat().st_size <= 2**20
    assert bundled().card == card
    assert bundled().parameters == count_parameters(model)
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
    frames = kinds()["drawings"]
    np.testing.assert_allclose(made.logits(frames), bundled().logits(frames), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("baseline", {}),
        ("quicknet", {}),
        ("quicknet", {"padding": 2}),
        ("quicknet", {"deskewed": 20}),
        ("digitnet", {"width": 8, "channels": 1}),
        ("digitnet", {"outputs": 11, "width": 8}),
    ],
    ids=str,
)
def test_every_network_is_read_as_it_was_trained(name: str, arguments: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = build_network(name, **arguments)
    model.train()(torch.randn(64, 4, 28, 28))  # batch norm's means are no longer 0 and 1
    card = Card(name, arguments, temperature=1.3)
    made = Recognizer.from_model(model, card)
    for frames in kinds().values():
        logits, probabilities, _ = formulas(model.float(), card, frames)
        np.testing.assert_allclose(made.logits(frames), logits, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(made.probabilities(frames), probabilities, atol=1e-5)
