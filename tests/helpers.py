"""What several test files need: digits, pictures, the bundled network, a small training run."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import pictures
from digitlib.models.explain import Explainer
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.frame import frames_to_images, to_frame
from digitlib.preprocessing.strokes import render
from digitlib.training.config import TrainConfig
from digitlib.training.examples import Splits

Points = NDArray[np.float64]


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Part of an ellipse; 0 degrees points right, 90 down."""
    angle = np.radians(np.linspace(start, end, 40))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _line(*points: tuple[float, float]) -> Points:
    return np.array(points, dtype=float)


# Plain digits as most people write them, x right, y down, in a box of about 1 by 1.
DIGITS: dict[int, list[Points]] = {
    0: [_arc(0.5, 0.5, 0.32, 0.5, -90, 270)],
    1: [_line((0.25, 0.25), (0.5, 0.0), (0.5, 1.0))],
    2: [
        np.concatenate(
            [_arc(0.45, 0.28, 0.32, 0.28, 195, 380), _line((0.1, 1.0)), _line((0.8, 1.0))]
        )
    ],
    3: [
        np.concatenate(
            [_arc(0.4, 0.24, 0.3, 0.24, 200, 440), _arc(0.4, 0.74, 0.36, 0.26, -85, 155)]
        )
    ],
    4: [_line((0.35, 0.0), (0.0, 0.6), (0.8, 0.6)), _line((0.55, 0.3), (0.5, 1.0))],
    5: [
        np.concatenate(
            [_line((0.75, 0.0), (0.2, 0.0), (0.15, 0.45)), _arc(0.38, 0.7, 0.36, 0.3, -110, 150)]
        )
    ],
    6: [
        np.concatenate(
            [_line((0.6, 0.0), (0.28, 0.3), (0.15, 0.7)), _arc(0.45, 0.72, 0.3, 0.28, 180, -180)]
        )
    ],
    7: [_line((0.05, 0.0), (0.8, 0.0), (0.35, 1.0))],
    8: [
        _arc(0.45, 0.24, 0.26, 0.24, 90, 450),
        _arc(0.45, 0.74, 0.33, 0.26, -90, 270),
    ],
    9: [
        np.concatenate(
            [_arc(0.42, 0.28, 0.3, 0.28, 0, -360), _line((0.72, 0.3), (0.68, 0.7), (0.6, 1.0))]
        )
    ],
}


def to_image(picture: Any) -> NDArray[np.uint8]:
    """The ink of a picture's frame, ``[28, 28]``, 0-255."""
    return frames_to_images(to_frame(picture))


def draw_image(strokes: Sequence[Points], **options: Any) -> NDArray[np.uint8]:
    """The ink of a drawing's frame, ``[28, 28]``, 0-255."""
    return frames_to_images(render(strokes, **options))


def write(text: str, gap: float = 0.25, down: float = 0.0) -> list[Points]:
    """The strokes of a number, its digits about 1 high.

    Args:
        text: digits.
        gap: from the right side of a digit to the left side of the next one.
        down: y of the digits' upper side.
    """
    strokes: list[Points] = []
    right = 0.0
    for character in text:
        digit = DIGITS[int(character)]
        across = np.concatenate(digit)[:, 0]
        offset = np.array([right - across.min(), down])
        strokes += [stroke + offset for stroke in digit]
        right += float(np.ptp(across)) + gap
    return strokes


def coverage(
    strokes: Sequence[Points],
    *,
    page: tuple[int, int] = (200, 200),
    height: float = 110,
    brush: float = 12,
    middle: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """How far each pixel of a page is covered by ink, ``[H, W]``, 0-1: a round, soft-edged brush.

    Args:
        strokes: ``(n, 2)`` arrays.
        page: height and width, px.
        height: px of the longer side of the strokes' bounding box.
        brush: diameter, px.
        middle: x and y of the drawing's middle; the page's without.
    """
    offset = (0.0, 0.0) if middle is None else (middle[0] - page[1] / 2, middle[1] - page[0] / 2)
    return pictures.coverage(strokes, page, brush, height, offset)


def paint(
    ink: NDArray[np.float64],
    paper: tuple[int, ...] = (255, 255, 255),
    pen: tuple[int, ...] = (0, 0, 0),
) -> NDArray[np.uint8]:
    """Ink coverage ``[H, W]`` in colors: uint8 ``[H, W, 3]``."""
    blend = ink[..., None]
    return np.rint((1 - blend) * np.array(paper) + blend * np.array(pen)).astype(np.uint8)


def page(digit: int, **options: object) -> NDArray[np.uint8]:
    """A digit in black on white, as a paint program has it: uint8 ``[H, W]``."""
    return np.rint(255 * (1 - coverage(DIGITS[digit], **options))).astype(np.uint8)  # type: ignore[arg-type]


@cache
def bundled() -> Recognizer:
    """The recognizer with the bundled weights, loaded once."""
    return Recognizer.load()


@cache
def explainer() -> Explainer:
    """The explainer of the bundled network, made once."""
    return Explainer(bundled())


def pictures_in(html: str) -> list[NDArray[np.uint8]]:
    """The PNG pictures that a page contains, in its order."""
    found = re.findall(r'"data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def small_config(**changes: object) -> TrainConfig:
    """A training run of a second: a narrow network on a few of scikit-learn's digits."""
    values: dict[str, object] = {
        "model_arguments": {"width": 4},
        "datasets": ("sample",),
        "epochs": 3,
        "batch_size": 64,
        "subset": 256,
        "device": "cpu",
    }
    return TrainConfig(**(values | changes))  # type: ignore[arg-type]


@cache
def _whole_sample() -> Splits:
    return Splits.load(small_config(subset=None))


@cache
def sample_splits(subset: int | None = 256) -> Splits:
    """The data of ``small_config``, made once."""
    whole = _whole_sample()
    return Splits(
        tuple(part.subset(subset) for part in whole.train),
        tuple(part.subset(subset) for part in whole.validation),
    )
