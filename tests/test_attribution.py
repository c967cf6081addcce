"""Maps of important ink, their test by deletion, and the figures of what a network sees."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import DIGITS, bundled
from matplotlib.figure import Figure

from digitlib.evaluation import attribution
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.models.explain import Explainer
from digitlib.models.gradients import integrated_gradients
from digitlib.models.weights import load_model
from digitlib.preprocessing import strokes
from digitlib.reports import explain_plots

LABELS = np.array([*DIGITS])
FRAMES = np.stack([strokes.render(drawing) for drawing in DIGITS.values()])


def test_every_frame_has_both_maps_for_its_digit() -> None:
    model, explainer = load_model(BUNDLED_WEIGHTS)[0], Explainer(bundled())
    maps = attribution.attribute(explainer, model, FRAMES[:3], np.array([0, 7, 2]))
    for n, digit in enumerate((0, 7, 2)):
        wanted, _ = integrated_gradients(model, FRAMES[n], digit=digit)
        np.testing.assert_allclose(maps["gradients"][n], wanted, atol=1e-5)
        occluded = explainer.occlusion(FRAMES[n], digit=digit)
        np.testing.assert_allclose(maps["occlusion"][n], occluded, atol=1e-5)


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_the_most_important_ink_is_deleted(share: float) -> None:
    maps = np.random.RandomState(0).rand(*FRAMES.shape)
    left = attribution.delete_ink(FRAMES, maps, share)
    for before, after, values in zip(FRAMES, left, maps, strict=True):
        gone, stays = before != after, (before > 0) & (before == after)
        assert gone.sum() == round(share * (before > 0).sum())
        assert not after[gone].any()
        assert values[gone].min(initial=2) > values[stays].max(initial=-1)


def test_ink_that_matters_is_missed_sooner() -> None:
    matters = np.zeros(FRAMES.shape)
    matters[:, :, :14] = 1  # the left half of each digit
    found = attribution.deletion_curves(
        bundled(), FRAMES, LABELS, {"left": matters, "right": 1 - matters}, [0, 0.4]
    )
    frames = {"left": FRAMES.copy(), "right": FRAMES.copy()}
    for name, values in (("left", matters), ("right", 1 - matters)):
        first, second = found[name]
        assert (first.successes, first.total) == (10, 10)
        for frame, weights in zip(frames[name], values, strict=True):  # pixel by pixel
            ink = [(-weights[at], n, at) for n, at in enumerate(zip(*frame.nonzero(), strict=True))]
            for _, _, at in sorted(ink)[: round(0.4 * len(ink))]:
                frame[at] = 0
        read = bundled().probabilities(frames[name]).argmax(axis=1)
        assert second.successes == (read == LABELS).sum() < 10


# --- figures ---------------------------------------------------------------------------------


def shown(figure: Figure) -> list[np.ndarray]:
    """The pictures of a figure, in order."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def test_feature_maps_of_all_sizes_are_equally_large_and_the_strongest_first() -> None:
    small = np.zeros((3, 6, 6))
    small[2, 1, 1], small[0, 2, 3] = 4, 2
    figure = explain_plots.feature_maps({"frame": FRAMES[:1], "late": small}, count=2)
    (picture,) = shown(figure)
    assert picture.shape == (2 * 30, 2 * 30)
    strongest, second = picture[31:59, 1:29], picture[31:59, 31:59]
    assert np.nanmax(strongest) == 1
    assert np.nanmax(second) == 0.5
    assert np.nansum(strongest) == np.nansum(second) * 2 == 16  # one number, 4 px wide
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["frame\n1 × 28 × 28", "late\n3 × 6 × 6"]


def test_attributions_have_zero_in_the_middle_of_their_scale() -> None:
    maps = np.random.RandomState(0).randn(3, 28, 28)
    figure = explain_plots.attributions(FRAMES[:3], {"a": maps, "b": 9 * maps}, ["1", "2", "3"])
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == 9
    for n, image in enumerate(images[3:]):
        low, high = image.get_clim()
        assert low == -high == -np.abs(maps[n % 3]).max() * (1 if n < 3 else 9)


def test_a_transition_has_its_frames_under_their_steps() -> None:
    at, frames = np.linspace(0, 100, 11), FRAMES[:6]
    lines = {"four": (1 - at / 100, "-", 0), "nine": (at / 100, "--", 1)}
    figure = explain_plots.transition(at, lines, frames, xlabel="closed (%)")
    curve, strip = figure.axes
    assert [line.get_label() for line in curve.lines] == [*lines]
    (picture,) = shown(figure)
    left, right = curve.get_xlim()
    for n, frame in enumerate(frames):
        middle = (20 * n - left) / (right - left) * picture.shape[1]
        assert middle == pytest.approx(30 * n + 15, abs=0.5)
        np.testing.assert_array_equal(picture[1:29, 30 * n + 1 : 30 * n + 29], frame)
    assert strip.get_xlim()[1] - strip.get_xlim()[0] == picture.shape[1]


def test_neighbours_say_what_and_where_they_are() -> None:
    found = Explainer(bundled()).nearest(FRAMES[4], 3)
    figure = explain_plots.neighbours({"drawn 4": (FRAMES[4], found)})
    captions = [axes.get_xlabel() for axes in figure.axes]
    assert captions == ["drawn 4", *(f"{n.label}\n{n.source} {n.row}" for n in found)]
    for picture, frame in zip(shown(figure), [FRAMES[4], *(n.frame for n in found)], strict=True):
        np.testing.assert_array_equal(picture, frame)


def test_embeddings_lie_side_by_side() -> None:
    at = np.random.RandomState(0).randn(20, 2)
    figure = explain_plots.embeddings({"pixels": at, "embedding": 2 * at}, np.arange(20) % 10)
    for axes, title, times in zip(figure.axes, ("pixels", "embedding"), (1, 2), strict=True):
        assert title in (axes.get_title(), axes.get_title(loc="left"))
        points = np.concatenate([each.get_offsets() for each in axes.collections])
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(times * at, axis=0))
