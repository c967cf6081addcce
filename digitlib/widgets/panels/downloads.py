"""Links that save what is on the pad: as PNG, as the network's frame, as JSON."""

from __future__ import annotations

import base64
import html
import io
import json
from typing import Any

from PIL import Image

from digitlib.datasets.drawing import encode_picture
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.widgets.history import from_zero
from digitlib.widgets.pad import DrawingPad

DECIMALS = 3  # of coordinates, ms and pressure


def downloads_html(pad: DrawingPad) -> str:
    """Three links with the files in them; the names tell the answer. Nothing without one."""
    prediction = pad.prediction
    if prediction is None:
        return ""
    name = "no-digit" if prediction.rejected else f"digit-{prediction.digit}"
    shown, frame = io.BytesIO(), io.BytesIO()
    if pad.image is None:
        Image.fromarray(pad.picture()).save(shown, format="PNG")
    else:
        shown.write(encode_picture(pad.image))
    Image.fromarray(prediction.frame).save(frame, format="PNG")
    record = json.dumps(to_record(pad, shown.getvalue())).encode()
    what = "drawing" if pad.image is None else "picture"
    return (
        _link(f"{name}.png", "image/png", shown.getvalue(), "PNG", f"Save the {what} as PNG")
        + _link(f"{name}-frame.png", "image/png", frame.getvalue(), "Frame",
                "Save the 28 by 28 frame as PNG")
        + _link(f"{name}.json", "application/json", record, "JSON",
                f"Save the {what}, its prediction and the weights' digest as JSON")
    )  # fmt: skip


def to_record(pad: DrawingPad, png: bytes) -> dict[str, Any]:
    """What is on the pad, with the names that stored drawings have.

    Returns:
        ``strokes`` (lists of ``[x, y, ms, pressure]``, or ``[x, y]`` where a program drew), or
        ``picture`` (``png`` in base64); ``prediction`` and the digest of the ``weights``.
    """
    drawn: dict[str, Any] = {"picture": base64.b64encode(png).decode()}
    if pad.image is None:
        drawn = {"strokes": [trace.round(DECIMALS).tolist() for trace in from_zero(pad.traces)]}
    weights = pad.recognizer.weights if isinstance(pad.recognizer, Recognizer) else ""
    return drawn | {"prediction": _as_json(pad.prediction), "weights": weights}


def _as_json(prediction: Prediction) -> dict[str, Any]:
    return {
        "digit": prediction.digit,
        "probabilities": [*prediction.probabilities],
        "score": prediction.score,
        "rejected": prediction.rejected,
    }


def _link(file: str, kind: str, content: bytes, text: str, tip: str) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<a class="dp-action" download="{file}" href="data:{kind};base64,{data}" '
        f'title="{html.escape(tip)}" aria-label="{html.escape(tip)}">{text}</a>'
    )
