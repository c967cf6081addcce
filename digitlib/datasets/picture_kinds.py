"""Kinds of simulated pictures of pen strokes, for evaluation: drawn, scanned and photographed.

:func:`pictures.photo` mixes difficulties; each kind here isolates one, so that a table shows
the accuracy for each. The ``MARKS`` around a digit are strokes, so a pad can get them, too:
networks train on them as drawings that aren't digits. No other kind is used in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from digitlib.datasets.pen import extent
from digitlib.datasets.pictures import coverage
from digitlib.preprocessing.strokes import Strokes, validate_strokes

SIDE = 280  # px of a canvas
PAGE = (480, 400)  # rows and columns of a photo, px
DOT_SPACING = 0.025  # between places of dots along a line, in sides of the drawing

Shades = NDArray[np.floating[Any]]  # [H, W] or [H, W, 3], 0-255
Points = NDArray[np.float64]  # [n, 2], x right, y down


def make(kind: str, strokes: Strokes, seed: int) -> Image.Image:
    """A picture of one of the ``KINDS``; ``seed`` determines its random numbers.

    Raises:
        BlankDrawingError: there are no strokes.
        KeyError: there is no such kind.
    """
    shades = KINDS[kind](strokes, RandomState(seed))
    return Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))


# --- marks around the digit ----------------------------------------------------------------


def add_mark(mark: str, strokes: Strokes, seed: int) -> list[Points]:
    """The strokes ``(n, 2)`` of a digit with one of the ``MARKS`` as further strokes.

    A frame comes before the digit, other marks come after it. ``seed`` determines the random
    numbers.

    Raises:
        BlankDrawingError: there are no strokes.
        KeyError: there is no such mark.
    """
    digit, random = validate_strokes(strokes), RandomState(seed)
    low, high = extent(digit)
    side = max(float((high - low).max()), 1e-9)  # of the digit, and the unit of the mark
    drawn = [
        (low + high) / 2 + side * _by_hand(corners, random)
        for corners in MARKS[mark]((high - low) / side / 2, random)
    ]
    return [*drawn, *digit] if mark in FRAMES else [*digit, *drawn]


def _by_hand(corners: Sequence[Sequence[float]], random: RandomState) -> Points:
    """A line through corners, slightly trembling."""
    known = np.linspace(0, 1, len(corners))
    places = np.linspace(0, 1, 20 * (len(corners) - 1) + 1)
    line = np.stack([np.interp(places, known, axis) for axis in np.transpose(corners)], axis=1)
    return line + 0.03 * ndimage.gaussian_filter1d(random.randn(*line.shape), 4, axis=0)


def _underline(half: Points, random: RandomState) -> list[Any]:
    """A line below the digit, wider than it."""
    down, slope = half[1] + random.uniform(0.1, 0.25), random.uniform(-0.05, 0.05)
    left, right = half[0] + random.uniform(0.1, 0.4, 2)
    return [[(-left, down), (right, down + slope)]]


def _circle(_: Points, random: RandomState) -> list[Any]:
    """A ring, drawn a little further than once around."""
    angle = random.uniform(0, 2 * np.pi) + np.linspace(0, 6.6, 30)
    radii = random.uniform(0.78, 1.0, 2)
    return [np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)], axis=1)]


def _box(_: Points, random: RandomState) -> list[Any]:
    """A box in one stroke; its end misses its beginning a little."""
    half = random.uniform(0.65, 0.9)
    corners = half * np.array([(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)])
    return [corners + random.uniform(-0.06, 0.06, corners.shape)]


def _four_lines(half: Points, random: RandomState) -> list[Any]:
    """A box of four strokes, which end short of its corners or beyond them."""
    (corners,) = _box(half, random)
    ends = random.uniform(-0.08, 0.12, (4, 2))
    return [
        [start + before * (start - end), end + after * (end - start)]
        for (start, end), (before, after) in zip(pairwise(corners), ends, strict=True)
    ]


def _corner(half: Points, random: RandomState) -> list[Any]:
    """Two sides of a box, such as remain if a cell is cut out."""
    (corners,) = _box(half, random)
    first = random.randint(3)
    return [corners[first : first + 3]]


def _full_stop(half: Points, random: RandomState) -> list[Any]:
    """A dot after the digit, at its foot."""
    right, down = half + random.uniform((0.1, -0.08), (0.25, 0.02))
    return [[(right, down), (right + 0.02, down + 0.02)]]


MARKS: dict[str, Callable[[Points, RandomState], list[Any]]] = {  # strokes: corners of a line
    "underline": _underline,
    "ring": _circle,
    "box": _box,
    "four lines": _four_lines,
    "box corner": _corner,
    "full stop": _full_stop,
}
FRAMES = ("box", "four lines", "box corner")  # a form has them before the digit


# --- drawn on a screen ---------------------------------------------------------------------


def _ink(strokes: Strokes, brush: float = 14, height: float = 180, side: int = SIDE) -> Shades:
    """Coverage ``[side, side]``, 0-1, of strokes on a canvas."""
    return coverage(strokes, (side, side), brush, height, (0, 0))


def _plain(brush: float, height: float, side: int = SIDE) -> Callable[..., Shades]:
    return lambda strokes, _: 255 * (1 - _ink(strokes, brush, height, side))


def _marked(mark: str) -> Callable[..., Shades]:
    def draw(strokes: Strokes, random: RandomState) -> Shades:
        return 255 * (1 - _ink(add_mark(mark, strokes, random.randint(2**31)), 9, 230))

    return draw


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
    arrays = validate_strokes(strokes)
    low, high = extent(arrays)
    side = max(float((high - low).max()), 1e-9)
    places = []  # of possible dots; the longer side of the drawing is 1
    for stroke in arrays:
        unit = (stroke - low) * (1 / side)
        arc = np.append(0, np.hypot(*np.diff(unit, axis=0).T).cumsum())
        at = np.linspace(0, arc[-1], math.ceil(arc[-1] / DOT_SPACING) + 1)
        places.append(np.stack([np.interp(at, arc, axis) for axis in unit.T], axis=1))
    dots = np.concatenate(places).astype(np.float32)[:: random.randint(3, 5)] * 180 + 50
    y, x = np.mgrid[:SIDE, :SIDE]
    page = np.full((SIDE, SIDE), 255.0)
    for right, down in dots:
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


def _outlined(strokes: Strokes, _: RandomState) -> Shades:
    """The contour of a broad stroke."""
    stroke = _ink(strokes, 30) > 0.5
    return 255.0 * ~(stroke & ~ndimage.binary_erosion(stroke, iterations=4))


def _cut(strokes: Strokes, random: RandomState) -> Shades:
    """The edge of the picture cuts off up to two thirds of the outermost stroke's width."""
    turns = random.randint(4)
    page = np.rot90(255 * (1 - _ink(strokes, 18)), turns)
    rows = np.flatnonzero((page < 128).any(axis=1))
    return np.rot90(page[rows[0] + random.randint(1, 12) :], -turns)


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


def _framed_desk(strokes: Strokes, random: RandomState) -> Shades:
    """Such a photo in a white frame, as in a slide or a screenshot."""
    photo = _on_a_desk(strokes, random)
    return np.pad(photo, round(random.uniform(0.03, 0.08) * min(photo.shape)), constant_values=255)


def _faint(strokes: Strokes, random: RandomState) -> Shades:
    """Pencil that differs from smooth, evenly lit paper by 6 to 16 of 255 shades."""
    page = 225 - random.uniform(6, 16) * _ink(strokes, 8)
    return np.rint(page + random.randn(SIDE, SIDE))


def _form_cell(strokes: Strokes, random: RandomState) -> Shades:
    """A cell cut from a scanned register: 60 px, its lines at the edges, print from behind."""
    right, down = random.uniform(-40, 40), random.uniform(-12, 12)
    ink = coverage(
        strokes, (136, 240), random.uniform(4, 8), random.uniform(70, 100), (right, down)
    )
    shades = np.full((136, 240), random.uniform(170, 240))
    for row in range(random.randint(20), 136, 24):  # words of print
        words = np.repeat(random.rand(30) < 0.6, 8) * (random.rand(240) < 0.6)
        shades[row : row + 8] -= random.uniform(4, 12) * words
    for edge in np.flatnonzero(random.rand(4) < 0.7):
        at, width = random.randint(2, 12), random.randint(4, 8)
        np.rot90(shades, int(edge))[at : at + width] -= random.uniform(25, 60)
    page = Image.fromarray((shades - random.uniform(60, 110) * ink).astype(np.uint8)).reduce(4)
    return np.asarray(page, float) + 2 * random.randn(34, 60)


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
    "outlined": _outlined,
    "cut by the edge": _cut,
    "underlined": _marked("underline"),
    "circled": _marked("ring"),
    "hand-drawn box": _marked("box"),
    "box of four lines": _marked("four lines"),
    "corner of a box": _marked("box corner"),
    "full stop": _marked("full stop"),
    "paper": _sheet(),
    "thin pencil": _sheet(brush=3, ink=90),
    "faint pencil": _sheet(brush=5, ink=185, noise=3),
    "marker": _sheet(brush=46, height=260, ink=30),
    "far away": _sheet(brush=5, height=60),
    "dim light": _sheet(ink=25, paper=80),
    "blackboard": _sheet(ink=200, paper=60),
    "6 to 16 shades": _faint,
    "form cell": _form_cell,
    "on a desk": _on_a_desk,
    "desk in a frame": _framed_desk,
    "sticky note": _sticky_note,
    "hard shadow": _shadow,
    "squared paper": _squared,
    "spiral pad": _spiral_pad,
    "crumpled": _crumpled,
    "out of focus": _out_of_focus,
}
