"""``Recognizer``: drawings, pictures and frames in, predictions out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import WeightsError
from digitlib.files import write_bytes
from digitlib.models.arrays import Numbers, check_frames, like, to_array, to_bytes
from digitlib.models.card import BUNDLED_NETWORK, Card, require_file
from digitlib.models.prediction import BatchPrediction, Prediction
from digitlib.models.seal import unseal
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, to_frame
from digitlib.preprocessing.strokes import Planes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from torch import Tensor, nn

    from digitlib.models.reading import Reading

CHUNK = 128  # frames per pass: memory is bounded, and their maps stay in the processor's cache
MIN_CHUNK = 32  # frames that are worth a thread of their own


class Recognizer:
    """A network with its calibration: drawings in, :class:`Prediction` out. It needs no PyTorch.

    Args:
        network: content of an ONNX file that :meth:`export_onnx` wrote, with its seal.

    Attributes:
        card: of the network's weights.
        parameters: number of the network's parameters.
        takes_planes: the network reads the way of the pen, too.
        weights: digest of the network's weights.
        activations: names of those that an :class:`Explainer` shows.

    Raises:
        WeightsError: it is no ONNX file of ours, or not as it was written.
    """

    def __init__(self, network: bytes) -> None:
        unseal(network)
        self.network = network
        self._session = _make_session(network)
        stored = self._session.get_modelmeta().custom_metadata_map
        self.card = Card.from_metadata(stored)
        self.parameters, self.weights = int(stored["parameters"]), stored["weights"]
        self.activations: list[str] = json.loads(stored.get("activations", "[]"))
        optional = self._session.get_overridable_initializers()
        self.takes_planes = "planes" in [each.name for each in optional]
        self.temperature, self.threshold = self.card.temperature, self.card.threshold
        strokes_too = self.card.stroke_threshold
        self.stroke_threshold = self.threshold if strokes_too is None else strokes_too

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Recognizer:
        """Load a network: the one at ``path``, without one the bundled one.

        Args:
            path: ONNX file of :meth:`export_onnx`, or weights in safetensors, which need PyTorch.

        Raises:
            WeightsError: the file cannot be used; see :func:`weights.read_tensors`.
            ImportError: weights in safetensors, and there is no PyTorch.
        """
        path = BUNDLED_NETWORK if path is None else Path(path)
        require_file(path)
        if path.suffix != ".onnx":
            return cls(_export_weights(path))
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from error

    @classmethod
    def from_model(cls, model: nn.Module, card: Card | None = None) -> Recognizer:
        """The recognizer of a network in PyTorch, which may be trained on: this one stays.

        Args:
            model, card: as for :func:`export.to_onnx`.
        """
        from digitlib.models.export import to_onnx

        return cls(to_onnx(model, card))

    def __repr__(self) -> str:
        size = f"{self.parameters:,} parameters"
        return f"Recognizer({self.card.model}, {size}, temperature {self.temperature:.3f})"

    def predict(self, image: Any) -> Prediction:
        """Read the digit in a picture.

        Args:
            image: path, content of a file, PIL image, or array ``[H, W]``, ``[H, W, 3]`` or
                ``[H, W, 4]``, uint8 or float 0-1; light or dark ink.

        Raises:
            BlankDrawingError: there is no ink.
            InputError: the file or array is no picture that is read, or too large, or too busy to
                find a digit in; the message says what to do.
        """
        return self.predict_frame(to_frame(image))

    def predict_strokes(self, drawing: Sequence[NDArray[np.floating[Any]]]) -> Prediction:
        """Read the digit drawn by pen strokes: ``(n, 2)`` arrays, x right, y down, any unit.

        Taps far from everything else are left out (:func:`strokes.drop_stray_taps`).

        Raises:
            BlankDrawingError: there are no points.
            InputError: a stroke has another shape or type, or NaN, or there are too many.
        """
        kept = strokes.drop_stray_taps(drawing)
        if self.takes_planes:
            return self._predict(*strokes.render_with_planes(kept))
        return self._predict(strokes.render(kept))

    def read(self, source: Any) -> Reading:
        """Read numbers, line by line, each from left to right; ``?`` where it is not sure.

        Args:
            source: a picture as for :meth:`predict`, or a list of pen strokes as for
                :meth:`predict_strokes`, in any order.

        Raises:
            BlankDrawingError, ValueError: as there.
        """
        from digitlib.models.number_reader import read

        return read(self, source)

    def predict_frame(self, frame: Frame, planes: Planes | None = None) -> Prediction:
        """Read the digit in one frame.

        Args:
            frame: uint8 ``[28, 28]``.
            planes: float32 ``[3, 28, 28]``, the way of the pen where it is known; see
                :func:`strokes.render_with_planes`.

        Raises:
            ValueError: a wrong shape or type, or planes for a network that takes none.
        """
        if frame.shape != (FRAME_SIZE, FRAME_SIZE) or frame.dtype != np.uint8:
            raise ValueError(f"A frame is uint8 [28, 28], not {frame.dtype} {[*frame.shape]}.")
        if planes is not None:
            self._check_planes(planes.shape, planes.dtype, ())
        return self._predict(frame, planes)

    def _predict(self, frame: Frame, planes: Planes | None = None) -> Prediction:
        """As :meth:`predict_frame`, without a look at shapes and types."""
        inputs: dict[str, NDArray[Any]] = {"frames": frame[None]}
        if planes is not None:
            inputs["planes"] = planes[None]
        probabilities, scores = self._session.run(["probabilities", "score"], inputs)
        threshold = self.threshold if planes is None else self.stroke_threshold
        shares = tuple(probabilities[0].tolist())
        return Prediction(shares, frame, float(scores[0]), threshold, planes)

    def predict_batch(
        self, frames: Tensor | NDArray[Any], planes: Tensor | NDArray[Any] | None = None
    ) -> BatchPrediction:
        """Probabilities, scores and rejections of frames ``[N, 28, 28]`` in MNIST's convention.

        Beside the frames and the result, memory is that of ``CHUNK`` frames per core, whatever
        their number.

        Args:
            frames: array or tensor, uint8 0-255 or float 0-1, which is rounded to these; any
                number, they stream through.
            planes: float32 ``[N, 3, 28, 28]``, the way of the pen, 0 for pictures.

        Raises:
            ValueError: wrong shape or type, frames with NaN or floats outside 0-1, or planes for
                a network that takes none.
        """
        probabilities, scores = self.outputs(frames, planes, "probabilities", "score")
        threshold: Any = self.threshold
        if planes is not None:
            drawn = to_array(planes).reshape(len(planes), -1).any(axis=1)
            threshold = np.where(drawn, self.stroke_threshold, self.threshold)
        return BatchPrediction(probabilities, scores, scores < threshold)

    def probabilities(self, frames: Numbers, planes: Numbers | None = None) -> Numbers:
        """Probabilities alone, float32 ``[N, 10]``, as array or tensor, like ``frames``.

        Arguments and errors as :meth:`predict_batch`.
        """
        return like(frames, *self.outputs(frames, planes, "probabilities"))

    def logits(self, frames: Numbers, planes: Numbers | None = None) -> Numbers:
        """Output of the network before temperature and softmax, ``[N, 10]`` or ``[N, 11]``.

        An array or a tensor, like ``frames``; arguments and errors as :meth:`predict_batch`.
        """
        return like(frames, *self.outputs(frames, planes, "logits"))

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the computation from frames to probabilities as ONNX, for any runtime.

        Its input ``frames`` is uint8 ``[N, 28, 28]``, any number of frames of
        :func:`frame.to_frame`; ``planes``, optional, those of :func:`strokes.render_with_planes`.
        Its outputs are ``probabilities``, float ``[N, 10]``, the temperature applied, ``score``,
        float ``[N]``, and ``logits``: a drawing whose score is below ``rejection_threshold`` in
        the file's metadata is probably no digit, one given with planes below
        ``stroke_rejection_threshold``. ``card`` is there, too: :meth:`load` reads the file.
        """
        write_bytes(Path(path), self.network)

    def outputs(self, frames: Any, planes: Any, *names: str) -> list[NDArray[np.float32]]:
        """Outputs of the network by name, for all frames, chunk by chunk, on all cores.

        Arguments and errors as :meth:`predict_batch`.
        """
        check_frames(frames)
        if planes is not None:
            self._check_planes(planes.shape, to_array(planes[:0]).dtype, (len(frames),))
        shapes = {each.name: each.shape[1:] for each in self._session.get_outputs()}
        results = [np.empty((len(frames), *shapes[name]), np.float32) for name in names]

        def read(part: slice) -> None:
            inputs = {"frames": to_bytes(to_array(frames[part]))}
            if planes is not None:
                inputs["planes"] = to_array(planes[part])
            for result, found in zip(results, self._session.run(names, inputs), strict=True):
                result[part] = found

        cores = os.cpu_count() or 1
        size = min(max(-(-len(frames) // cores), MIN_CHUNK), CHUNK)
        parts = [slice(start, start + size) for start in range(0, len(frames), size)]
        if len(parts) == 1:
            read(parts[0])
        elif parts:  # each thread runs the network on frames of its own: none waits for another
            with ThreadPoolExecutor(min(cores, len(parts))) as pool:
                list(pool.map(read, parts))
        return results

    def _check_planes(self, shape: Sequence[int], kind: Any, outer: tuple[int, ...]) -> None:
        """ValueError where planes are of another shape or type, or the network takes none."""
        if not self.takes_planes:
            raise ValueError(f"This {self.card.model} has no pen branch: it takes no planes.")
        expected = (*outer, len(strokes.PLANES), FRAME_SIZE, FRAME_SIZE)
        if tuple(shape) != expected or kind != np.float32:
            raise ValueError(f"planes are float32 {[*expected]}; these are another type or shape.")


def _export_weights(path: Path) -> bytes:
    """Weights in safetensors as ONNX."""
    try:
        from digitlib.models.export import to_onnx
        from digitlib.models.weights import load_model
    except ImportError as error:
        raise ImportError(
            f"Weights in safetensors are read by PyTorch: pip install 'digitlib[train]' ({error})."
        ) from error
    return to_onnx(*load_model(path))


def _make_session(network: bytes) -> InferenceSession:
    """The network, ready to run on the CPU, in the thread that calls it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a frame is too little work to be shared
    options.log_severity_level = 3  # errors; it warns of the optional input
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no other class in common
        reason = " ".join(str(error).split())
        raise WeightsError(f"It is no ONNX file, or a damaged one ({reason}).") from error
