"""One stored drawing: its right label, what was drawn, and what was predicted. No PyTorch."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from digitlib.datasets.labels import NO_DIGIT
from digitlib.preprocessing import strokes as pen
from digitlib.preprocessing.frame import Frame, to_frame

MAX_BYTES = 2 * 2**20  # of a line: a photo of MAX_SIDE has up to about 1.6 MiB
MAX_POINTS = 10_000  # of a drawing: minutes with the pen down
MAX_COORDINATE = 1e9  # ms, too: eleven days
MAX_SIDE = 640  # px of a stored picture: preprocessing reduces larger ones itself
DECIMALS = 3  # of coordinates, in px of the pad
_FIELDS = {"id", "time", "label", "prediction", "weights"}  # and either strokes or picture
_ID = re.compile(r"[0-9a-f]{32}")
_WEIGHTS = re.compile(r"[0-9a-f]{0,64}")

Stroke = NDArray[np.float64]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawing or a picture of a digit, or of what is none.

    Attributes:
        label: what it really is: 0 to 9, or ``NO_DIGIT``.
        strokes: ``(n, 4)`` arrays of x right, y down, ms and pressure, or ``(n, 2)`` ones of x and
            y alone, in px of the pad, rounded; none for a picture.
        picture: PNG of at most ``MAX_SIDE`` px; empty for strokes.
        prediction: ``probabilities`` (of ten digits), ``score`` and ``rejected`` at the time, or
            None.
        weights: digest of the network that predicted.
        id: 32 hex digits of its own.
        time: when it was stored, ISO 8601.

    Raises:
        ValueError: a value does not fit; the message is a sentence.
    """

    label: int
    strokes: Sequence[Stroke] = ()
    picture: bytes = b""
    prediction: Mapping[str, Any] | None = None
    weights: str = ""
    id: str = field(default_factory=lambda: uuid4().hex)
    time: str = field(default_factory=_now)

    def __post_init__(self) -> None:
        if type(self.label) is not int or not 0 <= self.label <= NO_DIGIT:
            raise ValueError(f"The label is 0 to {NO_DIGIT}, not {_short(self.label)}.")
        if bool(len(self.strokes)) == bool(self.picture):
            raise ValueError("A drawing has either strokes or a picture.")
        object.__setattr__(self, "strokes", _check_strokes(self.strokes))
        _check_picture(self.picture)
        _check_prediction(self.prediction)
        for name, pattern in (("id", _ID), ("weights", _WEIGHTS)):
            value = getattr(self, name)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise ValueError(f"The field {name} is hex digits, not {_short(value)}.")
        _check_time(self.time)

    @property
    def predicted(self) -> int | None:
        """The label that the network gave it; None where none was asked."""
        if self.prediction is None:
            return None
        rejected, shares = self.prediction["rejected"], self.prediction["probabilities"]
        return NO_DIGIT if rejected else int(np.argmax(shares))

    @property
    def points(self) -> list[Stroke]:
        """The strokes as ``(n, 2)`` arrays of x and y."""
        return [stroke[:, :2] for stroke in self.strokes]

    def frame(self) -> Frame:
        """The frame ``[28, 28]`` of the strokes or the picture.

        Raises:
            BlankDrawingError: a picture without ink.
            ValueError: a damaged picture.
        """
        if self.strokes:
            return pen.render(pen.drop_stray_taps(self.points))
        return to_frame(decode_picture(self.picture))

    def to_line(self) -> bytes:
        """The drawing as a line of JSON, with its end of line.

        Raises:
            ValueError: it has more than ``MAX_BYTES``.
        """
        content: dict[str, Any] = (
            {"strokes": [stroke.tolist() for stroke in self.strokes]}
            if self.strokes
            else {"picture": base64.b64encode(self.picture).decode("ascii")}
        )
        record = {name: getattr(self, name) for name in ("id", "time", "label")} | content
        record |= {"prediction": self.prediction, "weights": self.weights}
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        _check_size(line)
        return line

    @classmethod
    def from_line(cls, line: bytes) -> Drawing:
        """Read a line of JSON.

        Raises:
            ValueError: it is no drawing; the message is a sentence.
        """
        _check_size(line)
        try:
            record = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError("It is no JSON.") from error
        if not isinstance(record, dict):
            raise ValueError("It is no JSON object.")
        if record.keys() not in (_FIELDS | {"strokes"}, _FIELDS | {"picture"}):
            raise ValueError(
                f"Its fields are {_short(', '.join(record))}, in place of "
                f"{', '.join(sorted(_FIELDS))} and strokes or picture."
            )
        if "picture" in record:
            record["picture"] = _from_base64(record["picture"])
        return cls(**record)


def _short(value: Any) -> str:
    """A value for a message, of bounded length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check_size(line: bytes) -> None:
    if len(line) > MAX_BYTES:
        size = f"{len(line) / 2**20:.1f} MiB"
        raise ValueError(f"A drawing has at most {MAX_BYTES // 2**20} MiB, this one {size}.")


def _check_strokes(strokes: Any) -> tuple[Stroke, ...]:
    """The strokes as rounded arrays."""
    if not isinstance(strokes, Sequence):
        raise ValueError("Strokes are a list of lists of points.")
    arrays = tuple(map(_check_stroke, strokes))
    if sum(map(len, arrays)) > MAX_POINTS:
        raise ValueError(f"A drawing has at most {MAX_POINTS:,} points.")
    return arrays


def _check_stroke(stroke: Any) -> Stroke:
    array = _numbers(stroke)
    if array.ndim != 2 or not len(array) or array.shape[1] not in (2, 4):
        raise ValueError("A stroke is a list of points, each x and y, or x, y, ms and pressure.")
    if not (np.abs(array) <= MAX_COORDINATE).all():  # nor is NaN
        raise ValueError(f"A stroke has numbers that are not within ±{MAX_COORDINATE:g}.")
    return array.round(DECIMALS)


def _numbers(values: Any) -> Stroke:
    """Numbers as an array, which is empty where they are none or lists of different lengths."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return np.empty(0)
    return array.astype(np.float64) if array.dtype.kind in "iuf" else np.empty(0)


def _check_prediction(prediction: Any) -> None:
    if prediction is None:
        return
    if not isinstance(prediction, Mapping) or {*prediction} != {
        "probabilities", "score", "rejected",
    }:  # fmt: skip
        raise ValueError("A prediction is null, or probabilities, score and rejected.")
    shares, score = (_numbers(prediction[name]) for name in ("probabilities", "score"))
    if shares.shape != (10,) or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("Probabilities are ten numbers from 0 to 1.")
    if score.shape or not np.isfinite(score):
        raise ValueError("The score is a finite number.")
    if type(prediction["rejected"]) is not bool:
        raise ValueError("The field rejected is true or false.")


def _check_time(time: Any) -> None:
    try:
        datetime.fromisoformat(time)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The time is in ISO 8601, not {_short(time)}.") from error


# --- pictures ------------------------------------------------------------------------------


def encode_picture(image: NDArray[np.uint8]) -> bytes:
    """A picture ``[H, W]`` or ``[H, W, 3]`` or ``[H, W, 4]`` as PNG, reduced to ``MAX_SIDE``."""
    from PIL import Image

    picture, buffer = Image.fromarray(image), io.BytesIO()
    picture.reduce(-(-max(picture.size) // MAX_SIDE)).save(buffer, format="PNG")
    return buffer.getvalue()


def decode_picture(picture: bytes) -> NDArray[np.uint8]:
    """The pixels of a stored picture.

    Raises:
        ValueError: it is damaged.
    """
    with _open(picture) as opened:
        try:
            return np.asarray(opened)
        except Exception as error:  # Pillow's errors have no other class in common
            raise ValueError(f"The picture is damaged ({error}).") from error


def _open(picture: bytes) -> Any:
    from PIL import Image

    try:
        return Image.open(io.BytesIO(picture), formats=["PNG"])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError("The picture is no PNG.") from error


def _check_picture(picture: Any) -> None:
    """A look at the head of the PNG; its pixels are read where they are needed."""
    if picture:
        with _open(picture) as opened:
            if max(opened.size) > MAX_SIDE or opened.mode not in ("L", "RGB", "RGBA"):
                raise ValueError(
                    f"A picture is grey or RGB of at most {MAX_SIDE} px, not {opened.mode} of "
                    f"{opened.width}×{opened.height}."
                )


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise ValueError("The picture is not in base64.") from error
