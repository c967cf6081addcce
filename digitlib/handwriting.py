"""The same drawn digits by three ways to a frame: as strokes, as canvas pictures, as photos.

What a network makes of them is counted per digit, per writer, per brush and size; a picture that
is refused as blank counts as misread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from digitlib import datasets, glyphs, pictures, strokes, studies
from digitlib.evaluation import Proportion
from digitlib.plain import plain_frame
from digitlib.preprocess import FRAME_SIZE, Frame, to_frame
from digitlib.recognizer import Recognizer, digit_score
from digitlib.strokes import PenDigit

BRUSHES = (6, 10, 14, 20, 28)  # px, on a canvas of 280 px
HEIGHTS = (60, 100, 150, 200, 250)  # px, the drawing's longer side
SPLIT = "validation"  # of the pen strokes: writers that no network was trained on

# What the misread have in common, for the pairs (true, read) that come up again and again.
FAMILIES = {
    (9, 3): "nines whose loop is small, filled or open, so that head and tail bulge like a 3",
    (1, 7): "ones with so long an upstroke that it could be the bar of a 7",
    (1, 4): "ones with an upstroke and a short bar across",
    (4, 9): "fours that are closed, or that lack their second stroke",
    (4, 6): "fours that lack their second stroke and curl at the end",
    (5, 9): "fives whose bar leans on the bow",
    (6, 5): "sixes whose loop stays open, and digits that look like another label",
    (0, 9): "zeros with a stray dot, which stretches the box",
    (3, 9): "threes whose upper half is closed",
    (2, 8): "twos with a loop at the foot",
    (7, 9): "sevens whose bar is bent down and back",
    (7, 2): "sevens with a foot",
}


@dataclass(frozen=True)
class Way:
    """A network together with what makes its frames from pictures."""

    recognizer: Recognizer
    frame: Callable[[Any], Frame] = to_frame


def ways(networks: Mapping[str, Recognizer]) -> dict[str, Way]:
    """Each network on our frames; the baseline also on those of the plain way of tutorials."""
    found = {name: Way(recognizer) for name, recognizer in networks.items()}
    if "baseline" in networks:
        found["baseline, plain frames"] = Way(networks["baseline"], plain_frame)
    return found


def drawn(dataset: str, seed: int = 0) -> list[PenDigit]:
    """Pen strokes by writers that training never saw.

    Where they are not here, digits drawn from rules stand in, and a sentence says so.
    """
    if studies.optional("pendigits", SPLIT, dataset=dataset) is not None:
        return datasets.read_pendigits(SPLIT, download=False)
    studies.say("**Instead, digits drawn from rules: easier than any person's hand.**")
    return glyphs.digit_styles(20, seed)


def some(digits: Sequence[PenDigit], count: int, seed: int = 0) -> list[PenDigit]:
    """``count`` of the digits, drawn at random, in their order; all where there are fewer."""
    order = np.random.RandomState(seed).permutation(len(digits))[:count]
    return [digits[n] for n in np.sort(order)]


def labels_of(digits: Sequence[PenDigit]) -> NDArray[np.int64]:
    """True digits ``[N]``."""
    return np.array([digit.label for digit in digits])


def stroke_frames(digits: Sequence[PenDigit]) -> Tensor:
    """Frames uint8 ``[N, 28, 28]`` as ``Recognizer.predict_strokes`` makes them."""
    return torch.from_numpy(np.stack([strokes.render(digit.strokes) for digit in digits]))


def picture_frames(
    made: Iterable[Image.Image], frame: Callable[[Any], Frame] = to_frame
) -> tuple[Tensor, NDArray[np.bool_]]:
    """Frames of pictures, and which of them were refused; the frame of those is black.

    Returns:
        uint8 ``[N, 28, 28]`` and bool ``[N]``.
    """
    frames, refused = [], []
    for picture in made:
        try:
            frames.append(frame(picture))
            refused.append(False)
        except ValueError:  # BlankDrawingError is one; counted and shown, not lost
            frames.append(np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8))
            refused.append(True)
    return torch.from_numpy(np.stack(frames)), np.array(refused)


def read(
    recognizer: Recognizer, frames: Tensor, refused: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The digit read in each frame ``[N]``, -1 where the picture was refused."""
    found = recognizer.probabilities(frames).argmax(dim=1).numpy()
    return found if refused is None else np.where(refused, -1, found)


def scores(recognizer: Recognizer, frames: Tensor) -> NDArray[np.floating[Any]]:
    """How much each frame is like a digit ``[N]``: :func:`digitlib.recognizer.digit_score`."""
    return digit_score(recognizer.logits(frames)).numpy()


def share(right: NDArray[np.bool_]) -> Proportion:
    """How many are right, with its interval."""
    return Proportion(int(right.sum()), len(right))


def by(groups: NDArray[Any], right: NDArray[np.bool_]) -> dict[int, Proportion]:
    """The share that is right in each group, in the order of the groups' numbers."""
    return {int(group): share(right[groups == group]) for group in np.unique(groups)}


def read_pictures(
    paths: Mapping[str, Way], made: Sequence[Image.Image]
) -> dict[str, NDArray[np.int64]]:
    """The digits that each way reads in pictures; frames are made once for each kind of them."""
    kinds = {way.frame for way in paths.values()}
    frames = {kind: picture_frames(made, kind) for kind in kinds}
    return {name: read(way.recognizer, *frames[way.frame]) for name, way in paths.items()}


def on_canvas(
    paths: Mapping[str, Way],
    digits: Sequence[PenDigit],
    brushes: Sequence[float] = BRUSHES,
    heights: Sequence[float] = HEIGHTS,
) -> dict[str, dict[float, list[Proportion]]]:
    """Accuracy on 280x280 canvas pictures: way → height → a share for each brush."""
    labels = labels_of(digits)
    found: dict[str, dict[float, list[Proportion]]] = {name: {} for name in paths}
    for height in heights:
        for brush in brushes:
            made = [pictures.canvas(d.strokes, brush=brush, height=height) for d in digits]
            for name, seen in read_pictures(paths, made).items():
                found[name].setdefault(height, []).append(share(seen == labels))
    return found


def lines(canvas: Mapping[float, Sequence[Proportion]]) -> dict[str, tuple[Any, Any]]:
    """A line over the brushes for each height, for :func:`digitlib.plotting.curves`."""
    return {
        f"{height:g} px high": (BRUSHES, [each.value for each in row])
        for height, row in canvas.items()
    }


def gap(drawn: Proportion, canvas: Mapping[float, Sequence[Proportion]]) -> tuple[float, float]:
    """Mean and largest loss of canvas pictures against the strokes themselves, in points."""
    losses = [100 * (drawn.value - each.value) for row in canvas.values() for each in row]
    return float(np.mean(losses)), float(np.max(losses))


def plain(shares: Any) -> Any:
    """Nested mappings and lists of shares as numbers for a report."""
    if isinstance(shares, Proportion):
        return shares.as_dict()
    if isinstance(shares, Mapping):
        return {key: plain(each) for key, each in shares.items()}
    return [plain(each) for each in shares]


def photos(digits: Sequence[PenDigit], seed: int = 0) -> list[Image.Image]:
    """A photo of each digit, light and paper drawn from ``seed`` on."""
    return [pictures.photo(digit.strokes, seed + n) for n, digit in enumerate(digits)]


def mistakes(
    labels: NDArray[Any], seen: NDArray[Any], most: int = 6
) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Places of the misread by (true, read), the largest family first; refused ones left out."""
    wrong = np.flatnonzero((labels != seen) & (seen >= 0))
    pairs: dict[tuple[int, int], list[int]] = {}
    for place in wrong:
        pairs.setdefault((int(labels[place]), int(seen[place])), []).append(int(place))
    largest = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))[:most]
    return {pair: np.array(places) for pair, places in largest}


def tell(families: Mapping[tuple[int, int], NDArray[Any]]) -> str:
    """A Markdown list of families of mistakes: how many, and what they have in common."""
    lines = [
        f"- **{true} read as {seen}** ({len(places)}): "
        f"{FAMILIES.get((true, seen), 'no common trait that we could name')}."
        for (true, seen), places in families.items()
    ]
    return "\n".join(lines) or "None of these digits was misread."
