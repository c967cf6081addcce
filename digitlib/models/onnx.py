"""Networks as ONNX: files for whole batches, and the onnxruntime session for single frames.

One frame is so little work that most of PyTorch's time goes into preparing it; onnxruntime
prepares a network once.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from digitlib.files import atomic_write
from digitlib.models.inference import FrameClassifier
from digitlib.models.networks import reads_planes
from digitlib.preprocessing.frame import FRAME_SIZE
from digitlib.preprocessing.strokes import PLANES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 17  # onnxruntime 1.13 and later run it


def export_onnx(classifier: FrameClassifier) -> bytes:
    """The content of an ONNX file: uint8 ``frames`` in, ``probabilities`` and ``score`` out.

    Where the network has a pen branch, ``planes`` is a second, optional input.
    """
    import onnx

    names = ["frames", "planes"] if reads_planes(classifier.network) else ["frames"]
    device = next((weight.device for weight in classifier.parameters()), None)
    examples = (
        torch.zeros(2, FRAME_SIZE, FRAME_SIZE, dtype=torch.uint8, device=device),
        torch.zeros(2, len(PLANES), FRAME_SIZE, FRAME_SIZE, device=device),
    )
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            classifier.eval(),
            examples[: len(names)],
            content,  # type: ignore[arg-type]  # a file, the exporter takes it
            dynamo=False,  # the other exporter needs one more package
            opset_version=OPSET,
            input_names=names,
            output_names=["probabilities", "score"],
            dynamic_axes={name: {0: "N"} for name in ("frames", "probabilities", "score")}
            | {"planes": {0: "N or 1"}},
        )
    file = onnx.load_from_string(content.getvalue())
    if "planes" in names:  # an input with a value is optional; the one frame fits any number
        empty = np.zeros((1, len(PLANES), FRAME_SIZE, FRAME_SIZE), np.float32)
        file.graph.initializer.append(onnx.numpy_helper.from_array(empty, "planes"))
    return file.SerializeToString()


def write_onnx(
    path: str | os.PathLike[str], classifier: FrameClassifier, metadata: dict[str, str]
) -> None:
    """Write an ONNX file, whole or not at all; see :meth:`digitlib.Recognizer.export_onnx`."""
    import onnx

    file = onnx.load_from_string(export_onnx(classifier))
    onnx.helper.set_model_props(file, metadata)
    onnx.checker.check_model(file)
    with atomic_write(Path(path)) as partial:
        onnx.save(file, str(partial))


def make_session(classifier: FrameClassifier) -> InferenceSession:
    """The classifier, ready to run in this thread, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a frame is too little work to be shared
    options.log_severity_level = 3  # errors; it warns of the optional input
    return onnxruntime.InferenceSession(
        export_onnx(classifier), options, providers=["CPUExecutionProvider"]
    )
