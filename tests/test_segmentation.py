"""InkNet: its simulated pictures, its input, its training, and what the bundled network finds."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from helpers import DIGITS, bundled, page
from numpy.random import default_rng
from scipy import ndimage

from digitlib.datasets import pages, picture_kinds, scenes
from digitlib.errors import BlankDrawingError
from digitlib.models.networks import count_parameters
from digitlib.models.unet import InkNet
from digitlib.preprocessing import segmentation
from digitlib.preprocessing.segmentation import SIDE, find_digit, network_input
from digitlib.training import segment

PAPER = np.tile(np.linspace(200, 240, 90, dtype=np.uint8), (60, 1))
INK = pages.Ink([[*DIGITS.items()]], [], np.zeros(0, np.int64), [DIGITS[8]], [PAPER])


def test_scenes_follow_from_their_seed_and_vary() -> None:
    first, again = (
        [scenes.make_scene(INK, random) for _ in range(40)] for random in map(default_rng, (7, 7))
    )
    for pair, same in zip(first, again, strict=True):
        for array, other in zip(pair, same, strict=True):
            np.testing.assert_array_equal(array, other)
            assert array.shape == (SIDE, SIDE)
            assert array.dtype == np.uint8
    covers = np.array([(cover > 127).mean() for _, cover in first])
    assert (covers > 0).mean() > 0.9  # a few are empty
    assert covers.min() < 0.01 < 0.08 < covers.max()


def test_a_digit_in_a_scene_differs_from_what_is_around_it() -> None:
    random, clear = default_rng(3), []
    for picture, cover in (scenes.make_scene(INK, random) for _ in range(60)):
        digit = cover > 200
        near = ndimage.binary_dilation(cover > 0, iterations=5) & (cover == 0)
        if digit.sum() > 60:
            shades = picture.astype(float)
            clear.append(abs(np.median(shades[digit]) - np.median(shades[near])) > 3)
    assert np.mean(clear) > 0.85  # grain, spray and outlines hide some


def test_a_paper_with_writing_is_left_out() -> None:
    written = PAPER.copy()
    written[15:45, 40:44] = 60
    assert scenes._is_written(written)
    assert not scenes._is_written(PAPER)


@pytest.mark.parametrize(("factor", "shift"), [(0.5, 0.2), (0.1, 0.0), (1.0, 0.0)])
def test_the_input_does_not_depend_on_light_and_contrast(factor: float, shift: float) -> None:
    gray = page(5, page=(SIDE, SIDE)).astype(np.float32) / 255
    given = network_input(gray)
    assert given.shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(network_input(factor * gray + np.float32(shift)), given, atol=0.06)


def test_the_loss_is_least_for_the_right_coverage() -> None:
    cover = torch.zeros(2, 16, 16)
    cover[:, 4:12, 6:9] = 1
    right = 20 * (2 * cover - 1)
    wrong = (right, -right, torch.zeros_like(right), right.roll(3, 2))
    losses = [segment.loss_of(logits, cover).item() for logits in wrong]
    assert losses[0] < 0.01 < min(losses[1:])


def test_a_short_training_learns_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "load_ink", lambda: INK)
    settings = replace(segment.SETTINGS, steps=12, batch_size=4, averaging=0.5)
    networks = [segment.train(settings)[0] for _ in range(2)]
    for first, second in zip(*(net.state_dict().values() for net in networks), strict=True):
        assert torch.equal(first, second)
    random = default_rng(1)
    drawn = [scenes.make_scene(INK, random) for _ in range(16)]
    given = torch.from_numpy(np.stack([network_input(each / np.float32(255)) for each, _ in drawn]))
    cover = torch.from_numpy(np.stack([cover for _, cover in drawn])) / 255
    torch.manual_seed(settings.seed)
    with torch.inference_mode():
        trained, untrained = (
            segment.loss_of(network(given), cover) for network in (networks[0], InkNet().eval())
        )
    assert trained < untrained


def test_the_bundled_network_is_small_and_has_its_card() -> None:
    assert count_parameters(InkNet()) <= 100_000
    stored = {entry.key: entry.value for entry in onnx.load(segmentation.NETWORK).metadata_props}
    assert int(stored["parameters"]) == count_parameters(InkNet())
    assert "weights" in stored


def test_one_shape_on_even_paper_is_subtracted_exactly() -> None:
    picture = page(6).astype(np.float32) / 255
    ink = find_digit(picture)
    rows, columns = (np.flatnonzero((picture < 0.85).any(axis=axis)) for axis in (1, 0))
    np.testing.assert_allclose(
        ink, 1 - picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], atol=1e-6
    )


def test_the_bundled_network_finds_the_digit_in_scenes() -> None:
    """Half of the union of found and true coverage is common, in most scenes of one digit."""
    random, overlaps = default_rng(11), []
    for picture, cover in (scenes.make_scene(INK, random) for _ in range(150)):
        if cover.max() < 200:
            continue
        found = segmentation._cover(network_input(picture / np.float32(255))) > 0.5
        true = cover > 127
        overlaps.append((found & true).sum() / max((found | true).sum(), 1))
    assert np.mean(np.array(overlaps) > 0.5) > 0.85


def test_empty_paper_has_no_digit() -> None:
    random = default_rng(0)
    noisy = (0.8 + 0.02 * random.standard_normal((200, 150))).astype(np.float32)
    ruled = np.full((200, 150), 0.9, np.float32)
    ruled[20::30] = 0.5
    for blank in (noisy, ruled, PAPER.astype(np.float32) / 255):
        with pytest.raises(BlankDrawingError):
            find_digit(blank)


@pytest.mark.parametrize("kind", ["thin pencil", "dim light", "paper"])
def test_a_straight_one_is_not_a_printed_line(kind: str) -> None:
    picture = picture_kinds.make(kind, [np.array([(0.0, 0.0), (2.0, 100.0)])], 4)
    assert bundled().predict(picture).digit == 1


def test_a_picture_one_pixel_high_has_no_digit() -> None:
    thin = default_rng(0).random((1, 60)).astype(np.float32)
    with pytest.raises(BlankDrawingError):
        find_digit(thin)


@pytest.mark.parametrize("shade", [0, 255])
def test_a_frame_around_a_photo_changes_nothing(shade: int) -> None:
    light = np.linspace(0.6, 1, 200)
    for digit in DIGITS:
        photo = (page(digit) * 0.8 * light).astype(np.uint8)
        framed = np.pad(photo, 6, constant_values=shade)
        assert bundled().predict(framed).digit == bundled().predict(photo).digit == digit
