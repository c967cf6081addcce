"""Pages with handwritten numbers on them: sheets with rulings, rings and print, and forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from digitlib.preprocessing.strokes import rasterize

Points = NDArray[np.float64]

FIELD, WRITTEN = 190, 74  # px: height of a form's field, and of a digit in it
PRINT = (
    "Please write in capital letters", "Amount due in full", "Invoice number and date",
    "Name of the account holder", "Return this form by post", "Total including shipping",
)  # fmt: skip


def page(
    strokes: Sequence[Points] | None, seed: int, *, ruled: bool = True, printed: bool = True
) -> Image.Image:
    """A sheet with a number, or none, and a coffee ring.

    Args:
        strokes: of the number, in any unit; None for none.
        seed: of paper, ruling, ring, print and places.
        ruled: with ruling.
        printed: with a line of print beside the number.

    Returns:
        A color picture (mode ``RGB``), 720 px wide.
    """
    random = RandomState(seed)
    height, width = int(random.randint(480, 620)), 720
    sheet = np.array([(248, 247, 243), (250, 244, 226), (255, 255, 255)][random.randint(3)], float)
    scene = np.tile(sheet, (height, width, 1))
    if ruled:
        step = random.uniform(38, 70)
        y = np.arange(height)[:, None] + np.zeros((1, width))
        lines = np.clip(1.5 - np.abs((y - step * random.rand()) % step - step / 2), 0, 1) * 0.6
        scene = _blend(scene, lines, (150, 175, 215))
    top = random.rand() < 0.5  # the number is in the upper half, the ring in the lower
    scene = _blend(scene, *_coffee_ring((height, width), not top, random))
    if strokes is not None:
        scene = _blend(scene, _written(strokes, (height, width), top, random), (30, 35, 70))
    drawn = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if printed:
        _print_line(drawn, top, random)
    grain = random.uniform(0, 4) * random.randn(height, width, 1)
    noisy = np.clip(np.asarray(drawn, float) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(noisy).filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))


def form(numbers: Mapping[str, Sequence[Points]], seed: int) -> Image.Image:
    """A form: below each printed label, on a line, a number in pen.

    Args:
        numbers: label → strokes, in heights of a usual digit.
        seed: of the grain of the paper.

    Returns:
        A gray picture (mode ``L``), 640 px wide.
    """
    random = RandomState(seed)
    shape = FIELD * len(numbers) + 20, 640
    scene = np.full((*shape, 1), 246.0)
    for place, strokes in enumerate(numbers.values()):
        points = np.concatenate(list(strokes))
        low, high = points.min(axis=0), points.max(axis=0)
        height = min(WRITTEN, 520 / (high[0] - low[0]))
        base = FIELD * (place + 1) - 8
        corner = np.array([60, base - 4 - (high[1] - low[1]) * height])
        moved = [(stroke - low) * height + corner for stroke in strokes]
        scene = _blend(scene, rasterize(moved, shape, 0.07 * height), (45,))
        scene[base + 4 : base + 6, 40:600] = 170
    drawn = Image.fromarray(scene[..., 0].astype(np.uint8))
    for place, label in enumerate(numbers):
        font = _font("DejaVuSans.ttf", 17)
        ImageDraw.Draw(drawn).text((40, FIELD * place + 14), label, 90, font)
    grain = 2 * random.randn(*shape)
    return Image.fromarray(np.clip(np.asarray(drawn) + grain, 0, 255).astype(np.uint8))


def _blend(
    scene: NDArray[np.float64], opacity: NDArray[np.float64], color: tuple[int, ...]
) -> NDArray[np.float64]:
    return scene * (1 - opacity[..., None]) + np.array(color) * opacity[..., None]


def _written(
    strokes: Sequence[Points], shape: tuple[int, int], top: bool, random: RandomState
) -> NDArray[np.float64]:
    """Coverage of a number in the middle of the upper or lower half of the page."""
    points = np.concatenate(list(strokes))
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = high - low
    height = min(random.uniform(50, 90), 0.85 * shape[1] / wide, 0.34 * shape[0] / tall)
    left = random.uniform(0.05, 0.95) * (0.92 * shape[1] - wide * height) + 0.04 * shape[1]
    middle = shape[0] * (0.3 if top else 0.7)
    corner = np.array([max(left, 10), middle - tall * height / 2])
    moved = [(stroke - low) * height + corner for stroke in strokes]
    return rasterize(moved, shape, height * random.uniform(0.06, 0.1))


def _coffee_ring(
    shape: tuple[int, int], top: bool, random: RandomState
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Opacity and color of a ring that a cup left: uneven, darkest at its rim, open somewhere."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(float)
    radius = random.uniform(0.13, 0.2) * height
    cx, cy = random.uniform(0.2, 0.8) * width, height * (0.26 if top else 0.74)
    angle = np.arctan2(y - cy, x - cx)
    distance = np.hypot(x - cx, (y - cy) * random.uniform(0.95, 1.05))
    tones = sum(random.randn() * np.cos(k * angle + random.uniform(0, 6.3)) / k for k in (1, 2, 3))
    thick = random.uniform(2, 5) * (1 + 0.2 * tones)
    rim = np.exp(-(((distance - radius) / np.maximum(thick, 0.8)) ** 2))
    stain = 0.12 * (distance < radius) * random.rand()
    opacity = np.clip(random.uniform(0.35, 0.8) * (1 + 0.4 * tones), 0, 0.9) * rim
    return np.maximum(opacity, stain), (130, 85, 45)


def _print_line(drawn: Image.Image, top: bool, random: RandomState) -> None:
    """A line of print at the page's head or foot, on the number's side."""
    name = random.choice(["DejaVuSans.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf"])
    font = _font(name, int(random.randint(18, 34)))
    place = (random.uniform(20, 120), drawn.height * (0.03 if top else 0.9))
    ImageDraw.Draw(drawn).text(place, PRINT[random.randint(len(PRINT))], (40, 40, 40), font)


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that matplotlib brings."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size)
