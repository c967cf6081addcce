"""The bundled network as a graph of operators, for network.js; needs onnx."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import onnx
from onnx import numpy_helper

from digitlib.errors import WeightsError
from digitlib.models.card import BUNDLED_NETWORK
from digitlib.models.recognizer import Recognizer

# Operators of network.js, with the values of attributes that it doesn't read.
OPERATORS: dict[str, dict[str, Any]] = {
    "Div": {}, "Slice": {}, "Sub": {},
    "Conv": {"dilations": [1, 1], "group": 1},
    "Flatten": {"axis": 1},
    "Gather": {"axis": 1},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transB": 1},
    "MaxPool": {"ceil_mode": 0, "dilations": [1, 1], "pads": [0] * 4},
    "ReduceLogSumExp": {"axes": [1], "keepdims": 0},
    "Softmax": {"axis": 1},
}  # fmt: skip
# Attributes that it reads: one number for all directions.
READ = ("kernel_shape", "pads", "strides")
SLICED = {3: [1], 4: [1]}  # inputs of Slice that it doesn't read: axes and steps


def thresholds() -> dict[str, float]:
    """Thresholds of the bundled network's score."""
    recognizer = Recognizer.load()
    return {"pictures": recognizer.threshold, "strokes": recognizer.stroke_threshold}


def weights() -> str:
    """Digest of the bundled network's weights."""
    return Recognizer.load().weights


@cache
def graph(content: bytes | None = None) -> dict[str, Any]:
    """Nodes in order, constants by name, and the weights, float32, in base64.

    Args:
        content: of an ONNX file; without, the bundled network.

    Raises:
        WeightsError: network.js can't run the file: it has another operator, attribute or type.
    """
    model = onnx.load_from_string(content or BUNDLED_NETWORK.read_bytes())
    nodes: list[dict[str, Any]] = []
    constants: dict[str, dict[str, Any]] = {}
    packed = b""
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != "float32":
            raise WeightsError(f"The page can't use weights of type {array.dtype}: {tensor.name}.")
        constants[tensor.name] = {"dims": array.shape, "start": len(packed) // 4}
        packed += array.astype("<f4").tobytes()
    for node in model.graph.node:
        kind, inputs, (output,) = node.op_type, [*node.input], node.output
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if kind == "Constant":
            array = numpy_helper.to_array(attributes["value"])
            constants[output] = {"dims": array.shape, "data": array.ravel()}
            continue
        last: dict[str, Any] = nodes[-1] if nodes else {"operator": "", "output": ""}
        if kind == "Relu" and last["operator"] == "Conv" and inputs == [last["output"]]:
            last["output"], last["attributes"]["relu"] = output, 1  # in one step
            continue
        if kind not in OPERATORS:
            raise WeightsError(f"The page can't run the operator {kind} ({node.name}).")
        numbers = {}  # attributes for network.js
        for name, value in attributes.items():
            if value != OPERATORS[kind].get(name):
                if name not in READ or len({*value}) != 1:
                    raise WeightsError(f"The page can't run {kind} with {name} {value}.")
                numbers[name] = value[0]
        if kind == "Slice" and any([*constants[inputs[n]]["data"]] != SLICED[n] for n in SLICED):
            raise WeightsError(f"The page can't run {node.name}: it slices only channels.")
        nodes.append({"operator": kind, "inputs": inputs, "output": output, "attributes": numbers})
    return {"nodes": nodes, "constants": constants, "weights": base64.b64encode(packed).decode()}
