"""Why a network reads what it reads, without PyTorch: feature maps, occlusion, nearest digits.

The drawing pad shows these while somebody draws; gradients, which need PyTorch, are in
:mod:`gradients`.
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
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.frame import FRAME_SIZE, Frame
from digitlib.preprocessing.strokes import Planes

Floats = NDArray[np.float32]

TRAINING_DIGITS = Path(__file__).with_name("training_digits.npz")
PATCH, STEP = 5, 2  # px: side of a blanked patch, about two strokes wide; from patch to patch


class Explainer:
    """What a recognizer's network computes on its way to an answer.

    Its session is one of its own, made in about 10 ms: outputs that nobody asked for would still
    cost each reading 4 %.

    Args:
        recognizer: whose network it is.

    Raises:
        WeightsError: the network has no linear layer, or its file is of an earlier version;
            ``python -m digitlib onnx`` and ``export`` write new ones.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        if EMBEDDING not in recognizer.activations:
            raise WeightsError(f"{recognizer} names no input of a linear layer: export it anew.")
        self.recognizer = recognizer
        self._network = Recognizer(add_outputs(recognizer.network, recognizer.activations))

    def feature_maps(self, frame: Frame, planes: Planes | None = None) -> dict[str, Floats]:
        """Activations of every stage after its ReLU, by name, in the order of computation.

        Args:
            frame: uint8 ``[28, 28]``.
            planes: float32 ``[3, 28, 28]``, the way of the pen; without them the stages of the pen
                branch, which are 0 then, are left out.

        Returns:
            ``[channels, rows, columns]`` each; ``[features]`` where a stage has no maps.
        """
        names = [
            name
            for name in self.recognizer.activations
            if name != EMBEDDING and (planes is not None or not name.startswith("pen "))
        ]
        given = None if planes is None else planes[None]
        found = self._network.outputs(frame[None], given, *names)
        return {name: maps[0] for name, maps in zip(names, found, strict=True)}

    def embed(self, frames: NDArray[Any], planes: NDArray[Any] | None = None) -> Floats:
        """What the last linear layer is given, ``[N, features]``, of frames ``[N, 28, 28]``.

        Arguments and errors as :meth:`Recognizer.predict_batch`.
        """
        return self._network.outputs(frames, planes, EMBEDDING)[0]

    def occlusion(
        self,
        frame: Frame,
        planes: Planes | None = None,
        *,
        digit: int | None = None,
        size: int = PATCH,
        step: int = STEP,
    ) -> Floats:
        """How much a digit's log-odds fall where a patch of ink is blanked.

        After Zeiler and Fergus, 2014, who showed the probability: that of a clear digit stays at 1
        under any patch, while its log-odds against the others move. A pixel's value is the mean
        over the patches that cover it; patches without ink change nothing and are not computed.

        Args:
            frame: uint8 ``[28, 28]``.
            planes: float32 ``[3, 28, 28]``, blanked with the ink.
            digit: whose odds; the predicted digit's without.
            size: side of a patch, px.
            step: px between the middles of patches.

        Returns:
            ``[28, 28]``, nats; below 0 where the digit is more probable without the ink.
        """
        return self.occlusions(frame, planes, [digit], size=size, step=step)[0]

    def occlusions(
        self,
        frame: Frame,
        planes: Planes | None,
        digits: Sequence[int | None],
        *,
        size: int = PATCH,
        step: int = STEP,
    ) -> Floats:
        """As :meth:`occlusion`, ``[D, 28, 28]`` of several digits: the network runs once."""
        patches = _patches(size, step)
        inked = patches[(patches & (frame > 0)).any(axis=(1, 2))]
        kept = ~np.concatenate([np.zeros((1, FRAME_SIZE, FRAME_SIZE), bool), inked])
        frames: NDArray[Any] = frame * kept.astype(np.uint8)
        given: NDArray[Any] | None = None
        if planes is not None:
            given = planes * kept[:, None].astype(np.float32)
        logits = self.recognizer.logits(frames, given)[:, :10] / self.recognizer.temperature
        odds = np.stack([_log_odds(logits, digit) for digit in digits])
        falls = np.einsum("dn,nrc->drc", odds[:, :1] - odds[:, 1:], inked.astype(np.float32))
        return falls / patches.sum(axis=0, dtype=np.float32)

    def nearest(self, frame: Frame, count: int = 5) -> list[TrainingDigit]:
        """The training digits whose embeddings are most similar to a frame's, nearest first.

        Frames are compared as pictures, without the way of the pen, which MNIST's do not have.
        """
        similarities = self._directions @ _unit(self.embed(frame[None]))[0]
        rows = np.argsort(-similarities, kind="stable")[:count]
        digits = self._digits
        return [
            TrainingDigit(
                digits["frames"][row],
                int(digits["labels"][row]),
                str(digits["sets"][digits["set"][row]]),
                int(digits["rows"][row]),
                float(similarities[row]),
            )
            for row in rows
        ]

    @cached_property
    def _digits(self) -> dict[str, NDArray[Any]]:
        return read_training_digits(TRAINING_DIGITS)

    @cached_property
    def _directions(self) -> Floats:
        """Embeddings of the training digits, of length 1: stored, or computed for other weights."""
        if str(self._digits["weights"]) == self.recognizer.weights:
            return _unit(self._digits["embeddings"].astype(np.float32))
        return _unit(self.embed(self._digits["frames"]))


TRAINING_ARRAYS = {"frames", "labels", "sets", "set", "rows", "embeddings", "weights"}


def read_training_digits(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the index, whose zip file has a checksum of each.

    Raises:
        WeightsError: the file is not there or damaged; ``python -m digitlib neighbours`` makes it.
    """
    try:
        # A file of our own: NumPy leaves its open where the content is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = {name: stored[name] for name in TRAINING_ARRAYS}
    except Exception as error:  # of zip, zlib, NumPy's format: they have no class in common
        raise WeightsError(
            f"{path} is missing or damaged ({' '.join(str(error).split())}): "
            "python -m digitlib neighbours makes it anew."
        ) from error
    return found


@dataclass(frozen=True)
class TrainingDigit:
    """A digit that the network was trained on.

    Attributes:
        frame: uint8 ``[28, 28]``.
        label: 0 to 9.
        source: its data set.
        row: its number in the training split of :func:`catalog.load`.
        similarity: cosine of the angle between its embedding and the other's, up to 1.
    """

    frame: Frame
    label: int
    source: str
    row: int
    similarity: float


def _log_odds(logits: NDArray[Any], digit: int | None) -> NDArray[Any]:
    """Of a digit, the first row's best without, against all others ``[N]``."""
    digit = int(logits[0].argmax()) if digit is None else digit
    return logits[:, digit] - np.logaddexp.reduce(np.delete(logits, digit, axis=1), axis=1)


def _unit(vectors: Floats) -> Floats:
    """Vectors ``[N, D]`` of length 1; one of zeros stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _patches(size: int, step: int) -> NDArray[np.bool_]:
    """Square patches ``[P, 28, 28]`` about every ``step``-th pixel, cut at the edges."""
    at = np.arange(FRAME_SIZE)
    off = at - at[::step, None] + size // 2
    rows = (off >= 0) & (off < size)  # [positions, 28]
    both = rows[:, None, :, None] & rows[None, :, None, :]
    return both.reshape(-1, FRAME_SIZE, FRAME_SIZE)


# --- an ONNX file with more outputs ----------------------------------------------------------

GRAPH, OUTPUT, NAME = 7, 12, 1  # fields of ModelProto, GraphProto and ValueInfoProto


def add_outputs(network: bytes, names: list[str]) -> bytes:
    """An ONNX file whose inner values with these names are outputs, too.

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
