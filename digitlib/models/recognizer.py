"""``Recognizer``: the one public way from a drawing to a digit."""

from __future__ import annotations

import base64
import copy
import functools
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from digitlib.models.networks import count_parameters, optimize_for_inference
from digitlib.models.onnx import OnnxReader, make_session, write_onnx
from digitlib.models.weights import Card, load_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, normalize, to_frame

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CHUNK = 512  # frames in a pass: big inputs stream through bounded memory, and through the cache


@dataclass(frozen=True)
class Prediction:
    """What the network thinks of one drawing.

    Attributes:
        probabilities: of the digits 0 to 9, 10 floats that sum to 1.
        frame: uint8 ``[28, 28]``, what the network saw.
        rejected: the drawing is probably no digit at all.
        score: what ``rejected`` compares with the threshold: higher is more like a digit.
    """

    probabilities: tuple[float, ...]
    frame: Frame
    rejected: bool
    score: float

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(np.argmax(self.probabilities))

    @property
    def confidence(self) -> float:
        """The probability of that digit, 0-1."""
        return max(self.probabilities)

    def top(self, k: int = 3) -> list[tuple[int, float]]:
        """The ``k`` most probable digits with their probabilities, best first."""
        if not 1 <= k <= len(self.probabilities):
            raise ValueError(f"k is 1 to {len(self.probabilities)}, not {k}.")
        order = np.argsort(-np.asarray(self.probabilities), kind="stable")[:k]
        return [(int(digit), self.probabilities[digit]) for digit in order]

    def __repr__(self) -> str:
        best = ", ".join(f"{digit}: {share:.1%}" for digit, share in self.top(3))
        return f"Prediction({best}{', rejected' if self.rejected else ''})"

    def _repr_html_(self) -> str:
        """Frame and bars, for notebooks, light and dark."""
        bars = "".join(
            f'<tr><td style="text-align:right;padding:0 .5em">{digit}</td>'
            '<td style="width:12em;padding:0"><div style="height:.7em;border-radius:.2em;'
            f'width:{100 * share:.1f}%;background:{"#d55e00" if digit == self.digit else "#888"}">'
            f'</div></td><td style="text-align:right;padding:0 .5em">{share:.1%}</td></tr>'
            for digit, share in enumerate(self.probabilities)
        )
        verdict = "probably no digit" if self.rejected else f"{self.confidence:.1%}"
        return (
            '<div style="display:flex;gap:1.5em;align-items:center">'
            f'<img alt="the 28 by 28 frame" src="{frame_url(self.frame)}" '
            'style="width:140px;height:140px;image-rendering:pixelated">'
            f'<div style="text-align:center"><div style="font-size:3em;line-height:1.1">'
            f"{self.digit}</div>{verdict}</div>"
            f'<table style="font-size:.8em;line-height:1.2">{bars}</table></div>'
        )


def frame_url(frame: Frame) -> str:
    """A frame as the ``data:`` URL of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


class BatchPrediction(NamedTuple):
    """Predictions for many frames.

    Attributes:
        probabilities: of the digits 0 to 9, float32 ``[N, 10]``.
        scores: float32 ``[N]``; higher is more like a digit.
        rejected: bool ``[N]``; the score is below the threshold.
    """

    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    rejected: NDArray[np.bool_]


class Recognizer:
    """A network with its calibration: drawings in, :class:`Prediction` out.

    Args:
        model: maps normalised frames ``[N, 1, 28, 28]`` to logits ``[N, 10]``, or ``[N, 11]``
            where the last one stands for "no digit".
        card: its weights' card, with temperature and threshold; without one 1 and -inf.

    Attributes:
        model: a copy of the network given, in evaluation mode, without gradients.
        network: a faster copy of it, made once, which reads many frames at a time; see
            :func:`networks.optimize_for_inference`. Single frames go through onnxruntime.
    """

    def __init__(self, model: nn.Module, card: Card | None = None) -> None:
        self.card = card or Card(type(model).__name__)
        self.temperature, self.threshold = self.card.temperature, self.card.threshold
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.network = optimize_for_inference(self.model)

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
            ValueError: this is no picture that can be read; the message says what to change.
        """
        return self.predict_frame(to_frame(image))

    def predict_strokes(self, drawing: Sequence[NDArray[np.floating[Any]]]) -> Prediction:
        """Read the digit drawn by pen strokes: ``(n, 2)`` arrays, x right, y down, any unit.

        Taps far from everything else are left out (:func:`strokes.without_taps`).

        Raises:
            BlankDrawingError: there are no points.
            ValueError: a stroke has another shape, or NaN.
        """
        return self.predict_frame(strokes.render(strokes.without_taps(drawing)))

    def predict_frame(self, frame: Frame) -> Prediction:
        """Read the digit in one frame.

        Raises:
            ValueError: it is not uint8 ``[28, 28]``.
        """
        if frame.shape != (FRAME_SIZE, FRAME_SIZE) or frame.dtype != np.uint8:
            raise ValueError(f"A frame is uint8 [28, 28], not {frame.dtype} {[*frame.shape]}.")
        probabilities, scores = self._single.run(None, {"frames": frame[None]})
        score = float(scores[0])
        return Prediction(tuple(probabilities[0].tolist()), frame, score < self.threshold, score)

    @functools.cached_property
    def _single(self) -> InferenceSession:
        """What reads single frames, made for the first of them."""
        return make_session(self._reader())

    def _reader(self) -> OnnxReader:
        return OnnxReader(self.network, self.temperature, digit_score)

    def probabilities(self, frames: Tensor | NDArray[Any]) -> Tensor:
        """Probabilities ``[N, 10]`` for frames ``[N, 28, 28]`` in MNIST's convention.

        Beside the frames and the result, memory is that of ``CHUNK`` frames, whatever their number.

        Args:
            frames: uint8 0-255 or float 0-1; any number, they stream through.

        Raises:
            ValueError: wrong shape or type, NaN, or floats outside 0-1.
        """
        return self._stream(frames, self._softmax)

    def predict_batch(self, frames: Tensor | NDArray[Any]) -> BatchPrediction:
        """Probabilities, scores and rejections of frames ``[N, 28, 28]`` in MNIST's convention.

        Raises:
            ValueError: as :meth:`probabilities`.
        """
        logits = self.logits(frames)
        scores = digit_score(logits).numpy()
        return BatchPrediction(self._softmax(logits).numpy(), scores, scores < self.threshold)

    def logits(self, frames: Tensor | NDArray[Any]) -> Tensor:
        """The network's output before softmax and temperature, ``[N, 10]`` or ``[N, 11]``.

        Raises:
            ValueError: as :meth:`probabilities`.
        """
        return self._stream(frames, lambda logits: logits)

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the whole reading of frames as ONNX, for any runtime and any language.

        Its input ``frames`` is uint8 ``[N, 28, 28]``, as :func:`frame.to_frame`
        makes them, any number of them. Its outputs are ``probabilities``, float ``[N, 10]``, the
        temperature applied, and ``score``, float ``[N]``: a drawing whose score is below
        ``rejection_threshold`` in the file's metadata is probably no digit.
        """
        write_onnx(path, self._reader(), {"rejection_threshold": repr(self.threshold)})

    def _stream(self, frames: Tensor | NDArray[Any], finish: Callable[[Tensor], Tensor]) -> Tensor:
        """``finish`` of the logits of all frames, a chunk at a time."""
        frames = torch.as_tensor(frames)
        if frames.ndim != 3 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE):
            raise ValueError(f"frames are [N, 28, 28]; these are {tuple(frames.shape)}.")
        if frames.dtype != torch.uint8 and not frames.dtype.is_floating_point:
            raise ValueError(f"frames are uint8 0-255 or float 0-1, not {frames.dtype}.")
        result = None
        with torch.inference_mode():
            for start in range(0, max(len(frames), 1), CHUNK):
                part = finish(self.network(self._normalize(frames[start : start + CHUNK])))
                if result is None:
                    result = part.new_empty(len(frames), part.shape[1])
                result[start : start + CHUNK] = part
        assert result is not None  # at least one pass, perhaps over no frames
        return result

    def _normalize(self, frames: Tensor) -> Tensor:
        """Frames ``[N, 28, 28]`` as the network takes them, ``[N, 1, 28, 28]``."""
        if frames.dtype == torch.uint8:
            scaled = frames.float() / 255
        else:
            scaled = frames.to(torch.float32)
            if len(scaled) and not (scaled.min() >= 0 and scaled.max() <= 1):
                raise ValueError("float frames run from 0 to 1, without NaN: scale them first.")
        return normalize(scaled)[:, None]

    def _softmax(self, logits: Tensor) -> Tensor:
        return (logits[:, :10] / self.temperature).softmax(dim=1)


def digit_score(logits: Tensor) -> Tensor:
    """How much a frame is like a digit at all, ``[N]``, higher is more.

    With a "no digit" class the log-odds of all digits against it, else the energy score
    (Liu et al., 2020).
    """
    energy = logits[:, :10].logsumexp(dim=1)
    return energy - logits[:, 10] if logits.shape[1] > 10 else energy
