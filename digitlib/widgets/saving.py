"""Two links beside the brushes that save the drawing: as a PNG, and as JSON with its prediction."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image

from digitlib.datasets.drawing import encode_picture
from digitlib.models.recognizer import Recognizer
from digitlib.widgets.history import from_zero
from digitlib.widgets.pad import DrawingPad

DECIMALS = 3  # of coordinates, ms and pressure


def downloads_html(pad: DrawingPad) -> str:
    """The two links, with the files inside them; empty while the pad has no prediction."""
    prediction = pad.prediction
    if prediction is None:
        return ""
    name = "not-a-digit" if prediction.rejected else f"digit-{prediction.digit}"
    what, png = "drawing" if pad.image is None else "picture", _png(pad)
    return _link(f"{name}.png", "image/png", png, f"Save the {what} as PNG") + _link(
        f"{name}.json",
        "application/json",
        json.dumps(to_record(pad, png)).encode(),
        f"Save the {what} and its prediction as JSON",
    )


def _png(pad: DrawingPad) -> bytes:
    if pad.image is not None:
        return encode_picture(pad.image)
    buffer = io.BytesIO()
    Image.fromarray(pad.picture()).save(buffer, format="PNG")
    return buffer.getvalue()


def to_record(pad: DrawingPad, png: bytes) -> dict[str, Any]:
    """The content of the pad under the names that stored drawings use.

    Returns:
        ``strokes`` (lists of ``[x, y, ms, pressure]``, or ``[x, y]`` from a program), or
        ``picture`` (``png`` in base64); ``prediction``; the checksum of the ``weights``.
    """
    drawn: dict[str, Any] = {"picture": base64.b64encode(png).decode()}
    if pad.image is None:
        drawn = {"strokes": [trace.round(DECIMALS).tolist() for trace in from_zero(pad.traces)]}
    names = ("digit", "probabilities", "score", "rejected")
    prediction = {name: getattr(pad.prediction, name) for name in names}
    weights = pad.recognizer.weights if isinstance(pad.recognizer, Recognizer) else ""
    return drawn | {"prediction": prediction, "weights": weights}


def _link(file: str, kind: str, content: bytes, tip: str) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<a class="dp-button" download="{file}" href="data:{kind};base64,{data}" '
        f'title="{tip}" aria-label="{tip}">{file.rpartition(".")[2].upper()}</a>'
    )
