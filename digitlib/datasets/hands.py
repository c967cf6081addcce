"""How hands vary: the strokes of a drawing as another hand would draw them.

Strokes are ``(n, 2)`` arrays of points, x right, y down, in any unit. Lengths are shares of the
longer side of the drawing. Every change leaves the label true: a person still reads the same digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from digitlib.models.labels import NO_DIGIT

Points = NDArray[np.float64]

EXITS, ENTRIES, JOINS = 0.6, 0.3, 0.25  # probability of each habit in a drawing
CURVE_POINTS = 10
MAX_EXIT = 0.4
# Longest exits that keep the label: a five would become a six, a seven a two, a one an L.
LONGEST_EXIT = {0: 0.15, 1: 0.25, 3: 0.2, 4: 0.25, 5: 0.12, 7: 0.22, 8: 0.25, 9: 0.3}

CUTS, MAX_CUT = 0.4, 0.1  # probability, and share of a stroke's points: opens a loop a little
CLOSINGS, NEAR = 0.3, 0.3  # probability, and the widest gap that is closed
CURLS = 0.15  # probability that a loop ends or begins inside itself
# Longest curl inside. A zero with a long one is a six, and a nine's loop has less room.
CURL_END, CURL_START = {0: 0.16, 6: 0.3}, {0: 0.16, 8: 0.2, 9: 0.2}

REVERSE, SHUFFLE, SPLIT, PIECES = 0.15, 0.15, 0.1, 4  # strokes; drawings; drawings in pieces
SHIFT, SCALE = 0.04, 0.12  # deviation of a stroke's own place, and of the logarithm of its size
ROTATION, SLANT, STRETCH = math.radians(12), 0.45, 0.2  # largest, about zero
WAVES, BEND = 3, 0.025  # smooth waves that bend a drawing, and the deviation of their height

# Smoothness in samples (deviation of a Gaussian), and the largest amplitude: a nervous, an unsteady
# and a slowly swaying hand.
TREMORS = ((1.0, 0.02), (2.5, 0.035), (6.0, 0.05))
TREMOR_SPACING = 0.025  # between samples
TREMOR_CUT = 0.05  # such a hand starts late and ends early by at most this share of a stroke
TREMOR_STRETCH = 0.2

MIN_WIDTH, MAX_WIDTH = 1.2, 8.5  # of pens, frame px


def vary(
    strokes: Sequence[Points],
    label: int,
    random: Generator,
    *,
    habits: float = 0.5,
    moved: float = 0.25,
    tremor: float = 0.1,
) -> list[Points]:
    """The drawing by another hand; its longer side is about 1 and its middle about 0, 0.

    Args:
        strokes: at least one.
        label: 0 to 9, or ``NO_DIGIT``, which keeps its habits.
        random: of all choices.
        habits: share of the digits with other habits: :func:`add_habits`, :func:`change_loops`.
        moved: share of the drawings with each stroke moved and scaled by itself.
        tremor: share of the drawings by a trembling hand.
    """
    if label != NO_DIGIT and random.random() < habits:
        strokes = change_loops(strokes, label, random)
        strokes = add_habits(
            strokes, label, random,
            longest=LONGEST_EXIT.get(label, MAX_EXIT),
            flags=0 if label == 5 else ENTRIES, joins=0 if label in (5, 7) else JOINS,
        )  # fmt: skip
    strokes = reorder(strokes, random)
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 1 / max(float((high - low).max()), 1e-9)
    points = (points - (low + high) / 2) * scale
    ends = np.cumsum([len(stroke) for stroke in strokes])[:-1]
    if random.random() < moved:
        points = np.concatenate([
            (middle := stroke.mean(axis=0))
            + (stroke - middle) * math.exp(random.normal(0, SCALE))
            + random.normal(0, SHIFT, 2)
            for stroke in np.split(points, ends)
        ])  # fmt: skip
    points = distort(points, random)
    drawn = np.split(points, ends)
    return add_tremor(drawn, random) if random.random() < tremor else drawn


def pen_width(random: Generator) -> float:
    """A random pen width in frame px, log-uniform: most are near MNIST's."""
    return math.exp(random.uniform(math.log(MIN_WIDTH), math.log(MAX_WIDTH)))


# --- habits --------------------------------------------------------------------------------


def add_habits(
    strokes: Sequence[Points],
    digit: int,
    random: Generator,
    *,
    longest: float = MAX_EXIT,
    flags: float = ENTRIES,
    joins: float = JOINS,
) -> list[Points]:
    """The drawing of a digit by a hand that ends, begins and lifts the pen in another way.

    The last stroke may go on past its end, or end in a hook at the foot. The first may begin with a
    short flag, except that of a 1, which would become a 7. Two strokes may be joined.

    Args:
        strokes: ``(n, 2)`` arrays, x right, y down, any unit.
        digit: 0 to 9.
        random: of all choices.
        longest: exit stroke or hook.
        flags: probability of a flag. It may make an eight of a five.
        joins: probability of a joint. It would make a six of a five, and a two of a seven.
    """
    changed = list(strokes)
    size = _size(changed)
    last = changed[-1]
    if len(last) > 2 and random.random() < EXITS:
        x, y = last[-1] - last[-1 - max(1, len(last) // 10)]
        if random.random() < 0.5:
            way, length, turn = (
                np.arctan2(y, x),
                random.uniform(0.08, MAX_EXIT),
                random.uniform(-1, 1),
            )
        else:  # upward, mostly to the right
            aside = random.uniform(0.1, 1.1) * (1 if random.random() < 0.75 else -1)
            way, length, turn = aside - np.pi / 2, random.uniform(0.08, 0.32), random.normal(0, 0.2)
        exit_stroke = _curve(last[-1], way, size * min(length, longest), turn)
        changed[-1] = np.concatenate([last, exit_stroke])
    first = changed[0]
    if len(first) > 2 and digit != 1 and random.random() < flags:
        above = random.random() < 0.3
        way = np.pi * (random.uniform(-0.9, -0.1) if above else random.uniform(0.5, 1.1))
        flag = _curve(first[0], way, size * random.uniform(0.05, 0.2), random.uniform(-0.5, 0.5))
        changed[0] = np.concatenate([flag[::-1], first])
    if len(changed) > 1 and random.random() < joins:
        place = int(random.integers(len(changed) - 1))
        changed[place : place + 2] = [np.concatenate(changed[place : place + 2])]
    return changed


def _size(strokes: Sequence[Points]) -> float:
    return float(np.ptp(np.concatenate(strokes), axis=0).max())


def _curve(start: Points, way: float, length: float, turn: float) -> Points:
    """A curve from a point, in a direction (radians) that turns by an angle on the way."""
    angles = way + turn * np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / CURVE_POINTS
    return start + np.cumsum(steps, axis=0)


def change_loops(strokes: Sequence[Points], digit: int, random: Generator) -> list[Points]:
    """The drawing with loops that are more open or more closed, or that end or begin inside."""
    changed = list(strokes)
    size = _size(changed)
    if random.random() < CUTS:
        share = random.uniform(0, MAX_CUT)
        if digit == 9 or random.random() < 0.5:  # an open nine is near a four or a five
            changed[-1] = _cut_end(changed[-1], share)
        else:
            changed[0] = _cut_end(changed[0][::-1], share)[::-1]
    if digit in (0, 6, 8) and random.random() < CLOSINGS:
        changed[-1] = _close_end(changed[-1], NEAR * size)
    if digit in (0, 8, 9) and random.random() < CLOSINGS:
        changed[0] = _close_end(changed[0][::-1], NEAR * size)[::-1]
    if digit in CURL_END and random.random() < CURLS:
        changed[-1] = _curl_end(changed[-1], CURL_END[digit] * size, random)
    if digit in CURL_START and random.random() < CURLS:
        changed[0] = _curl_end(changed[0][::-1], CURL_START[digit] * size, random)[::-1]
    return changed


def _cut_end(stroke: Points, share: float) -> Points:
    """The stroke without the last share of its points."""
    return stroke[: max(len(stroke) - int(share * len(stroke)), min(len(stroke), 3))]


def _close_end(stroke: Points, near: float) -> Points:
    """The stroke with its last quarter bent, so that it ends on its first half if that is near."""
    if len(stroke) < 8:
        return stroke
    half = stroke[: len(stroke) // 2]
    gaps = half - stroke[-1]
    distances = np.hypot(*gaps.T)
    if not 0 < distances.min() < near:
        return stroke
    weight = np.clip(np.linspace(-3, 1, len(stroke)), 0, 1)[:, None]
    return stroke + weight * gaps[distances.argmin()]


def _curl_end(stroke: Points, longest: float, random: Generator) -> Points:
    """The stroke with a curve past its end that keeps turning the way of its last third."""
    back = max(1, len(stroke) // 6)
    if len(stroke) < 2 * back + 1:
        return stroke
    before, last = stroke[-1 - back] - stroke[-1 - 2 * back], stroke[-1] - stroke[-1 - back]
    sense = np.sign(before[0] * last[1] - before[1] * last[0])
    way, turn = math.atan2(last[1], last[0]), sense * random.uniform(0.8, 2.2)
    length = longest * random.uniform(0.4, 1)
    return np.concatenate([stroke, _curve(stroke[-1], way + turn / 3, length, turn)])


# --- order, shape, tremor ------------------------------------------------------------------


def reorder(strokes: Sequence[Points], random: Generator) -> list[Points]:
    """The same ink in another order and direction of strokes, sometimes in more strokes."""
    changed = list(strokes)
    if random.random() < SPLIT:
        changed = [piece for stroke in changed for piece in split_stroke(stroke)]
        random.shuffle(changed)  # type: ignore[arg-type]
        return [stroke[::-1] if random.random() < 0.5 else stroke for stroke in changed]
    if len(changed) > 1 and random.random() < SHUFFLE:
        random.shuffle(changed)  # type: ignore[arg-type]
    return [stroke[::-1] if random.random() < REVERSE else stroke for stroke in changed]


def split_stroke(stroke: Points) -> list[Points]:
    """The stroke in ``PIECES`` parts of as many points; each ends where the next one begins."""
    ends = np.linspace(0, len(stroke) - 1, min(PIECES, max(len(stroke) - 1, 1)) + 1).astype(int)
    return [stroke[a : b + 1] for a, b in pairwise(ends)]


def distort(points: Points, random: Generator) -> Points:
    """Points ``[P, 2]`` about 0, 0 with a longer side of 1: turned, slanted, stretched, bent."""
    waves, phase = random.normal(0, 5, (2, WAVES)), random.uniform(0, 2 * math.pi, WAVES)
    bent = points + np.sin(points @ waves + phase) @ random.normal(0, BEND, (WAVES, 2))
    matrix = _linear_map(random, ROTATION, SLANT, STRETCH)
    return bent @ matrix.T


def _linear_map(random: Generator, rotation: float, slant: float, stretch: float) -> Points:
    angle, lean = random.uniform(-rotation, rotation), random.uniform(-slant, slant)
    wide, high = np.exp(random.uniform(-stretch, stretch, 2))
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]]) @ np.array([[wide, lean], [0, high]])


def add_tremor(strokes: Sequence[Points], random: Generator) -> list[Points]:
    """The strokes as from a mouse, a hurried finger or a trembling hand.

    Their longer side is about 1. The line trembles as one of ``TREMORS``, starts late and ends
    early, and the drawing is stretched.
    """
    strokes = [_resample(stroke) for stroke in strokes]
    start, end = random.uniform(0, TREMOR_CUT, 2)
    strokes = [*strokes[:-1], _cut_end(strokes[-1], end)]
    strokes[0] = _cut_end(strokes[0][::-1], start)[::-1]
    points, lengths = np.concatenate(strokes), [len(stroke) for stroke in strokes]
    smoothness, largest = TREMORS[random.integers(len(TREMORS))]
    noise = gaussian_filter1d(random.normal(size=points.shape), smoothness, axis=0)
    noise *= math.sqrt(2 * math.sqrt(math.pi) * smoothness)  # keeps a deviation of 1
    shaken = points + largest * random.uniform(0, 1) * noise
    shaken = shaken @ _linear_map(random, 0, 0, TREMOR_STRETCH).T
    return np.split(shaken, np.cumsum(lengths)[:-1])


def _resample(stroke: Points) -> Points:
    """Points along a stroke, ``TREMOR_SPACING`` apart at most, both ends included."""
    arc = np.concatenate([[0], np.hypot(*np.diff(stroke, axis=0).T).cumsum()])
    places = np.linspace(0, arc[-1], max(math.ceil(arc[-1] / TREMOR_SPACING), 1) + 1)
    return np.stack([np.interp(places, arc, axis) for axis in stroke.T], axis=1)
