"""Synthetic non-digits: letters, shapes, symbols, scribbles and pairs of digits, as strokes.

Outlines are text: strokes separated by "|", points "x,y", in a box of about 1 by 1. None of them
resembles a digit. Networks train on letters and shapes; symbols are held out for evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState

from digitlib.datasets.base import NO_DIGIT
from digitlib.datasets.pen import PenDrawing
from digitlib.datasets.synthetic import Points, smooth

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
    "wheel": ".5,0 0,.5 .5,1 1,.5 .5,0|.5,0 .5,1|0,.5 1,.5",
    "clock": ".5,0 0,.5 .5,1 1,.5 .5,0|.5,.2 .5,.5 .5,.5 .75,.6",
    "cat": ".2,.15 0,.6 .5,1 1,.6 .8,.15 .5,.1 .2,.15|.15,.3 .1,0 .1,0 .4,.1|.6,.1 .9,0 .9,0 .85,.3"
    "|.35,.5 .37,.52|.65,.5 .67,.52",
    "cloud": ".2,.8 0,.6 .15,.4 .15,.4 .3,.15 .55,.25 .55,.25 .8,.15 .85,.45 .85,.45 1,.6 .85,.8 "
    ".85,.8 .2,.8",
    "shield": "0,0 0,0 .5,.1 .5,.1 1,0 1,0 .95,.6 .5,1 .5,1 .05,.6 0,0",
    "apple": ".5,.25 .25,.15 0,.4 .15,.85 .4,1 .5,.92 .5,.92 .6,1 .85,.85 1,.4 .75,.15 .5,.25"
    "|.5,.25 .55,.1 .65,0",
    "mushroom": "0,.5 .1,.15 .5,0 .9,.15 1,.5 1,.5 0,.5|.35,.5 .4,1 .4,1 .6,1 .6,1 .65,.5",
    "sun": ".5,.25 .25,.5 .5,.75 .75,.5 .5,.25|.5,0 .5,.12|.5,.88 .5,1|0,.5 .12,.5|.88,.5 1,.5",
    "clover": ".5,.5 .2,.45 .1,.25 .3,.1 .5,.5 .5,.5 .5,.1 .75,.05 .85,.3 .5,.5 .5,.5 .9,.6 .8,.85 "
    ".6,.8 .5,.5 .5,.5 .3,.9 .1,.75 .2,.55 .5,.5",
    "umbrella": "0,.5 .1,.15 .5,0 .9,.15 1,.5 1,.5 0,.5|.5,.5 .5,.9 .4,1 .3,.9",
    "window": "0,0 0,0 1,0 1,0 1,1 1,1 0,1 0,1 0,0|.5,0 .5,1|0,.5 1,.5",
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


def draw_outline(outline: str, random: RandomState) -> list[Points]:
    """The strokes of an outline as a hand draws them, each time a little otherwise."""
    bend, waves = 0.04 * random.randn(3, 2), random.uniform(-5, 5, (2, 3))
    phase, slant = random.uniform(0, 2 * np.pi, 3), random.uniform(-0.15, 0.15)
    size = np.exp(random.uniform(-0.15, 0.15, 2))
    drawn = [stroke + np.sin(stroke @ waves + phase) @ bend for stroke in parse_outline(outline)]
    return [size * (stroke + slant * stroke[:, ::-1] * [1, 0]) for stroke in drawn]


def scribble(random: RandomState) -> list[Points]:
    """A smooth random line that turns too often for a digit."""
    time = np.linspace(0, 1, 160)
    tones = random.randint(5, 9)
    size = random.randn(tones, 2, 2) / np.arange(1, tones + 1)[:, None, None] ** 0.4
    angle = 2 * np.pi * time * np.arange(1, tones + 1)[:, None] * random.uniform(0.8, 1.2)
    waves = np.stack([np.sin(angle), np.cos(angle)])  # [2, tones, 160]
    return [np.einsum("stp,tsx->px", waves, size)]


def side_by_side(first: PenDrawing, second: PenDrawing, random: RandomState) -> list[Points]:
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
    outlines: dict[str, str], count: int, seed: int, digits: Sequence[PenDrawing] = ()
) -> list[PenDrawing]:
    """Things that are no digit: ``count`` of each outline, scribbles, and pairs of ``digits``.

    No two are alike.
    """
    random = RandomState(seed)
    drawings = [
        draw_outline(outline, random) for outline in outlines.values() for _ in range(count)
    ]
    drawings += [scribble(random) for _ in range(4 * count)]
    for _ in range(12 * count if digits else 0):
        first, second = (digits[i] for i in random.randint(len(digits), size=2))
        drawings.append(side_by_side(first, second, random))
    return [PenDrawing(strokes, NO_DIGIT, -1) for strokes in drawings]
