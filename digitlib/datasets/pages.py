"""Simulated pictures of handwritten numbers: rows of real digits on paper, forms and cheques.

A row is composed from the pen strokes of one writer, or from pictures of single digits, from far
apart to overlapping. Signs, letters, print and the edges of other rows appear around it, because
they do in real pictures, and a reader has to ignore them. All sizes are relative to a usual digit
of the row, which is ``DIGIT`` px high on the canvas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from digitlib.datasets import catalog, pendigits, real, unipen
from digitlib.datasets.base import NO_DIGIT
from digitlib.datasets.hands import add_habits
from digitlib.datasets.pen import PenDrawing, extent
from digitlib.datasets.pictures import compress
from digitlib.preprocessing.frame import frames_to_images, to_frame
from digitlib.preprocessing.strokes import draw_numbered

Points = NDArray[np.float64]
Picture = NDArray[np.uint8]  # [H, W]
Scene = NDArray[np.float32]  # [H, W], gray, 0-255

DIGIT = 30  # px: height of a usual digit on the canvas
HEIGHT, BASELINE, LEFT = 130, 80, 60  # px of the canvas, and the baseline and start of its row
HABITS = 0.4  # share of pen digits with habits of other hands
MIN_DRAWINGS = 8  # of a writer in the rows
# Clear space between neighbors, in heights of a usual digit. Touching digits share ink; overlapping
# ones also reach into each other's box.
SPACINGS = {
    "wide": 0.55, "usual": 0.25, "close": 0.12, "just apart": 0.05, "touching": -0.03,
    "overlapping": 0.02,
}  # fmt: skip
REACH = {"touching": 0.35, "overlapping": 0.35}  # heights that a digit may reach into the last
USUAL_REACH = 0.2
PARALLEL = 0.3  # of a digit's height along which it may touch its neighbor
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10), (0.06, 0.16, 0.19, 0.18, 0.15, 0.1, 0.07, 0.06, 0.03)
PAPERS = {
    "clean": 0.22, "ruled": 0.13, "squared": 0.08, "boxes": 0.12, "cell": 0.1, "photo": 0.12,
    "cheque": 0.11, "real": 0.12,
}  # fmt: skip
OTHER = "*"  # in the text of a row: a character that isn't a digit
FONTS = "DejaVuSans", "DejaVuSerif", "DejaVuSans-Bold", "STIXGeneral"  # of print in a row
LABEL_FONTS = "DejaVuSans", "DejaVuSerif", "STIXGeneral"  # of print next to a row
PRINT = "ACEFHKMNPRTUVWXYacdefhkmnprtuvwx%&"  # characters that nobody takes for digits


@dataclass(frozen=True)
class Ink:
    """What rows are made of.

    Attributes:
        writers: of each writer, pairs of label and strokes; the unit is the writer's usual digit.
        frames: pictures of single digits, light ink on black; there may be none.
        labels: their digits, ``[N]``.
        others: strokes of letters and signs, in heights of a usual digit.
        papers: real paper, gray pictures.
        rows: real rows, gray pictures with their text.
    """

    writers: list[list[tuple[int, list[Points]]]]
    frames: Sequence[Picture]
    labels: NDArray[np.int64]
    others: list[list[Points]]
    papers: list[Picture]
    rows: list[tuple[Picture, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Glyph:
    """One character: ink, the number of its stroke at each pixel (from 1), its text and strokes."""

    ink: Picture
    strokes: Picture
    text: str
    paths: Sequence[Points] = ()


@dataclass(frozen=True)
class Row:
    """A row of digits on an empty canvas.

    Attributes:
        ink: coverage by ink, 0-255, ``[HEIGHT, W]``.
        strokes: the number of the stroke at each pixel, from 1; 0 without ink or without strokes.
        text: the digits, and ``OTHER`` for letters.
        box: left, top, right and bottom of these characters, px.
        cells: left sides of the boxes, and the right side of the last; empty without boxes.
        paths: the strokes, ``(n, 2)`` arrays in px of the canvas; empty for pictures of digits.
        writer: index into ``Ink.writers``; -1 for pictures of digits, letters and print.
    """

    ink: Picture
    strokes: Picture
    text: str
    box: tuple[int, int, int, int]
    cells: tuple[int, ...]
    paths: tuple[Points, ...] = ()
    writer: int = -1


# --- sources ---------------------------------------------------------------------------------


def load_ink(split: str) -> Ink:
    """The ink of a split; only ``train`` has pictures of digits and real paper.

    The real paper and 600 of the digits come from the even half of the folder ``pictures`` of
    :func:`files.data_root`. Without that folder there are none.

    Raises:
        DataMissingError, DataDamagedError: UNIPEN, pendigits or MNIST is missing or damaged.
    """
    writers: dict[int, list[PenDrawing]] = defaultdict(list)
    for drawing in unipen.read_unipen("unipen", split):
        writers[drawing.writer].append(drawing)
    for drawing in pendigits.read_pendigits(split) if split != "test" else ():
        writers[drawing.writer - 1000].append(drawing)
    own = [_in_heights(each) for _, each in sorted(writers.items()) if len(each) >= MIN_DRAWINGS]
    signs = unipen.read_unipen("letters", split) + unipen.read_unipen("signs", split)
    others = [
        strokes
        for label, strokes in _in_heights([e for e in signs if e.character not in UNCLEAR])
        if label == NO_DIGIT
    ]
    ink = Ink(own, [], np.zeros(0, np.int64), others, [])
    return _with_pictures(ink) if split == "train" else ink


# Characters that look like a digit, or are too small to be one.
UNCLEAR = '1l7f^?>(){}[]-_~:;="<'


def _in_heights(drawings: Sequence[PenDrawing]) -> list[tuple[int, list[Points]]]:
    """Labels and strokes; the unit is the median of the drawings' longer sides."""
    extents = [extent(each.strokes) for each in drawings]
    sides = [(high - low).max() for low, high in extents]
    usual = max(float(np.median(sides)), 1e-9)
    found = []
    for each, (corner, _), side in zip(drawings, extents, sides, strict=True):
        scale = float(np.clip(side / usual, 0.65, 1.4)) / max(side, 1e-9)
        found.append((each.label, [(stroke - corner) * scale for stroke in each.strokes]))
    return found


def _with_pictures(ink: Ink) -> Ink:
    """The ink with MNIST's digits, and with the even pictures of real digits, paper and rows.

    The rows are every second of the even pictures of numbers. The others set thresholds.
    """
    frames, labels = list[Picture](), list[int]()
    papers, numbers = list[Picture](), list[tuple[Picture, str]]()
    for name in real.NAMES:
        for each in real.read_real_pictures(name, real.DEVELOPMENT):
            with Image.open(each.path) as opened:
                picture = opened.convert("L")
            found = None
            if name == "numbers" and each.number % 4 == 0 and "\n" not in each.text:
                small = picture.copy()
                small.thumbnail((600, 120))
                numbers.append((np.asarray(small), each.text))
            if each.kind in ON_PAPER:
                picture.thumbnail((400, 120))
                found, paper = _separate(np.asarray(picture), each.kind in LINED)
                papers.append(paper)
            elif each.kind in DRAWN:
                found = frames_to_images(to_frame(picture))
            if name == "digits" and found is not None and _is_whole(found):
                frames.append(found)
                labels.append(int(each.text))
    digits = catalog.load("mnist", download=False)
    return replace(
        ink,
        frames=[*digits.images.numpy(), *REPEATED * frames],
        labels=np.concatenate([digits.labels.numpy(), np.array(REPEATED * labels, np.int64)]),
        papers=papers,
        rows=numbers,
    )


# Kinds of real pictures: drawings; and pictures with paper, some with the lines of a cell.
DRAWN = ("scan28", "canvas", "paint28", "photo", "crop")
LINED = ("meza", "formcell", "sudoku-full")
ON_PAPER = (*LINED, "orand", "table", "plain", "ruled")
REPEATED = 8  # times that each real digit counts as often as one of MNIST
MIN_INK = 60  # of 255: where a picture of a digit has ink


def _is_whole(ink: Picture) -> bool:
    """Whether there is ink as large as a digit."""
    rows, columns = np.nonzero(ink > MIN_INK)
    return len(rows) > 20 and bool(np.ptp(rows) > max(0.25 * len(ink), 0.6 * np.ptp(columns)))


def _separate(picture: Picture, keep_edges: bool) -> tuple[Picture, Picture]:
    """The ink, light on black, and the paper with ink filled by nearby paper.

    With ``keep_edges``, parts that touch the edge belong to the paper.
    """
    height, width = picture.shape
    level = scipy.ndimage.percentile_filter(picture, 80, size=max(height // 2, 3)).astype(float)
    contrast = scipy.ndimage.gaussian_filter(level - picture, 0.5)
    mask = contrast > 14
    if keep_edges:
        labels, _ = scipy.ndimage.label(mask)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        mask &= ~np.isin(labels, edge)
    mask = scipy.ndimage.binary_dilation(mask, iterations=2)
    labels, _ = scipy.ndimage.label(mask)
    digit = labels == np.bincount(labels[mask], minlength=2).argmax()
    full = np.percentile(contrast[digit], 90)
    ink = np.where(digit & mask, 255 * np.clip(contrast / full, 0, 1), 0).astype(np.uint8)
    filled, random = picture.copy(), np.random.default_rng(0)
    for _ in range(40):
        if not mask.any():
            break
        shift = int(random.integers(-6, 7)), int(random.integers(-width // 2, width // 2 + 1))
        source, free = np.roll(filled, shift, (0, 1)), ~np.roll(mask, shift, (0, 1))
        filled = np.where(mask & free, source, filled)
        mask &= ~free
    return ink, filled


# --- glyphs ----------------------------------------------------------------------------------


def vary_strokes(
    label: int, strokes: Sequence[Points], height: float, random: Generator
) -> list[Points]:
    """A character, ``height`` px high if it is usual, with other habits, slant, waver and size."""
    if label != NO_DIGIT and random.random() < HABITS:
        strokes = add_habits(strokes, label, random)
    angle = random.normal(0, 0.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ [[random.uniform(0.85, 1.18), random.uniform(-0.25, 0.25)], [0, 1]]
    waver, phase = random.normal(0, 0.02, 2), random.uniform(0, 6.3, 2)
    scale = height * (random.uniform(0.65, 1.4) if random.random() < 0.2 else 1)
    return [scale * (s + waver * np.sin(4 * s[:, ::-1] + phase)) @ turn.T for s in strokes]


def _pen_glyph(
    label: int, strokes: Sequence[Points], pen: float, random: Generator, augment: bool = True
) -> Glyph:
    """A character, drawn by another hand if it is augmented."""
    moved = [DIGIT * stroke for stroke in strokes]
    if augment:
        moved = vary_strokes(label, strokes, DIGIT, random)
    return _drawn_glyph(moved, pen, OTHER if label == NO_DIGIT else str(label))


def _drawn_glyph(strokes: Sequence[Points], pen: float, text: str) -> Glyph:
    (low, high), margin = extent(strokes), int(pen) + 2
    width, height = np.ceil(high - low).astype(int) + 2 * margin
    paths = [stroke - (low - margin) for stroke in strokes]
    ink, numbers = draw_numbered(paths, (min(int(height), 64), min(int(width), 90)), pen)
    return Glyph(ink, numbers, text, paths)


def _picture_glyph(ink: Picture, text: str) -> Glyph:
    return Glyph(ink, np.zeros_like(ink), text)


def enlarge(frame: Picture, size: float, random: Generator) -> Picture:
    """The ink of a frame, ``size`` px or about so much high, sheared, thicker or thinner."""
    rows, columns = np.nonzero(frame > MIN_INK)
    cut = frame[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = size / max(cut.shape) * random.uniform(0.8, 1.2)
    cut = np.pad(cut, 3)
    shear, stretch = random.normal(0, 0.12), random.uniform(0.85, 1.2)
    height, width = round(scale * len(cut)), round(scale * stretch * cut.shape[1])
    step = 1 / (scale * stretch), shear, -shear * len(cut) / 2, 0, 1 / scale, 0
    drawn = Image.fromarray(cut).transform(
        (width, height), Image.Transform.AFFINE, step, Image.Resampling.BICUBIC
    )
    sharp, level = random.uniform(1, 2.5), random.uniform(0.35, 0.65)
    ink = np.clip((np.asarray(drawn) / 255 - level) * sharp + level, 0, 1)
    return (255 * ink).astype(np.uint8)


# --- rows ------------------------------------------------------------------------------------


def make_row(
    ink: Ink, random: Generator, spacing: str | None = None, paper: str = "clean",
    lengths: tuple[Sequence[int], Sequence[float]] = LENGTHS, pictures: float = 0.0,
    letters: float = 0.0, augment: bool = True,
) -> Row:  # fmt: skip
    """A row of digits by one hand.

    Args:
        ink: what it is made of.
        random: of all choices.
        spacing: a key of ``SPACINGS``; any, if it is None.
        paper: a key of ``PAPERS``; digits are kept inside boxes.
        lengths: numbers of digits, and their probabilities.
        pictures: share of rows that are made of pictures of digits in place of strokes.
        letters: share of rows that are letters, or print.
        augment: draw the strokes with other slants and habits, and add signs and letters.
    """
    spacing = spacing or str(random.choice([*SPACINGS], p=[0.12, 0.24, 0.2, 0.16, 0.17, 0.11]))
    thick = random.random() < 0.1
    pen = DIGIT * (random.uniform(0.14, 0.2) if thick else random.uniform(0.04, 0.14))
    count = int(random.choice(lengths[0], p=lengths[1]))
    if random.random() < letters:
        return _place(_not_digits(count, ink, pen, random), spacing, 0, random)
    writer = -1
    if random.random() < pictures:
        chosen = random.integers(len(ink.frames), size=count)
        glyphs = [
            _picture_glyph(enlarge(ink.frames[i], DIGIT, random), str(ink.labels[i]))
            for i in chosen
        ]
    else:
        writer = int(random.integers(len(ink.writers)))
        own = ink.writers[writer]
        chosen = random.integers(len(own), size=count)
        glyphs = [_pen_glyph(own[i][0], own[i][1], pen, random, augment) for i in chosen]
    cell = int(random.uniform(1.0, 1.45) * DIGIT) if paper == "boxes" else 0
    if augment and random.random() < 0.25 and not cell:
        glyphs = _with_signs(glyphs, ink, pen, random)
    return replace(_place(glyphs, spacing, cell, random), writer=writer)


def _not_digits(count: int, ink: Ink, pen: float, random: Generator) -> list[Glyph]:
    """Letters and signs by different hands, or print."""
    if random.random() < 0.5:
        chosen = random.integers(len(ink.others), size=count)
        return [_pen_glyph(NO_DIGIT, ink.others[i], pen, random) for i in chosen]
    face = font(str(random.choice(FONTS)), int(random.integers(20, 36)))
    letters = random.choice([*PRINT], size=2 * count)
    return [_picture_glyph(print_character(letter, face), OTHER) for letter in letters]


def print_character(character: str, face: ImageFont.FreeTypeFont) -> Picture:
    """A printed character, cut out, light on black."""
    left, top, right, bottom = (int(side) for side in face.getbbox(character))
    page = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(page).text((1 - left, 1 - top), character, 255, face)
    return np.asarray(page)


def _with_signs(glyphs: list[Glyph], ink: Ink, pen: float, random: Generator) -> list[Glyph]:
    """Add a point, comma or dash, or a letter or sign at an end: none of them is a digit."""
    kind = random.random()
    if kind < 0.75:
        dash = kind > 0.5
        ends = (0, len(glyphs)) if dash else (1, len(glyphs))
        place = ends[1] if random.random() < 0.5 else int(random.integers(ends[0], ends[1] + 1))
        x, y = random.uniform(0.3, 0.9) if dash else random.uniform(-0.12, 0), 0.0
        y = random.uniform(-0.08, 0.08) if dash else random.uniform(0, 0.25)
        mark = _drawn_glyph([DIGIT * np.array([[0, 0], [x, y]])], pen, "-" if dash else ".")
        return [*glyphs[:place], replace(mark, paths=()), *glyphs[place:]]
    other = _pen_glyph(NO_DIGIT, ink.others[random.integers(len(ink.others))], pen, random)
    return [*glyphs, other] if random.random() < 0.7 else [other, *glyphs]


def _place(glyphs: Sequence[Glyph], spacing: str, cell: int, random: Generator) -> Row:
    """Push glyphs together until the clear space between their ink is as the spacing says."""
    width = sum(each.ink.shape[1] for each in glyphs) + 3 * (len(glyphs) + 3) * DIGIT + 2 * LEFT
    canvas, numbers = np.zeros((2, HEIGHT, width), np.uint8)
    right = np.full(HEIGHT, -(10**6))  # of the ink so far, row by row
    gap = round(SPACINGS[spacing] * DIGIT * random.uniform(0.8, 1.25))
    gap *= 1 if spacing != "wide" or random.random() < 0.7 else int(random.integers(2, 5))
    centered = random.random() < 0.25
    low, high = np.array([10**6, 10**6]), np.array([0, 0])
    text, first_stroke, paths = "", 0, list[Points]()
    for place, glyph in enumerate(glyphs):
        drawn, order, text_here = glyph.ink, glyph.strokes, glyph.text
        scale = np.ones(2)
        if cell and drawn.shape[1] > cell:
            size = cell, max(4, drawn.shape[0] * cell // drawn.shape[1])
            scale = np.array(size) / drawn.shape[::-1]
            drawn = np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.BOX))
            order = np.asarray(Image.fromarray(order).resize(size, Image.Resampling.NEAREST))
        height, wide = drawn.shape
        middle = centered or text_here == "-"
        top = BASELINE - (DIGIT // 2 + height // 2 if middle else height)
        top += 2 if text_here == "." else 0
        top = int(np.clip(top + random.normal(0, 0.05 * DIGIT), 2, HEIGHT - height - 2))
        on = drawn > 0.35 * drawn.max()
        has = on.any(axis=1)
        begins = np.where(has, on.argmax(axis=1), 10**6)
        ends = np.where(has, wide - on[:, ::-1].argmax(axis=1), -(10**6))
        if cell:
            left = LEFT + place * cell + (cell - wide) // 2 + int(random.normal(0, 0.04 * DIGIT))
        elif right.max() < 0:
            left = LEFT
        else:
            near = scipy.ndimage.maximum_filter1d(right, 2 * max(gap, 1) + 1)
            close = 1 if text_here == "." else gap
            need = int((near[top : top + height] - begins).max()) + close
            reach = REACH.get(spacing, USUAL_REACH) * DIGIT
            if gap < 0 and (right[top : top + height] >= need + begins).sum() > PARALLEL * height:
                need += 2  # side by side all along, nobody could read them
            left = int(np.clip(need, right.max() - reach, right.max() + max(gap, 0) + 0.2 * DIGIT))
        window = slice(top, top + height), slice(left, left + wide)
        np.maximum(canvas[window], drawn, out=canvas[window])
        numbered = (order.astype(int) + first_stroke - 1) % 255 + 1
        numbers[window] = np.where(order > 0, numbered, numbers[window])
        first_stroke += int(order.max())
        paths += [path * scale + (left, top) for path in glyph.paths]
        right[window[0]] = np.maximum(right[window[0]], ends + left)
        if text_here not in "-.":
            text += text_here
            rows, columns = np.nonzero(has)[0], begins.min() + left
            own = columns, rows[0] + top, int(ends.max()) + left, rows[-1] + 1 + top
            low, high = np.minimum(low, own[:2]), np.maximum(high, own[2:])
    end = int(max(right.max(), LEFT + cell * len(glyphs))) + LEFT
    cells = tuple(LEFT + cell * n for n in range(len(glyphs) + 1)) if cell else ()
    box = int(low[0]), int(low[1]), int(high[0]), int(high[1])
    return Row(canvas[:, :end], numbers[:, :end], text, box, cells, tuple(paths))


# --- pictures --------------------------------------------------------------------------------


def photograph(row: Row, ink: Ink, paper: str, random: Generator, extras: bool = True) -> Scene:
    """The row on paper, as a picture of the whole canvas, gray, 0-255.

    With ``extras``, some rows are in pencil, have print or parts of other rows next to them, or are
    blurred and noisy on any paper.
    """
    shape = row.ink.shape
    light = random.uniform(90, 255) if random.random() < 0.5 else random.uniform(225, 255)
    pencil = extras and random.random() < 0.12  # faint, and grainy
    contrast = random.uniform(14, 60) if pencil else light * random.uniform(0.4, 1)
    scene: Scene = np.full(shape, light, np.float32)
    if paper == "real" and ink.papers:
        scene = _real_paper(ink.papers[random.integers(len(ink.papers))], row, random)
        contrast = max(contrast * float(np.median(scene)) / light, 10)
        light = float(np.median(scene))
    _draw_lines(scene, row, paper, light, contrast, random)
    coverage = row.ink.astype(np.float32) / 255
    if extras and random.random() < 0.1:
        coverage = np.maximum(coverage, _neighbors(row, ink, random))
    if pencil:
        coverage *= random.uniform(0.6, 1, shape).astype(np.float32)
    inked = scene * (1 - coverage) + max(light - contrast, 0) * coverage
    scene = np.asarray(inked, np.float32)
    if extras and random.random() < 0.08:
        scene = _with_print(scene, row, light, random)
    if paper in ("photo", "cheque", "cell", "real") or (extras and random.random() < 0.15):
        scene = _camera(scene, contrast, random)
    return np.clip(scene, 0, 255).astype(np.float32)


def _draw_lines(
    scene: Scene, row: Row, paper: str, light: float, contrast: float, random: Generator
) -> None:
    """Ruling, squares, boxes, the edges of a cell, or the waves of a cheque, in place."""
    height, width = scene.shape
    left, top, right, bottom = row.box
    shade = light - random.uniform(0.1, 0.9) * min(contrast, 120)
    thick = 1 if random.random() < 0.75 else 2
    page = Image.fromarray(scene)
    draw = ImageDraw.Draw(page)
    slope = random.uniform(-0.02, 0.02)

    def across(y: float, color: float = shade) -> None:
        draw.line((0, y, width, y + slope * width), color, thick)

    def down(x: float, color: float = shade) -> None:
        draw.line((x, 0, x - slope * height, height), color, thick)

    if paper == "ruled" or (paper in ("photo", "cheque") and random.random() < 0.25):
        step = random.uniform(1.1, 2.4) * DIGIT
        for n in range(-3, 4):
            across(bottom + random.uniform(-0.3, 0.25) * DIGIT + n * step)
    elif paper == "squared":
        step = random.uniform(0.45, 1.2) * DIGIT
        for x in np.arange(random.uniform(0, step), width, step):
            down(x)
        for y in np.arange(random.uniform(0, step), height, step):
            across(y)
    elif paper == "boxes" and row.cells:
        middle, half = (top + bottom) / 2, random.uniform(0.6, 0.85) * DIGIT
        ends = light - contrast * random.uniform(0.3, 1) if random.random() < 0.6 else shade
        for x in row.cells:
            draw.line((x, middle - half, x, middle + half), ends, thick)
        for y in (middle - half, middle + half):
            draw.line((row.cells[0], y, row.cells[-1], y), ends, thick)
    elif paper == "cell":
        dark = light * random.uniform(0.2, 0.9)
        for y in (
            top - random.uniform(0.05, 0.6) * DIGIT,
            bottom + random.uniform(0.05, 0.6) * DIGIT,
        ):
            if random.random() < 0.7:
                across(y, dark)
        for x in (left - random.uniform(0.1, 1) * DIGIT, right + random.uniform(0.1, 1.5) * DIGIT):
            if random.random() < 0.6:
                down(x, dark)
    scene[:] = np.asarray(page)
    if paper == "cheque" or (paper == "photo" and random.random() < 0.25):
        y, x = np.mgrid[:height, :width].astype(np.float32)
        for _ in range(int(random.integers(1, 3))):
            pitch, angle = random.uniform(0.15, 0.9), random.uniform(0, np.pi)
            bend = random.uniform(0, 6) * np.sin(x / random.uniform(12, 60) + random.uniform(0, 6))
            wave = np.sin(pitch * (x * np.cos(angle) + y * np.sin(angle) + bend))
            lines = wave > random.uniform(-0.2, 0.9) if random.random() < 0.6 else (wave + 1) / 2
            scene -= random.uniform(0.05, 0.5) * min(contrast, 110) * lines.astype(np.float32)


def _real_paper(paper: Picture, row: Row, random: Generator) -> Scene:
    """Real paper on the canvas, so that the row is where the digits were."""
    left, top, right, bottom = row.box
    wide, tall = right - left, bottom - top
    above, below = random.uniform(0.02, 0.6, 2) * tall
    before, after = random.uniform(0.05, 0.7, 2) * DIGIT
    size = max(int(wide + before + after), 4), max(int(tall + above + below), 4)
    part = np.asarray(Image.fromarray(paper).resize(size, Image.Resampling.BILINEAR), np.float32)
    if random.random() < 0.3:
        part = part[:, ::-1]
    return extend(part, row.ink.shape, int(left - before), int(top - above))


def extend(part: Scene, shape: tuple[int, ...], left: int, top: int) -> Scene:
    """A canvas with a part at this place; the part's edges fill the rest."""
    rows = (np.arange(shape[0]) - top).clip(0, part.shape[0] - 1)
    columns = (np.arange(shape[1]) - left).clip(0, part.shape[1] - 1)
    return part[np.ix_(rows, columns)]


def _neighbors(row: Row, ink: Ink, random: Generator) -> Scene:
    """Coverage by a part of another row, above or below, which isn't to be read."""
    _, top, _, bottom = row.box
    other = make_row(ink, random)
    gap = random.uniform(0.1, 0.4) * DIGIT
    shift = top - gap - other.box[3] if random.random() < 0.5 else bottom + gap - other.box[1]
    canvas = Image.new("L", row.ink.shape[::-1])
    canvas.paste(Image.fromarray(other.ink), (0, int(shift)))
    return np.asarray(canvas, np.float32) / np.float32(255)


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that matplotlib brings, such as ``DejaVuSans``."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", size)


def _with_print(scene: Scene, row: Row, light: float, random: Generator) -> Scene:
    """Print above, below or next to the digits, smaller than they are."""
    left, top, right, bottom = row.box
    letters = "".join(random.choice([*PRINT], size=int(random.integers(2, 14))))
    face = font(str(random.choice(LABEL_FONTS)), int(random.integers(6, 14)))
    places = [
        (left + random.uniform(-20, 40), top - random.uniform(9, 18)),
        (left + random.uniform(-20, 40), bottom + random.uniform(0, 8)),
        (right + random.uniform(4, 15), random.uniform(top, bottom) - 4),
    ]
    page = Image.fromarray(scene)
    ImageDraw.Draw(page).text(
        places[random.integers(len(places))], letters, light * random.uniform(0, 0.6), face
    )
    return np.asarray(page)


def _camera(scene: Scene, contrast: float, random: Generator) -> Scene:
    """Uneven light, blur and noise."""
    width = scene.shape[1]
    light = np.linspace(1, random.uniform(0.6, 1), width, dtype=np.float32)
    scene = scene * (light if random.random() < 0.5 else light[::-1])
    page = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    blurred = np.asarray(page.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.8))))
    noise = random.standard_normal(scene.shape, np.float32) * np.float32(
        random.uniform(0.5, min(9, 0.15 * contrast))
    )
    if random.random() < 0.3:  # grain of several px
        noise = scipy.ndimage.uniform_filter(noise, 2) * 2
    return np.asarray(blurred + noise, np.float32)


def crop(scene: Scene, row: Row, random: Generator) -> Picture:
    """Cut the row out, tightly or loosely, and reduce it as scanners and cameras do."""
    height, width = scene.shape
    left, top, right, bottom = row.box
    if row.cells and random.random() < 0.7:
        left, right = row.cells[0] - 4, row.cells[-1] + 4
        top, bottom = top - 8, bottom + 8
    if random.random() < 0.25:  # a slope
        page = Image.fromarray(scene)
        angle = random.uniform(-7, 7)
        page = page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=float(np.median(scene)))
        scene = np.asarray(page)
        rise = abs(np.tan(np.deg2rad(angle))) * (right - left) / 2
        top, bottom = top - rise, bottom + rise
    tall = bottom - top
    loose = [(-0.05, 0.05), (0.03, 0.25), (0.2, 0.8)]
    vertical = [random.uniform(*loose[random.choice(3, p=[0.25, 0.55, 0.2])]) for _ in range(2)]
    sideways = [random.uniform(*((-0.01, 0.05), (0.05, 0.5), (0.5, 2))[random.choice(
        3, p=[0.25, 0.6, 0.15])]) for _ in range(2)]  # fmt: skip
    y0, y1 = top - vertical[0] * tall, bottom + vertical[1] * tall
    x0, x1 = left - sideways[0] * DIGIT, right + sideways[1] * DIGIT
    part = scene[
        max(int(y0), 0) : min(int(y1) + 1, height), max(int(x0), 0) : min(int(x1) + 1, width)
    ]
    picture = Image.fromarray(np.clip(part, 0, 255).astype(np.uint8))
    picture = picture.resize(
        (max(round(picture.width * random.uniform(0.8, 1.25)), 6), picture.height)
    )
    if random.random() < 0.35:
        scale = random.uniform(12, 40) / picture.height
        picture = picture.resize(
            (max(round(picture.width * scale), 6), max(round(picture.height * scale), 8))
        )
    if random.random() < 0.2:
        picture = compress(picture, int(random.integers(20, 80)))
    return np.asarray(picture)


def vary(picture: Picture, random: Generator) -> Picture:
    """A real row as another camera would show it: turned, stretched, lighter, blurred, noisier."""
    page = Image.fromarray(picture)
    page = page.rotate(
        random.uniform(-3, 3), Image.Resampling.BILINEAR, fillcolor=int(np.median(picture))
    )
    size = page.width * random.uniform(0.8, 1.25), page.height * random.uniform(0.85, 1.15)
    page = page.resize((max(int(size[0]), 8), max(int(size[1]), 8)))
    page = page.filter(ImageFilter.GaussianBlur(random.uniform(0, 1) * page.height / 60))
    scene = np.asarray(page, np.float32) * np.float32(random.uniform(0.6, 1.05))
    scene = scene + random.standard_normal(scene.shape, np.float32) * np.float32(
        random.uniform(0, 5)
    )
    return np.clip(scene, 0, 255).astype(np.uint8)


# --- pages -----------------------------------------------------------------------------------


def make_page(row: Row | None, random: Generator) -> Picture:
    """A ruled sheet with a ring left by a cup, a line of print, and perhaps a row of digits.

    Args:
        row: in one half of the page; the ring is in the other.
        random: of paper, ruling, ring, print and places.

    Returns:
        gray, 480 to 620 px high and 720 wide.
    """
    height, width, digit = int(random.integers(480, 620)), 720, random.uniform(50, 90)
    top = random.random() < 0.5  # the row is in the upper half
    sheet = Image.new("L", (width, height), int(random.integers(235, 256)))
    draw = ImageDraw.Draw(sheet)
    step = random.uniform(38, 70)
    for y in np.arange(step * random.random(), height, step):
        draw.line((0, y, width, y), 190, 2)
    face = font(str(random.choice(LABEL_FONTS)), int(random.integers(18, 34)))
    place = random.uniform(20, 120), height * (0.03 if top else 0.9)
    draw.text(place, "".join(random.choice([*PRINT, " "], size=24)), 40, face)
    page = np.asarray(sheet, np.float32)
    page = page * (1 - _ring((height, width), not top, random))
    if row is not None:
        left, upper, right, lower = row.box
        cut = Image.fromarray(row.ink[upper - 4 : lower + 4, left - 4 : right + 4])
        scale = min(digit / DIGIT, 0.85 * width / cut.width, 0.34 * height / cut.height)
        cut = cut.resize((int(cut.width * scale), int(cut.height * scale)))
        x = int(random.uniform(0.04, 0.96) * (0.92 * width - cut.width) + 0.04 * width)
        y = int(height * (0.3 if top else 0.7) - cut.height / 2)
        window = page[max(y, 0) : y + cut.height, max(x, 0) : x + cut.width]
        coverage = np.asarray(cut, np.float32)[: len(window), : window.shape[1]] / 255
        window[:] = window * (1 - coverage) + 45 * coverage
    page = page + random.uniform(0, 4) * random.standard_normal(page.shape, np.float32)
    return np.clip(page, 0, 255).astype(np.uint8)


def _ring(shape: tuple[int, int], top: bool, random: Generator) -> Scene:
    """The opacity of a ring: uneven, darkest at its rim."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    middle = height * (0.26 if top else 0.74), random.uniform(0.2, 0.8) * width
    radius, thick = random.uniform(0.13, 0.2) * height, random.uniform(2, 5)
    angle = np.arctan2(y - middle[0], x - middle[1])
    uneven = 1 + 0.4 * np.cos(random.integers(1, 4) * angle + random.uniform(0, 6.3))
    off = np.hypot(y - middle[0], (x - middle[1]) * random.uniform(0.95, 1.05)) - radius
    rim = np.exp(-((off / thick) ** 2)) * uneven * random.uniform(0.3, 0.6)
    return np.clip(rim, 0, 0.9).astype(np.float32)
