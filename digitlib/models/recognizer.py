"""``Recognizer``: drawings, pictures and frames in, predictions out."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from digitlib.models.inference import FrameClassifier, optimize_for_inference
from digitlib.models.networks import count_parameters, reads_planes
from digitlib.models.onnx import make_session, write_onnx
from digitlib.models.prediction import BatchPrediction, Prediction
from digitlib.models.weights import Card, load_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, to_frame
from digitlib.preprocessing.strokes import Planes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CHUNK = 512  # frames per pass: memory is bounded, and their maps stay in the processor's cache


class Recognizer:
    """A network with its calibration: drawings in, :class:`Prediction` out.

    Args:
        model: maps normalised frames ``[N, 1, 28, 28]`` to logits ``[N, 10]``, or ``[N, 11]``
            with a last class for "no digit".
        card: its weights' card, with temperature and threshold; without one 1 and -inf.

    Attributes:
        model: a copy of the network given, in evaluation mode, without gradients.
        network: a faster copy of that, for batches; see
            :func:`inference.optimize_for_inference`. Single frames go through onnxruntime.
    """

    def __init__(self, model: nn.Module, card: Card | None = None) -> None:
        self.card = card or Card(type(model).__name__)
        self.temperature, self.threshold = self.card.temperature, self.card.threshold
        strokes_too = self.card.stroke_threshold
        self.stroke_threshold = self.threshold if strokes_too is None else strokes_too
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.network = optimize_for_inference(self.model)
        self._classifier = FrameClassifier(self.network, self.temperature)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Recognizer:
        """Load weights: those at ``path``, without one the bundled ones.

        Raises:
            WeightsError: the file cannot be used; see :func:`weights.read_tensors`.
        """
        return cls(*load_model(path))

    def __repr__(self) -> str:
        size = f"{count_parameters(self.model):,} parameters"
        return f"Recognizer({self.card.model}, {size}, temperature {self.temperature:.3f})"

    def predict(self, image: Any) -> Prediction:
        """Read the digit in a picture.

        Args:
            image: PIL image, path, or array ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``, uint8 or
                float 0-1; light or dark ink.

        Raises:
            BlankDrawingError: there is no ink.
            ValueError: the array or file is no picture; the message names the reason.
        """
        return self.predict_frame(to_frame(image))

    def predict_strokes(self, drawing: Sequence[NDArray[np.floating[Any]]]) -> Prediction:
        """Read the digit drawn by pen strokes: ``(n, 2)`` arrays, x right, y down, any unit.

        Taps far from everything else are left out (:func:`strokes.drop_stray_taps`).

        Raises:
            BlankDrawingError: there are no points.
            ValueError: a stroke has another shape, or NaN.
        """
        kept = strokes.drop_stray_taps(drawing)
        if reads_planes(self.model):
            return self.predict_frame(*strokes.render_with_planes(kept))
        return self.predict_frame(strokes.render(kept))

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
        inputs: dict[str, NDArray[Any]] = {"frames": frame[None]}
        if planes is not None:
            self._check_planes(planes.shape, planes.dtype == np.float32, ())
            inputs["planes"] = planes[None]
        probabilities, scores = self._session.run(None, inputs)
        threshold = self.threshold if planes is None else self.stroke_threshold
        shares = tuple(probabilities[0].tolist())
        return Prediction(shares, frame, float(scores[0]), threshold, planes)

    @functools.cached_property
    def _session(self) -> InferenceSession:
        """The classifier in onnxruntime, prepared with the first single frame."""
        return make_session(self._classifier)

    def predict_batch(
        self, frames: Tensor | NDArray[Any], planes: Tensor | NDArray[Any] | None = None
    ) -> BatchPrediction:
        """Probabilities, scores and rejections of frames ``[N, 28, 28]`` in MNIST's convention.

        Beside the frames and the result, memory is that of ``CHUNK`` frames, whatever their number.

        Args:
            frames: uint8 0-255 or float 0-1; any number, they stream through.
            planes: float32 ``[N, 3, 28, 28]``, the way of the pen, 0 for pictures.

        Raises:
            ValueError: wrong shape or type, NaN, floats outside their range, or planes for a
                network that takes none.
        """
        found = self._stream(frames, planes, self._classifier)
        probabilities, scores = (part.numpy() for part in found)
        threshold: Any = self.threshold
        if planes is not None:
            drawn = (torch.as_tensor(planes) != 0).flatten(1).any(dim=1).numpy()
            threshold = np.where(drawn, self.stroke_threshold, self.threshold)
        return BatchPrediction(probabilities, scores, scores < threshold)

    def probabilities(
        self, frames: Tensor | NDArray[Any], planes: Tensor | NDArray[Any] | None = None
    ) -> Tensor:
        """Probabilities alone, ``[N, 10]``; arguments and errors as :meth:`predict_batch`."""
        return self._stream(frames, planes, self._classifier)[0]

    def logits(
        self, frames: Tensor | NDArray[Any], planes: Tensor | NDArray[Any] | None = None
    ) -> Tensor:
        """Output of the network before temperature and softmax, ``[N, 10]`` or ``[N, 11]``.

        Arguments and errors as :meth:`predict_batch`.
        """
        return self._stream(frames, planes, lambda *parts: (self._classifier.logits(*parts),))[0]

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the computation from frames to probabilities as ONNX, for other runtimes.

        Its input ``frames`` is uint8 ``[N, 28, 28]``, any number of frames of
        :func:`frame.to_frame`. Its outputs are ``probabilities``, float ``[N, 10]``, the
        temperature applied, and ``score``, float ``[N]``: a drawing whose score is below
        ``rejection_threshold`` in the file's metadata is probably no digit, one given with planes
        below ``stroke_rejection_threshold``.
        """
        thresholds = {"rejection_threshold": repr(self.threshold)}
        if reads_planes(self.model):
            thresholds["stroke_rejection_threshold"] = repr(self.stroke_threshold)
        write_onnx(path, self._classifier, thresholds)

    def _stream(
        self,
        frames: Tensor | NDArray[Any],
        planes: Tensor | NDArray[Any] | None,
        compute: Callable[..., tuple[Tensor, ...]],
    ) -> list[Tensor]:
        """The tensors that ``compute`` gives for all frames, ``CHUNK`` frames at a time."""
        frames = torch.as_tensor(frames)
        if frames.ndim != 3 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE):
            raise ValueError(f"frames are [N, 28, 28]; these are {tuple(frames.shape)}.")
        if frames.dtype != torch.uint8 and not frames.dtype.is_floating_point:
            raise ValueError(f"frames are uint8 0-255 or float 0-1, not {frames.dtype}.")
        inputs = [frames]
        if planes is not None:
            planes = torch.as_tensor(planes)
            self._check_planes(planes.shape, planes.dtype == torch.float32, (len(frames),))
            inputs.append(planes)
        results: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, max(len(frames), 1), CHUNK):  # one pass even over no frames
                frames_part, *others = (each[start : start + CHUNK] for each in inputs)
                parts = compute(_check_range(frames_part), *others)
                results = results or [p.new_empty(len(frames), *p.shape[1:]) for p in parts]
                for result, part in zip(results, parts, strict=True):
                    result[start : start + CHUNK] = part
        return results

    def _check_planes(self, shape: Sequence[int], floats: bool, outer: tuple[int, ...]) -> None:
        """ValueError where planes are of another shape or type, or the network takes none."""
        if not reads_planes(self.model):
            raise ValueError(f"This {self.card.model} has no pen branch: it takes no planes.")
        expected = (*outer, len(strokes.PLANES), FRAME_SIZE, FRAME_SIZE)
        if tuple(shape) != expected or not floats:
            raise ValueError(f"planes are float32 {[*expected]}; these are another type or shape.")


def _check_range(frames: Tensor) -> Tensor:
    """The same frames; ValueError where floats are NaN or outside 0-1."""
    in_range = frames.dtype == torch.uint8 or not len(frames)
    if not in_range and not (frames.min() >= 0 and frames.max() <= 1):
        raise ValueError("float frames run from 0 to 1, without NaN: scale them first.")
    return frames
