"""UCI pendigits: pen strokes of 44 writers, 30 of them in the training file.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import numpy as np

from digitlib.datasets.base import DigitData
from digitlib.datasets.cache import cached
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import check_file, download_folder, missing_error, refetch
from digitlib.datasets.pen import PenDrawing, pack_strokes, pen_data, unpack_strokes
from digitlib.errors import DataDamagedError
from digitlib.files import data_root, digest, write_bytes

PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
TRAINING, TESTING = "pendigits-orig.tra", "pendigits-orig.tes"
# SHA-256 of the unpacked files (UCI's .Z, 2026-11). We don't know that of the test file.
DIGESTS = {TRAINING: "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"}
COUNTS = {TRAINING: 7494, TESTING: 3498}  # digits of each file, as UCI has it
REMEDY = refetch("pendigits")
PEN_VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)  # of the 30 in the training file


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[PenDrawing]:
    """The pen strokes of a split, read-only; ``train`` and ``validation`` share no writer.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    return read_pen_file(split, find("pendigits", split, data_root(root), download))


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked file of a split, checked; unpacked or downloaded if it is missing."""
    path = root / "pendigits-orig" / (TESTING if split == "test" else TRAINING)
    packed = path.with_name(path.name + ".Z")
    if not path.exists() and packed.exists():
        _unpack(packed, path)
    elif not path.exists():
        if not download:
            raise missing_error(f"UCI pendigits ({path.name})", path, "downloads are switched off")
        fetch(root, path.name, replace=False)
    check_file(path, DIGESTS.get(path.name), REMEDY)
    return [path]


def fetch(root: Path, *names: str, replace: bool = True) -> None:
    """Download these files, or both; without ``replace``, only the missing ones.

    Raises:
        DataMissingError: the download failed.
        DataDamagedError: the server sent something else.
    """
    import pooch

    folder, names = root / "pendigits-orig", names or (TRAINING, TESTING)
    with download_folder(f"UCI pendigits ({names[0]})", folder / names[0], root) as partial:
        for name in names:
            if not replace and (folder / name).exists():
                continue
            url = f"{PENDIGITS_URL}{name}.Z"
            packed = Path(pooch.retrieve(url, None, fname=f"{name}.Z", path=partial))
            _unpack(packed, partial / name)
            if name in DIGESTS:
                check_file(partial / name, DIGESTS[name], REMEDY)
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.sha256").unlink(missing_ok=True)
            (partial / name).replace(folder / name)


def _unpack(packed: Path, path: Path) -> None:
    """Unpack a ``.Z`` file."""
    from unlzw3 import unlzw

    try:
        content = unlzw(packed)
    except (ValueError, IndexError) as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): {REMEDY}") from error
    _check_count(packed, content.count(b".SEGMENT DIGIT"), path.name)
    write_bytes(path, content)


def _check_count(path: Path, found: int, name: str) -> None:
    if found != COUNTS[name]:
        reason = f"{found} digits, not {COUNTS[name]}"
        raise DataDamagedError(f"{path} is truncated or altered ({reason}): {REMEDY}")


def read_pen_file(split: str, files: list[Path]) -> list[PenDrawing]:
    """The digits of a split from the file that :func:`find` found."""
    (path,) = files
    digits = _read(path, digest(path.read_bytes()))
    _check_count(path, len(digits), path.name)
    if split == "test":
        return list(digits)
    held_out = split == "validation"
    return [digit for digit in digits if (digit.writer in PEN_VALIDATION_WRITERS) == held_out]


@functools.lru_cache(maxsize=2)  # the two files; their digits are read-only, so they can be shared
def _read(path: Path, content: str) -> tuple[PenDrawing, ...]:
    tensors = cached(f"strokes-{path.name}", [path], lambda: pack_strokes(read_uci(path)))
    return tuple(unpack_strokes(tensors))


def read_uci(path: Path) -> list[PenDrawing]:
    """Read the digits of a file in UCI's format: UNIPEN text with the ink inside each segment.

    A segment starts with ``.SEGMENT DIGIT n ? "label"`` and ``.COMMENT digit writer sample``.
    Its strokes are lines of ``x y``, y up, between ``.PEN_DOWN`` and ``.PEN_UP``.

    Raises:
        DataDamagedError: a digit can't be read; the message names the file and the digit.
    """
    text = path.read_text(encoding="ascii", errors="replace")
    digits = []
    for number, segment in enumerate(text.split(".SEGMENT")[1:], 1):
        head, *parts = segment.split(".PEN_DOWN")
        try:
            label, writer = re.findall(r'"(\d)"\s+\.COMMENT\s+\d\s+(\d+)\s', head)[0]
            points = [np.array(part.split(".PEN_UP")[0].split(), float) for part in parts]
            strokes = [stroke.reshape(-1, 2) * [1, -1] for stroke in points if len(stroke)]
            if not strokes or not all(np.isfinite(stroke).all() for stroke in strokes):
                raise ValueError("it has no pen points, or infinite ones")
        except (ValueError, IndexError) as error:
            raise DataDamagedError(f"{path}, digit {number}: {error}.") from error
        digits.append(PenDrawing(strokes, int(label), int(writer)))
    return digits


@register("pendigits", find=find)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The digits of a split."""
    return pen_data(name, split, read_pen_file(split, files))
