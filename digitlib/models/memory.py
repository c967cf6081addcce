"""A memory of corrected drawings, which moves predictions toward the labels of similar drawings.

Each drawing is stored with its embedding e, the input of the network's last layer scaled to length
1. It counts for a new drawing with the weight k = λ exp(-β (1 - e · e_new)):

- the probability of a digit becomes p + the sum of its k, scaled so that the ten add up to 1;
- the odds of being a digit become 1 - d + the largest k of a digit, to d + the largest k² / λ of a
  "not a digit", where d is the prediction's doubt. A sum would let letters pass, and without the
  square, one letter would reject many digits.

If the drawing itself is stored, only its last label counts.
The notebook ``09_your_handwriting`` shows how β and λ were chosen.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from digitlib.errors import DataDamagedError
from digitlib.files import write_bytes
from digitlib.models.labels import NO_DIGIT
from digitlib.models.prediction import Prediction
from digitlib.preprocessing.frame import CHANNELS, FRAME_SIZE, Frame, frames_to_images

SHARPNESS, STRENGTH = 16.0, 16.0  # β and λ
SAME = 0.98  # of λ: a larger weight is that of the same drawing
SHAPE = len(CHANNELS), FRAME_SIZE, FRAME_SIZE  # of a frame
MAX_BYTES = 200_000_000  # of a file, unpacked: 16,000 drawings
TINY = 1e-150  # keeps odds finite

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class StoredDrawing:
    """A drawing in the memory: its label, 0 to 9 or ``NO_DIGIT``, and its embedding of length 1.

    ``frame`` is float32 ``[4, 28, 28]``. ``id`` names it in a :class:`DrawingFile`, or is empty.
    """

    label: int
    frame: Frame = field(repr=False)
    embedding: NDArray[np.float32] = field(repr=False)
    id: str = ""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The ink, uint8 ``[28, 28]``."""
        return frames_to_images(self.frame)


class Memory:
    """Stored drawings in order; ``embed`` gives embeddings ``[N, F]`` of frames."""

    def __init__(self, embed: Callable[[NDArray[np.float32]], Floats]) -> None:
        self._embed = embed
        self._keep([])

    def __len__(self) -> int:
        return len(self._stored)

    def __iter__(self) -> Iterator[StoredDrawing]:
        return iter(self._stored)

    def __repr__(self) -> str:
        return f"Memory({len(self)} drawings)"

    def add(
        self, frames: NDArray[np.float32], labels: Sequence[int], ids: Sequence[str] = ()
    ) -> list[StoredDrawing]:
        """Store frames ``[N, 4, 28, 28]`` with their labels.

        Raises:
            ValueError: a label is not 0 to 9 or ``NO_DIGIT``.
        """
        if wrong := {*labels} - {*range(NO_DIGIT + 1)}:
            raise ValueError(f"A label is 0 to 9, or {NO_DIGIT} for not a digit, not {wrong}.")
        rows = unit(self._embed(frames)) if len(frames) else ()
        parts = zip(labels, frames, rows, ids or [""] * len(labels), strict=True)
        added = [StoredDrawing(*each) for each in parts]
        self._keep([*self._stored, *added])
        return added

    def remove(self, drawings: Collection[StoredDrawing]) -> None:
        """Forget these drawings, if they are stored."""
        self._keep([each for each in self._stored if each not in drawings])

    def _keep(self, stored: list[StoredDrawing]) -> None:
        self._stored = stored
        self._labels = np.array([each.label for each in stored], int)
        self._embeddings = np.array([each.embedding for each in stored], np.float32)

    def adjust(self, found: Prediction, embedding: Floats) -> Prediction:
        """A prediction with the memory; ``because`` is set if its label changes."""
        share, score = np.array([found.probabilities]), np.array([found.score])
        moved, scores = self.adjust_batch(share, score, found.threshold, embedding[None])
        result = replace(found, probabilities=tuple(moved[0].tolist()), score=float(scores[0]))
        if result.label == found.label:
            return result
        # The nearest one with this label, the last of equally near ones.
        order = np.lexsort((self._embeddings @ embedding, self._labels == result.label))
        return replace(result, because=self._stored[order[-1]])

    def adjust_batch(
        self, probabilities: Floats, scores: Floats, thresholds: Any, embeddings: Floats
    ) -> tuple[Floats, Floats]:
        """Probabilities ``[N, 10]`` and scores ``[N]`` with the memory, which isn't empty."""
        weights = similarity_weights(unit(embeddings), self._embeddings)
        for row in np.flatnonzero(weights.max(axis=1) > SAME * STRENGTH):
            last = np.flatnonzero(weights[row] > SAME * STRENGTH)[-1]
            weights[row] *= np.arange(len(self)) == last
        return move(probabilities, scores, thresholds, weights, self._labels)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz file of frames and labels, which other weights can load, too.

        Raises:
            WriteError: the file can't be written.
        """
        frames = np.array([each.frame for each in self], np.float32).reshape(-1, *SHAPE)
        labels = self._labels.astype(np.uint8)
        np.savez_compressed(content := io.BytesIO(), frames=frames, labels=labels)
        write_bytes(Path(path), content.getbuffer())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Replace the drawings by those of a file; their embeddings are computed.

        Raises:
            DataDamagedError: the file is missing or isn't one that :meth:`save` wrote.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if sum(each.file_size for each in stored.zip.infolist()) > MAX_BYTES:
                    raise ValueError("it is too large")
                frames, labels = stored["frames"], stored["labels"]
            form = frames.dtype, labels.dtype, frames.shape, labels.shape
            if form != (np.float32, np.uint8, (len(frames), *SHAPE), (len(frames),)):
                raise ValueError("its arrays have other shapes or types")
            if not ((np.abs(frames) <= 1).all() and (labels <= NO_DIGIT).all()):  # NaN fails, too
                raise ValueError("its arrays have numbers out of range")
        except Exception as error:  # of zip, zlib, NumPy's format: they have no class in common
            reason = " ".join(str(error).split())
            raise DataDamagedError(f"{path} isn't a file of stored drawings ({reason}).") from error
        self._keep([])
        self.add(frames, labels.tolist())


def similarity_weights(
    embeddings: Floats, stored: Floats, sharpness: float = SHARPNESS, strength: float = STRENGTH
) -> Floats:
    """The weights k ``[N, M]`` of stored drawings, from unit embeddings of both."""
    return strength * np.exp(-sharpness * (1 - embeddings @ stored.T))


def move(
    probabilities: Floats, scores: Floats, thresholds: Any, weights: Floats, labels: NDArray[Any]
) -> tuple[Floats, Floats]:
    """Probabilities ``[N, 10]`` and scores ``[N]``, with weights ``[N, M]`` of stored labels."""
    digit = labels < NO_DIGIT
    moved = probabilities + weights[:, digit] @ np.eye(10)[labels[digit]]
    digits = expit(scores - thresholds) + weights[:, digit].max(axis=1, initial=TINY)
    others = weights[:, ~digit].max(axis=1, initial=TINY) ** 2 / STRENGTH
    others += expit(thresholds - scores)
    odds = thresholds + np.log(digits / others)
    return moved / moved.sum(axis=1, keepdims=True), np.where(np.isfinite(thresholds), odds, scores)


def unit(vectors: Floats) -> Floats:
    """Vectors ``[N, F]`` scaled to length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
