"""UCI pendigits: pen strokes of 30 writers.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from digitlib.datasets.base import missing_error, remove_empty_folders
from digitlib.datasets.cache import cached
from digitlib.datasets.pen import PenDrawing, pack_strokes, unpack_strokes
from digitlib.errors import DataDamagedError
from digitlib.files import data_root, digest

PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
# SHA-256 of the unpacked training file (UCI's .Z, 2026-11).
PENDIGITS_DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"
PEN_VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)  # of the 30 in pendigits-orig.tra


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[PenDrawing]:
    """The pen strokes of a split; no writer is in both ``train`` and ``validation``.

    ``test`` is the file of other writers, ``pendigits-orig.tes``. The strokes are read-only.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    return read_pen_file(split, find_pendigits(split, data_root(root), download))


def find_pendigits(split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked file of a split, from its ``.Z`` or from UCI where need be."""
    folder = root / "pendigits-orig"
    path = folder / ("pendigits-orig.tes" if split == "test" else "pendigits-orig.tra")
    if not path.exists():
        packed = path.with_name(path.name + ".Z")
        if not packed.exists():
            _download(packed, path, download)
        _unpack(packed, path)
    _check(path)
    return [path]


def _download(packed: Path, path: Path, allowed: bool) -> None:
    import urllib.request

    try:
        if not allowed:
            raise FileNotFoundError("downloads are switched off")
        packed.parent.mkdir(parents=True, exist_ok=True)
        urllib.request.urlretrieve(PENDIGITS_URL + packed.name, packed)
    except OSError as error:
        remove_empty_folders(packed.parent, packed.parents[1])
        raise missing_error(f"UCI pendigits ({path.name})", path, error) from error


def _unpack(packed: Path, path: Path) -> None:
    from unlzw3 import unlzw

    try:
        path.write_bytes(unlzw(packed))
    except ValueError as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): delete it.") from error


def _check(path: Path) -> None:
    if path.suffix == ".tra" and hashlib.sha256(path.read_bytes()).hexdigest() != PENDIGITS_DIGEST:
        raise DataDamagedError(f"{path} is truncated or altered: delete it, or fetch it anew.")


def read_pen_file(split: str, files: list[Path]) -> list[PenDrawing]:
    """The digits of a split from the file that :func:`find_pendigits` found."""
    (path,) = files
    digits = _parse(path, digest(path.read_bytes()))
    if split == "test":
        return list(digits)
    held_out = split == "validation"
    return [digit for digit in digits if (digit.writer in PEN_VALIDATION_WRITERS) == held_out]


@functools.lru_cache(maxsize=2)  # the two files; their digits are read-only, so they can be shared
def _parse(path: Path, content: str) -> tuple[PenDrawing, ...]:
    tensors = cached(f"strokes-{path.name}", [path], lambda: pack_strokes(read_uci(path)))
    return tuple(unpack_strokes(tensors))


def read_uci(path: Path) -> list[PenDrawing]:
    """Read the digits of a file of UCI's, UNIPEN text with the ink inside each segment.

    Segments start at ``.SEGMENT DIGIT n ? "label"``, followed by ``.COMMENT digit writer sample``
    and strokes of ``x y`` lines between ``.PEN_DOWN`` and ``.PEN_UP``, y pointing up.

    Raises:
        ValueError: a line does not fit; the message names the file and the line.
    """
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return list(_segments(lines, str(path)))


def _segments(lines: list[str], name: str) -> Iterator[PenDrawing]:
    label: int | None = None
    writer = -1
    strokes: list[list[tuple[float, float]]] = []
    down = False

    def finished() -> Iterator[PenDrawing]:
        if label is not None:
            if not any(strokes):
                raise ValueError(f"{name}: the segment before line {number} has no pen points.")
            flip = np.array([1.0, -1.0])
            yield PenDrawing([np.array(s) * flip for s in strokes if s], label, writer)

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
