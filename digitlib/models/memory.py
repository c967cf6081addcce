"""A memory of corrected drawings, which moves predictions toward the labels of similar drawings.

Each drawing is stored with its embedding e, the input of the network's last layer scaled to length
1. Its similarity to a new drawing counts as k = λ exp(-β (1 - e · e_new)):

- the probability of a digit c becomes p(c) + the sum of k over the stored drawings with label c,
  scaled so that the ten add up to 1;
- the odds that the drawing is a digit become (1 - d + the largest k of a stored digit) to (d + the
  largest k of a stored "not a digit"), where d is the doubt of the prediction.

The second line takes the largest k because a sum over many digits would let letters pass. β and λ
come from ``python -m digitlib memory --choose``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from digitlib.errors import DataDamagedError
from digitlib.files import write_bytes
from digitlib.models.labels import NO_DIGIT, label_name
from digitlib.models.prediction import Prediction
from digitlib.preprocessing.frame import FRAME_SIZE

SHARPNESS, STRENGTH = 16.0, 16.0  # β and λ
SHAPE = 4, FRAME_SIZE, FRAME_SIZE  # of a stored frame
MAX_BYTES = 200_000_000  # of a file, unpacked: 16,000 drawings
TINY = 1e-300  # keeps the odds finite

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class StoredDrawing:
    """A drawing in the memory.

    Attributes:
        label: 0 to 9, or ``NO_DIGIT``.
        frame: float32 ``[4, 28, 28]``: the ink 0-1, the stroke direction x and y, and the time,
            all three 0 in a picture.
        embedding: float32 ``[F]`` of length 1.
        id: of the drawing in a :class:`DrawingFile`; empty for others.
    """

    label: int
    frame: NDArray[np.float32]
    embedding: NDArray[np.float32]
    id: str = ""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The ink, uint8 ``[28, 28]``."""
        return np.rint(255 * self.frame[0]).astype(np.uint8)

    def __repr__(self) -> str:
        return f"StoredDrawing({label_name(self.label)})"


class Memory:
    """Stored drawings in the order of their correction.

    Args:
        embed: the network's embeddings ``[N, F]`` of frames ``[N, 4, 28, 28]``.
    """

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
        self, frames: NDArray[np.float32], labels: Sequence[int], ids: Sequence[str] | None = None
    ) -> list[StoredDrawing]:
        """Store frames ``[N, 4, 28, 28]`` with their labels.

        Raises:
            ValueError: a label is not 0 to 9 or ``NO_DIGIT``.
        """
        if wrong := {*labels} - {*range(NO_DIGIT + 1)}:
            raise ValueError(f"A label is 0 to 9, or {NO_DIGIT} for not a digit, not {wrong}.")
        rows = unit(self._embed(frames)) if len(frames) else ()
        added = [
            StoredDrawing(label, frame, row, identity)
            for label, frame, row, identity in zip(
                labels, frames, rows, ids or [""] * len(labels), strict=True
            )
        ]
        self._keep([*self._stored, *added])
        return added

    def remove(self, drawings: Collection[StoredDrawing]) -> None:
        """Forget these drawings, if they are stored."""
        self._keep([each for each in self._stored if each not in drawings])

    def _keep(self, stored: list[StoredDrawing]) -> None:
        self._stored = stored
        self._labels = np.array([each.label for each in stored], int)
        self._embeddings = np.array([each.embedding for each in stored], np.float32)

    # --- predictions -----------------------------------------------------------------------

    def adjust(self, found: Prediction, embedding: Floats) -> Prediction:
        """A prediction with the memory; ``because`` is set if its label changes."""
        shares, scores = self.adjust_batch(
            np.array([found.probabilities]), np.array([found.score]), found.threshold,
            embedding[None],
        )  # fmt: skip
        moved = replace(found, probabilities=tuple(shares[0].tolist()), score=float(scores[0]))
        if moved.label == found.label:
            return moved
        similarity = self._embeddings @ unit(embedding[None])[0]
        same = self._labels == moved.label
        nearest = int(np.where(same | ~same.any(), similarity, -np.inf).argmax())
        return replace(moved, because=self._stored[nearest])

    def adjust_batch(
        self, probabilities: Floats, scores: Floats, thresholds: Any, embeddings: Floats
    ) -> tuple[Floats, Floats]:
        """Probabilities ``[N, 10]`` and scores ``[N]`` with the memory, which isn't empty."""
        kernel = STRENGTH * np.exp(-SHARPNESS * (1 - unit(embeddings) @ self._embeddings.T))
        digit = self._labels < NO_DIGIT
        moved = probabilities + kernel[:, digit] @ np.eye(10)[self._labels[digit]]
        doubt = np.maximum(expit(thresholds - scores), TINY)
        digits = expit(scores - thresholds) + kernel[:, digit].max(axis=1, initial=0)
        others = doubt + kernel[:, ~digit].max(axis=1, initial=0)
        moved_scores = np.where(
            np.isfinite(thresholds), thresholds + np.log(np.maximum(digits, TINY) / others), scores
        )
        return moved / moved.sum(axis=1, keepdims=True), moved_scores

    # --- files -----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write frames and labels to one .npz file, without embeddings: any network can load it.

        Raises:
            WriteError: the file can't be written.
        """
        frames = np.array([each.frame for each in self], np.float32).reshape(-1, *SHAPE)
        np.savez_compressed(
            content := io.BytesIO(), frames=frames, labels=self._labels.astype(np.uint8)
        )
        write_bytes(Path(path), content.getbuffer())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Replace the stored drawings by those of a file, and compute their embeddings.

        Raises:
            DataDamagedError: the file is missing or isn't one that :meth:`save` wrote.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if sum(each.file_size for each in stored.zip.infolist()) > MAX_BYTES:
                    raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
                frames, labels = stored["frames"], stored["labels"]
            if frames.dtype != np.float32 or frames.shape != (len(labels), *SHAPE):
                raise ValueError("its frames aren't float32 [N, 4, 28, 28]")
            if labels.dtype != np.uint8 or labels.ndim != 1 or (labels > NO_DIGIT).any():
                raise ValueError("its labels aren't uint8 [N] from 0 to 10")
            if not (np.abs(frames) <= 1).all():  # NaN fails, too
                raise ValueError("its frames have numbers outside -1 to 1")
        except Exception as error:  # of zip, zlib, NumPy's format: they have no class in common
            reason = " ".join(str(error).split())
            raise DataDamagedError(f"{path} isn't a file of stored drawings ({reason}).") from error
        self._keep([])
        self.add(frames, labels.tolist())


def unit(vectors: Floats) -> Floats:
    """Vectors ``[N, F]`` scaled to length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
