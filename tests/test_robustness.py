"""``robustness``: every change has the size that its unit says, and its effect is counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from digitlib import Recognizer
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import metrics, robustness
from digitlib.evaluation.robustness import PERTURBATIONS, Perturbation
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import stroke_width

CHANGES = {change.name: change for change in PERTURBATIONS}
every_change = pytest.mark.parametrize("change", PERTURBATIONS, ids=lambda change: change.name)


@pytest.fixture(scope="module")
def sample() -> DigitData:
    return catalog.load("sample", "test").subset(60)


def blob(row: float = 13.5, column: float = 13.5, size: float = 1.5) -> torch.Tensor:
    """A soft dot, ``[1, 28, 28]``."""
    at = np.arange(28)
    square = (at[:, None] - row) ** 2 + (at - column) ** 2
    return torch.from_numpy(np.exp(-square / (2 * size**2)))[None].float()


def center(frame: torch.Tensor) -> np.ndarray:
    return np.array(ndimage.center_of_mass(frame.numpy()))


# --- all changes ---------------------------------------------------------------------------


@every_change
def test_frames_stay_frames_and_the_seed_decides(change: Perturbation, sample: DigitData) -> None:
    for strength in change.strengths:
        changed = change(sample.images, strength, seed=5)
        assert changed.shape == sample.images.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert torch.equal(changed, change(sample.images, strength, seed=5))


@every_change
def test_the_neutral_strength_changes_nothing_and_others_do(
    change: Perturbation, sample: DigitData
) -> None:
    frames = sample.images.float() / 255
    assert list(change.strengths) == sorted(change.strengths)
    for strength in change.strengths:
        same = torch.equal(change(frames, strength), frames)
        assert same == (strength == change.neutral)


@every_change
def test_stronger_is_farther_from_the_original(change: Perturbation, sample: DigitData) -> None:
    frames = sample.images.float() / 255
    far = [float((change(frames, s) - frames).square().mean()) for s in change.strengths]
    middle = change.strengths.index(change.neutral)
    assert far[: middle + 1] == sorted(far[: middle + 1], reverse=True)
    assert far[middle:] == sorted(far[middle:])


@every_change
def test_a_frame_is_changed_in_a_batch_as_alone(change: Perturbation, sample: DigitData) -> None:
    strength = change.strengths[-1]
    batch = change(sample.images[:8], strength, seed=2)
    torch.testing.assert_close(batch[:1], change(sample.images[:1], strength, seed=2))
    assert change(sample.images[:0], strength).shape == (0, 28, 28)


def test_random_changes_differ_by_seed_and_frame(sample: DigitData) -> None:
    same = sample.images[:1].expand(3, 28, 28)
    for name in ("shift", "noise", "occlusion"):
        first, second, _ = CHANGES[name](same, 6, seed=0)
        assert not torch.equal(first, second)
        assert not torch.equal(CHANGES[name](same, 6, seed=1)[0], first)


# --- each ----------------------------------------------------------------------------------


def test_shift_moves_by_so_many_pixels() -> None:
    frames = blob().expand(50, 28, 28)
    moved = np.array([center(f) - 13.5 for f in CHANGES["shift"](frames, 4)])
    np.testing.assert_allclose(np.hypot(*moved.T), 4, atol=0.05)
    assert len(np.unique(np.sign(moved), axis=0)) == 4  # all quarters occur


def test_rotation_is_clockwise_about_the_middle() -> None:
    turned = CHANGES["rotation"](blob(row=6.5), 90)[0]  # from the top ...
    np.testing.assert_allclose(center(turned), [13.5, 20.5], atol=0.05)  # ... to the right
    part = CHANGES["rotation"](blob(row=6.5), 30)[0]
    np.testing.assert_allclose(
        center(part), [13.5 - 7 * np.cos(np.pi / 6), 13.5 + 7 * np.sin(np.pi / 6)], atol=0.05
    )


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.4])
def test_scale_multiplies_lengths_about_the_middle(factor: float) -> None:
    two = (blob(9.5, 10.5) + blob(17.5, 16.5)).clamp(0, 1)
    scaled = CHANGES["scale"](two, factor)[0].numpy()
    rows, columns = np.mgrid[:28, :28]
    upper = rows + columns < 27
    for half, place in ((upper, (9.5, 10.5)), (~upper, (17.5, 16.5))):
        found = ndimage.center_of_mass(scaled * half)
        expected = 13.5 + factor * (np.array(place) - 13.5)
        np.testing.assert_allclose(found, expected, atol=0.25)


def test_strokes_get_wider_by_so_many_pixels() -> None:
    frame = strokes.render([np.array([[0.5, 0.0], [0.5, 1.0]])], width=4)
    bar = torch.from_numpy(frame)[None]
    widths = {
        strength: float(CHANGES["stroke width"](bar, strength)[0, 14].sum())
        for strength in (-2, -1, 0, 1, 2, 4)
    }
    for strength, width in widths.items():
        assert width - widths[0] == pytest.approx(strength, abs=0.05)


def test_stroke_width_agrees_with_its_measure(sample: DigitData) -> None:
    change = CHANGES["stroke width"]
    widths = [
        np.mean([stroke_width(frame) for frame in change(sample.images, s).numpy()])
        for s in change.strengths
    ]
    assert widths == sorted(widths)


def test_noise_has_the_deviation_it_says() -> None:
    grey = torch.full((200, 28, 28), 0.5)
    noise = CHANGES["noise"](grey, 0.1) - grey
    assert float(noise.std()) == pytest.approx(0.1, rel=0.01)
    assert abs(float(noise.mean())) < 0.001


def test_blur_is_scipys(sample: DigitData) -> None:
    frames = sample.images[:5].numpy() / 255
    for sigma in (0.5, 1.5, 3.0):
        expected = ndimage.gaussian_filter(
            frames, (0, sigma, sigma), mode="constant", radius=(0, *2 * [int(np.ceil(3 * sigma))])
        )
        blurred = CHANGES["blur"](sample.images[:5], sigma)
        np.testing.assert_allclose(blurred, expected, atol=1e-5)


def test_contrast_is_lost_by_the_share(sample: DigitData) -> None:
    faded = CHANGES["contrast"](sample.images, 0.8)
    torch.testing.assert_close(faded, sample.images.float() / 255 * 0.2)


def test_occlusion_covers_a_square() -> None:
    covered = CHANGES["occlusion"](torch.ones(300, 28, 28), 8) == 0
    for hole in covered[:50].numpy():
        rows, columns = np.nonzero(hole)
        assert hole.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    sizes = covered.sum(dim=(1, 2))
    assert sizes.max() <= 81
    assert sizes.min() >= 49
    assert covered.any(dim=0)[4:24, 4:24].all()


# --- measuring -----------------------------------------------------------------------------


def test_the_curve_counts_the_recognizers_predictions(sample: DigitData) -> None:
    recognizer = Recognizer.load()
    change = CHANGES["rotation"]
    measured = robustness.evaluate_corruption(recognizer, sample.images, sample.labels, change)
    for strength, accuracy, rejected, confidence in zip(
        change.strengths, measured.accuracy, measured.rejected, measured.confidence, strict=True
    ):
        frames = change(sample.images, strength)
        p = recognizer.probabilities(frames)
        assert accuracy.successes == int((p.argmax(dim=1) == sample.labels).sum())
        assert confidence == pytest.approx(float(p.max(dim=1).values.mean()))
        single = [recognizer.predict_frame((255 * f).round().byte().numpy()) for f in frames]
        assert abs(rejected.successes - sum(p.rejected for p in single)) <= 2  # rounded frames
    assert measured.right.shape == measured.predicted.shape == (len(change.strengths), 60)
    last = measured.confidence[-1] - measured.accuracy[-1].value
    assert measured.overconfidence == pytest.approx(last)


def curve(*right: int, total: int = 10) -> robustness.RobustnessCurve:
    """A curve with so many right of ``total`` at each strength."""
    hits = np.arange(total) < np.array(right)[:, None]
    shares = tuple(metrics.Proportion(total - n, total) for n in right)
    return robustness.RobustnessCurve(np.where(hits, 3, 4), hits, shares, (0.9,) * len(right))


def test_the_tolerated_range_surrounds_the_neutral_strength() -> None:
    change = Perturbation("x", "px", (-2, -1, 0, 1, 2), lambda f, s, g: f)

    def tolerated(*right: int) -> str:
        return curve(*right, total=1000).tolerated_range(change)

    assert tolerated(950, 850, 999, 940, 930) == "0 to 2"
    assert tolerated(950, 930, 999, 940, 930) == "-2 to 2"
    assert tolerated(950, 930, 850, 940, 930) == "none"
    assert tolerated(950, 905, 999, 940, 930) == "0 to 2"  # its interval begins below 90 %


def test_preprocessing_undoes_lost_contrast_and_keeps_what_was_legible(sample: DigitData) -> None:
    recognizer, images, labels = Recognizer.load(), sample.images, sample.labels
    found = robustness.evaluate_preprocessed(
        recognizer, images, labels, {"contrast": 0.9, "shift": 0}
    )
    assert list(found) == ["shift", "contrast"]
    plain = recognizer.probabilities(images).argmax(dim=1) == labels
    np.testing.assert_array_equal(found["shift"]["frame"], plain)
    assert found["contrast"]["frame"].mean() < 0.5
    assert found["contrast"]["preprocessed"].mean() > 0.9
    assert found["shift"]["preprocessed"].mean() > 0.9


def test_panels_have_every_network_and_confidence_and_rejections_of_digitnet() -> None:
    result = curve(9, 5)
    (curves,) = robustness.curve_panels({"x": {"digitnet": result, "baseline": result}}).values()
    assert list(curves) == ["digitnet", "baseline", *robustness.LINE_STYLES]
    value, low, high = curves["digitnet"]
    np.testing.assert_allclose(value, [0.9, 0.5])
    np.testing.assert_allclose((low[0], high[0]), result.accuracy[0].interval)
    np.testing.assert_allclose(curves[robustness.REJECTED][0], [0.1, 0.5])
    np.testing.assert_allclose(curves[robustness.CONFIDENCE][0], [0.9, 0.9])
