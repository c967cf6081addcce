"""UCI pendigits: pen strokes of 30 writers; those of the test file, 14 others, aren't used.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from digitlib.datasets.base import DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import check_file, download_folder, missing_error, refetch
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.errors import DataDamagedError
from digitlib.files import data_root, write_bytes

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/pendigits-orig.tra.Z"
# SHA-256 of the unpacked file (UCI's .Z, 2026-11).
SHA256 = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"
VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[PenDrawing]:
    """The pen strokes of ``train`` or ``validation``, which share no writer.

    Raises:
        ValueError: another split.
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    return read_split(split, find("pendigits", split, data_root(root), download))


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked file, checked; downloaded if it is missing."""
    if split == "test":
        raise ValueError(f"{name} has no test split: UCI's test file isn't used.")
    path = root / "pendigits-orig" / "pendigits-orig.tra"
    if not path.exists():
        if not download:
            raise missing_error("UCI pendigits", path, "downloads are switched off")
        fetch(root, replace=False)
    check_file(path, SHA256, refetch("pendigits"))
    return [path]


def fetch(root: Path, *, replace: bool = True) -> None:
    """Download the file; without ``replace``, only if it is missing.

    Raises:
        DataMissingError: the download failed.
        DataDamagedError: the server sent something else.
    """
    import pooch
    from unlzw3 import unlzw

    path = root / "pendigits-orig" / "pendigits-orig.tra"
    with download_folder("UCI pendigits", path, root) as partial:
        if replace or not path.exists():
            unpacked = partial / path.name
            write_bytes(unpacked, unlzw(Path(pooch.retrieve(URL, None, path=partial))))
            check_file(unpacked, SHA256, refetch("pendigits"))
            path.parent.mkdir(exist_ok=True)
            unpacked.replace(path)


def read_split(split: str, files: list[Path]) -> list[PenDrawing]:
    """The digits of a split from the file that :func:`find` found."""
    held_out = split == "validation"
    digits = read_uci(files[0])
    return [digit for digit in digits if (digit.writer in VALIDATION_WRITERS) == held_out]


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
    return pen_data(name, split, read_split(split, files))
