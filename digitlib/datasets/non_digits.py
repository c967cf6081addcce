"""Synthetic non-digits: letters, shapes, symbols, scribbles and pairs of digits, as strokes.

``outlines.json`` has their outlines: strokes separated by "|", points "x,y", in a box of about 1
by 1. None of them resembles a digit. Networks train on letters and shapes; symbols are held out
for evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import RandomState

from digitlib.datasets import pendigits
from digitlib.datasets.base import NO_DIGIT, SPLITS, DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.pen import PenDrawing, extent, pen_data
from digitlib.datasets.synthetic import Points, smooth

_OUTLINES = json.loads(Path(__file__).with_name("outlines.json").read_text(encoding="utf-8"))
LETTERS: dict[str, str] = _OUTLINES["letters"]
SHAPES: dict[str, str] = _OUTLINES["shapes"]
SYMBOLS: dict[str, str] = _OUTLINES["symbols"]


def parse_outline(outline: str) -> list[Points]:
    """Strokes of an outline from its text; corners round unless a point is given twice."""
    strokes = [[tuple(map(float, p.split(","))) for p in s.split()] for s in outline.split("|")]
    return [smooth(np.array(stroke)) for stroke in strokes]


def draw_outline(outline: str, random: RandomState) -> list[Points]:
    """The strokes of an outline as a hand draws them, a little different each time."""
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
    """Two digits next to each other, of the same height."""
    parts: list[Points] = []
    right = 0.0
    for digit in (first, second):
        low, high = extent(digit.strokes)
        scale = 1 / max(high[1] - low[1], 0.5 * (high[0] - low[0]), 1e-9)
        parts += [(s - low) * scale + [right, random.uniform(-0.1, 0.1)] for s in digit.strokes]
        right += (high[0] - low[0]) * scale + random.uniform(0.15, 0.5)
    return parts


def draw_non_digits(
    outlines: dict[str, str], count: int, seed: int, digits: Sequence[PenDrawing] = ()
) -> list[PenDrawing]:
    """Drawings that aren't digits: ``count`` of each outline, scribbles, pairs of ``digits``."""
    random = RandomState(seed)
    drawings = [
        draw_outline(outline, random) for outline in outlines.values() for _ in range(count)
    ]
    drawings += [scribble(random) for _ in range(4 * count)]
    for _ in range(12 * count if digits else 0):
        first, second = (digits[i] for i in random.randint(len(digits), size=2))
        drawings.append(side_by_side(first, second, random))
    return [PenDrawing(strokes, NO_DIGIT, -1) for strokes in drawings]


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The digits for pairs, in ``train`` only."""
    return pendigits.find("pendigits", split, root, download) if split == "train" else []


@register("no_digits", find=find)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """Letters, shapes, scribbles and pairs of digits in ``train``; later symbols and scribbles."""
    seed = SPLITS.index(split)
    outlines = LETTERS | SHAPES if split == "train" else SYMBOLS
    pairs = pendigits.read_split(split, files) if files else ()
    return pen_data(name, split, draw_non_digits(outlines, 30, seed, pairs))
