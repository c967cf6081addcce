"""How well networks read what people draw: pen strokes, and pictures of the same drawings.

The same drawings are read as strokes, as pictures of a canvas and as photos of paper. A picture
becomes a frame on two paths, :func:`preprocess.to_frame` and :func:`plain.plain_frame`, so that a
table can tell what preprocessing contributes from what the network does. Networks are keyed by
their name, with ``PLAIN`` after it where they were given plain frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from digitlib.datasets import augment, catalog, picture_kinds, pictures
from digitlib.datasets.base import DigitData
from digitlib.datasets.unipen import PenDigit
from digitlib.evaluation.metrics import Proportion, intervals
from digitlib.models.inference import digit_score
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, baseline_frame, to_frame
from digitlib.preprocessing.read import BlankDrawingError

PLAIN = ", plain path"
PATHS: dict[str, Callable[[Any], Frame]] = {"": to_frame, PLAIN: baseline_frame}

# Of a canvas of 280 × 280 px: the brush, and the digit's longer side, px.
BRUSHES, HEIGHTS = (6, 10, 14, 20, 28), (60, 100, 150, 200, 250)
USUAL = (14, 150)

SCANS = "8×8 scans"
SCENES = f"{len(picture_kinds.KINDS)} more kinds"

Paths = dict[str, Tensor]  # path → frames uint8 [N, 28, 28]; a frame without ink: none was found


# --- what is read --------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One kind of digits: frames uint8 ``[N, 28, 28]`` by path, and their labels ``[N]``."""

    frames: Paths
    labels: NDArray[np.integer[Any]]


def choose(total: int, count: int, seed: int = 0) -> NDArray[np.integer[Any]]:
    """``count`` of ``total`` rows at random, rising; all where there are no more."""
    return np.sort(RandomState(seed).permutation(total)[:count])


def to_frames(images: Iterable[Image.Image]) -> Paths:
    """Frames of pictures on both paths; where a path finds no ink, its frame is empty."""
    made: dict[str, list[Frame]] = {path: [] for path in PATHS}
    for image in images:
        for path, convert in PATHS.items():
            try:
                made[path].append(convert(image))
            except BlankDrawingError:
                made[path].append(np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8))
    return {path: torch.from_numpy(np.stack(frames)) for path, frames in made.items()}


def scans(count: int | None, seed: int = 0) -> Kind:
    """Pictures of ``count`` of scikit-learn's digits (None is all): 13 writers, 8x8 px."""
    pages, labels = catalog.sample_pictures()
    rows = choose(len(labels), count or len(labels), seed)
    return Kind(to_frames(pages[row] for row in rows), labels[rows])


def unsteady(pens: DigitData, seed: int = 0) -> Kind:
    """Pen strokes as an unsteady hand would have made them (:func:`augment.add_tremor`)."""
    assert pens.points is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        points = augment.add_tremor(pens.points)
    drawn = [
        augment.render_batch(some, torch.full((len(some),), strokes.PEN_WIDTH))
        for some in points.split(256)
    ]
    return Kind({"": (torch.cat(drawn) * 255).round().to(torch.uint8)}, pens.labels.numpy())


def canvases(drawings: Sequence[PenDigit]) -> dict[tuple[int, int], Paths]:
    """Frames of canvas pictures, by brush and height (px)."""
    return {
        (brush, height): to_frames(
            pictures.canvas(digit.strokes, brush=brush, height=height) for digit in drawings
        )
        for brush, height in product(BRUSHES, HEIGHTS)
    }


def photo(drawings: Sequence[PenDigit], row: int, seed: int = 0) -> Image.Image:
    """The photo of one drawing: light, paper and pen follow from ``seed`` and the row."""
    return pictures.photo(drawings[row].strokes, int(RandomState([seed, row]).randint(2**31)))


def photos(drawings: Sequence[PenDigit], seed: int = 0) -> Paths:
    """Frames of a photo of each drawing."""
    return to_frames(photo(drawings, row, seed) for row in range(len(drawings)))


def staged(drawings: Sequence[PenDigit], seed: int = 0) -> dict[str, Paths]:
    """Frames of pictures of each drawing, by kind of :mod:`picture_kinds`."""
    chosen = enumerate(drawings, 1000 * seed)
    rows = [(drawing.strokes, row % 2**32) for row, drawing in chosen]
    return {
        kind: to_frames(picture_kinds.make(kind, drawn, row) for drawn, row in rows)
        for kind in picture_kinds.KINDS
        if rows
    }


def kinds(
    test: DigitData,
    scan: Kind,
    pens: DigitData | None,
    styles: DigitData | None,
    labels: NDArray[np.integer[Any]],
    canvas: Paths,
    photo: Paths,
    scene: Mapping[str, Paths],
    seed: int = 0,
) -> dict[str, Kind]:
    """What networks are compared on, by name; what is missing is left out.

    Args:
        test: scanned digits.
        scan: other scans, of a low resolution.
        pens: frames of pen strokes, as :meth:`Recognizer.predict_strokes` renders them.
        styles: likewise, of rarer styles.
        labels: of the pictures ``[M]``.
        canvas: frames of canvas pictures.
        photo: frames of photos.
        scene: frames of other pictures of the first drawings, by kind.
        seed: of the unsteady hand.
    """
    found = {f"{test.name} test": Kind({"": test.images}, test.labels.numpy())}
    found[SCANS] = scan
    if pens is not None:
        found["pen strokes"] = Kind({"": pens.images}, pens.labels.numpy())
        found["unsteady hand"] = unsteady(pens, seed)
    if len(labels):
        found |= {"canvas": Kind(canvas, labels), "phone photos": Kind(photo, labels)}
    if scene:
        frames = {path: torch.cat([each[path] for each in scene.values()]) for path in PATHS}
        each = len(frames[""]) // len(scene)
        found[SCENES] = Kind(frames, np.tile(labels[:each], len(scene)))
    if styles is not None:
        found["rare styles"] = Kind({"": styles.images}, styles.labels.numpy())
    return found


# --- what networks make of it --------------------------------------------------------------


@dataclass(frozen=True)
class Predictions:
    """What a network makes of digits.

    Attributes:
        probabilities: float ``[N, 10]``.
        labels: int ``[N]``.
        right: bool ``[N]``; a picture in which no ink was found is never read right.
        rejected: bool ``[N]``, taken for no digit.
    """

    probabilities: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]]
    right: NDArray[np.bool_]
    rejected: NDArray[np.bool_]

    @property
    def predicted(self) -> NDArray[np.integer[Any]]:
        """The most probable digits ``[N]``."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> Proportion:
        """How many are read right."""
        return Proportion(int(self.right.sum()), len(self.right))

    @property
    def refused(self) -> Proportion:
        """How many are taken for no digit."""
        return Proportion(int(self.rejected.sum()), len(self.rejected))

    def by(self, groups: NDArray[np.integer[Any]]) -> dict[int, Proportion]:
        """How many of each group, int ``[N]``, are read right; groups rise."""
        return {
            int(group): Proportion(int(self.right[own].sum()), int(own.sum()))
            for group in np.unique(groups)
            if (own := groups == group).any()
        }


def predict(
    recognizer: Recognizer, frames: Tensor, labels: NDArray[np.integer[Any]]
) -> Predictions:
    """Read frames uint8 ``[N, 28, 28]`` with labels ``[N]``."""
    logits = recognizer.logits(frames)
    probabilities = (logits[:, :10] / recognizer.temperature).softmax(dim=1).numpy()
    inked = (frames.flatten(1) > 0).any(dim=1).numpy()
    rejected = (digit_score(logits) < recognizer.threshold).numpy()
    return Predictions(
        probabilities, labels, inked & (probabilities.argmax(axis=1) == labels), rejected
    )


def predict_all(networks: Mapping[str, Recognizer], kind: Kind) -> dict[str, Predictions]:
    """Every network on every path of one kind, the plain path last."""
    return {
        name + path: predict(network, frames, kind.labels)
        for path, frames in kind.frames.items()
        for name, network in networks.items()
    }


def panel(
    shares: Mapping[Any, Mapping[str, Proportion]], *, misread: bool = False
) -> dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """What :func:`result_plots.points` draws, of category → network → share; NaN where missing.

    ``misread`` turns shares read right into shares read wrong.
    """
    names = dict.fromkeys(name for each in shares.values() for name in each)
    drawn = {}
    for name in names:
        table = np.full((3, len(shares)), np.nan)
        for column, each in enumerate(shares.values()):
            if name in each:
                table[:, column] = [float(end[0]) for end in intervals([each[name]])]
        value, low, high = table
        drawn[name] = (1 - value, 1 - high, 1 - low) if misread else (value, low, high)
    return drawn


def grouped(
    shares: Mapping[str, Mapping[int, Proportion]],
) -> dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """:func:`panel` of network → group → share, as :meth:`Reading.by` gives each."""
    groups = dict.fromkeys(group for each in shares.values() for group in each)
    return panel({group: {name: shares[name][group] for name in shares} for group in groups})


def predict_canvases(
    networks: Mapping[str, Recognizer],
    frames: Mapping[tuple[int, int], Paths],
    labels: NDArray[np.integer[Any]],
) -> dict[tuple[int, int], dict[str, Predictions]]:
    """What networks make of canvas pictures, by brush and height."""
    return {pair: predict_all(networks, Kind(paths, labels)) for pair, paths in frames.items()}


def lines(
    measured: Mapping[tuple[int, int], Mapping[str, Predictions]], name: str
) -> dict[str, tuple[list[int], list[float]]]:
    """Shares that one network reads right against the brush, a line for each height."""
    drawn: dict[str, tuple[list[int], list[float]]] = {}
    for (brush, height), each in sorted(measured.items()):
        brushes, shares = drawn.setdefault(f"{height} px high", ([], []))
        brushes.append(brush)
        shares.append(each[name].accuracy.value)
    return drawn


def differences(
    measured: Mapping[tuple[int, int], Mapping[str, Predictions]],
    drawn: Mapping[str, Proportion],
) -> dict[tuple[int, int], dict[str, float]]:
    """Percentage points that canvas pictures are read better (+) or worse than their strokes.

    ``drawn`` has the share of the same drawings that each network reads right as strokes.
    """
    return {
        pair: {
            name: 100 * (reading.accuracy.value - drawn[name.removesuffix(PLAIN)].value)
            for name, reading in each.items()
        }
        for pair, each in measured.items()
    }


def contributions(shares: Mapping[str, Proportion]) -> dict[str, float] | None:
    """Points gained from the baseline on the plain path, by our frames, then by our network.

    None where there is no baseline.
    """
    if "baseline" not in shares:
        return None
    base, framed, whole = (
        shares[name].value for name in (f"baseline{PLAIN}", "baseline", "default")
    )
    return {"preprocessing": 100 * (framed - base), "network": 100 * (whole - framed)}
