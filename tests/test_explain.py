"""Feature maps, occlusion, nearest digits and gradients, each against an independent oracle."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers import DIGITS, bundled, explainer
from torch import Tensor, nn

from digitlib import Recognizer
from digitlib.datasets import catalog
from digitlib.evaluation import training_digits
from digitlib.models.card import BUNDLED_WEIGHTS, Card
from digitlib.models.explain import TRAINING_DIGITS, Explainer, add_outputs
from digitlib.models.gradients import integrated_gradients
from digitlib.models.networks import as_input, build_network
from digitlib.models.weights import load_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import frames_to_images, images_to_frames

FRAME = strokes.render(DIGITS[4])
PICTURE = images_to_frames(frames_to_images(FRAME))
both_kinds = pytest.mark.parametrize("frame", [FRAME, PICTURE], ids=["strokes", "picture"])


@cache
def network() -> nn.Module:
    return load_model(BUNDLED_WEIGHTS)[0]


def hooked(model: nn.Module, frame: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
    """Outputs of a network's ReLUs by path, and the input of its head's last layer, for a frame."""
    relus: dict[str, Tensor] = {}
    inputs: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _, __, out, path=path: relus.update({path: out[0]}))
        for path, module in model.named_modules()
        if isinstance(module, nn.ReLU)
    ]
    handles.append(model.head[-1].register_forward_pre_hook(lambda _, given: inputs.extend(given)))
    with torch.no_grad():
        model(as_input(torch.from_numpy(frame)[None]))
    for handle in handles:
        handle.remove()
    return relus, inputs[0]


# --- feature maps and embedding --------------------------------------------------------------

STAGES = {
    "early 1": "early.3", "early 2": "early.6", "early 3": "early.9",
    "late 1": "late.2", "late 2": "late.5", "late 3": "late.8",
}  # fmt: skip
POOLED = ("early 1",)  # in training it is pooled before its ReLU, here after it


@both_kinds
def test_feature_maps_are_those_of_pytorch(frame: np.ndarray) -> None:
    relus, _ = hooked(network(), frame)
    found = explainer().feature_maps(frame)
    assert [*found] == [*STAGES]
    for name, maps in found.items():
        mine = torch.from_numpy(maps)
        if name in POOLED:
            mine = nn.functional.max_pool2d(mine, 2)
        torch.testing.assert_close(mine, relus[STAGES[name]], atol=1e-4, rtol=1e-4)
        assert mine.max() > 0.1


@both_kinds
def test_the_embedding_is_what_the_last_layer_is_given(frame: np.ndarray) -> None:
    _, wanted = hooked(network(), frame)
    found = explainer().embed(frame[None])
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4, rtol=1e-4)


def test_more_outputs_change_no_other() -> None:
    names = [f"name {number}" for number in range(30)]  # a length of several bytes
    model = onnx.load_from_string(add_outputs(bundled().network, names))
    assert [each.name for each in model.graph.output] == [
        "probabilities",
        "score",
        "logits",
        "embedding",
        *names,
    ]
    before = onnx.load_from_string(bundled().network)
    assert list(model.graph.node) == list(before.graph.node)
    assert list(model.graph.initializer) == list(before.graph.initializer)
    found = Recognizer(add_outputs(bundled().network, bundled().activations)).predict_frame(FRAME)
    wanted = bundled().predict_frame(FRAME).probabilities
    assert found.probabilities == pytest.approx(wanted, abs=1e-6)


# --- occlusion -------------------------------------------------------------------------------


def log_odds(frame: np.ndarray, digit: int) -> float:
    """The log odds of a digit, from its probability in double precision."""
    logits = bundled().logits(frame[None])[0, :10]
    shares = np.exp(logits.astype(float) / bundled().temperature)
    return float(np.log(shares[digit] / (shares.sum() - shares[digit])))


def loop(frame: np.ndarray, digit: int, size: int = 5, step: int = 2) -> np.ndarray:
    """The mean fall of the log-odds over the patches that cover each pixel, one by one."""
    fall, count = np.zeros((28, 28)), np.zeros((28, 28))
    whole = log_odds(frame, digit)
    for row in range(0, 28, step):
        for column in range(0, 28, step):
            top, left = row - size // 2, column - size // 2
            patch = (slice(max(top, 0), top + size), slice(max(left, 0), left + size))
            blanked = frame.copy()
            blanked[:, *patch] = 0
            fall[patch] += whole - log_odds(blanked, digit)
            count[patch] += 1
    return fall / count


@both_kinds
@pytest.mark.parametrize("digit", [4, 9])
def test_occlusion_is_a_plain_loop(frame: np.ndarray, digit: int) -> None:
    found = explainer().occlusion(frame, digit=digit)
    np.testing.assert_allclose(found, loop(frame, digit), atol=1e-4)
    assert np.abs(found).max() > 0.5


# --- nearest training digits -----------------------------------------------------------------


def test_the_index_is_small_and_of_the_bundled_network() -> None:
    assert TRAINING_DIGITS.stat().st_size <= 2**20
    stored = np.load(TRAINING_DIGITS)
    assert stored["weights"] == bundled().weights, "python -m digitlib neighbors"
    exact = explainer().embed(stored["frames"])
    rounded = stored["embeddings"] * (exact.max(axis=1, keepdims=True) / 255)
    assert np.abs(rounded - exact).max() <= exact.max() / 255


def angles(found: Explainer, frames: np.ndarray) -> np.ndarray:
    """Cosines between the embeddings of frames and of all digits of the index, in double."""
    known, asked = (
        found.embed(each).astype(float) for each in (np.load(TRAINING_DIGITS)["frames"], frames)
    )
    lengths = np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(known, axis=1)
    return asked @ known.T / lengths


def test_the_nearest_are_those_of_brute_force() -> None:
    frames = np.stack([strokes.render(drawing) for drawing in DIGITS.values()])
    stored, cosines = np.load(TRAINING_DIGITS), angles(explainer(), frames_to_images(frames))
    for frame, cosine in zip(frames, cosines, strict=True):
        found = explainer().nearest(frame, 5)
        exact = np.sort(cosine)[::-1][:5]
        # 8 bits move a cosine by less than 0.002: only digits as near as that may change places
        np.testing.assert_allclose([each.similarity for each in found], exact, atol=2e-3)
        for each in found:
            (row,) = np.flatnonzero((stored["frames"] == each.image).all(axis=(1, 2)))
            assert cosine[row] == pytest.approx(each.similarity, abs=2e-3)
            assert (each.label, each.row) == (stored["labels"][row], stored["rows"][row])


def test_other_weights_have_neighbors_of_their_own() -> None:
    torch.manual_seed(0)
    made = Explainer(Recognizer.from_model(build_network("quicknet"), Card("quicknet")))
    found = made.nearest(FRAME, 3)
    exact = np.sort(angles(made, PICTURE[None])[0])[::-1][:3]
    np.testing.assert_allclose([each.similarity for each in found], exact, atol=1e-5)


@pytest.mark.slow
@pytest.mark.needs_mnist
@pytest.mark.needs_unipen
def test_the_index_holds_the_training_digits_that_it_names(tmp_path: Path) -> None:
    stored = np.load(TRAINING_DIGITS)
    for number, name in enumerate(stored["sets"]):
        own = stored["set"] == number
        digits = catalog.load(str(name), "train").select(torch.tensor(stored["rows"][own].tolist()))
        np.testing.assert_array_equal(digits.images.numpy(), stored["frames"][own])
        np.testing.assert_array_equal(digits.labels.numpy(), stored["labels"][own])
        assert (np.bincount(stored["labels"][own]) == training_digits.PER_DIGIT).all()
    training_digits.write(tmp_path / "again.npz")
    again = np.load(tmp_path / "again.npz")
    assert set(again) == set(stored)
    for name in set(stored) - {"embeddings"}:
        np.testing.assert_array_equal(again[name], stored[name])


# --- integrated gradients --------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("digit", [4, 9])
def test_all_parts_are_the_difference_of_logits(frame: np.ndarray, digit: int) -> None:
    parts = integrated_gradients(network(), frame, digit=digit)
    logits = bundled().logits(np.stack([frame, np.zeros_like(frame)]))[:, digit]
    assert parts.sum() == pytest.approx(logits[0] - logits[1], abs=0.2)
    assert abs(logits[0] - logits[1]) > 1
    assert not parts[frame == 0].any()
