"""The format of UNIPEN's files: named parts of pen recordings.

Files of ``data/PART/DONOR`` name characters; files of ``include/DONOR`` hold their ink. The
components are the pen-down and pen-up parts of all files that ``.INCLUDE`` names, counted from 0
without empty ones. ``.SEGMENT CHARACTER 3-5 ? "A"`` is an A made of the components 3 to 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import DataDamagedError

INCLUDE = re.compile(r"^\.INCLUDE\s+(\S+)", re.MULTILINE)
SEGMENT = re.compile(r'\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(.+)"')
INSIDE = (".DT", ".COMMENT")  # keywords that don't end a component
MM_PER_INCH = 25.4

Points = NDArray[np.float64]
Component = tuple[bool, Points, str]  # whether the pen is down; points in mm, y up; the writer


def read_characters(path: Path, include: Path) -> Iterator[tuple[str, list[Points], str]]:
    """Yield each character that a file of ``data`` names, with its strokes and its writer.

    Args:
        path: of the file.
        include: the folder of ink.

    Yields:
        the character, strokes ``(n, 2)`` in mm, x right, y down, and the writer's name.

    Raises:
        DataDamagedError: a file isn't in UNIPEN's format.
    """
    text = path.read_text(encoding="latin-1")
    components = [part for name in INCLUDE.findall(text) for part in _components(include, name)]
    for named, label in SEGMENT.findall(text):
        character = label.replace("\\", "", 1) if len(label) == 2 else label
        try:
            if len(character) != 1:
                raise ValueError("not one character")
            ink = [part for part in _select(components, named) if part[0] and len(part[1])]
            if not ink:
                raise ValueError("no ink")
        except (IndexError, ValueError) as error:
            raise DataDamagedError(f"{path}: {named} of {character!r}: {error}.") from error
        yield character, [points * [1.0, -1.0] for _, points, _ in ink], ink[0][2]


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
    """The components of an included file, and of the files that it includes.

    A file without ink (a lexicon, a description) may be missing.
    """
    if not (path := folder / name).exists():
        return []
    components: list[Component] = []
    scale, writer, down = {"X": 1.0, "Y": 1.0}, "", False
    points: list[list[str]] | None = None  # of the open component
    try:
        for line in [*path.read_text(encoding="latin-1").splitlines(), ".END"]:
            keyword, *words = line.split() or INSIDE[:1]
            if not keyword.startswith("."):
                if points is not None:
                    points.append([keyword, *words[:1]])
                continue
            if keyword.startswith(INSIDE):
                continue
            if points:
                place = np.array(points, dtype=float) * [scale["X"], scale["Y"]]
                components.append((down, place, writer))
            points, (axis, _, unit) = None, keyword[1:].partition("_")
            if keyword in (".PEN_DOWN", ".PEN_UP"):
                down = keyword == ".PEN_DOWN"
                points = [words[:2]] if len(words) > 1 else []
            elif keyword == ".WRITER_ID":
                writer = words[0] if words else ""
            elif unit in ("POINTS_PER_INCH", "POINTS_PER_MM"):
                scale[axis] = 1 / (float(words[0]) / (MM_PER_INCH if unit.endswith("INCH") else 1))
            elif keyword == ".INCLUDE":
                components += _components(folder, words[0])
    except DataDamagedError:  # of an included file
        raise
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise DataDamagedError(f"{path} is damaged: {error}.") from error
    return components
