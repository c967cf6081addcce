"""Drawings made from rules: digit styles that real data lacks, and things that are no digits.

MNIST's writers are American, pendigits' are Turkish; slashed and dotted zeros, ones with long
upstroke and foot, looped twos, sail-like fours, nines on a straight stem and the like are rare or
missing in both. The rules here draw them as strokes (x right, y down, in a box of about 1 by 1)
with everything about them varied; augmentation varies them further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from digitlib.datasets.unipen import PenDigit

NO_DIGIT = 10  # the label of everything that is no digit

Points = NDArray[np.float64]
Style = Callable[[RandomState], list[Points]]


def line(*points: tuple[float, float]) -> Points:
    """A polyline ``[n, 2]``."""
    return np.array(points, dtype=float)


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Part of an ellipse, from ``start`` to ``end`` degrees; 0 points right, 90 down."""
    angle = np.radians(np.linspace(start, end, 24))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def smooth(points: Points, rounds: int = 3) -> Points:
    """Round the corners by Chaikin's cutting; a point given twice keeps its corner."""
    for _ in range(rounds):
        first, second = points[:-1], points[1:]
        cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points


def _join(*parts: Points) -> Points:
    return np.concatenate(parts)


# --- digits --------------------------------------------------------------------------------


def _zero_slashed(r: RandomState) -> list[Points]:
    wide = r.uniform(0.25, 0.45)
    dx, dy = r.uniform(0.6, 1.4) * wide, r.uniform(0.3, 0.6)
    start = r.uniform(-140, -60)
    ring = arc(0.5, 0.5, wide, 0.5, start, start - r.uniform(345, 385))
    return [ring, line((0.5 + dx, 0.5 - dy), (0.5 - dx, 0.5 + dy))]


def _zero_dotted(r: RandomState) -> list[Points]:
    ring = arc(0.5, 0.5, r.uniform(0.3, 0.45), 0.5, -90, -90 - r.uniform(345, 380))
    x, y, long = r.uniform(0.45, 0.55), r.uniform(0.42, 0.58), r.uniform(0, 0.07)
    return [ring, line((x, y - long), (x, y + long))]


def _one_upstroke(r: RandomState) -> list[Points]:
    footed = r.rand() < 0.55
    reach = r.uniform(0.08, 0.5 if footed else 0.36)  # longer ones without a foot are sevens
    drop = reach * r.uniform(1.0, 1.8)
    strokes = [line((-reach, drop), (0, 0), (0, 0), (0, 1))]
    if footed:
        foot = r.uniform(0.12, 0.45)
        strokes.append(line((-foot * r.uniform(0.7, 1.2), 1), (foot, 1)))
    return strokes


def _one_bar(r: RandomState) -> list[Points]:
    bow = r.uniform(-0.05, 0.05)
    return [smooth(line((0, 0), (bow, 0.5), (0, 1)))]


def _two_flat(r: RandomState) -> list[Points]:
    wide, turn = r.uniform(0.3, 0.45), r.uniform(0.25, 0.33)
    top = arc(0.4, turn, wide, turn, 190 + r.uniform(-10, 25), 370 + r.uniform(0, 20))
    corner = (r.uniform(-0.05, 0.05), r.uniform(0.95, 1.0))
    end = (r.uniform(0.7, 1.0), r.uniform(0.92, 1.05))
    return [_join(top, line(corner, corner, end))]


def _two_looped(r: RandomState) -> list[Points]:
    wide, turn = r.uniform(0.3, 0.42), r.uniform(0.25, 0.32)
    top = arc(0.45, turn, wide, turn, 190 + r.uniform(-10, 25), 375)
    x, size = r.uniform(0.1, 0.22), r.uniform(0.07, 0.15)
    loop = arc(x, 0.92 - size, size * 1.2, size, 60, 330)
    tail = line((x + 0.25, 0.9), (x + 0.5, r.uniform(0.97, 1.05)), (1.0, r.uniform(0.85, 1.0)))
    return [_join(top, smooth(_join(top[-1:], loop, tail))[1:])]


def _three(r: RandomState) -> list[Points]:
    middle, waist = r.uniform(0.38, 0.5), r.uniform(0.15, 0.45)
    wide = r.uniform(0.35, 0.5)
    bottom = arc(0.4, (1 + middle) / 2, wide, (1 - middle) / 2, -80, r.uniform(120, 165))
    if r.rand() < 0.6:  # with a flat top
        top = line((0.05, 0), (0.05, 0), (0.8, 0), (0.8, 0), (waist, middle), (waist, middle))
    else:
        top = arc(0.4, middle / 2, wide * 0.9, middle / 2, r.uniform(190, 220), 440)
    return [_join(top, bottom)]


def _four_open(r: RandomState) -> list[Points]:
    bar, stem = r.uniform(0.5, 0.72), r.uniform(0.5, 0.75)
    left = line((r.uniform(0.05, 0.35), 0), (0, bar), (0, bar), (r.uniform(0.8, 1.0), bar))
    return [left, line((stem, r.uniform(0, 0.45)), (stem - r.uniform(-0.05, 0.1), 1))]


def _four_closed(r: RandomState) -> list[Points]:
    bar, stem = r.uniform(0.55, 0.75), r.uniform(0.5, 0.75)
    end = (r.uniform(0.8, 1.05), bar + r.uniform(-0.03, 0.03))
    if r.rand() < 0.5:  # in one go, like a sail
        return [line(end, (0, bar), (0, bar), (stem, 0), (stem, 0), (stem, 1))]
    return [line((stem, 0), (0, bar), (0, bar), end), line((stem, 0), (stem, 1))]


def _five_detached(r: RandomState) -> list[Points]:
    shoulder, wide = r.uniform(0.38, 0.5), r.uniform(0.35, 0.48)
    belly = arc(0.35, (1 + shoulder) / 2, wide, (1 - shoulder) / 2, -105, r.uniform(110, 155))
    body = _join(line((0.2, 0.0), (0.12, shoulder), (0.12, shoulder)), belly)
    x, y = r.uniform(0.1, 0.35), r.uniform(-0.14, 0.06)
    bar = line((x, y), (x + r.uniform(0.4, 0.75), y + r.uniform(-0.1, 0.06)))
    return [body, bar]


def _six(r: RandomState) -> list[Points]:
    top = r.uniform(0.45, 0.6)
    wide = r.uniform(0.28, 0.42)
    end = r.uniform(300, 365) if r.rand() < 0.6 else r.uniform(230, 290)  # closed or open
    loop = arc(0.45, (1 + top) / 2, wide, (1 - top) / 2, 180, 180 - end)
    start = (r.uniform(0.45, 0.85), 0)
    bow = (r.uniform(0.1, 0.3), r.uniform(0.3, 0.45))
    return [_join(smooth(line(start, bow, tuple(loop[0]))), loop)]


def _seven(r: RandomState) -> list[Points]:
    right, foot = r.uniform(0.7, 1.0), r.uniform(0.15, 0.6)
    bow = (foot + 0.35 * (right - foot) + r.uniform(-0.1, 0.02), 0.45)
    top = r.uniform(-0.05, 0.08)
    stem = line((0, top), (right, 0), (right, 0), bow, (foot, 1))
    if r.rand() < 0.4:  # a serif on the left
        stem = _join(line((0, top + r.uniform(0.1, 0.25)), (0, top), (0, top)), stem[1:])
    strokes = [stem]
    if r.rand() < 0.5:
        y, half = r.uniform(0.4, 0.6), r.uniform(0.15, 0.35)
        x = foot + (right - foot) * (1 - y)
        strokes.append(line((x - half, y + r.uniform(-0.05, 0.1)), (x + half, y)))
    return strokes


def _eight(r: RandomState) -> list[Points]:
    waist = r.uniform(0.4, 0.52)
    small, big = r.uniform(0.2, 0.34), r.uniform(0.28, 0.42)
    if r.rand() < 0.5:  # two rings
        upper = arc(0.5, waist / 2, small, waist / 2, 90, 90 - r.uniform(350, 380))
        lower = arc(0.5, (1 + waist) / 2, big, (1 - waist) / 2, -90, -90 + r.uniform(350, 380))
        return [upper, lower]
    start = r.uniform(-40, 10)
    upper = arc(0.5, waist / 2, small, waist / 2, start, -270)
    lower = arc(0.5, (1 + waist) / 2, big, (1 - waist) / 2, -90, 270)
    back = arc(0.5, waist / 2, small, waist / 2, 90, start + r.uniform(-20, 60))
    return [_join(upper, lower, back)]


def _nine(r: RandomState) -> list[Points]:
    bottom, wide = r.uniform(0.4, 0.55), r.uniform(0.28, 0.42)
    start = r.uniform(-60, 0)
    sweep = r.uniform(330, 365) if r.rand() < 0.7 else r.uniform(280, 320)
    loop = arc(0.4, bottom / 2, wide, bottom / 2, start, start - sweep)
    x = 0.4 + wide
    if r.rand() < 0.55:  # a straight stem
        stem = line((x, bottom / 2 - r.uniform(0, 0.2)), (x - r.uniform(-0.05, 0.25), 1))
        return [_join(loop, stem)] if r.rand() < 0.5 else [loop, stem]
    tail = [(x, 0.75), (0.4, 1.0), (r.uniform(0.0, 0.25), r.uniform(0.8, 0.98))]
    return [_join(loop, smooth(line((x, bottom / 2), *tail)))]


DIGIT_STYLES: tuple[tuple[int, Style], ...] = (
    (0, _zero_slashed),
    (0, _zero_dotted),
    (1, _one_upstroke),
    (1, _one_bar),
    (2, _two_flat),
    (2, _two_looped),
    (3, _three),
    (4, _four_open),
    (4, _four_closed),
    (5, _five_detached),
    (6, _six),
    (7, _seven),
    (8, _eight),
    (9, _nine),
)


def draw_digits(count: int, seed: int) -> list[PenDigit]:
    """``count`` drawings of each style; the writer is the style's number."""
    random = RandomState(seed)
    return [
        PenDigit(style(random), label, number)
        for number, (label, style) in enumerate(DIGIT_STYLES)
        for _ in range(count)
    ]


def modify_digits(digits: Sequence[PenDigit], seed: int) -> list[PenDigit]:
    """Real drawings in styles their writers did not use.

    Zeros get a slash or a dot, sixes and nines are turned into each other, sevens of several
    strokes keep the stem alone and plain ones get one, and second strokes of fives move away.
    """
    random = RandomState(seed)
    changed = []
    for digit in digits:
        points = np.concatenate(digit.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        size, middle = np.maximum(high - low, 1e-9), (low + high) / 2
        strokes, label = list(digit.strokes), digit.label
        if label == 0:
            reach = size * random.uniform(0.3, 0.65, 2) * [1, -1]
            if random.rand() < 0.35:
                reach = size * random.uniform(0, 0.06)
            strokes.append(np.stack([middle + reach, middle - reach]))
        elif label in (6, 9):
            strokes, label = [2 * middle - stroke for stroke in strokes], 15 - label
        elif label == 7 and len(strokes) > 1:
            stem = max(strokes, key=lambda stroke: float(np.ptp(stroke[:, 1])))
            if np.ptp(stem[:, 1]) < 0.9 * size[1]:
                continue
            strokes = [stem]
        elif label == 7:
            bar = middle + size * [random.uniform(-0.1, 0.2), random.uniform(-0.1, 0.1)]
            half = size * [random.uniform(0.2, 0.4), random.uniform(-0.1, 0.05)]
            strokes.append(np.stack([bar - half, bar + half]))
        elif label == 5 and len(strokes) > 1:
            strokes[-1] = strokes[-1] + size * random.uniform([0, -0.15], [0.2, 0.0])
        else:
            continue
        changed.append(PenDigit(strokes, label, digit.writer))
    return changed


# --- no digits -----------------------------------------------------------------------------

# Strokes apart by "|", points "x,y". None of them can be taken for a digit. Training sees letters
# and shapes; symbols are kept to judge by.
LETTERS = {
    "A": "0,1 .5,0 1,1|.2,.6 .8,.6",
    "C": "1,.15 .8,0 .5,0 .1,.2 0,.5 .1,.8 .5,1 .8,1 1,.85",
    "E": "1,0 0,0 0,0 0,1 0,1 1,1|0,.5 .8,.5",
    "F": "1,0 0,0 0,0 0,1|0,.5 .7,.5",
    "H": "0,0 0,1|1,0 1,1|0,.5 1,.5",
    "K": "0,0 0,1|.9,0 0,.55 0,.55 .9,1",
    "M": "0,1 0,0 0,0 .5,.6 .5,.6 1,0 1,0 1,1",
    "N": "0,1 0,0 0,0 1,1 1,1 1,0",
    "P": "0,1 0,0 0,0 .7,0 1,.25 .7,.5 0,.5",
    "R": "0,1 0,0 0,0 .7,0 1,.25 .7,.5 0,.5 0,.5 .9,1",
    "T": "0,0 1,0|.5,0 .5,1",
    "U": "0,0 0,.7 .2,1 .8,1 1,.7 1,0",
    "V": "0,0 .5,1 .5,1 1,0",
    "W": "0,0 .25,1 .25,1 .5,.3 .5,.3 .75,1 .75,1 1,0",
    "X": "0,0 1,1|1,0 0,1",
    "Y": "0,0 .5,.5 .5,.5 1,0|.5,.5 .5,1",
    "L": "0,0 0,1 0,1 .8,1",
    "a": "1,.1 .5,0 0,.5 .4,1 1,.6 1,.1 1,.6 1.15,1",
    "e": "0,.5 1,.5 .9,.1 .5,0 0,.5 .4,1 1,.8",
    "f": "1,.1 .7,0 .5,.2 .5,1|.1,.4 .9,.4",
    "h": "0,0 0,1 0,1 .1,.6 .5,.45 .8,.6 .8,1",
    "k": "0,0 0,1|.7,.35 0,.7 0,.7 .7,1",
    "m": "0,0 0,1 0,1 .1,.2 .35,0 .5,.2 .5,1 .5,1 .6,.2 .85,0 1,.2 1,1",
    "n": "0,0 0,1 0,1 .1,.3 .5,0 .9,.3 .9,1",
    "r": "0,0 0,1 0,1 .1,.3 .5,0 .8,.1",
    "u": "0,0 0,.7 .4,1 .9,.6 .9,0 .9,0 .95,1",
    "w": "0,0 .2,.9 .3,1 .5,.3 .5,.3 .7,1 .8,.9 1,0",
    "x": "0,0 .3,.1 .7,.9 1,1|1,0 0,1",
}
SHAPES = {
    "square": "0,0 0,0 1,0 1,0 1,1 1,1 0,1 0,1 0,0",
    "diamond": ".5,0 .5,0 1,.5 1,.5 .5,1 .5,1 0,.5 0,.5 .5,0",
    "crescent": ".6,0 .1,.1 0,.5 .1,.9 .6,1 .6,1 .3,.7 .3,.3 .6,0",
    "leaf": "0,1 0,1 0,.4 .5,0 1,0 1,0 1,.6 .5,1 0,1|0,1 .7,.3",
    "cup": "0,.1 .1,1 .1,1 .7,1 .7,1 .8,.1 .8,.1 0,.1|.78,.3 1,.3 1,.65 .75,.65",
    "flag": "0,1 0,0 0,0 .8,.1 .8,.1 .8,.5 .8,.5 0,.5",
    "envelope": "0,.1 1,.1 1,.1 1,.9 1,.9 0,.9 0,.9 0,.1 0,.1 .5,.55 .5,.55 1,.1",
    "eye": "0,.5 0,.5 .5,.1 1,.5 1,.5 .5,.9 0,.5|.5,.35 .62,.5 .5,.65 .38,.5 .5,.35",
    "fish": "1,.2 1,.2 .3,.9 0,.5 .3,.1 1,.8 1,.8 1,.2",
    "tree": ".4,1 .4,.7 .4,.7 0,.7 .5,0 .5,0 1,.7 .6,.7 .6,.7 .6,1",
    "target": ".5,0 0,.2 0,.8 .5,1 1,.8 1,.2 .5,0|.1,.5 .9,.5|.5,.1 .5,.9",
    "cross": "0,.3 .35,.3 .35,0 .65,0 .65,.3 1,.3|0,.6 .35,.6 .35,1 .65,1 .65,.6 1,.6",
    "stairs": "0,1 0,.7 .3,.7 .3,.4 .6,.4 .6,.1 1,.1",
    "less": "1,0 0,.5 0,.5 1,1",
    "bracket": "1,0 0,0 0,0 0,1 0,1 1,1",
    "person": ".5,0 .35,.12 .5,.25 .65,.12 .5,0|.5,.25 .5,.65|.15,.4 .85,.4|.2,1 .5,.65 .8,1",
}
SYMBOLS = {
    "plus": "0,.5 1,.5|.5,0 .5,1",
    "equals": "0,.3 1,.3|0,.7 1,.7",
    "question": "0,.2 .2,0 .7,0 .9,.25 .5,.5 .45,.7|.45,.98 .45,1",
    "triangle": "0,1 .5,0 .5,0 1,1 1,1 0,1",
    "star": "0,.38 1,.38 1,.38 .2,1 .2,1 .5,0 .5,0 .8,1 .8,1 0,.38",
    "heart": ".5,1 0,.4 .05,.05 .35,0 .5,.25 .5,.25 .65,0 .95,.05 1,.4 .5,1",
    "arrow": "0,.5 1,.5|.65,.2 1,.5 1,.5 .65,.8",
    "hash": ".3,0 .2,1|.8,0 .7,1|0,.3 1,.3|0,.7 1,.7",
    "percent": "1,0 0,1|.2,.05 .05,.2 .2,.35 .35,.2 .2,.05|.8,.65 .65,.8 .8,.95 .95,.8 .8,.65",
    "infinity": ".5,.5 .2,.2 0,.5 .2,.8 .5,.5 .8,.2 1,.5 .8,.8 .5,.5",
    "wave": "0,.5 .15,.3 .35,.7 .55,.3 .75,.7 1,.4",
    "zigzag": "0,.3 .2,.7 .2,.7 .4,.3 .4,.3 .6,.7 .6,.7 .8,.3 .8,.3 1,.7",
    "house": "0,1 0,.45 0,.45 .5,0 .5,0 1,.45 1,.45 1,1 1,1 0,1",
    "smile": ".5,0 0,.5 .5,1 1,.5 .5,0|.35,.35 .35,.4|.65,.35 .65,.4|.3,.65 .5,.8 .7,.65",
    "pi": "0,.05 1,.05|.25,.05 .2,1|.75,.05 .8,1",
    "sigma": "1,0 0,0 0,0 .6,.5 .6,.5 0,1 0,1 1,1",
    "omega": "0,1 .3,1 .1,.5 .3,0 .7,0 .9,.5 .7,1 1,1",
    "asterisk": ".5,0 .5,1|.05,.25 .95,.75|.95,.25 .05,.75",
    "check": "0,.6 .3,1 .3,1 1,0",
    "divide": "0,.5 1,.5|.5,.15 .5,.2|.5,.8 .5,.85",
}


def parse_outline(outline: str) -> list[Points]:
    """Strokes of an outline from its text; corners round unless a point is given twice."""
    strokes = [[tuple(map(float, p.split(","))) for p in s.split()] for s in outline.split("|")]
    return [smooth(np.array(stroke)) for stroke in strokes]


def scribble(random: RandomState) -> list[Points]:
    """A smooth random line that turns too often for a digit."""
    time = np.linspace(0, 1, 160)
    tones = random.randint(5, 9)
    size = random.randn(tones, 2, 2) / np.arange(1, tones + 1)[:, None, None] ** 0.4
    angle = 2 * np.pi * time * np.arange(1, tones + 1)[:, None] * random.uniform(0.8, 1.2)
    waves = np.stack([np.sin(angle), np.cos(angle)])  # [2, tones, 160]
    return [np.einsum("stp,tsx->px", waves, size)]


def side_by_side(first: PenDigit, second: PenDigit, random: RandomState) -> list[Points]:
    """Two digits next to each other, equally high."""
    parts: list[Points] = []
    right = 0.0
    for digit in (first, second):
        points = np.concatenate(digit.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        scale = 1 / max(high[1] - low[1], 0.5 * (high[0] - low[0]), 1e-9)
        parts += [(s - low) * scale + [right, random.uniform(-0.1, 0.1)] for s in digit.strokes]
        right += (high[0] - low[0]) * scale + random.uniform(0.15, 0.5)
    return parts


def draw_non_digits(
    outlines: dict[str, str], count: int, seed: int, digits: Sequence[PenDigit] = ()
) -> list[PenDigit]:
    """Things that are no digit: ``count`` of each outline, scribbles, and pairs of ``digits``."""
    random = RandomState(seed)
    drawings = [parse_outline(outline) for outline in outlines.values() for _ in range(count)]
    drawings += [scribble(random) for _ in range(4 * count)]
    for _ in range(12 * count if digits else 0):
        first, second = (digits[i] for i in random.randint(len(digits), size=2))
        drawings.append(side_by_side(first, second, random))
    return [PenDigit(strokes, NO_DIGIT, -1) for strokes in drawings]
