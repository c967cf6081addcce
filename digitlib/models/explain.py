"""Explain a prediction without PyTorch: feature maps, occlusion, nearest training digits.

Gradients, which need PyTorch, are in :mod:`gradients`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import WeightsError
from digitlib.models.card import EMBEDDING
from digitlib.models.checksum import add_checksum
from digitlib.models.memory import unit
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, frames_to_images

Floats = NDArray[np.float32]

TRAINING_DIGITS = Path(__file__).with_name("training_digits.npz")
PATCH, STEP = 5, 2  # px: side of a blanked patch, about two strokes wide; from patch to patch


class Explainer:
    """Show what a recognizer's network computes before its answer.

    It makes a session of its own, in about 10 ms, because more outputs would make each prediction
    4 % slower.

    Raises:
        WeightsError: the network has no linear layer.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        if EMBEDDING not in recognizer.activations:
            raise WeightsError(f"{recognizer} has no linear layer to explain.")
        self.recognizer = recognizer
        maps = [name for name in recognizer.activations if name != EMBEDDING]
        self._network = Recognizer(add_outputs(recognizer.network, maps))

    def feature_maps(self, frame: Frame) -> dict[str, Floats]:
        """Activations of every stage after its ReLU, by name, in the order of computation.

        Returns:
            ``[channels, rows, columns]`` each, or ``[features]`` for a stage without maps.
        """
        names = [name for name in self.recognizer.activations if name != EMBEDDING]
        found = self._network.outputs(frame[None], *names)
        return {name: maps[0] for name, maps in zip(names, found, strict=True)}

    def embed(self, frames: NDArray[Any]) -> Floats:
        """The input of the last linear layer, ``[N, features]``; see `Recognizer.predict_batch`."""
        return self._network.outputs(frames, EMBEDDING)[0]

    def occlusion(self, frame: Frame, *, digit: int | None = None) -> Floats:
        """The fall of a digit's log-odds when a patch of ink is blanked, per pixel.

        After Zeiler and Fergus, 2014, who showed the probability. For a clear digit that stays at 1
        under any patch, while its log-odds against the other digits change. The value of a pixel is
        the mean over the patches that cover it.

        Args:
            frame: float32 ``[4, 28, 28]``.
            digit: 0 to 9; None for the predicted digit.

        Returns:
            ``[28, 28]``, nats; below 0 where the digit is more probable without the ink.
        """
        return self.occlusions(frame, [digit])[0]

    def occlusions(self, frame: Frame, digits: Sequence[int | None]) -> Floats:
        """As :meth:`occlusion`, for several digits at once, ``[D, 28, 28]``."""
        # Square patches [P, 28, 28] around every ``STEP``-th pixel, cut off at the edges.
        at = np.arange(FRAME_SIZE)
        off = at - at[::STEP, None] + PATCH // 2
        rows = (off >= 0) & (off < PATCH)  # [positions, 28]
        both = rows[:, None, :, None] & rows[None, :, None, :]
        patches = both.reshape(-1, FRAME_SIZE, FRAME_SIZE)
        # Patches without ink change nothing and are not computed.
        inked = patches[(patches & (frame[0] > 0)).any(axis=(1, 2))]
        kept = ~np.concatenate([np.zeros((1, FRAME_SIZE, FRAME_SIZE), bool), inked])
        logits = self.recognizer.logits(frame * kept[:, None])[:, :10] / self.recognizer.temperature
        odds = []
        for each in digits:
            digit = int(logits[0].argmax()) if each is None else each
            others = np.delete(logits, digit, axis=1)
            odds.append(logits[:, digit] - np.logaddexp.reduce(others, axis=1))
        log_odds = np.stack(odds)
        falls = np.einsum(
            "dn,nrc->drc", log_odds[:, :1] - log_odds[:, 1:], inked.astype(np.float32)
        )
        return falls / patches.sum(axis=0, dtype=np.float32)

    def nearest(self, frame: Frame, count: int = 5) -> list[TrainingDigit]:
        """The training digits with the embeddings most similar to a frame's, nearest first.

        Frames are compared without stroke direction and order, which MNIST doesn't have.
        """
        similarities = self._directions @ unit(self.embed(frames_to_images(frame[None])))[0]
        rows = np.argsort(-similarities, kind="stable")[:count]
        digits = self._digits
        return [
            TrainingDigit(
                digits["frames"][n], int(digits["labels"][n]),
                str(digits["sets"][digits["set"][n]]), int(digits["rows"][n]),
                float(similarities[n]),
            )
            for n in rows
        ]  # fmt: skip

    @cached_property
    def _digits(self) -> dict[str, NDArray[Any]]:
        return read_training_digits(TRAINING_DIGITS)

    @cached_property
    def _directions(self) -> Floats:
        """Unit embeddings of the training digits: stored, or computed for other weights."""
        if str(self._digits["weights"]) == self.recognizer.weights:
            return unit(self._digits["embeddings"].astype(np.float32))
        return unit(self.embed(self._digits["frames"]))


TRAINING_ARRAYS = {"frames", "labels", "sets", "set", "rows", "embeddings", "weights"}


def read_training_digits(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the index; its zip file has a checksum of each.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    try:
        # Opened here because NumPy leaves its file open if the content is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in TRAINING_ARRAYS}
    except Exception as error:  # of zip, zlib, NumPy's format: they have no class in common
        raise WeightsError(
            f"{path} is missing or damaged ({' '.join(str(error).split())}): "
            "run python -m digitlib neighbors to make it."
        ) from error


@dataclass(frozen=True)
class TrainingDigit:
    """A digit that the network was trained on.

    Attributes:
        image: uint8 ``[28, 28]``.
        label: 0 to 9.
        source: its data set.
        row: its number in the training split of :func:`catalog.load`.
        similarity: cosine of the angle between the two embeddings, up to 1.
    """

    image: NDArray[np.uint8]
    label: int
    source: str
    row: int
    similarity: float


# --- an ONNX file with more outputs ----------------------------------------------------------

GRAPH, OUTPUT, NAME = 7, 12, 1  # fields of ModelProto, GraphProto and ValueInfoProto


def add_outputs(network: bytes, names: list[str]) -> bytes:
    """An ONNX file that also outputs the inner values with these names.

    A message of Protocol Buffers that follows another is merged into it, and lists are joined. So
    the names are appended, without a package that knows the format.
    """
    outputs = (_field(OUTPUT, _field(NAME, name.encode())) for name in names)
    return add_checksum(network + _field(GRAPH, b"".join(outputs)))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: its number and kind, the length in groups of 7 bits, the content."""
    length, size = b"", len(content)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
