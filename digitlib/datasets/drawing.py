"""One stored drawing: its label, what was drawn, and what was predicted. Needs no PyTorch."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    FiniteFloat,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from digitlib.models.labels import NO_DIGIT
from digitlib.preprocessing import strokes as pen
from digitlib.preprocessing.frame import Frame, to_frame

MAX_BYTES = 2 * 2**20  # of a line: a photo of MAX_SIDE has up to about 1.6 MiB
MAX_POINTS = 10_000  # of a drawing: minutes with the pen down
MAX_COORDINATE = 1e9  # ms, too: eleven days
MAX_SIDE = 640  # px of a stored picture: preprocessing reduces larger ones itself
DECIMALS = 3  # of coordinates, in px of the pad

Stroke = NDArray[np.float64]


def _check_strokes(strokes: Any) -> tuple[Stroke, ...]:
    """The strokes as rounded arrays."""
    arrays = []
    for stroke in strokes:
        try:
            array = np.asarray(stroke)
        except ValueError:  # lists of different lengths
            array = np.empty(0)
        if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] not in (2, 4):
            raise ValueError("a stroke is a list of points: x and y, or x, y, ms and pressure")
        if not (len(array) and (np.abs(array) <= MAX_COORDINATE).all()):  # NaN fails, too
            raise ValueError(f"a stroke has 1 or more points, within ±{MAX_COORDINATE:g}")
        arrays.append(array.astype(np.float64).round(DECIMALS))
    if sum(map(len, arrays)) > MAX_POINTS:
        raise ValueError(f"a drawing has at most {MAX_POINTS:,} points")
    return tuple(arrays)


def _check_picture(picture: bytes) -> bytes:
    """Check the header of the PNG. Its pixels are checked by :func:`decode_picture`."""
    if picture:
        with _open(picture) as opened:
            if max(opened.size) > MAX_SIDE or opened.mode not in ("L", "RGB", "RGBA"):
                raise ValueError(f"a picture is gray or RGB of at most {MAX_SIDE} px")
    return picture


def _check_time(time: str) -> str:
    datetime.fromisoformat(time)
    return time


class _Prediction(BaseModel, strict=True, extra="forbid"):
    """The network's answer in a file."""

    probabilities: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=10, max_length=10)
    score: FiniteFloat
    rejected: bool


def _check_prediction(prediction: Mapping[str, Any]) -> Mapping[str, Any]:
    _Prediction.model_validate(prediction)
    return prediction


@dataclass(frozen=True, eq=False, config={"extra": "forbid"})
class Drawing:
    """A drawing or a picture of a digit, or of something else.

    Attributes:
        label: what it shows: 0 to 9, or ``NO_DIGIT``.
        strokes: ``(n, 4)`` arrays of x right, y down, ms and pressure, or ``(n, 2)`` arrays of x
            and y, in px of the pad, rounded; none for a picture.
        picture: PNG of at most ``MAX_SIDE`` px; empty for strokes.
        prediction: ``probabilities`` (of ten digits), ``score`` and ``rejected`` at the time, or
            None.
        weights: digest of the network that predicted.
        id: 32 hex digits.
        time: when it was stored, ISO 8601.

    Raises:
        pydantic.ValidationError: a value doesn't fit; see :func:`describe`.
    """

    label: Annotated[int, Field(strict=True, ge=0, le=NO_DIGIT)]
    strokes: Annotated[Sequence[Stroke], PlainValidator(_check_strokes)] = ()
    picture: Annotated[bytes, AfterValidator(_check_picture)] = b""
    prediction: Annotated[Mapping[str, Any], AfterValidator(_check_prediction)] | None = None
    weights: Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")] = ""
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = field(default_factory=lambda: uuid4().hex)
    time: Annotated[str, AfterValidator(_check_time)] = field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @model_validator(mode="after")
    def _check_content(self) -> Drawing:
        if bool(self.strokes) == bool(self.picture):
            raise ValueError("a drawing has either strokes or a picture")
        return self

    @property
    def predicted(self) -> int | None:
        """The label that the network gave it, or None."""
        if self.prediction is None:
            return None
        best = int(np.argmax(self.prediction["probabilities"]))
        return NO_DIGIT if self.prediction["rejected"] else best

    @property
    def points(self) -> list[Stroke]:
        """The strokes as ``(n, 2)`` arrays of x and y."""
        return [stroke[:, :2] for stroke in self.strokes]

    def frame(self) -> Frame:
        """The frame ``[4, 28, 28]`` of the strokes or the picture.

        Raises:
            BlankDrawingError: a picture without ink.
            ValueError: a damaged picture.
        """
        if self.strokes:
            return pen.render(self.points, drop_taps=True)
        return to_frame(decode_picture(self.picture))

    def to_line(self) -> bytes:
        """The drawing as a line of JSON, with its end of line.

        Raises:
            ValueError: it has more than ``MAX_BYTES``.
        """
        content: dict[str, Any] = {"strokes": [stroke.tolist() for stroke in self.strokes]}
        if self.picture:
            content = {"picture": base64.b64encode(self.picture).decode("ascii")}
        record = {name: getattr(self, name) for name in ("id", "time", "label")} | content
        record |= {"prediction": self.prediction, "weights": self.weights}
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        _check_size(line)
        return line

    @classmethod
    def from_line(cls, line: bytes) -> Drawing:
        """Read a line of JSON.

        Raises:
            ValueError: it isn't a drawing; the message is a sentence.
        """
        _check_size(line)
        try:
            record = json.loads(line.decode("utf-8"))
            if "picture" in record:
                record["picture"] = base64.b64decode(record["picture"], validate=True)
            return cls(**record)
        except ValidationError as error:
            raise ValueError(describe(error)) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("It isn't the JSON of a drawing.") from error


def describe(error: ValueError) -> str:
    """An error as one sentence; of a ValidationError, the first field that doesn't fit."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    if isinstance(inner := first.get("ctx", {}).get("error"), ValidationError):
        return describe(inner)
    place = ".".join(map(str, first["loc"])) or "drawing"
    return f"The field {place} doesn't fit: {first['msg'].removeprefix('Value error, ')}."


def _check_size(line: bytes) -> None:
    if len(line) > MAX_BYTES:
        size = f"{len(line) / 2**20:.1f} MiB"
        raise ValueError(f"A drawing has at most {MAX_BYTES // 2**20} MiB, this one {size}.")


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
        raise ValueError("the picture isn't a PNG") from error
