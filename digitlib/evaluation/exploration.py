"""Statistics of data sets: pixels, strokes, classes, neighbours, doubtful labels.

Frames are uint8 ``[N, 28, 28]``, tensors or arrays; results are numpy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from digitlib.preprocessing.frame import FRAME_SIZE

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

PIXELS = FRAME_SIZE**2
PERPLEXITY = 30  # of t-SNE: the approximate number of neighbours that stay near a point


# --- one number per frame ------------------------------------------------------------------


def stroke_widths(images: ArrayLike) -> Floats:
    """Mean stroke width of each frame in px, as :func:`frame.stroke_width`."""
    solid = np.pad(np.asarray(images) > 127, ((0, 0), (1, 1), (1, 1)))
    down = (solid[:, 1:] != solid[:, :-1]).sum(axis=(1, 2))
    across = (solid[:, :, 1:] != solid[:, :, :-1]).sum(axis=(1, 2))
    return 2 * solid.sum(axis=(1, 2)) / np.maximum((down + across) * np.pi / 4, 1e-9)


def slants(images: ArrayLike) -> Floats:
    """Slant of each frame in degrees, 0 upright, positive leaning to the right.

    The angle of the shear that makes the covariance of rows and columns zero; 0 for a frame with
    all its ink in one row.
    """
    ink = np.asarray(images, np.float64)
    at = np.arange(ink.shape[1])
    total = np.maximum(ink.sum(axis=(1, 2)), 1e-9)
    row = (ink.sum(axis=2) @ at) / total
    column = (ink.sum(axis=1) @ at) / total
    variance = (ink.sum(axis=2) @ at**2) / total - row**2
    covariance = (ink @ at) @ at / total - row * column
    shear = np.where(variance > 1e-9, -covariance / np.maximum(variance, 1e-9), 0.0)
    return np.degrees(np.arctan(shear))


def statistics(images: ArrayLike) -> dict[str, Floats]:
    """Mean and deviation of grey, ink, stroke width and slant of each frame, ``[N]``."""
    grey = np.asarray(images, np.float32) / 255
    return {
        "mean grey (0–1)": grey.mean(axis=(1, 2)),
        "deviation of grey (0–1)": grey.std(axis=(1, 2)),
        "ink (% of pixels)": 100 * (grey > 0.5).mean(axis=(1, 2)),
        "stroke width (px)": stroke_widths(images),
        "slant (degrees, right is +)": slants(images),
    }


def placement(images: ArrayLike) -> dict[str, Floats]:
    """Where the ink of each frame lies, in px: all of it counts for the box, its grey for the mass.

    Returns:
        ``longer side`` of its bounding box, ``middle row`` of the box, and ``mass row`` and
        ``mass column`` of the centre of mass; ``[N]`` each.
    """
    grey = np.asarray(images, np.float64)
    at, total = np.arange(grey.shape[1]), np.maximum(grey.sum(axis=(1, 2)), 1e-9)
    ends = (_ends(np.asarray((grey > 0).any(axis=axis))) for axis in (2, 1))  # of rows, of columns
    first, last = zip(*ends, strict=True)
    return {
        "longer side": (np.array(last) - first).max(axis=0) + 1.0,
        "middle row": (first[0] + last[0]) / 2,
        "mass row": (grey.sum(axis=2) @ at) / total,
        "mass column": (grey.sum(axis=1) @ at) / total,
    }


def _ends(inked: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """First and last inked place ``[N]`` of ``[N, L]``."""
    return inked.argmax(axis=1), inked.shape[1] - 1 - inked[:, ::-1].argmax(axis=1)


# --- classes -------------------------------------------------------------------------------


def class_table(images: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """Count and mean ± standard deviation of each statistic, a row for each digit and for all."""
    numbers, digits = statistics(images), np.asarray(labels)
    groups = {str(digit): digits == digit for digit in np.unique(digits)}
    groups["all"] = np.ones(len(digits), bool)
    rows = {
        name: {"count": f"{own.sum():,}"}
        | {
            key: f"{value[own].mean():.2f} ± {value[own].std():.2f}"
            for key, value in numbers.items()
        }
        for name, own in groups.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("digit")


def class_images(images: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each pixel for each digit, both ``[10, 28, 28]``, 0-255."""
    grey, digits = np.asarray(images), np.asarray(labels)
    parts = [grey[digits == digit].astype(np.float32) for digit in range(10)]
    return np.stack([p.mean(axis=0) for p in parts]), np.stack([p.std(axis=0) for p in parts])


def rows_by_class(labels: ArrayLike, count: int, seed: int = 0) -> dict[int, Integers]:
    """Indices of up to ``count`` random frames of each digit, by digit."""
    random = np.random.RandomState(seed)
    digits = np.asarray(labels)
    return {
        int(digit): random.permutation(np.flatnonzero(digits == digit))[:count]
        for digit in np.unique(digits)
    }


def class_distances(probabilities: Floats, labels: Integers) -> Floats:
    """How unlike two digits are by the probabilities that a network gives to wrong digits.

    The distance of two digits is the mean of minus the logarithm of the other one's probability,
    over both, in nats; ``[10, 10]``.
    """
    surprise = -np.log(np.clip(probabilities.astype(np.float64), 1e-12, None))
    mean = np.stack([surprise[labels == digit].mean(axis=0) for digit in range(10)])
    distance = (mean + mean.T) / 2
    np.fill_diagonal(distance, 0)
    return distance


def class_linkage(probabilities: Floats, labels: Integers) -> Floats:
    """Hierarchy of the digits by :func:`class_distances`, clusters joined by average linkage.

    Returns:
        ``[9, 4]``, as ``scipy.cluster.hierarchy.linkage``.
    """
    distance = class_distances(probabilities, labels)
    return hierarchy.linkage(squareform(distance), "average")


# --- frames among frames -------------------------------------------------------------------


def principal_components(images: ArrayLike, count: int = 50) -> PCA:
    """scikit-learn's PCA of grey values 0-1; the largest entry of each component is positive."""
    grey = np.asarray(images)
    flat = grey.reshape(len(grey), -1) / 255.0
    return PCA(min(count, *flat.shape), svd_solver="covariance_eigh").fit(flat)


def embed(images: ArrayLike, seed: int = 0) -> Floats:
    """Two coordinates ``[N, 2]`` that keep neighbours together: t-SNE of 50 components.

    van der Maaten and Hinton, 2008; started from the first two components. Distances between
    clusters and their sizes mean little.
    """
    grey = np.asarray(images)
    coordinates = principal_components(images).transform(grey.reshape(len(grey), -1) / 255.0)
    perplexity = min(PERPLEXITY, (len(coordinates) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return tsne.fit_transform(coordinates)


def nearest(queries: ArrayLike, references: ArrayLike, count: int = 1) -> tuple[Floats, Integers]:
    """The nearest references of each query by Euclidean distance of grey values 0-1.

    Grey values 0-255 as float64 make scikit-learn's products exact: copies have distance 0.

    Args:
        queries: uint8 ``[Q, 28, 28]``.
        references: uint8 ``[R, 28, 28]``.
        count: of neighbours.

    Returns:
        distances and indices, each ``[Q, count]``, nearest first.
    """
    points, known = (
        np.asarray(images, np.float64).reshape(-1, PIXELS) for images in (queries, references)
    )
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(known)
    distances, indices = search.kneighbors(points)
    return distances / 255, indices


def disagreements(probabilities: Floats, labels: Integers) -> Integers:
    """Indices of the frames whose prediction differs from the label, the most confident first.

    Confidence is the probability of the prediction. A confident mistake of a good network is a
    reason to check the label (confident learning, Northcutt et al., 2021).
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
