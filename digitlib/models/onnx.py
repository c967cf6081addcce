"""Networks as ONNX: files that read whole frames, and the engine that reads single ones.

One frame is so little work that most of PyTorch's time goes into preparing it; onnxruntime
prepares a network once.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from digitlib.preprocessing.frame import FRAME_SIZE, normalize

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 17  # onnxruntime 1.13 and later run it


class OnnxReader(nn.Module):
    """All that lies between a frame and its probabilities, as one module.

    Args:
        network: normalised frames ``[N, 1, 28, 28]`` to logits ``[N, 10]`` or more.
        temperature: that the logits are divided by.
        score: logits to how much each frame is like a digit, ``[N]``.
    """

    def __init__(
        self, network: nn.Module, temperature: float, score: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.network, self.temperature, self.score = network, temperature, score

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities ``[N, 10]`` and scores ``[N]`` of uint8 frames ``[N, 28, 28]``."""
        logits = self.network(normalize(frames.float() / 255)[:, None])
        return (logits[:, :10] / self.temperature).softmax(dim=1), self.score(logits)


def export_onnx(reader: OnnxReader) -> bytes:
    """The reader as an ONNX file's content: ``frames`` in, ``probabilities`` and ``score`` out."""
    device = next((weight.device for weight in reader.parameters()), None)
    example = torch.zeros(2, FRAME_SIZE, FRAME_SIZE, dtype=torch.uint8, device=device)
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            reader.eval(),
            (example,),
            content,  # type: ignore[arg-type]  # a file, the exporter takes it
            dynamo=False,  # the other exporter needs one more package
            opset_version=OPSET,
            input_names=["frames"],
            output_names=["probabilities", "score"],
            dynamic_axes={name: {0: "N"} for name in ("frames", "probabilities", "score")},
        )
    return content.getvalue()


def write_onnx(path: str | os.PathLike[str], reader: OnnxReader, metadata: dict[str, str]) -> None:
    """Write an ONNX file, whole or not at all; see :meth:`digitlib.Recognizer.export_onnx`."""
    import onnx

    file = onnx.load_from_string(export_onnx(reader))
    onnx.helper.set_model_props(file, metadata)
    onnx.checker.check_model(file)
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        onnx.save(file, str(partial))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def make_session(reader: OnnxReader) -> InferenceSession:
    """The reader, ready to run in this thread, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a frame is too little work to be shared
    return onnxruntime.InferenceSession(
        export_onnx(reader), options, providers=["CPUExecutionProvider"]
    )
