"""Export PyTorch networks as ONNX, the format that :class:`Recognizer` reads.

It needs PyTorch and onnx. Reading with the bundled network, which is ONNX already, doesn't.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from digitlib.files import write_bytes
from digitlib.models import checksum
from digitlib.models.card import BUNDLED_NETWORK, BUNDLED_WEIGHTS, EMBEDDING, FORMAT, Card
from digitlib.models.inference import digit_score, optimize_for_inference
from digitlib.models.networks import as_input, count_parameters
from digitlib.models.weights import load_model, model_digest
from digitlib.preprocessing.frame import CHANNELS, FRAME_SIZE, MNIST_MEAN, MNIST_STD

OPSET = 17  # needs onnxruntime 1.13
OUTPUTS = ("probabilities", "score", "logits")


class FrameClassifier(nn.Module):
    """The whole computation from frames to probabilities, scores and logits.

    Args:
        network: normalized frames ``[N, 4, 28, 28]`` to logits ``[N, 10]``, or ``[N, 11]`` with a
            last class for "not a digit".
        temperature: divisor of the logits before softmax.

    Attributes:
        activations: of the last frames: the output of every ReLU, by part and number (``early 1``,
            ``pen 2``), and ``embedding``, the input of the last linear layer of the trunk.
    """

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = optimize_for_inference(network, relu_first=True)
        self.temperature = temperature
        self.normalizes = not _normalize_in_weights(self.network)
        self.activations: dict[str, Tensor] = {}
        numbers: Counter[str] = Counter()
        last = None
        for path, module in self.network.named_modules():
            part = path.partition(".")[0] if "." in path else "layer"
            if isinstance(module, nn.ReLU):
                numbers[part] += 1
                module.register_forward_hook(partial(self._keep, f"{part} {numbers[part]}"))
            elif isinstance(module, nn.Linear):
                last = module
        if last is not None:
            last.register_forward_pre_hook(partial(self._keep, EMBEDDING))

    def _keep(
        self, name: str, module: nn.Module, given: tuple[Tensor], output: Tensor | None = None
    ) -> None:
        """Hook: store a module's output, or its input before it runs."""
        self.activations[name] = given[0] if output is None else output

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Probabilities, scores, logits and activations of frames ``[N, 4, 28, 28]``."""
        self.activations.clear()
        logits = self.network(as_input(frames) if self.normalizes else frames)
        probabilities = (logits[:, :10] / self.temperature).softmax(dim=1)
        return probabilities, digit_score(logits), logits, *self.activations.values()


@torch.no_grad()
def _normalize_in_weights(network: nn.Module) -> bool:
    """Merge the normalization of the ink into the first layer, unless that has padding.

    Padding would then have another shade. The return value says whether it was merged.
    """
    first = next(layer for layer in network.modules() if not [*layer.children()])
    if not isinstance(first, nn.Conv2d) or first.padding != (0, 0):
        return False
    bias = torch.zeros(first.out_channels) if first.bias is None else first.bias
    ink = first.weight[:, 0].div_(MNIST_STD)
    first.bias = nn.Parameter(bias - MNIST_MEAN * ink.sum(dim=(1, 2)))
    return True


def to_onnx(model: nn.Module, card: Card | None = None) -> bytes:
    """The content of an ONNX file with a network and its card.

    :meth:`Recognizer.export_onnx` describes the file. The model is not changed.

    Args:
        model: maps normalized frames ``[N, 4, 28, 28]`` to logits ``[N, 10]``, or ``[N, 11]``
            with a last class for "not a digit".
        card: with temperature and thresholds; 1 and -inf without a card.
    """
    model = copy.deepcopy(model).cpu().float().eval()
    card = card or Card(type(model).__name__)
    classifier = FrameClassifier(model, card.temperature).eval()
    inputs = {"frames": torch.zeros(2, len(CHANNELS), FRAME_SIZE, FRAME_SIZE)}
    classifier(*inputs.values())  # fills in the names of its activations
    axes = {name: {0: "N"} for name in ("frames", *OUTPUTS, EMBEDDING)}
    names = [*OUTPUTS, *classifier.activations]
    file = export_module(classifier, inputs, names, axes)
    kept = [each for each in file.graph.output if each.name in (*OUTPUTS, EMBEDDING)]
    del file.graph.output[:]  # an Explainer makes the other activations outputs again
    file.graph.output.extend(kept)
    metadata = {
        "parameters": str(count_parameters(model)),
        "weights": model_digest(model),
        "activations": json.dumps([*classifier.activations]),
        "rejection_threshold": repr(card.threshold),
    }
    if card.stroke_threshold is not None:
        metadata["stroke_rejection_threshold"] = repr(card.stroke_threshold)
    return add_card(file, card.to_json(), metadata)


def export_module(
    module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str],
    axes: dict[str, dict[int, str]],
) -> onnx.ModelProto:  # fmt: skip
    """A PyTorch module as an ONNX model.

    Args:
        module: in evaluation mode.
        inputs: name → example, in the order of its arguments.
        outputs: their names, in order.
        axes: name → the axes of any length, with their names.
    """
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            content,  # type: ignore[arg-type]  # the exporter accepts files
            dynamo=False,  # the other exporter needs one more package
            opset_version=OPSET,
            input_names=[*inputs],
            output_names=[*outputs],
            dynamic_axes=axes,
        )
    return onnx.load_from_string(content.getvalue())


def add_card(file: onnx.ModelProto, card: dict[str, Any], metadata: dict[str, str]) -> bytes:
    """The content of an ONNX file with a card, more metadata, and a checksum."""
    seal = {checksum.NAME: checksum.PLACEHOLDER}
    onnx.helper.set_model_props(
        file, metadata | seal | {"format": FORMAT, "card": json.dumps(card)}
    )
    onnx.checker.check_model(file)
    return checksum.add_checksum(file.SerializeToString())


def export_bundled() -> None:
    """Write the bundled network as ONNX from the bundled weights."""
    write_bytes(BUNDLED_NETWORK, to_onnx(*load_model(BUNDLED_WEIGHTS)))
