"""UCI pendigits: pen strokes of 30 writers.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from digitlib.datasets.base import missing_error
from digitlib.datasets.cache import cached
from digitlib.datasets.downloads import check_file, fetch_files, refetch
from digitlib.datasets.pen import PenDrawing, pack_strokes, unpack_strokes
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import data_root, digest, write_bytes

PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
TRAINING, TESTING = "pendigits-orig.tra", "pendigits-orig.tes"
# SHA-256 of the unpacked files (UCI's .Z, 2026-11); that of the test file is not known to us.
DIGESTS = {TRAINING: "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"}
COUNTS = {TRAINING: 7494, TESTING: 3498}  # digits of each file, as UCI has it
REMEDY = refetch("pendigits")
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
    path = _folder(root) / (TESTING if split == "test" else TRAINING)
    packed = path.with_name(path.name + ".Z")
    if not path.exists() and packed.exists():
        _unpack(packed, path)
    elif not path.exists():
        if not download:
            raise _missing(path, "downloads are switched off")
        fetch_pendigits(root, [path.name], lambda: not path.exists())
    _check(path)
    return [path]


def _folder(root: Path) -> Path:
    return root / "pendigits-orig"


def _missing(path: Path, reason: object) -> DataMissingError:
    return missing_error(f"UCI pendigits ({path.name})", path, reason)


def fetch_pendigits(
    root: Path,
    names: Sequence[str] = (TRAINING, TESTING),
    needed: Callable[[], bool] = lambda: True,
) -> None:
    """Download files, in place of those that are there.

    Raises:
        DataMissingError: they cannot be downloaded.
    """
    import urllib.request

    def fill(partial: Path) -> None:
        for name in names:
            packed = partial / f"{name}.Z"
            urllib.request.urlretrieve(PENDIGITS_URL + packed.name, packed)
            _unpack(packed, partial / name)
            if name in DIGESTS:
                _check(partial / name)
        folder = _folder(root)
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / f"{name}.sha256").unlink(missing_ok=True)
            (partial / name).replace(folder / name)

    try:
        fetch_files("pendigits", root, fill, needed)
    except OSError as error:
        raise _missing(_folder(root) / names[0], error) from error


def _unpack(packed: Path, path: Path) -> None:
    """Unpack a ``.Z`` in memory; ``path`` is whole or not there."""
    from unlzw3 import unlzw

    try:
        content = unlzw(packed)
    except (ValueError, IndexError) as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): {REMEDY}") from error
    _check_count(packed, content.count(b".SEGMENT DIGIT"), path.name)
    write_bytes(path, content)


def _check(path: Path) -> None:
    check_file(path, DIGESTS.get(path.name), REMEDY)


def _check_count(path: Path, found: int, name: str) -> None:
    if found != COUNTS[name]:
        reason = f"{found} digits, not {COUNTS[name]}"
        raise DataDamagedError(f"{path} is truncated or altered ({reason}): {REMEDY}")


def read_pen_file(split: str, files: list[Path]) -> list[PenDrawing]:
    """The digits of a split from the file that :func:`find_pendigits` found."""
    (path,) = files
    digits = _parse(path, digest(path.read_bytes()))
    _check_count(path, len(digits), path.name)
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
        DataDamagedError: a line does not fit; the message names the file and the line.
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
                reason = f"{name}: the segment before line {number} has no pen points."
                raise DataDamagedError(reason)
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
                strokes[-1].append((_coordinate(x), _coordinate(y)))
        except (ValueError, IndexError) as error:
            reason = f"{name}, line {number}: {line.strip()!r:.80}: {error}."
            raise DataDamagedError(reason) from error
    yield from finished()


def _coordinate(word: str) -> float:
    if not math.isfinite(value := float(word)):
        raise ValueError("a coordinate that is not finite")
    return value
