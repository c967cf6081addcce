"""Simulated pictures of one handwritten digit and what surrounds it, with the digit's ink alone.

Real pictures show more than a digit: ruling, boxes, underlines, print, parts of other digits, a
desk, a frame. The network of :mod:`segmentation` learns from these pairs which ink is the digit.
All pictures are ``SIDE`` px a side. Sizes are relative to the height of the digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitlib.datasets import pages
from digitlib.datasets.base import NO_DIGIT
from digitlib.datasets.pages import Ink, Picture, Points
from digitlib.datasets.pen import extent
from digitlib.datasets.pictures import compress
from digitlib.preprocessing.segmentation import PAD, SIDE
from digitlib.preprocessing.strokes import rasterize

Coverage = NDArray[np.float32]  # [SIDE, SIDE], 0-1
Box = tuple[float, float, float, float]  # left, top, right, bottom, px

OVERSAMPLE = 2  # for printed lines
PRINTED = pages.PRINT + "0123456789 "  # characters of print next to the digit
EMPTY, LETTERS, TYPESET, FRAMES, PAIRS = 0.03, 0.08, 0.04, 0.45, 0.12  # shares of scenes
MARKS = {
    "none": 0.6, "underline": 0.1, "ring": 0.07, "box": 0.06, "sides": 0.04, "corner": 0.05,
    "stop": 0.05, "dash": 0.03,
}  # fmt: skip
LINES = {"none": 0.5, "ruled": 0.1, "squared": 0.07, "cell": 0.23, "box": 0.1}
TIGHT = 0.1  # share of scenes without margin
PAPERS = {"even": 0.4, "light": 0.3, "real": 0.3}
STYLES = {"plain": 0.62, "grain": 0.14, "worn": 0.11, "spray": 0.06, "outline": 0.07}


def load_ink() -> Ink:
    """The ink of training donors; see :func:`pages.load_ink`. Papers with writing are left out."""
    ink = pages.load_ink("train")
    return replace(ink, papers=[paper for paper in ink.papers if not _is_written(paper)])


def _is_written(paper: Picture) -> bool:
    """Whether there is a dark part as tall as a digit away from the paper's edges."""
    wide = max(40 * paper.shape[1] // len(paper), 8)
    small = np.asarray(Image.fromarray(paper).resize((wide, 40)), float)
    level = scipy.ndimage.percentile_filter(small, 80, size=15)
    dark = level - small > 10
    labels, _ = scipy.ndimage.label(dark, np.ones((3, 3)))
    inner = labels[7:-7, wide // 6 : -wide // 6]
    return any(
        y.stop - y.start > 9 and x.stop - x.start > 3
        for y, x in filter(None, scipy.ndimage.find_objects(inner))
    )


def make_scene(ink: Ink, random: Generator) -> tuple[Picture, Picture]:
    """A picture and the coverage by its digit, uint8 ``[SIDE, SIDE]``.

    Two characters side by side both count, so that the picture can be rejected. Parts of other
    characters at the edge, marks and print don't count.
    """
    page = _page(random)
    wide, tall = page[2] - page[0], page[3] - page[1]
    size = min(wide, tall) * float(np.exp(random.uniform(np.log(0.2), np.log(0.9))))
    if random.random() < 0.5:
        size = min(wide, tall) * random.uniform(0.5, 0.8)
    size = max(size, 14.0)
    pen = size * (random.uniform(0.12, 0.26) if random.random() < 0.25 else
                  random.uniform(0.03, 0.12))  # fmt: skip
    digit, box = _write(ink, page, size, max(pen, 0.9), random)
    if random.random() < TIGHT:
        margin = size * random.uniform(-0.01, 0.08)
        low, high = np.array(box[:2]) - margin, np.array(box[2:]) + margin
        page = (*low.clip(0, SIDE - 8).tolist(), *high.clip(low + 8, SIDE).tolist())
    others = np.zeros_like(digit)
    if random.random() < 0.25:
        others = _neighbor(ink, page, box, size, pen, random)
    marks = _marks(_pick(MARKS, random), box, size, random)
    if marks:
        width = max(pen * random.uniform(0.5, 1.2), 0.9)
        others = np.maximum(others, _draw(marks, width))
    style, full = _pick(STYLES, random), np.maximum(digit, others)
    written = _styled(full, style, pen, random)
    visible = digit * _inside(page)
    scene, share = _paper(ink, box, page, random)
    printed = _printed(box, page, size, random)
    scene = scene * (1 - share * random.uniform(0.15, 1) * printed) * (1 - share * written)
    contrast = share * float(np.median(scene))
    scene = _surround(np.clip(scene, 0, 255), page, random)
    if random.random() < 0.3:
        scene = 255 - scene
    return _camera(scene, contrast, random), np.rint(255 * visible).astype(np.uint8)


def _pick(shares: dict[str, float], random: Generator) -> str:
    return str(random.choice([*shares], p=[*shares.values()]))


# --- handwriting -----------------------------------------------------------------------------


def _page(random: Generator) -> Box:
    """The sheet in the picture: the whole picture, padded to a square, or less of it."""
    kind = random.random()
    if kind < 0.4:
        return 0, 0, SIDE, SIDE
    if kind < 0.8:
        rim, short = PAD * SIDE, random.uniform(PAD, 0.35) * SIDE
        edges = (rim, rim if random.random() < 0.4 else short)
        x, y = edges if random.random() < 0.5 else edges[::-1]
        return x, y, SIDE - x, SIDE - y
    wide, tall = random.uniform(0.45, 0.97, 2) * SIDE
    left, top = random.uniform(0, SIDE - wide), random.uniform(0, SIDE - tall)
    if random.random() < 0.4:  # an even frame
        rim = random.uniform(0.02, 0.2) * SIDE
        return rim, rim, SIDE - rim, SIDE - rim
    return left, top, left + wide, top + tall


def _inside(page: Box) -> Coverage:
    """1 on the sheet, 0 next to it."""
    left, top, right, bottom = (round(side) for side in page)
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def _draw(strokes: Sequence[Points], pen: float) -> Coverage:
    return rasterize(strokes, (SIDE, SIDE), pen).astype(np.float32)


def _character(ink: Ink, random: Generator) -> list[Points]:
    """Strokes of a digit or letter, in heights of a usual digit."""
    if ink.others and random.random() < LETTERS:
        other = ink.others[random.integers(len(ink.others))]
        return pages.vary_strokes(NO_DIGIT, other, 1.0, random)
    own = ink.writers[random.integers(len(ink.writers))]
    label, strokes = own[random.integers(len(own))]
    return pages.vary_strokes(label, strokes, 1.0, random)


def _write(ink: Ink, page: Box, size: float, pen: float, random: Generator) -> tuple[Coverage, Box]:
    """Coverage by one character, or by two side by side, and their box."""
    kind, stretch = random.random(), random.uniform(0.75, 1.33)
    if kind < EMPTY:
        left, top = random.uniform(0.2, 0.5, 2) * SIDE
        return np.zeros((SIDE, SIDE), np.float32), (left, top, left + size / 2, top + size)
    if kind < EMPTY + TYPESET or (ink.frames and kind < EMPTY + TYPESET + FRAMES):
        if kind < EMPTY + TYPESET:
            drawn = _typeset(size, random)
        else:
            drawn = pages.enlarge(ink.frames[int(random.integers(len(ink.frames)))], size, random)
        width, height = max(round(drawn.shape[1] * stretch), 1), len(drawn)
        left, top = _somewhere(page, width, height, random)
        canvas = Image.new("L", (SIDE, SIDE))
        canvas.paste(Image.fromarray(drawn).resize((width, height)), (round(left), round(top)))
        return np.asarray(canvas, np.float32) / np.float32(255), (
            left, top, left + width, top + height
        )  # fmt: skip
    strokes = _character(ink, random)
    if random.random() < PAIRS:
        own = ink.writers[random.integers(len(ink.writers))]
        second = own[random.integers(len(own))][1]
        right = np.concatenate(strokes)[:, 0].max() + random.uniform(0.05, 0.5)
        begin = np.concatenate(second)[:, 0].min()
        strokes += [stroke + np.array([right - begin, 0]) for stroke in second]
    moved = [stroke * (size * stretch, size) for stroke in strokes]
    low, high = extent(moved)
    width, height = high - low
    room = min((page[2] - page[0]) / (width + pen), (page[3] - page[1]) / (height + pen)) * 0.98
    scale = min(1.0, float(room))
    place = np.array(_somewhere(page, scale * width + pen, scale * height + pen, random))
    moved = [scale * (stroke - low) + place + pen / 2 for stroke in moved]
    (left, top), (right, bottom) = extent(moved)
    return _draw(moved, pen), (left, top, right, bottom)


def _somewhere(page: Box, width: float, height: float, random: Generator) -> tuple[float, float]:
    """Left and top of a part of the page, now and then cut off by its edge."""
    cut = 0.2 if random.random() < 0.06 else 0.0
    place = []
    for low, high, side in ((page[0], page[2], width), (page[1], page[3], height)):
        free = max(high - low - side, 0)
        middle = random.uniform(0, 1) if random.random() < 0.5 else random.normal(0.5, 0.15)
        place.append(low + free * float(np.clip(middle, -cut, 1 + cut)) + cut * side *
                     random.choice([-1, 0, 1]))  # fmt: skip
    return place[0], place[1]


def _typeset(size: float, random: Generator) -> Picture:
    """A printed digit, cut out."""
    face = pages.font(str(random.choice(pages.FONTS)), max(round(1.35 * size), 8))
    return pages.print_character(str(random.integers(10)), face)


def _neighbor(
    ink: Ink, page: Box, box: Box, size: float, pen: float, random: Generator
) -> Coverage:
    """Coverage by parts of a character that the edge of the page cuts off."""
    strokes = [stroke * size * random.uniform(0.8, 1.2) for stroke in _character(ink, random)]
    low, high = extent(strokes)
    side, seen = int(random.integers(4)), random.uniform(0.05, 0.45)
    place = np.array([random.uniform(page[0], page[2]), random.uniform(page[1], page[3])])
    place -= (high - low) / 2
    axis = side % 2
    if side < 2:  # left, top
        place[axis] = page[axis] - (1 - seen) * (high - low)[axis]
    else:
        place[axis] = page[axis + 2] - seen * (high - low)[axis]
    moved = [stroke - low + place for stroke in strokes]
    (left, top), (right, bottom) = extent(moved)
    gap = 0.04 * size + pen
    beside = right < box[0] - gap or left > box[2] + gap
    apart = beside or bottom < box[1] - gap or top > box[3] + gap
    return _draw(moved, max(pen, 0.9)) if apart else np.zeros((SIDE, SIDE), np.float32)


def _by_hand(corners: Sequence[tuple[float, float]], size: float, random: Generator) -> Points:
    """A wavering line through corners, px."""
    ends = np.array(corners, float)
    steps = np.linspace(0, len(ends) - 1, 10 * (len(ends) - 1) + 1)
    line = np.stack([np.interp(steps, range(len(ends)), each) for each in ends.T], axis=1)
    waver = scipy.ndimage.gaussian_filter1d(random.normal(0, 0.06 * size, line.shape), 4, axis=0)
    return line + waver


def _marks(kind: str, box: Box, size: float, random: Generator) -> list[Points]:
    """Strokes around the digit that aren't part of it, px."""
    left, top, right, bottom = box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    gaps = random.uniform(0.06, 0.45, 4) * size
    x0, y0, x1, y1 = left - gaps[0], top - gaps[1], right + gaps[2], bottom + gaps[3]
    if kind == "underline":
        x0, x1 = left - random.uniform(-0.1, 0.5) * size, right + random.uniform(-0.1, 0.5) * size
        y = bottom + random.uniform(0.12, 0.4) * size
        lines = [_by_hand([(x0, y), (x1, y + random.uniform(-0.1, 0.1) * size)], size, random)]
        if random.random() < 0.2:
            lines.append(lines[0] + (0, random.uniform(0.08, 0.15) * size))
        return lines
    if kind == "ring":
        turn = random.uniform(0, 6.3) + np.linspace(0, random.uniform(5.6, 7.5), 40)
        half = np.hypot(right - left, bottom - top) / 2 + random.uniform(0.02, 0.35) * size
        stretch = np.array([random.uniform(0.75, 1.1), random.uniform(0.9, 1.1)])
        drift = 1 + random.normal(0, 0.04) * np.linspace(-1, 1, 40)[:, None]
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return [middle + half * stretch * drift * circle]
    if kind == "box":
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        return [_by_hand(corners, size, random)]
    if kind == "sides":
        over = random.uniform(-0.05, 0.15, 4) * size
        return [
            _by_hand(ends, size, random)
            for ends in (
                [(x0 - over[0], y0), (x1 + over[0], y0)],
                [(x0 - over[1], y1), (x1 + over[1], y1)],
                [(x0, y0 - over[2]), (x0, y1 + over[2])],
                [(x1, y0 - over[3]), (x1, y1 + over[3])],
            )
        ]
    if kind == "corner":
        x, y = (x0, x1)[random.integers(2)], (y0, y1)[random.integers(2)]
        other = x0 + x1 - x, y0 + y1 - y
        return [_by_hand([(other[0], y), (x, y), (x, other[1])], size, random)]
    if kind == "stop":
        dot = np.array([right + gaps[0] / 2, bottom - random.uniform(-0.05, 0.1) * size])
        return [np.stack([dot, dot + random.uniform(-0.02, 0.06, 2) * size])]
    if kind == "dash":
        x = left - gaps[0] - 0.4 * size if random.random() < 0.5 else right + gaps[0]
        y = middle[1] + random.uniform(-0.15, 0.15) * size
        return [_by_hand([(x, y), (x + random.uniform(0.2, 0.45) * size, y)], size, random)]
    return []


def _styled(cover: Coverage, style: str, pen: float, random: Generator) -> Coverage:
    """How a pen leaves ink: grainy, worn, as spray or as an outline."""
    if style == "grain":
        noise = scipy.ndimage.gaussian_filter(
            random.standard_normal(cover.shape, np.float32), random.uniform(0.4, 1)
        )
        return cover * (noise > random.uniform(-0.6, 0.1) * noise.std())
    if style == "worn":
        noise = scipy.ndimage.gaussian_filter(random.random(cover.shape, np.float32), 4)
        low, high = noise.min(), noise.max()
        return cover * (random.uniform(0.25, 0.8) + (noise - low) / (high - low)).clip(0, 1)
    if style == "spray":
        dense = scipy.ndimage.gaussian_filter(cover, max(0.35 * pen, 0.7))
        return (random.random(cover.shape) < random.uniform(0.15, 0.6) * dense).astype(np.float32)
    if style == "outline" and pen > 7:
        return cover - scipy.ndimage.minimum_filter(cover, 3 if pen < 12 else 5)
    return cover


# --- paper and print -------------------------------------------------------------------------


def _paper(ink: Ink, box: Box, page: Box, random: Generator) -> tuple[Coverage, float]:
    """Paper, gray 0-255, and the share of its light that full ink takes away."""
    kind, level = _pick(PAPERS, random), random.uniform(90, 255)
    if random.random() < 0.5:
        level = random.uniform(220, 255)
    scene = np.full((SIDE, SIDE), level, np.float32)
    if kind == "real" and ink.papers:
        left, top, right, bottom = box
        reach = random.uniform(1.15, 2.2) * max(right - left, bottom - top)
        if random.random() < 0.4:  # the whole picture is this paper
            left, top, reach = page[0], page[1], page[2] - page[0]
        else:
            left, top = (left + right - reach) / 2, (top + bottom - reach) / 2
        paper = Image.fromarray(ink.papers[random.integers(len(ink.papers))])
        side = max(round(reach), 8)
        part = np.asarray(paper.resize((side, side)), np.float32)
        scene = pages.extend(part, (SIDE, SIDE), round(left), round(top))
        level = float(np.median(scene))
    elif kind == "light":
        y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
        angle, strength = random.uniform(0, 6.3), random.uniform(0, 0.35)
        light = 1 + strength * (x * np.cos(angle) + y * np.sin(angle))
        coarse = random.standard_normal((int(random.integers(2, 12)),) * 2)
        zoom = SIDE / len(coarse)
        light += random.uniform(0, 0.08) * scipy.ndimage.zoom(
            coarse, zoom, order=1, mode="nearest", grid_mode=True
        )
        if random.random() < 0.35:  # a fold, or the edge of a shadow
            bend = random.uniform(0, 6.3)
            across = x * np.cos(bend) + y * np.sin(bend) - random.uniform(-0.8, 0.8)
            light *= 1 - random.uniform(-0.1, 0.6) / (1 + np.exp(-across * random.uniform(8, 90)))
        scene = scene * light.astype(np.float32)
    share = random.uniform(0.3, 1)
    if random.random() < 0.2 and kind != "real":  # pencil, gray levels
        share = random.uniform(6 if kind == "even" else 20, 60) / level
    return np.clip(scene, 0, 255), min(share, 1.0)


def _printed(box: Box, page: Box, size: float, random: Generator) -> Coverage:
    """Coverage by printed lines and letters."""
    kind = _pick(LINES, random)
    left, top, right, bottom = box
    gaps = random.uniform(-0.08, 0.6, 4) * size
    sheet = Image.new("L", (OVERSAMPLE * SIDE, OVERSAMPLE * SIDE))
    draw = ImageDraw.Draw(sheet)
    thick = OVERSAMPLE * max(size * random.uniform(0.01, 0.1), 0.7)
    slope, ends = random.normal(0, 0.015), (0.0, float(SIDE), 0.0, float(SIDE))
    ys: Sequence[float] | NDArray[np.float64] = ()
    xs: Sequence[float] | NDArray[np.float64] = ()
    if kind == "ruled":
        ys = np.arange(random.uniform(0, size), SIDE, size * random.uniform(0.6, 2.2))
    elif kind == "squared":
        step = size * random.uniform(0.2, 1.2)
        ys, xs = (np.arange(random.uniform(0, step), SIDE, step) for _ in range(2))
    elif kind == "cell":
        sides = [top - gaps[1], bottom + gaps[3]], [left - gaps[0], right + gaps[2]]
        ys, xs = ([each for each in pair if random.random() < 0.6] for pair in sides)
    elif kind == "box":
        x0, y0 = left - abs(gaps[0]), top - abs(gaps[1])
        x1, y1 = right + abs(gaps[2]), bottom + abs(gaps[3])
        ys, xs, ends = (y0, y1), (x0, x1), (x0, x1, y0, y1)
    for y in ys:
        rise = slope * (ends[1] - ends[0])
        draw.line([OVERSAMPLE * e for e in (ends[0], y, ends[1], y + rise)], 255, round(thick))
    for x in xs:
        lean = slope * (ends[3] - ends[2])
        draw.line([OVERSAMPLE * e for e in (x, ends[2], x - lean, ends[3])], 255, round(thick))
    if random.random() < 0.15:
        name, high = str(random.choice(pages.FONTS)), size * random.uniform(0.12, 0.4)
        face = pages.font(name, max(round(OVERSAMPLE * high), 8))
        letters = "".join(random.choice([*PRINTED], size=int(random.integers(1, 12))))
        places = [
            (random.uniform(0, max(right, 1)), top - size * random.uniform(0.3, 0.6)),
            (random.uniform(0, max(right, 1)), bottom + size * random.uniform(0.05, 0.4)),
            (right + size * random.uniform(0.1, 0.6), random.uniform(top, bottom)),
        ]
        x, y = places[random.integers(3)]
        draw.text((OVERSAMPLE * x, OVERSAMPLE * y), letters, 255, face)
    return np.asarray(sheet.reduce(OVERSAMPLE), np.float32) / np.float32(255)


def _surround(scene: Coverage, page: Box, random: Generator) -> Coverage:
    """The sheet on a desk or in a frame of one shade."""
    if page == (0, 0, SIDE, SIDE):
        return scene
    left, top, right, bottom = (round(side) for side in page)
    usual = float(np.median(scene[top:bottom, left:right]))
    padded = random.random() < 0.6
    desk = np.full_like(
        scene, usual if padded else float(random.choice([0, 255, random.uniform(0, 255)]))
    )
    if not padded and random.random() < 0.5:
        grain = random.standard_normal(scene.shape, np.float32)
        desk += random.uniform(1, 14) * scipy.ndimage.gaussian_filter(
            grain, random.uniform(0.3, 2, 2)
        )
    angle = random.normal(0, 0.05) if not padded and random.random() < 0.4 else 0.0
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) - middle
    sheet = Image.new("L", (OVERSAMPLE * SIDE, OVERSAMPLE * SIDE))
    outline = OVERSAMPLE * (corners @ turn + middle)
    ImageDraw.Draw(sheet).polygon([*map(tuple, outline.tolist())], 255)
    mask = np.asarray(sheet.reduce(OVERSAMPLE), np.float32) / np.float32(255)
    return scene * mask + desk * (1 - mask)


def _camera(scene: Coverage, contrast: float, random: Generator) -> Picture:
    """Blur, few pixels, noise and JPEG, each in some pictures."""
    if random.random() < 0.35:
        scene = scipy.ndimage.gaussian_filter(scene, random.uniform(0.4, 2))
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if random.random() < 0.3:
        few = int(random.integers(24, 90))
        picture = picture.resize((few, few), Image.Resampling.BOX)
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    if random.random() < 0.5:
        deviation = random.uniform(0, float(np.clip(0.12 * contrast, 0.5, 9)))
        noise = deviation * random.standard_normal(scene.shape, np.float32)
        if random.random() < 0.4:
            noise = 2 * scipy.ndimage.uniform_filter(noise, 2)
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    if random.random() < 0.2:
        picture = compress(picture, int(random.integers(25, 85)))
    return np.asarray(picture)
