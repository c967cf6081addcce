"""``exploration`` against SciPy, linear algebra and loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.evaluation import exploration
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import stroke_width


@pytest.fixture(scope="module")
def sample() -> DigitData:
    return catalog.load("sample", "test")


def bar(lean: float, width: float = 3.0) -> np.ndarray:
    """A straight bar of one slant, tangent ``lean``, to the right for positive ones."""
    return strokes.render([np.array([[lean, 0.0], [0.0, 1.0]])], width=width)


# --- one number per frame ------------------------------------------------------------------


def test_stroke_widths_are_those_of_preprocess(sample: DigitData) -> None:
    expected = [stroke_width(frame / np.float32(255)) for frame in sample.images.numpy()]
    np.testing.assert_allclose(exploration.stroke_widths(sample.images), expected)


def test_a_frame_without_ink_has_width_and_slant_0() -> None:
    blank = np.zeros((2, 28, 28), np.uint8)
    np.testing.assert_array_equal(exploration.stroke_widths(blank), 0)
    np.testing.assert_array_equal(exploration.slants(blank), 0)


def test_slants_grow_to_the_right_and_mirror() -> None:
    leans = [-0.6, -0.3, 0.0, 0.3, 0.6]
    found = exploration.slants(np.stack([bar(lean) for lean in leans]))
    np.testing.assert_allclose(found, -found[::-1], atol=1.0)
    assert (np.diff(found) > 5).all()
    assert found[3] == pytest.approx(np.degrees(np.arctan(0.3)), abs=2)


def test_shearing_by_the_slant_makes_a_digit_upright(sample: DigitData) -> None:
    for frame in sample.images[:10].numpy().astype(float):
        shear = np.tan(np.radians(exploration.slants(frame[None])[0]))
        center = 13.5
        # the output's (row, column) comes from the input's (row, column - shear * (row - center))
        matrix = np.array([[1.0, 0.0], [-shear, 1.0]])
        upright = ndimage.affine_transform(frame, matrix, [0.0, shear * center], order=1)
        assert abs(exploration.slants(upright[None])[0]) < 2.5


def test_statistics_are_numpys(sample: DigitData) -> None:
    numbers = exploration.statistics(sample.images)
    grey = sample.images.numpy()[7] / 255
    assert numbers["mean grey (0–1)"][7] == pytest.approx(grey.mean(), abs=1e-6)
    assert numbers["deviation of grey (0–1)"][7] == pytest.approx(grey.std(), abs=1e-6)
    assert numbers["ink (% of pixels)"][7] == pytest.approx(100 * (grey > 0.5).sum() / 784)
    assert all(len(values) == len(sample) for values in numbers.values())


# --- classes -------------------------------------------------------------------------------


def test_class_images_are_means_and_deviations_of_each_digit(sample: DigitData) -> None:
    mean, deviation = exploration.class_images(sample.images, sample.labels)
    fours = sample.images[sample.labels == 4].double().numpy()
    np.testing.assert_allclose(mean[4], fours.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(deviation[4], fours.std(axis=0), atol=1e-3)
    assert mean.shape == deviation.shape == (10, 28, 28)


def test_the_table_has_every_digit_and_all(sample: DigitData) -> None:
    table = exploration.class_table(sample.images, sample.labels)
    assert list(table.index) == [*"0123456789", "all"]
    assert table.loc["all", "count"] == str(len(sample))
    mean, _, deviation = table.loc["3", "stroke width (px)"].split()
    own = exploration.stroke_widths(sample.images[sample.labels == 3])
    assert (float(mean), float(deviation)) == (round(own.mean(), 2), round(own.std(), 2))


def test_sampled_rows_are_of_their_digit_and_follow_the_seed(sample: DigitData) -> None:
    chosen = exploration.rows_by_class(sample.labels, 5, seed=1)
    for digit, rows in chosen.items():
        assert len(set(rows)) == 5
        assert (sample.labels[rows] == digit).all()
    again = exploration.rows_by_class(sample.labels, 5, seed=1)
    assert all((again[digit] == chosen[digit]).all() for digit in range(10))
    other = exploration.rows_by_class(sample.labels, 5, seed=2)
    assert any((other[digit] != chosen[digit]).any() for digit in range(10))


def test_digits_with_high_probabilities_for_each_other_join_first() -> None:
    labels = np.repeat(np.arange(10), 4)
    probabilities = np.full((40, 10), 1e-4)
    probabilities[np.arange(40), labels] = 1
    probabilities[labels == 4, 9] = probabilities[labels == 9, 4] = 0.2
    probabilities[labels == 3, 5] = 0.1  # one way only
    tree = exploration.class_linkage(probabilities, labels)
    assert tree.shape == (9, 4)
    assert set(tree[0, :2]) == {4, 9}
    assert tree[0, 2] == pytest.approx(-np.log(0.2))
    assert set(tree[1, :2]) == {3, 5}
    assert tree[1, 2] == pytest.approx(-(np.log(0.1) + np.log(1e-4)) / 2)


# --- frames among frames -------------------------------------------------------------------


def test_principal_components_are_eigenvectors_of_the_covariance(sample: DigitData) -> None:
    flat = sample.images.numpy().reshape(len(sample), -1) / 255
    variances, vectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    found = exploration.principal_components(sample.images, 8)
    shares = variances[::-1][:8] / variances.sum()
    np.testing.assert_allclose(found.explained_variance_ratio_, shares, rtol=1e-6)
    axes = found.components_
    likeness = np.abs((axes * vectors.T[::-1][:8]).sum(axis=1))
    np.testing.assert_allclose(likeness, 1, atol=1e-9)
    assert (axes[np.arange(8), np.abs(axes).argmax(axis=1)] > 0).all()


def test_the_embedding_follows_the_seed_and_keeps_neighbours(sample: DigitData) -> None:
    part = sample.subset(120)
    places = exploration.embed(part.images, seed=3)
    np.testing.assert_array_equal(places, exploration.embed(part.images, seed=3))
    _, index = NearestNeighbors(n_neighbors=2).fit(places).kneighbors()
    same = part.labels.numpy()[index[:, 0]] == part.labels.numpy()
    assert places.shape == (120, 2)
    assert same.mean() > 0.7


def test_nearest_is_the_smallest_of_all_distances(sample: DigitData) -> None:
    known, queries = sample.images[:200], sample.images[200:]
    gap = queries.numpy()[:, None].astype(int) - known.numpy().astype(int)
    squares = (gap**2).sum(axis=(2, 3))  # exact
    distances, index = exploration.nearest(queries, known, 3)
    np.testing.assert_array_equal(distances, np.sqrt(np.sort(squares)[:, :3]) / 255)
    found = np.take_along_axis(squares, index, axis=1)
    np.testing.assert_array_equal(found, np.sort(squares)[:, :3])


def test_copies_have_distance_zero() -> None:
    frames = np.zeros((4, 28, 28), np.uint8)
    frames[1:3, 5, 5] = 9
    distances, index = exploration.nearest(frames[1:2], frames, 2)
    assert distances.tolist() == [[0, 0]]
    assert sorted(index[0]) == [1, 2]


def test_disagreements_are_the_mistakes_most_confident_first() -> None:
    labels = np.array([0, 1, 1, 2])
    # The label of the second is the least probable, but the third is read with more confidence.
    probabilities = np.array([[0.9, 0.1, 0], [0.7, 0, 0.3], [0.8, 0.2, 0], [0.1, 0.1, 0.8]])
    assert exploration.disagreements(probabilities, labels).tolist() == [2, 1]


def test_the_placement_of_a_bar_is_its_own() -> None:
    frame = np.zeros((1, 28, 28), np.uint8)
    frame[0, 4:14, 6:9] = 100
    frame[0, 20, 7] = 1  # hardly any mass, but ink
    found = exploration.placement(frame)
    assert found["longer side"] == [17]
    assert found["middle row"] == [12]
    np.testing.assert_allclose(found["mass row"], 8.5, atol=0.01)
    np.testing.assert_allclose(found["mass column"], 7, atol=0.01)
