"""``Recognizer``: drawings, pictures and frames in, predictions out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import WeightsError
from digitlib.files import write_bytes
from digitlib.models.card import BUNDLED_NETWORK, EMBEDDING, Card, parse_card
from digitlib.models.checksum import verify_checksum, wrap_errors
from digitlib.models.memory import Memory, StoredDrawing
from digitlib.models.prediction import BatchPrediction, Prediction
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import CHANNELS, FRAME_SIZE, Frame, images_to_frames, to_frame

if TYPE_CHECKING:
    from torch import Tensor, nn

    from digitlib.numbers.reading import Reading

Numbers = TypeVar("Numbers", NDArray[Any], "Tensor")

CHUNK = 128  # frames per pass: memory is bounded, and their maps stay in the processor's cache
MIN_CHUNK = 32  # frames that are worth a thread of their own
SHAPE = [len(CHANNELS), FRAME_SIZE, FRAME_SIZE]  # of a frame


def open_session(network: bytes) -> Any:
    """An onnxruntime session of an ONNX file, on one thread.

    Raises:
        WeightsError: this is not an ONNX file, or it is damaged.
    """
    import onnxruntime

    verify_checksum(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a frame or row is too little work to share
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no other class in common
        reason = " ".join(str(error).split())
        raise WeightsError(f"This is not an ONNX file ({reason}).") from error


class Recognizer:
    """A network with its calibration: drawings in, :class:`Prediction` out, without PyTorch.

    Args:
        network: content of an ONNX file that :meth:`export_onnx` wrote.

    Attributes:
        card: of the network's weights.
        parameters: number of the network's parameters.
        weights: digest of the network's weights.
        activations: names of those that an :class:`Explainer` shows.
        memory: of corrected drawings, which :meth:`remember` stores.

    Raises:
        WeightsError: this is not an ONNX file of this digitlib, or it is damaged.
    """

    def __init__(self, network: bytes) -> None:
        self.network, self._session = network, open_session(network)
        stored = self._session.get_modelmeta().custom_metadata_map
        self.card = Card.from_json(parse_card(stored))
        self.parameters, self.weights = int(stored["parameters"]), stored["weights"]
        self.activations: list[str] = json.loads(stored.get("activations", "[]"))
        inputs = {each.name: each.shape[1:] for each in self._session.get_inputs()}
        if inputs != {"frames": SHAPE}:
            raise WeightsError("This ONNX file is for another digitlib: export its weights again.")
        self.memory = Memory(self._embed)
        self.temperature, self.threshold = self.card.temperature, self.card.threshold
        drawn = self.card.stroke_threshold
        self.stroke_threshold = self.threshold if drawn is None else drawn

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Recognizer:
        """Load a network: an ONNX file, weights in safetensors, or the bundled network.

        Raises:
            WeightsError: the file cannot be used; see :func:`weights.read_tensors`.
            ImportError: the weights are in safetensors, and PyTorch is not installed.
        """
        path = BUNDLED_NETWORK if path is None else Path(path)
        with wrap_errors(path):
            if path.suffix == ".onnx":
                return cls(path.read_bytes())
        try:
            from digitlib.models.weights import load_model
        except ImportError as error:
            raise ImportError(
                f"Weights in safetensors need PyTorch: pip install '.[train]' ({error})."
            ) from error
        return cls.from_model(*load_model(path))

    @classmethod
    def from_model(cls, model: nn.Module, card: Card | None = None) -> Recognizer:
        """The recognizer of a PyTorch network as it is now; see :func:`export.to_onnx`."""
        from digitlib.models.export import to_onnx

        return cls(to_onnx(model, card))

    def __repr__(self) -> str:
        size = f"{self.parameters:,} parameters"
        return f"Recognizer({self.card.model}, {size}, temperature {self.temperature:.3f})"

    def predict(self, image: Any) -> Prediction:
        """Read the digit in a picture.

        Args:
            image: path, content of a file, open binary file, PIL image, or array, tensor or nested
                lists ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]`` as for :func:`read.read_gray`;
                light or dark ink.

        Raises:
            BlankDrawingError: there is no ink.
            InputError: the picture cannot be read, or it is too large, or has too many parts; the
                message says what to do.
        """
        return self._predict(to_frame(image))

    def predict_strokes(self, drawing: Sequence[NDArray[np.floating[Any]]]) -> Prediction:
        """Read the digit drawn by pen strokes: ``(n, 2)`` arrays, x right, y down, any unit.

        Short strokes far from everything else are left out (:func:`strokes.drop_stray_taps`).

        Raises:
            BlankDrawingError: there are no points.
            InputError: a stroke has the wrong shape or type or a NaN, or there are too many points.
        """
        return self._predict(strokes.render(drawing, drop_taps=True))

    def read(self, source: Any) -> Reading:
        """Read whole numbers line by line, each from left to right.

        Args:
            source: a picture as for :meth:`predict`, or a list of pen strokes as for
                :meth:`predict_strokes`, in any order. A list of lists of three or more plain
                numbers is a picture; other lists are strokes.

        Returns:
            The digits with their boxes; its ``text`` has a ``?`` for each rejected digit.

        Raises:
            BlankDrawingError: there is no ink.
            InputError: as :meth:`predict` and :meth:`predict_strokes`.
        """
        from digitlib.numbers.reader import read

        return read(source)

    def predict_frame(self, frame: Frame) -> Prediction:
        """Read the digit in one frame, float32 ``[4, 28, 28]``.

        Raises:
            ValueError: wrong shape or type, or numbers outside -1 to 1.
        """
        _check(frame[None])
        return self._predict(frame)

    def _predict(self, frame: Frame) -> Prediction:
        """As :meth:`predict_frame`, without checks."""
        names = ["probabilities", "score", *([EMBEDDING] if self.memory else [])]
        probabilities, scores, *embeddings = self._session.run(names, {"frames": frame[None]})
        threshold = self.stroke_threshold if frame[1:].any() else self.threshold
        found = Prediction(tuple(probabilities[0].tolist()), frame, float(scores[0]), threshold)
        return self.memory.adjust(found, embeddings[0][0]) if self.memory else found

    def remember(self, drawing: Any, label: int) -> StoredDrawing:
        """Store a drawing: from now on, similar ones are read as its label.

        Args:
            drawing: as for :meth:`predict_strokes` or :meth:`predict`, or its prediction.
            label: 0 to 9, or ``NO_DIGIT``: similar drawings are then rejected.

        Raises:
            ValueError: another label.
            WeightsError: the network has no linear layer.
            BlankDrawingError, InputError: see :meth:`predict` and :meth:`predict_strokes`.
        """
        found = drawing
        if not isinstance(drawing, Prediction):
            found = (self.predict_strokes if is_drawing(drawing) else self.predict)(drawing)
        return self.memory.add(found.frame[None], [label])[0]

    def forget(self, drawing: StoredDrawing | None = None) -> None:
        """Remove a drawing from the memory; all without an argument."""
        self.memory.remove([*self.memory] if drawing is None else [drawing])

    def _embed(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input of the last linear layer, ``[N, F]``, for frames ``[N, 4, 28, 28]``."""
        if EMBEDDING not in [each.name for each in self._session.get_outputs()]:
            raise WeightsError(f"{self} has no linear layer, so it can't remember drawings.")
        return self.outputs(frames, EMBEDDING)[0]

    def predict_batch(
        self, frames: Tensor | NDArray[Any], *, memory: bool = False
    ) -> BatchPrediction:
        """Probabilities, scores and rejections of frames.

        Besides the frames and the result, it takes the memory of ``CHUNK`` frames per core.

        Args:
            frames: array or tensor of frames, float32 ``[N, 4, 28, 28]``, or of images in MNIST's
                convention, uint8 ``[N, 28, 28]``.
            memory: use the stored drawings, too.

        Raises:
            ValueError: wrong shape or type, or frames with numbers outside -1 to 1.
        """
        names = ["probabilities", "score", *([EMBEDDING] if memory and self.memory else [])]
        probabilities, scores, *embeddings = self.outputs(frames, *names)
        drawn = frames.ndim == 4 and _to_array(frames)[:, 1:].any(axis=(1, 2, 3))
        threshold = np.where(drawn, self.stroke_threshold, self.threshold)
        if embeddings:
            moved = self.memory.adjust_batch(probabilities, scores, threshold, embeddings[0])
            probabilities, scores = (each.astype(np.float32) for each in moved)
        return BatchPrediction(probabilities, scores, scores < threshold)

    def probabilities(self, frames: Numbers) -> Numbers:
        """Probabilities as in :meth:`predict_batch`, an array or a tensor, like ``frames``."""
        return self._like(frames, "probabilities")

    def logits(self, frames: Numbers) -> Numbers:
        """Output before temperature and softmax, ``[N, 10]`` or ``[N, 11]``, like ``frames``."""
        return self._like(frames, "logits")

    def _like(self, frames: Any, name: str) -> Any:
        """One output, as an array, or as a tensor if ``frames`` is one."""
        (found,) = self.outputs(frames, name)
        return sys.modules["torch"].from_numpy(found) if hasattr(frames, "detach") else found

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the computation from frames to probabilities as ONNX, for any runtime.

        Its input ``frames`` is float32 ``[N, 4, 28, 28]``, any number of frames from
        :func:`frame.to_frame` and :func:`strokes.render`. Its outputs are ``probabilities``, float
        ``[N, 10]``, with the temperature applied, ``score``, float ``[N]``, ``logits``, and
        ``embedding``, the input of the last linear layer, float ``[N, F]``. A score below
        ``rejection_threshold`` in the file's metadata means "not a digit"; for strokes, the
        threshold is ``stroke_rejection_threshold``. :meth:`load` reads the file.
        """
        write_bytes(Path(path), self.network)

    def outputs(self, frames: Any, *names: str) -> list[NDArray[np.float32]]:
        """Outputs of the network by name; arguments and errors as :meth:`predict_batch`."""
        _check(frames)
        shapes = {each.name: each.shape[1:] for each in self._session.get_outputs()}
        results = [np.empty((len(frames), *shapes[name]), np.float32) for name in names]

        def read(part: slice) -> None:
            array = _to_array(frames[part])
            inputs = {"frames": images_to_frames(array) if array.ndim == 3 else array}
            for result, found in zip(results, self._session.run(names, inputs), strict=True):
                result[part] = found

        cores = os.cpu_count() or 1
        size = min(max(-(-len(frames) // cores), MIN_CHUNK), CHUNK)
        parts = [slice(start, start + size) for start in range(0, len(frames), size)]
        if len(parts) == 1:
            read(parts[0])
        elif parts:  # each thread runs the network on its own frames, without waiting
            with ThreadPoolExecutor(min(cores, len(parts))) as pool:
                list(pool.map(read, parts))
        return results


def _check(frames: Any) -> None:
    """Raise ValueError if frames or images have the wrong shape, type or range."""
    kind, shape = str(frames.dtype).removeprefix("torch."), [*frames.shape[1:]]
    if (kind, shape) not in (("float32", SHAPE), ("uint8", SHAPE[1:])):
        raise ValueError(
            "Frames must be float32 [N, 4, 28, 28], or images uint8 [N, 28, 28]; "
            f"these are {kind} {[*frames.shape]}."
        )
    if kind == "float32" and len(frames) and not (frames.min() >= -1 and frames.max() <= 1):
        raise ValueError("Frames must be from -1 to 1 without NaN: scale them.")


def _to_array(values: Any) -> NDArray[Any]:
    """The values as an array, which shares the memory of a tensor on the CPU."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def is_drawing(source: Any) -> bool:
    """Whether a source is a list of strokes, not a picture or its rows of plain numbers."""
    if not isinstance(source, list | tuple):
        return False
    row = source[0] if source else ()
    return not (isinstance(row, list | tuple) and len(row) > 2 and all(map(np.isscalar, row)))
