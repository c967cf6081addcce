"""Two links below the pad that save the drawing: as a PNG, and as JSON with its prediction."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image

from digitlib.datasets.drawing import encode_picture
from digitlib.models.recognizer import Recognizer
from digitlib.numbers.reading import Reading
from digitlib.widgets.history import from_zero
from digitlib.widgets.pad import DrawingPad

DECIMALS = 3  # of coordinates, ms and pressure


def downloads_html(pad: DrawingPad) -> str:
    """The two links, with the files inside them; empty while the pad has no prediction."""
    found = pad.prediction
    if found is None:
        return ""
    if isinstance(found, Reading):
        name = f"number-{found.text.replace('?', 'x')}".replace("\n", "-")
    else:
        name = "not-a-digit" if found.rejected else f"digit-{found.digit}"
    png = _png(pad)
    record = json.dumps(to_record(pad, png)).encode()
    return _link(f"{name}.png", "image/png", png, "Save as a picture (PNG)") + _link(
        f"{name}.json", "application/json", record, "Save with the answer (JSON)"
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
        drawn = {"strokes": to_lists(pad)}
    found, names = pad.prediction, ["digit", "probabilities", "score", "rejected"]
    if isinstance(found, Reading):
        names = ["text", "rejected"]
    prediction = {name: getattr(found, name) for name in names}
    weights = pad.recognizer.weights if isinstance(pad.recognizer, Recognizer) else ""
    return drawn | {"prediction": prediction, "weights": weights}


def to_lists(pad: DrawingPad) -> list[Any]:
    """The strokes as rounded lists, with time starting at 0."""
    return [trace.round(DECIMALS).tolist() for trace in from_zero(pad.traces)]


def _link(file: str, kind: str, content: bytes, tip: str) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<a class="dp-switch" download="{file}" href="data:{kind};base64,{data}" '
        f'title="{tip}">Save {file.rpartition(".")[2].upper()}</a>'
    )
