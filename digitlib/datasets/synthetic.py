"""Synthetic digits: strokes drawn by rules, in styles that the other data sets lack.

MNIST's writers are American, pendigits' are Turkish. Slashed and dotted zeros, ones with a long
upstroke and a foot, looped twos, sail-like fours, and nines on a straight stem are rare or missing
in both, as are ticks at the foot of a digit and the segments of a display. The rules draw them as
strokes (x right, y down, in a box of about 1 by 1) with random proportions; augmentation varies
them further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from digitlib.datasets import pendigits
from digitlib.datasets.base import SPLITS, DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.pen import PenDrawing, extent, pen_data

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


def _zero_crossed(r: RandomState) -> list[Points]:
    """A zero with a slash longer than its ring, often drawn in one go."""
    wide = r.uniform(0.22, 0.4)
    dx, dy = r.uniform(1.2, 2.2) * wide, r.uniform(0.35, 0.65)
    start = r.uniform(-80, -30)
    ring = arc(0.5, 0.5, wide, 0.5, start, start - r.uniform(330, 380))
    slash = line((0.5 + dx, 0.5 - dy), (0.5 - dx, 0.5 + dy))
    return [_join(ring, slash)] if r.rand() < 0.5 else [ring, slash]


def _zero_dotted(r: RandomState) -> list[Points]:
    ring = arc(0.5, 0.5, r.uniform(0.3, 0.45), 0.5, -90, -90 - r.uniform(345, 380))
    x, y, long = r.uniform(0.45, 0.55), r.uniform(0.42, 0.58), r.uniform(0, 0.07)
    return [ring, line((x, y - long), (x, y + long))]


def _one_upstroke(r: RandomState) -> list[Points]:
    footed = r.rand() < 0.55
    reach = r.uniform(0.08, 0.5 if footed else 0.36)  # longer ones without a foot are sevens
    drop = reach * r.uniform(0.0 if footed else 1.0, 1.8)  # a level flag needs a foot
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
    x, y = r.uniform(0.1, 0.45), r.uniform(-0.25, 0.06)
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


def _six_cut(r: RandomState) -> list[Points]:
    """A six with a loop that ends in a line across its stem."""
    top, wide = r.uniform(0.45, 0.62), r.uniform(0.28, 0.42)
    loop = arc(0.45, (1 + top) / 2, wide, (1 - top) / 2, 180, 180 - r.uniform(250, 310))
    start = (r.uniform(0.45, 0.85), 0)
    bow = (r.uniform(0.1, 0.3), r.uniform(0.3, 0.45))
    end = (r.uniform(-0.3, 0.0), r.uniform(top - 0.05, 0.85))
    return [_join(smooth(line(start, bow, tuple(loop[0]))), loop, line(end))]


def _seven(r: RandomState) -> list[Points]:
    right, foot = r.uniform(0.7, 1.0), r.uniform(0.15, 0.6)
    bow = (foot + 0.35 * (right - foot) + r.uniform(-0.1, 0.02), 0.45)
    top = r.uniform(-0.05, 0.08)
    stem = line((0, top), (right, 0), (right, 0), bow, (foot, 1))
    if r.rand() < 0.4:  # a serif on the left
        stem = _join(line((0, top + r.uniform(0.1, 0.4)), (0, top), (0, top)), stem[1:])
    strokes = [stem]
    if r.rand() < 0.5:
        y, half = r.uniform(0.4, 0.6), r.uniform(0.15, 0.35)
        x = foot + (right - foot) * (1 - y)
        strokes.append(line((x - half, y + r.uniform(-0.05, 0.1)), (x + half, y)))
    return strokes


def _seven_looped(r: RandomState) -> list[Points]:
    """A seven with a small loop at its corner, or a bar that turns back into the stem."""
    right, foot, size = r.uniform(0.7, 1.0), r.uniform(0.1, 0.6), r.uniform(0.04, 0.1)
    top = r.uniform(-0.05, 0.08)
    loop = arc(right, -size, size, size, 90, 90 - r.uniform(250, 330))
    return [_join(line((0, top), (0.5 * right, top / 2)), loop, line((foot, 1)))]


def _eight_open(r: RandomState) -> list[Points]:
    """An eight with a line that begins and ends apart, above or at the waist."""
    waist = r.uniform(0.4, 0.52)
    small, big = r.uniform(0.2, 0.34), r.uniform(0.28, 0.42)
    start = r.uniform(-70, -20)
    upper = arc(0.5, waist / 2, small, waist / 2, start, -270)
    lower = arc(0.5, (1 + waist) / 2, big, (1 - waist) / 2, -90, 270)
    end = (0.5 + small * r.uniform(0.6, 1.6), waist * r.uniform(0.05, 0.6))
    return [_join(upper, lower, line(end))]


def _nine_open(r: RandomState) -> list[Points]:
    """A nine with a loop that doesn't reach its stem."""
    bottom, wide = r.uniform(0.38, 0.55), r.uniform(0.28, 0.42)
    start = r.uniform(-75, -35)
    loop = arc(0.4, bottom / 2, wide, bottom / 2, start, start - r.uniform(220, 290))
    x = 0.4 + wide * r.uniform(0.9, 1.3)
    stem = line((x, r.uniform(-0.1, 0.1)), (x - r.uniform(-0.05, 0.25), 1))
    return [loop, stem] if r.rand() < 0.5 else [_join(loop, stem)]


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


# --- habits of hands that the data sets lack -------------------------------------------------


def _foot(r: RandomState, x: float, y: float) -> Points:
    """A tick or hook upward from a foot, mostly to the right."""
    aside = r.uniform(0.05, 0.25) * (1 if r.rand() < 0.75 else -1)
    return smooth(line((x, y), (x + 0.3 * aside, y + r.uniform(-0.02, 0.04)),
                       (x + aside, y - r.uniform(0.05, 0.25))))  # fmt: skip


def _one_hooked(r: RandomState) -> list[Points]:
    stem = line((r.uniform(-0.05, 0.1), 0), (0, 1))
    if r.rand() < 0.5:  # with a flag
        reach = r.uniform(0.08, 0.3)
        stem = _join(line((-reach, reach * r.uniform(0.8, 1.6))), stem[:1], stem)
    return [_join(stem, _foot(r, 0, 1)[1:])]


def _seven_hooked(r: RandomState) -> list[Points]:
    right, foot = r.uniform(0.6, 0.9), r.uniform(0.15, 0.45)
    serif = line((0, r.uniform(0.1, 0.25))) if r.rand() < 0.5 else line()
    stem = line((0, 0), (0, 0), (right, r.uniform(-0.05, 0.05)), (right, 0), (foot, 1))
    return [_join(serif.reshape(-1, 2), stem, _foot(r, foot, 1)[1:])]


def _nine_hooked(r: RandomState) -> list[Points]:
    bottom, wide = r.uniform(0.4, 0.52), r.uniform(0.25, 0.38)
    loop = arc(0.4, bottom / 2, wide, bottom / 2, -20, -20 - r.uniform(320, 360))
    foot = 0.4 + wide - r.uniform(-0.05, 0.2)
    return [_join(loop, line((0.4 + wide, bottom / 2), (foot, 1)), _foot(r, foot, 1)[1:])]


def _nine_tailed(r: RandomState) -> list[Points]:
    """A nine with a tail that closes to a second, lower loop."""
    bottom, wide = r.uniform(0.45, 0.55), r.uniform(0.25, 0.35)
    loop = arc(0.45, bottom / 2, wide, bottom / 2, -20, -380)
    right, low = 0.45 + wide, r.uniform(0.85, 0.95)
    back = line((0.15, low), (0.3, r.uniform(0.7, 0.78)), (right - 0.02, r.uniform(0.62, 0.7)))
    tail = _join(line((right, bottom / 2), (right, 0.8), (0.5, 1.05)), back)
    return [_join(loop, smooth(tail))]


def _six_crossed(r: RandomState) -> list[Points]:
    """A six with a loop that crosses its stem, or leaves to the right."""
    top, wide = r.uniform(0.5, 0.62), r.uniform(0.25, 0.38)
    loop = arc(0.45, (1 + top) / 2, wide, (1 - top) / 2, 180, -r.uniform(160, 200))
    stem = smooth(line((r.uniform(0.4, 0.7), 0), (r.uniform(0.1, 0.25), 0.35), tuple(loop[0])))
    x, y = loop[-1]
    end = (r.uniform(0.85, 1.1), r.uniform(0.6, 0.9))
    leaving = smooth(line((x, y), (x + 0.2, y + r.uniform(0, 0.1)), end))
    return [_join(stem, loop, leaving[1:])]


def _two_rising(r: RandomState) -> list[Points]:
    """A two with a loop at its base and a tail that rises."""
    wide, turn, size = r.uniform(0.28, 0.4), r.uniform(0.25, 0.32), r.uniform(0.08, 0.14)
    top = arc(0.45, turn, wide, turn, 190 + r.uniform(-10, 25), 375)
    loop = arc(0.15, 0.92 - size, size * 1.3, size, 60, 350)
    end = (r.uniform(0.95, 1.1), r.uniform(0.55, 0.8))
    tail = line((0.45, 0.92), (0.75, r.uniform(0.9, 1.0)), end)
    return [_join(top, smooth(_join(top[-1:], loop, tail))[1:])]


def _zero_inside(r: RandomState) -> list[Points]:
    """A zero that ends a little inside itself."""
    wide, start = r.uniform(0.28, 0.45), r.uniform(-110, -60)
    ring = arc(0.5, 0.5, wide, 0.5, start, start - r.uniform(340, 365))
    curl = ring[-1] + (0.5 - ring[-1]) * np.linspace(0.05, r.uniform(0.15, 0.35), 6)[:, None]
    return [_join(ring, curl + np.linspace(0, 1, 6)[:, None] * [-r.uniform(0, 0.1), 0])]


def _zero_barred(r: RandomState) -> list[Points]:
    """A zero with a bar across, like a theta."""
    wide, y = r.uniform(0.28, 0.42), r.uniform(0.45, 0.55)
    half = wide * r.uniform(0.5, 1.1)
    bar = line((0.5 - half, y + r.uniform(-0.06, 0.06)), (0.5 + half, y))
    return [arc(0.5, 0.5, wide, 0.5, -90, -90 - r.uniform(350, 375)), bar]


def _one_long(r: RandomState) -> list[Points]:
    """A one with an upstroke almost as long as its stem, and often a foot."""
    reach, drop, foot = r.uniform(0.3, 0.5), r.uniform(0.6, 0.95), r.uniform(0.15, 0.35)
    strokes = [line((-reach, drop), (0, 0), (0, 0), (0.02, 1))]
    return [*strokes, line((-foot, 1), (foot, 1))] if r.rand() < 0.6 else strokes


def _four_short(r: RandomState) -> list[Points]:
    """A four with a leg that touches its bar without crossing it."""
    bar, stem = r.uniform(0.5, 0.62), r.uniform(0.6, 0.8)
    left = line((r.uniform(0.0, 0.3), 0), (0, bar), (0, bar), (stem, bar - r.uniform(0, 0.05)))
    leg = line((stem + r.uniform(-0.02, 0.05), r.uniform(0.1, bar - 0.1)), (stem, 1))
    return [left, leg]


# Ends of a display's segments: x 0-1, y 0-2.
_SEGMENTS = {
    "a": ((0, 0), (1, 0)), "b": ((1, 0), (1, 1)), "c": ((1, 1), (1, 2)), "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)), "f": ((0, 0), (0, 1)), "g": ((0, 1), (1, 1)),
}  # fmt: skip
_DISPLAY = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def _display(digit: int) -> Style:
    """A digit as a display of seven segments has it, each segment a stroke."""

    def draw(r: RandomState) -> list[Points]:
        wide, gap = r.uniform(0.45, 0.7), r.uniform(-0.03, 0.08)
        strokes = []
        for name in _DISPLAY[digit]:
            start, end = (np.array(point) for point in _SEGMENTS[name])
            ends = np.stack([start + gap * (end - start), end - gap * (end - start)])
            strokes.append((ends + r.uniform(-0.03, 0.03, (2, 2))) * [wide, 0.5])
        return strokes

    return draw


# The position of a style is its number; the later rows were added later.
HAND_STYLES: tuple[tuple[int, Style], ...] = (
    (0, _zero_slashed), (0, _zero_dotted), (1, _one_upstroke), (1, _one_bar), (2, _two_flat),
    (2, _two_looped), (3, _three), (4, _four_open), (4, _four_closed), (5, _five_detached),
    (6, _six), (7, _seven), (8, _eight), (9, _nine),
    (0, _zero_crossed), (6, _six_cut), (7, _seven_looped), (8, _eight_open), (9, _nine_open),
    (1, _one_hooked), (7, _seven_hooked), (9, _nine_hooked), (9, _nine_tailed), (6, _six_crossed),
    (2, _two_rising), (0, _zero_inside), (0, _zero_barred), (1, _one_long), (4, _four_short),
)  # fmt: skip
DIGIT_STYLES = HAND_STYLES + tuple((digit, _display(digit)) for digit in range(10))


def draw_digits(
    count: int, seed: int, styles: Sequence[tuple[int, Style]] = DIGIT_STYLES
) -> list[PenDrawing]:
    """``count`` drawings of each style; the writer is the style's number."""
    random = RandomState(seed)
    return [
        PenDrawing(style(random), label, number)
        for number, (label, style) in enumerate(styles)
        for _ in range(count)
    ]


def modify_digits(digits: Sequence[PenDrawing], seed: int) -> list[PenDrawing]:
    """Real drawings in styles that their writers did not use.

    Zeros get a slash or a dot, sixes and nines are turned into each other, sevens of several
    strokes keep the stem alone and plain ones get one, and second strokes of fives move away.
    """
    random = RandomState(seed)
    changed = []
    for digit in digits:
        low, high = extent(digit.strokes)
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
        changed.append(PenDrawing(strokes, label, digit.writer))
    return changed


@register("styles", find=pendigits.find)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """Digit styles that the other sets lack: synthetic strokes, and real ones modified."""
    seed = SPLITS.index(split)
    real = modify_digits(pendigits.read_split(split, files), seed)
    return pen_data(name, split, draw_digits(100, seed) + real)
