"""UNIPEN files become labelled pen strokes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PenDigit:
    """One digit of a UNIPEN file: its strokes (y turned to point down), label and writer."""

    strokes: list[NDArray[np.float64]]
    label: int
    writer: int


def read_unipen(path: Path) -> list[PenDigit]:
    """Read the digits of a UNIPEN text file as UCI's pendigits-orig has them.

    Segments start at ``.SEGMENT DIGIT n ? "label"``, followed by ``.COMMENT digit writer sample``
    and strokes of ``x y`` lines between ``.PEN_DOWN`` and ``.PEN_UP``, y pointing up.

    Raises:
        ValueError: a line does not fit; the message names the file and the line.
    """
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return list(_segments(lines, str(path)))


def _segments(lines: list[str], name: str) -> Iterator[PenDigit]:
    label: int | None = None
    writer = -1
    strokes: list[list[tuple[float, float]]] = []
    down = False

    def finished() -> Iterator[PenDigit]:
        if label is not None:
            if not any(strokes):
                raise ValueError(f"{name}: the segment before line {number} has no pen points.")
            flip = np.array([1.0, -1.0])
            yield PenDigit([np.array(s) * flip for s in strokes if s], label, writer)

    number = 0
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == ".SEGMENT":
                yield from finished()
                label, writer, strokes, down = int(words[-1].strip('"')), -1, [], False
                if not 0 <= label <= 9:
                    raise ValueError("the label is no digit")
            elif words[0] == ".COMMENT" and label is not None and writer < 0:
                writer = int(words[2])
            elif words[0] == ".PEN_DOWN":
                strokes.append([])
                down = True
            elif words[0] == ".PEN_UP":
                down = False
            elif not words[0].startswith("."):
                if not down:
                    raise ValueError("a point outside .PEN_DOWN and .PEN_UP")
                x, y = words
                strokes[-1].append((float(x), float(y)))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{name}, line {number}: {line.strip()!r}: {error}.") from error
    yield from finished()
