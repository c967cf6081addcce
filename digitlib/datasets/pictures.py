"""Simulated pictures of pen strokes, for evaluation: canvas drawings and photos of paper.

They are not used in training. They replace uploads of users when the conditions must be known:
brush and size on a canvas; light, paper, ruling, pen, noise, blur and JPEG of a photo.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digitlib.datasets.pen import extent
from digitlib.preprocessing.strokes import Strokes, rasterize, validate_strokes


def canvas(
    strokes: Strokes,
    *,
    size: int = 280,
    brush: float = 14,
    height: float = 180,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Image.Image:
    """Draw strokes as a paint program does: black on white, round brush, anti-aliased.

    Args:
        strokes: ``(n, 2)`` arrays, x right, y down, any unit.
        size: side of the canvas, px.
        brush: its diameter, px.
        height: longer side of the strokes' bounding box, px, without the brush.
        offset: of the drawing's middle from the canvas's, px.

    Returns:
        A grayscale picture (mode ``L``).
    """
    ink = coverage(strokes, (size, size), brush, height, offset)
    return Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8))


def coverage(
    strokes: Strokes,
    shape: tuple[int, int],
    brush: float,
    height: float,
    offset: tuple[float, float],
) -> NDArray[np.float64]:
    """Scale and move strokes as :func:`canvas` does and draw them: ink ``[H, W]``, 0-1."""
    arrays = validate_strokes(strokes)
    low, high = extent(arrays)
    scale = height / max(float((high - low).max()), 1e-9)
    middle = np.array([shape[1] / 2, shape[0] / 2]) + offset
    placed = [(array - (low + high) / 2) * scale + middle for array in arrays]
    return rasterize(placed, shape, brush)


def photo(strokes: Strokes, seed: int, *, side: int = 480) -> Image.Image:
    """A phone photo of the digit on paper: uneven light, ruling, noise, blur, JPEG.

    ``seed`` determines everything: pen, pencil or marker; white, yellowish or gray paper; plain,
    ruled or squared; the soft edge of a shadow; the place of the digit.

    Returns:
        A color picture (mode ``RGB``) of ``side`` px width.
    """
    random = RandomState(seed)
    shape = (side, round(side * random.uniform(0.75, 1.33)))
    digit = min(shape) * random.uniform(0.25, 0.7)
    room = np.maximum((np.array(shape[::-1]) - digit) / 2 - 0.06 * side, 0)
    right, down = random.uniform(-1, 1, 2) * room
    kind = random.choice(["pen", "pencil", "marker"], p=[0.5, 0.25, 0.25])
    brush = digit * {"pen": 0.045, "pencil": 0.03, "marker": 0.12}[kind] * random.uniform(0.7, 1.5)
    ink = np.array({"pen": (30, 40, 110), "pencil": (95, 95, 100), "marker": (25, 25, 28)}[kind])
    if kind == "pen" and random.rand() < 0.5:
        ink = np.array([(25, 25, 30), (170, 30, 40), (20, 100, 60)][random.randint(3)])
    density = coverage(strokes, shape, brush, digit, (right, down))
    if kind == "pencil":  # grain: the paper shows through
        density *= np.clip(0.75 + 0.35 * random.randn(*shape), 0.2, 1)
    sheet = np.array([(245, 245, 242), (250, 243, 220), (222, 222, 225)][random.randint(3)])
    page = sheet * (1 + 0.012 * random.randn(*shape))[..., None]
    rules = _ruling(shape, random)
    page = page * (1 - rules[..., None]) + np.array([150, 175, 215]) * rules[..., None]
    scene = page * (1 - density[..., None]) + ink * density[..., None]
    scene = np.clip(scene * _light(shape, random)[..., None], 0, 255)
    scene += random.uniform(1, 7) * random.randn(*shape, 3)
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.6)))
    return compress(picture, random.randint(45, 92))


def compress(picture: Image.Image, quality: int) -> Image.Image:
    """The picture after JPEG compression."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _ruling(shape: tuple[int, int], random: RandomState) -> NDArray[np.float64]:
    """Opacity ``[H, W]`` of the paper's printed lines: none, ruled or squared."""
    kind = random.choice(["plain", "ruled", "squared"], p=[0.5, 0.3, 0.2])
    opacity = np.zeros(shape)
    if kind == "plain":
        return opacity
    step = min(shape) * random.uniform(0.12, 0.3)
    y, x = np.mgrid[: shape[0], : shape[1]]
    tilt = random.uniform(-0.03, 0.03)
    strength = random.uniform(0.3, 0.8)
    distances = [(y + tilt * x + step * random.rand()) % step]
    if kind == "squared":
        distances.append((x - tilt * y + step * random.rand()) % step)
    for distance in distances:
        opacity = np.maximum(opacity, strength * np.clip(1.6 - distance, 0, 1))
    return opacity


def _light(shape: tuple[int, int], random: RandomState) -> NDArray[np.float64]:
    """Brightness ``[H, W]``: a slope, vignetting and sometimes the soft edge of a shadow."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    light = 0.82 + random.uniform(0, 0.25) * along - random.uniform(0, 0.12) * (x**2 + y**2)
    if random.rand() < 0.3:
        edge = random.uniform(-0.6, 0.6)
        light *= 1 - random.uniform(0.15, 0.4) / (1 + np.exp(-(along - edge) * 14))
    return light * random.uniform(0.7, 1.1)
