"""Variations of training data: within their bounds, in the right direction, fixed by the seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers import DIGITS, sample_splits
from scipy import ndimage, stats

from digitlib.datasets import augment, pen

STILL = {"rotation": 0, "slant": 0, "stretch": 0, "shift": 0, "bend": 0}


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """64 frames ``[64, 28, 28]``, 0-1."""
    return sample_splits().train[0].images[:64].float() / 255


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """Samples of the ten digits ``[10, P, 2]``."""
    samples = [pen.resample(drawing)[0] for drawing in DIGITS.values()]
    most = max(map(len, samples))
    return torch.from_numpy(
        np.stack([np.concatenate([s, np.repeat(s[-1:], most - len(s), 0)]) for s in samples])
    )


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def mass_center(frame: torch.Tensor) -> np.ndarray:
    return np.array(ndimage.center_of_mass(frame.numpy()))


@pytest.mark.parametrize(
    "change",
    [augment.warp, augment.change_stroke_width, augment.degrade, augment.distort_frames],
    ids=lambda f: f.__name__,
)
def test_changed_frames_are_frames(change: Callable, frames: torch.Tensor) -> None:
    before = frames.clone()
    torch.manual_seed(1)
    changed = change(frames)
    assert torch.equal(frames, before)  # the data set itself stays
    assert changed.shape == frames.shape
    assert changed.dtype == torch.float32
    assert changed.isfinite().all()
    assert changed.min() >= -1e-6
    assert changed.max() <= 1 + 1e-6
    assert (changed.amax(dim=(1, 2)) > 0.5).all()  # the digit is still there
    assert not torch.equal(changed, frames)
    # The seed of torch's global generator fixes everything, and another one changes it.
    torch.manual_seed(1)
    assert torch.equal(change(frames), changed)
    assert not torch.equal(change(frames), changed)


# --- warp ----------------------------------------------------------------------------------


def test_a_shift_moves_the_whole_frame_and_no_further(frames: torch.Tensor) -> None:
    changed = augment.warp(frames, **(STILL | {"shift": 2.0}))
    moves = np.array(
        [mass_center(b) - mass_center(a) for a, b in zip(frames, changed, strict=True)]
    )
    assert np.abs(moves).max() <= 2.05
    assert np.abs(moves).max(axis=0).min() > 1.5  # both axes are moved
    assert moves.min() < -1 < 1 < moves.max()  # both ways
    torch.testing.assert_close(
        changed.sum(dim=(1, 2)), frames.sum(dim=(1, 2)), rtol=0.02, atol=0.01
    )


def test_rotations_and_slants_have_their_bounds() -> None:
    count = 2000
    like = torch.zeros(1)
    turned = augment.affine(count, like, rotation=30, slant=0, stretch=0)
    angle = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]))
    assert angle.abs().max() <= 30
    assert stats.kstest(angle.numpy(), "uniform", (-30, 60)).pvalue > 0.001
    torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(count, 2, 2))
    torch.testing.assert_close(torch.linalg.det(turned), torch.ones(count))

    slanted = augment.affine(count, like, rotation=0, slant=0.4, stretch=0)
    assert stats.kstest(slanted[:, 0, 1].numpy(), "uniform", (-0.4, 0.8)).pvalue > 0.001
    rest = slanted.clone()
    rest[:, 0, 1] = 0
    torch.testing.assert_close(rest, torch.eye(2).expand(count, 2, 2))

    stretched = augment.affine(count, like, rotation=0, slant=0, stretch=0.2)
    for axis in (0, 1):
        log = stretched[:, axis, axis].log()
        assert stats.kstest(log.numpy(), "uniform", (-0.2, 0.4)).pvalue > 0.001
    assert np.corrcoef(stretched[:, 0, 0], stretched[:, 1, 1])[0, 1] == pytest.approx(0, abs=0.1)


# --- strokes and quality -------------------------------------------------------------------


def test_strokes_get_thicker_and_thinner(frames: torch.Tensor) -> None:
    ink = frames.sum(dim=(1, 2))
    thick = augment.change_stroke_width(frames, thinner=0, thicker=0.9).sum(dim=(1, 2))
    assert (thick >= ink - 1e-3).all()
    assert (thick / ink).max() > 1.3
    thin = augment.change_stroke_width(frames, thinner=0.6, thicker=0)
    area = (frames > 0.3).sum(dim=(1, 2))
    assert ((thin > 0.3).sum(dim=(1, 2)) <= area).all()
    assert ((thin > 0.3).sum(dim=(1, 2)) / area).min() < 0.8
    both = augment.change_stroke_width(frames).sum(dim=(1, 2))
    assert (both > ink).any()
    assert (both < ink).any()
    torch.testing.assert_close(augment.change_stroke_width(frames, thinner=0, thicker=0), frames)


def test_the_share_of_bad_pictures(frames: torch.Tensor) -> None:
    many = frames.repeat(30, 1, 1)
    assert torch.equal(augment.degrade(many, share=0), many)

    def changed(share: float) -> float:
        worse = augment.degrade(many, share=share)
        return float((worse != many).any(dim=2).any(dim=1).double().mean())

    assert changed(1) > 0.99
    assert changed(0.3) == pytest.approx(0.3, abs=0.05)


# --- pens ----------------------------------------------------------------------------------


def test_an_unsteady_hand_trembles_and_stays_near_the_line() -> None:
    line = torch.linspace(0, 1, 40)[:, None] * torch.tensor([1.0, 0.0])
    shaken = augment.add_tremor(line.expand(400, 40, 2), cut=0)
    # Whatever the turn and stretch: how far the samples lie from the straight line through them.
    off = torch.linalg.svdvals(shaken - shaken.mean(dim=1, keepdim=True))[:, 1] / 40**0.5
    largest = max(amplitude for _, amplitude in augment.TREMORS)
    assert off.max() < 3 * largest
    assert 0.2 * largest < off.mean() < largest
    assert off.min() < 0.1 * largest  # some hands are steady


def test_pen_widths_are_log_uniform() -> None:
    widths = augment.pen_widths(3000, torch.zeros(1), low=1.2, high=7.0)
    assert widths.shape == (3000,)
    assert widths.min() >= 1.2 - 1e-6
    assert widths.max() <= 7.0 + 1e-5
    low, high = math.log(1.2), math.log(7.0)
    assert stats.kstest(widths.log().numpy(), "uniform", (low, high - low)).pvalue > 0.001


def test_strokes_are_moved_apart_each_as_a_whole() -> None:
    torch.manual_seed(3)
    count = 400
    points = torch.rand(1, 12, 2).expand(count, 12, 2)
    numbers = torch.tensor([0] * 4 + [1] * 5 + [-1] * 3, dtype=torch.int16).expand(count, 12)
    points = torch.where((numbers < 0)[:, :, None], points[:, 8:9], points)  # the last, repeated
    moved = augment.move_strokes(points, numbers, 1.0, shift=0.05, stretch=0.1)
    assert torch.equal(moved[:, 9:], moved[:, 8:9].expand(-1, 3, -1))
    size = float(np.ptp(points[0].numpy(), axis=0).max())
    middles = []
    for part in (slice(0, 4), slice(4, 12)):
        before, after = points[:, part], moved[:, part]
        shift = after.mean(dim=1) - before.mean(dim=1)
        middles.append(shift)
        assert shift.std() == pytest.approx(0.05 * size, rel=0.15)
        scale = (after - after.mean(dim=1, keepdim=True)) / (before - before.mean(1, keepdim=True))
        spread = scale.flatten(1).max(dim=1).values - scale.flatten(1).min(dim=1).values
        assert spread.max() < 1e-3  # one scale for the whole stroke
        assert scale.mean(dim=(1, 2)).log().std() == pytest.approx(0.1, rel=0.15)
    assert abs(float(torch.corrcoef(torch.stack([m[:, 0] for m in middles]))[0, 1])) < 0.2
    some = (augment.move_strokes(points, numbers, 0.3) != points).flatten(1).any(dim=1)
    assert some.double().mean() == pytest.approx(0.3, abs=0.08)
    assert torch.equal(augment.move_strokes(points, numbers, 0.0), points)
