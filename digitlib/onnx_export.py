"""Networks as ONNX files that read whole frames: probabilities and score, no PyTorch needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from digitlib.preprocess import FRAME_SIZE, MNIST_MEAN, MNIST_STD

OPSET = 17  # onnxruntime 1.13 and later run it


class Reader(nn.Module):
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
        logits = self.network(((frames.float() / 255 - MNIST_MEAN) / MNIST_STD)[:, None])
        return (logits[:, :10] / self.temperature).softmax(dim=1), self.score(logits)


def write(path: str | os.PathLike[str], reader: Reader, metadata: dict[str, str]) -> None:
    """Write an ONNX file, whole or not at all; see :meth:`digitlib.Recognizer.export_onnx`.

    Raises:
        ImportError: the package ``onnx`` is missing; the message says how to get it.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "Exporting needs the package onnx: pip install 'digitlib[onnx]' has it."
        ) from error

    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    example = torch.zeros(2, FRAME_SIZE, FRAME_SIZE, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(
                reader.eval(),
                (example,),
                str(partial),
                dynamo=False,  # the other exporter needs one more package
                opset_version=OPSET,
                input_names=["frames"],
                output_names=["probabilities", "score"],
                dynamic_axes={name: {0: "N"} for name in ("frames", "probabilities", "score")},
            )
        file = onnx.load(str(partial))
        onnx.helper.set_model_props(file, metadata)
        onnx.checker.check_model(file)
        onnx.save(file, str(partial))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
