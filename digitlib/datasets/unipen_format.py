"""The format of UNIPEN's files: named parts of pen recordings.

Files of ``data/PART/DONOR`` name characters; files of ``include/DONOR`` hold their ink. Pen-down
and pen-up parts of all files that ``.INCLUDE`` names are the components, counted from 0, empty ones
left out; ``.SEGMENT CHARACTER 3-5 ? "A"`` is an A of the components 3 to 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import DataDamagedError

ENDS_COMPONENT = re.compile(r"\.(?!DT|COMMENT)")
SEGMENT = re.compile(r'\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(.+)"')
MM_PER_INCH = 25.4

Points = NDArray[np.float64]
Component = tuple[bool, Points, str]  # the pen is down; points in mm, y up; the writer


def read_characters(path: Path, include: Path) -> Iterator[tuple[str, list[Points], str]]:
    """Each character that a file of ``data`` names, with its strokes and its writer.

    Args:
        path: of the file.
        include: the folder of ink.

    Returns:
        the character, strokes ``(n, 2)`` in mm, x right, y down, and the writer's name.

    Raises:
        DataDamagedError: a file does not read as UNIPEN.
    """
    includes, segments = _named(path)
    components = [each for name in includes for each in _components(include, name)]
    for named, character in segments:
        if len(character) != 1:
            raise DataDamagedError(f"{path}: {character!r} is not one character.")
        try:
            ink = [part for part in _select(components, named) if part[0] and len(part[1])]
        except (IndexError, ValueError) as error:
            raise DataDamagedError(f"{path}: {named} of {character!r}: {error}.") from error
        if not ink:
            raise DataDamagedError(f"{path}: {named} of {character!r} has no ink.")
        yield character, [points * [1.0, -1.0] for _, points, _ in ink], ink[0][2]


def _named(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the included files, and (components, character) of each segment."""
    text = path.read_text(encoding="latin-1")
    includes = re.findall(r"^\.INCLUDE\s+(\S+)", text, re.MULTILINE)
    return includes, [
        (components, label.replace("\\", "", 1) if len(label) == 2 else label)
        for components, label in SEGMENT.findall(text)
    ]


def _select(components: Sequence[Component], named: str) -> Iterator[Component]:
    """The components that text names: 3, 3-5, 3,5 or, cut by points, 3:2-5:10."""
    for part in named.split(","):
        first, _, last = part.partition("-")
        start, _, from_point = first.partition(":")
        end, _, to_point = (last or first).partition(":")
        for number in range(int(start), int(end) + 1):
            down, points, writer = components[number]
            low = int(from_point) if from_point and number == int(start) else 0
            high = int(to_point) + 1 if last and to_point and number == int(end) else None
            yield down, points[low:high], writer


def _components(folder: Path, name: str) -> list[Component]:
    """The components of an included file, and of those that it includes.

    A file without ink (a lexicon, a description) may be missing.
    """
    path = folder / name
    return list(_parts_of_ink(folder, path)) if path.exists() else []


def _parts_of_ink(folder: Path, path: Path) -> Iterator[Component]:
    scale, writer = {"X": 1.0, "Y": 1.0}, ""
    down: bool | None = None
    points: list[list[str]] = []

    def finished() -> Iterator[Component]:
        if down is not None and points:
            yield down, np.array(points, dtype=float) * [scale["X"], scale["Y"]], writer

    try:
        for line in path.read_text(encoding="latin-1").splitlines():
            words = line.split()
            if not words:
                continue
            if not words[0].startswith("."):
                if down is not None:
                    points.append(words[:2])
                continue
            if not ENDS_COMPONENT.match(words[0]):
                continue
            yield from finished()
            down, points = None, []
            keyword, _, rest = words[0][1:].partition("_")
            if words[0] in (".PEN_DOWN", ".PEN_UP"):
                down = words[0] == ".PEN_DOWN"
                points = [words[1:3]] if len(words) > 2 else []
            elif words[0] == ".WRITER_ID":
                writer = words[1] if len(words) > 1 else ""
            elif rest in ("POINTS_PER_INCH", "POINTS_PER_MM"):
                per_mm = float(words[1]) / (MM_PER_INCH if rest.endswith("INCH") else 1)
                scale[keyword] = 1 / per_mm
            elif words[0] == ".INCLUDE":
                yield from _components(folder, words[1])
        yield from finished()
    except DataDamagedError:  # of an included file
        raise
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise DataDamagedError(f"{path} is damaged: {error}.") from error
