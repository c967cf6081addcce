"""Sensitivity of preprocessing to its constants, on simulated pictures.

Each constant is replaced by a smaller and a larger value, and the same pictures are read again:
how many frames change, and how many pictures are read right. The pictures are of pendigits'
training writers, for the constants were chosen on them; reports use other writers.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import picture_kinds, pictures
from digitlib.datasets.pendigits import read_pendigits
from digitlib.files import REPORTS, write_json, write_text
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, ink_to_frame, to_frame
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import Picture, read_grey
from digitlib.preprocessing.strokes import Strokes

MODULES = ("read", "paper", "photo", "ruling", "components", "frame")  # of preprocessing
FACTORS = (0.7, 1.4)
PICTURES_PER_KIND = 12
PICTURES_PER_CONSTANT = 30  # at most, of those whose preprocessing uses it: 5 minutes in all
SEED = 11
RESULT = REPORTS / "preprocessing_constants.json"
# Not chosen: MNIST's convention, standards, mathematics, limits and the baseline of the textbook.
FIXED = {
    "BASELINE_THICKEN", "BOX_SIZE", "FRAME_SIZE", "MAD_TO_SIGMA", "MASS_CENTER", "MAX_SIDE",
    "MNIST_MEAN", "MNIST_STD", "RANGE_TOLERANCE",
}  # fmt: skip


@dataclass(frozen=True)
class Constant:
    """A named number of a preprocessing module."""

    module: str
    name: str
    value: float

    def variants(self) -> list[float]:
        """A smaller and a larger value; integers are rounded outward, shares stay below 1."""
        smaller, larger = (self.value * factor for factor in FACTORS)
        if isinstance(self.value, int):
            return [math.floor(smaller), math.ceil(larger)]
        return [smaller, (1 + self.value) / 2 if self.value < 1 <= larger else larger]


@dataclass(frozen=True)
class Example:
    """A simulated picture, its label, and the constants that its preprocessing reads."""

    picture: Image.Image
    label: int
    frame: Frame
    constants: frozenset[str]


class Trial:
    """The frames of one constant's variants, beside the usual ones of the same pictures."""

    def __init__(self, constant: Constant) -> None:
        self.constant = constant
        self.labels: list[int] = []
        self.usual: list[Frame] = []
        self.varied: list[list[Frame]] = [[] for _ in constant.variants()]

    def add(self, example: Example, ink: Picture) -> None:
        """Make the frames of one more picture."""
        self.labels.append(example.label)
        self.usual.append(example.frame)
        late = self.constant.module in ("components", "frame")  # after the ink is found
        for frames, value in zip(self.varied, self.constant.variants(), strict=True):
            with replaced(self.constant.name, value):
                frame = _frame(ink_to_frame, ink) if late else _frame(to_frame, example.picture)
            frames.append(frame)

    def result(self, recognizer: Recognizer) -> dict[str, Any]:
        """Numbers of pictures, of frames changed and of pictures read right."""
        usual, labels = np.stack(self.usual), np.array(self.labels)
        variants = [
            {
                "value": value,
                "frames_changed": int((np.stack(frames) != usual).any(axis=(1, 2)).sum()),
                "right": _right(recognizer, np.stack(frames), labels),
            }
            for value, frames in zip(self.constant.variants(), self.varied, strict=True)
        ]
        right = _right(recognizer, usual, labels)
        return vars(self.constant) | {"pictures": len(labels), "right": right, "variants": variants}


def find_constants() -> list[Constant]:
    """All numbers in capitals of the modules but those in ``FIXED``."""
    return [
        Constant(module.__name__.rpartition(".")[2], name, value)
        for module in _modules()
        for name, value in vars(module).items()
        if name.isupper() and name not in FIXED and _is_defined_in(module, name)
        if type(value) in (int, float)
    ]


def _modules() -> list[ModuleType]:
    return [importlib.import_module(f"digitlib.preprocessing.{name}") for name in MODULES]


def _is_defined_in(module: ModuleType, name: str) -> bool:
    """Whether the name is assigned there, not imported: the first module that has it assigns it."""
    return next(one for one in _modules() if name in vars(one)) is module


@contextmanager
def replaced(name: str, value: float) -> Iterator[None]:
    """Set a constant in every module that has it, and set it back at the end."""
    holders = [module for module in _modules() if name in vars(module)]
    before = vars(holders[0])[name]
    try:
        for module in holders:
            setattr(module, name, value)
        yield
    finally:
        for module in holders:
            setattr(module, name, before)


def examples(count: int = PICTURES_PER_KIND) -> Iterator[Example]:
    """``count`` pictures of each kind, as many on a canvas and as many photos, in random order."""
    digits = read_pendigits("train")
    random = np.random.RandomState(SEED)
    kinds = ("canvas", "photo", *picture_kinds.KINDS)
    order = [(kind, i) for kind in kinds for i in random.permutation(len(digits))[:count].tolist()]
    for number in random.permutation(len(order)).tolist():
        kind, index = order[number]
        picture = _picture(kind, digits[index].strokes, index)
        yield Example(picture, digits[index].label, *_trace(picture))


def _picture(kind: str, strokes: Strokes, seed: int) -> Image.Image:
    if kind == "canvas":
        return pictures.canvas(strokes)
    if kind == "photo":
        return pictures.photo(strokes, seed)
    return picture_kinds.make(kind, strokes, seed)


def _trace(picture: Image.Image) -> tuple[Frame, frozenset[str]]:
    """A picture's frame, and the names that the functions called on its way use."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(note)
    try:
        frame = _frame(to_frame, picture)
    finally:
        sys.setprofile(None)
    return frame, frozenset(name for code in codes for name in code.co_names)


def _frame(make: Callable[[Any], Frame], source: Any) -> Frame:
    """A frame; a blank one, read wrong, where no digit is found or a constant breaks the way."""
    try:
        return make(source)
    except (ValueError, IndexError, ZeroDivisionError):
        return np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)


def measure(count: int = PICTURES_PER_KIND, limit: int = PICTURES_PER_CONSTANT) -> dict[str, Any]:
    """Frames changed and pictures read right, for each constant and both of its variants.

    Args:
        count: pictures of each kind.
        limit: pictures that each constant is tried on, at most, of those that use it.
    """
    trials, recognizer = [Trial(constant) for constant in find_constants()], Recognizer.load()
    number = 0
    for example in examples(count):
        number += 1
        ink = find_ink(read_grey(example.picture))
        for trial in trials:
            if trial.constant.name in example.constants and len(trial.labels) < limit:
                trial.add(example, ink)
    return {"pictures": number, "constants": [trial.result(recognizer) for trial in trials]}


def _right(recognizer: Recognizer, frames: NDArray[np.uint8], labels: NDArray[np.int64]) -> int:
    """The number of frames whose most probable digit is the label."""
    found = recognizer.predict_batch(frames).probabilities.argmax(axis=1)
    return int((found == labels).sum())


def write(result: dict[str, Any], path: Path = RESULT) -> None:
    """Write the result as JSON and, beside it, as a table."""
    write_json(path, result)
    write_text(path.with_suffix(".md"), table(result))


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "# Sensitivity of preprocessing to its constants",
        "",
        f"Written by `python -m digitlib sensitivity` from {result['pictures']:,} simulated "
        "pictures of pendigits' training writers. Each constant is replaced by a smaller and a "
        f"larger value on up to {PICTURES_PER_CONSTANT} of the pictures whose preprocessing uses "
        "it. For each value: the frames that change, and the difference in pictures read right.",
        "",
        "So few pictures show large effects only. Where no frame changes, none of these pictures "
        "lies near the threshold; that does not show the constant to be needless.",
        "",
        "| constant | value | pictures | right "
        "| smaller | frames | right | larger | frames | right |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    return "\n".join(lines + [_line(row) for row in result["constants"]]) + "\n"


def _line(row: dict[str, Any]) -> str:
    name = f"`{row['module']}.{row['name']}`"
    cells = [name, f"{row['value']:.4g}", str(row["pictures"]), str(row["right"])]
    for one in row["variants"]:
        gained = one["right"] - row["right"]
        cells += [f"{one['value']:.4g}", str(one["frames_changed"]), f"{gained:+d}"]
    return f"| {' | '.join(cells)} |"
