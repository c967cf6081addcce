"""Kinds of simulated pictures of pen strokes, for evaluation: drawn, scanned and photographed.

:func:`pictures.photo` mixes difficulties; each kind here isolates one, so that a table shows
the accuracy for each. They are not used in training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from digitlib.datasets.pictures import coverage
from digitlib.preprocessing.strokes import Strokes, resample

SIDE = 280  # px of a canvas
PAGE = (480, 400)  # rows and columns of a photo, px

Shades = NDArray[np.floating[Any]]  # [H, W] or [H, W, 3], 0-255


def make(kind: str, strokes: Strokes, seed: int) -> Image.Image:
    """A picture of one of the ``KINDS``; ``seed`` determines its random numbers.

    Raises:
        BlankDrawingError: there are no strokes.
        KeyError: there is no such kind.
    """
    shades = KINDS[kind](strokes, RandomState(seed))
    return Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))


# --- drawn on a screen ---------------------------------------------------------------------


def _ink(strokes: Strokes, brush: float = 14, height: float = 180, side: int = SIDE) -> Shades:
    """Coverage ``[side, side]``, 0-1, of strokes on a canvas."""
    return coverage(strokes, (side, side), brush, height, (0, 0))


def _plain(brush: float, height: float, side: int = SIDE) -> Callable[..., Shades]:
    return lambda strokes, _: 255 * (1 - _ink(strokes, brush, height, side))


def _pencil(strokes: Strokes, _: RandomState) -> Shades:
    """One pixel wide, without soft edges."""
    return 255.0 * (_ink(strokes, 1.2, 250, 400) < 0.5)


def _spray(strokes: Strokes, random: RandomState) -> Shades:
    """Single pixels, scattered about the line."""
    distance = ndimage.distance_transform_edt(_ink(strokes, 2) < 0.5)
    density = random.uniform(0.1, 0.4) * np.exp(-(distance**2) / (2 * random.uniform(3, 6) ** 2))
    return 255.0 * (random.rand(SIDE, SIDE) > density)


def _dots(strokes: Strokes, random: RandomState) -> Shades:
    """A line of dots, with gaps about as wide as they are."""
    y, x = np.mgrid[:SIDE, :SIDE]
    page = np.full((SIDE, SIDE), 255.0)
    for right, down in resample(strokes)[0][:: random.randint(3, 5)] * 180 + 50:
        page[(x - right) ** 2 + (y - down) ** 2 < 4.5**2] = 0
    return page


def _grain(shape: tuple[int, ...], random: RandomState, size: float) -> Shades:
    """Smooth noise of deviation 1, its grains about so many px large."""
    noise = ndimage.gaussian_filter(random.randn(*shape), size)
    return noise / noise.std()


def _crayon(strokes: Strokes, random: RandomState) -> Shades:
    """The paper's grain shows through a third of the stroke."""
    return 255 * (1 - 0.85 * _ink(strokes) * (_grain((SIDE, SIDE), random, 0.8) > -0.4))


def _chalk(strokes: Strokes, random: RandomState) -> Shades:
    """Half of the stroke is missing, on a board."""
    return 40 + 200 * _ink(strokes, 10) * (_grain((SIDE, SIDE), random, 0.6) > 0)


def _nib(strokes: Strokes, random: RandomState) -> Shades:
    """A broad nib, held at an angle: thick and thin strokes."""
    line = _ink(strokes, 4) > 0.5
    angle, reach = random.uniform(0.4, 1.0), random.uniform(7, 15)
    y, x = np.mgrid[-16:17, -16:17]
    along = np.abs(x * np.cos(angle) - y * np.sin(angle))
    across = np.abs(x * np.sin(angle) + y * np.cos(angle))
    return 255.0 * ~ndimage.binary_dilation(line, (along <= reach) & (across <= 1))


def _highlighter(strokes: Strokes, _: RandomState) -> Shades:
    """Pale yellow on white."""
    ink = _ink(strokes, 20)[..., None]
    return 255 * (1 - ink) + np.array([255, 245, 80]) * ink


def _in_a_box(strokes: Strokes, random: RandomState) -> Shades:
    """The box of a form; sometimes the digit touches it."""
    right, down = random.uniform(-25, 25, 2)
    page = 255 * (1 - coverage(strokes, (SIDE, SIDE), 9, 150, (right, down)))
    picture = Image.fromarray(page.astype(np.uint8))
    ImageDraw.Draw(picture).rectangle((40, 40, 240, 240), outline=120, width=3)
    return np.asarray(picture, float)


def _on_a_grid(strokes: Strokes, _: RandomState) -> Shades:
    """A paint program shows its grid."""
    page = 255 * (1 - _ink(strokes, 12))
    page[::20] = np.minimum(page[::20], 225)
    page[:, ::20] = np.minimum(page[:, ::20], 225)
    return page


def _screenshot(strokes: Strokes, _: RandomState) -> Shades:
    """A dark window with its title bar and a title."""
    page = np.full((420, 380), 30.0)
    page[:36], page[10:26, 12:140:9] = 55, 180
    ink = coverage(strokes, page.shape, 8, 200, (0, 20))
    return page * (1 - ink) + 235 * ink


# --- on paper, photographed ----------------------------------------------------------------


def _paper(
    strokes: Strokes,
    random: RandomState,
    *,
    height: float = 200,
    brush: float = 9,
    ink: float = 45,
    paper: float = 225,
    noise: float = 4,
) -> Shades:
    """Paper with light from one side: pen and digit in px, shades 0-255."""
    share = coverage(strokes, PAGE, brush, height, (0, 0))
    y, x = np.mgrid[-1 : 1 : PAGE[0] * 1j, -1 : 1 : PAGE[1] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    light = 0.85 + 0.2 * (x * np.cos(angle) + y * np.sin(angle))
    page = (paper * (1 - share) + ink * share) * light + noise * random.randn(*PAGE)
    return ndimage.gaussian_filter(np.clip(page, 0, 255), 0.6)


def _sheet(**options: float) -> Callable[..., Shades]:
    return lambda strokes, random: _paper(strokes, random, **options)


def _on_a_desk(strokes: Strokes, random: RandomState) -> Shades:
    """The page on dark wood, slightly rotated."""
    page = Image.fromarray(_paper(strokes, random, height=190).astype(np.uint8))
    turned = np.asarray(page.rotate(random.uniform(-7, 7), expand=True))
    wood = random.uniform(45, 110) + 12 * random.randn(*(side + 120 for side in turned.shape))
    inside = turned > 8
    wood[60:-60, 60:-60][inside] = turned[inside]
    return ndimage.gaussian_filter(np.clip(wood, 0, 255), 0.6)


def _sticky_note(strokes: Strokes, random: RandomState) -> Shades:
    """Yellow, on wood."""
    ink = coverage(strokes, (300, 300), 10, 190, (0, 0))[..., None]
    desk = np.array([110, 85, 60]) + 10 * random.randn(460, 420, 1)
    desk[80:380, 60:360] = np.array([250, 225, 90]) * (1 - ink) + np.array([30, 30, 60]) * ink
    return desk * np.linspace(0.9, 1, 460)[:, None, None] + 4 * random.randn(460, 420, 1)


def _shadow(strokes: Strokes, random: RandomState) -> Shades:
    """The hard edge of a shadow runs across the page."""
    y, x = np.mgrid[: PAGE[0], : PAGE[1]]
    edge = random.uniform(200, 480)
    return _paper(strokes, random) * (1 - 0.45 / (1 + np.exp(-(x + 0.5 * y - edge) / 4)))


def _squared(strokes: Strokes, random: RandomState) -> Shades:
    """Fine squares, slightly tilted."""
    y, x = np.mgrid[: PAGE[0], : PAGE[1]]
    tilt, step = random.uniform(-0.04, 0.04), random.randint(18, 40)
    nearest = np.minimum((y + tilt * x) % step, (x - tilt * y) % step)
    return _paper(strokes, random, noise=3) * (1 - 0.35 * np.clip(1.5 - nearest, 0, 1))


def _spiral_pad(strokes: Strokes, random: RandomState) -> Shades:
    """Ruled, with a margin line and holes punched at the left."""
    page = _paper(strokes, random, height=190, noise=3)[..., None] * np.ones(3)
    page[:, 62:65] *= np.array([1, 0.55, 0.55])
    for row in range(30, PAGE[0], 34):
        page[row : row + 2] *= np.array([0.7, 0.8, 1])
    y, x = np.mgrid[: PAGE[0], : PAGE[1]]
    for row in (80, 240, 400):
        page[(y - row) ** 2 + (x - 24) ** 2 < 130] = 50
    return page


def _crumpled(strokes: Strokes, random: RandomState) -> Shades:
    """Folded and smoothed out again."""
    y, x = np.mgrid[-1 : 1 : PAGE[0] * 1j, -1 : 1 : PAGE[1] * 1j]
    relief = np.zeros(PAGE)
    for angle, place, sharp in zip(
        random.uniform(0, np.pi, 14), random.uniform(-1, 1, 14), random.uniform(4, 30, 14),
        strict=True,
    ):  # fmt: skip
        fold = x * np.cos(angle) + y * np.sin(angle) - place
        relief += random.uniform(-0.06, 0.06) * np.tanh(fold * sharp)
    return _paper(strokes, random) * (1 + relief)


def _out_of_focus(strokes: Strokes, random: RandomState) -> Shades:
    return ndimage.gaussian_filter(_paper(strokes, random, brush=12), 6)


KINDS: dict[str, Callable[[Strokes, RandomState], Shades]] = {
    "1 px pencil": _pencil,
    "thick, small": _plain(20, 60),
    "28 px": _plain(2.2, 20, 28),
    "16 px": _plain(1.6, 12, 16),
    "broad nib": _nib,
    "crayon": _crayon,
    "chalk": _chalk,
    "spray": _spray,
    "dots": _dots,
    "highlighter": _highlighter,
    "box of a form": _in_a_box,
    "grid shown": _on_a_grid,
    "screenshot": _screenshot,
    "paper": _sheet(),
    "thin pencil": _sheet(brush=3, ink=90),
    "faint pencil": _sheet(brush=5, ink=185, noise=3),
    "marker": _sheet(brush=46, height=260, ink=30),
    "far away": _sheet(brush=5, height=60),
    "dim light": _sheet(ink=25, paper=80),
    "blackboard": _sheet(ink=200, paper=60),
    "on a desk": _on_a_desk,
    "sticky note": _sticky_note,
    "hard shadow": _shadow,
    "squared paper": _squared,
    "spiral pad": _spiral_pad,
    "crumpled": _crumpled,
    "out of focus": _out_of_focus,
}
