"""Sensitivity of preprocessing to its constants, on simulated pictures.

Each constant is replaced by a smaller and a larger value, and the same pictures are read again:
how many frames change, and how many pictures are read right. The pictures are of pendigits'
training writers, for the constants were chosen on them; reports use other writers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import picture_kinds, pictures
from digitlib.datasets.pendigits import read_pendigits
from digitlib.files import REPORTS, write_json, write_text
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import components, frame, paper, photo, read, ruling

MODULES = (read, paper, photo, ruling, components, frame)  # the first with a name defines it
AFTER_INK = ("components", "frame")  # their constants leave the ink as it is
FACTORS = (0.7, 1.4)
PICTURES_PER_KIND = 2  # photos take 0.05 s each: 5.4 minutes of one core in all
SEED = 11
KINDS: dict[str, Callable[..., Image.Image]] = {
    "canvas": lambda strokes, _: pictures.canvas(strokes),
    "photo": pictures.photo,
    **{kind: partial(picture_kinds.make, kind) for kind in picture_kinds.KINDS},
}
# Not chosen: MNIST's convention, standards, mathematics, limits and the baseline of the textbook.
FIXED = {
    "BASELINE_THICKEN", "BOX_SIZE", "FRAME_SIZE", "HULL_TOLERANCE", "MAD_TO_SIGMA", "MASS_CENTER",
    "MAX_COMPONENTS", "MAX_RULES", "MAX_SIDE", "MNIST_MEAN", "MNIST_STD", "OTSU_BINS",
    "RANGE_TOLERANCE",
}  # fmt: skip
RESULT = REPORTS / "preprocessing_constants.json"
HEAD = """# Sensitivity of preprocessing to its constants

Written by `python -m digitlib sensitivity` from {pictures} simulated pictures of the training
writers of pendigits; {right} of them are read right. Each constant is replaced by a smaller and a
larger value. For each value: the frames that change, and the difference in pictures read right.

So few pictures show large effects only. Where no frame changes, none of these pictures lies near
the threshold; that does not show the constant to be needless.

| constant | value | smaller | frames | right | larger | frames | right |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


class Constant(NamedTuple):
    """A named number of a preprocessing module."""

    module: str
    name: str
    value: float

    def variants(self) -> list[float]:
        """A smaller and a larger value; integers are rounded outward, shares stay below 1."""
        smaller, larger = (self.value * factor for factor in FACTORS)
        if isinstance(self.value, int):
            return [math.floor(smaller), math.ceil(larger)]
        is_share = self.value < 1 and not self.name.endswith("_BLUR")  # blurs are in px
        return [smaller, min(larger, (1 + self.value) / 2) if is_share else larger]


def find_constants() -> list[Constant]:
    """All numbers in capitals of the modules but those in ``FIXED``."""
    found: dict[str, Constant] = {}
    for module in MODULES:
        for name, value in vars(module).items():
            if name.isupper() and name not in FIXED and type(value) in (int, float):
                found.setdefault(name, Constant(module.__name__.split(".")[-1], name, value))
    return list(found.values())


@contextmanager
def replaced(name: str, value: float) -> Iterator[None]:
    """Set a constant in every module that has it, and set it back at the end."""
    with ExitStack() as stack:
        for module in MODULES:
            if name in vars(module):
                stack.enter_context(patch.object(module, name, value))
        yield


def make_pictures(per_kind: int) -> tuple[list[Image.Image], NDArray[np.int64]]:
    """Pictures of each of the ``KINDS``, every one of another digit, and their labels ``[N]``."""
    digits, makers = read_pendigits("train"), [*KINDS.values()] * per_kind
    chosen = np.random.RandomState(SEED).permutation(len(digits))[: len(makers)].tolist()
    images = [make(digits[i].strokes, i) for make, i in zip(makers, chosen, strict=True)]
    return images, np.array([digits[i].label for i in chosen])


def _varied_frames(constant: Constant, images: list[Any], inks: list[Any]) -> NDArray[np.uint8]:
    """Frames ``[2, N, 28, 28]`` of all pictures with both variants of a constant."""
    late = constant.module in AFTER_INK
    make, sources = (frame.ink_to_frame, inks) if late else (frame.to_frame, images)
    varied = np.zeros((2, len(images), frame.FRAME_SIZE, frame.FRAME_SIZE), np.uint8)
    for value, frames in zip(constant.variants(), varied, strict=True):
        with replaced(constant.name, value):
            for i, source in enumerate(sources):
                # Blank where the value lets no digit be found, or breaks an algorithm.
                with suppress(ValueError, IndexError, ZeroDivisionError):
                    frames[i] = make(source)
    return varied


def measure(per_kind: int = PICTURES_PER_KIND, workers: int = -1) -> dict[str, Any]:
    """Frames changed and pictures read right, for each constant and both of its variants.

    Args:
        per_kind: pictures of each of the ``KINDS``.
        workers: processes; -1 is one per core.
    """
    recognizer, constants = Recognizer.load(), find_constants()
    images, labels = make_pictures(per_kind)
    inks = [paper.find_ink(read.read_grey(image)) for image in images]
    usual = np.array([frame.ink_to_frame(ink) for ink in inks])
    varied = Parallel(workers)(delayed(_varied_frames)(one, images, inks) for one in constants)
    right, rows = _is_right(recognizer, usual, labels), []
    for constant, both in zip(constants, varied, strict=True):
        variants = []
        for value, frames in zip(constant.variants(), both, strict=True):
            changed = (frames != usual).any(axis=(1, 2))
            now = _is_right(recognizer, frames[changed], labels[changed])
            gained = now.sum() - right[changed].sum()
            variants.append({"value": value, "frames_changed": changed.sum(), "gained": gained})
        rows.append(constant._asdict() | {"variants": variants})
    return {"pictures": len(images), "right": right.sum(), "constants": rows}


def _is_right(
    recognizer: Recognizer, frames: NDArray[np.uint8], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the most probable digit of each frame is its label; a blank frame has no digit."""
    found = recognizer.predict_batch(frames).probabilities.argmax(axis=1)
    return (found == labels) & frames.any(axis=(1, 2))


def write(result: dict[str, Any], path: Path = RESULT) -> None:
    """Write the result as JSON and, beside it, as a table."""
    write_json(path, result)
    write_text(path.with_suffix(".md"), table(result))


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    return HEAD.format(**result) + "".join(map(_line, result["constants"]))


def _line(row: dict[str, Any]) -> str:
    cells = [f"`{row['module']}.{row['name']}`", f"{row['value']:.4g}"]
    for one in row["variants"]:
        cells += [f"{one['value']:.4g}", f"{one['frames_changed']}", f"{one['gained']:+d}"]
    return f"| {' | '.join(cells)} |\n"
