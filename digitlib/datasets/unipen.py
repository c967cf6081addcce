"""UNIPEN, train_r01_v07: pen drawings of digits, letters and signs by people of many countries.

Source: International Unipen Foundation (Guyon et al., "UNIPEN project of on-line data exchange and
recognizer benchmarks", ICPR 1994), Zenodo, doi 10.5281/zenodo.1195803, CC BY 4.0; the donors below.

Files of ``data/PART/DONOR`` name characters; files of ``include/DONOR`` hold their ink. Pen-down
and pen-up parts of all files that ``.INCLUDE`` names are the components, counted from 0, empty ones
left out; ``.SEGMENT CHARACTER 3-5 ? "A"`` is an A of the components 3 to 5.
"""

from __future__ import annotations

import os
import re
import tarfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from digitlib.datasets.base import (
    BAR_DELAY,
    NO_DIGIT,
    SPLITS,
    missing_error,
)
from digitlib.datasets.cache import cached, content_digest
from digitlib.datasets.downloads import fetch_files, refetch, say_unknown
from digitlib.datasets.pen import PenDrawing, pack_strokes, unpack_strokes
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import data_root

DOI = "10.5281/zenodo.1195803"
# The same files with parsing slips patched, at a fixed revision.
ARCHIVE_URL = (
    "https://github.com/GreenCappuccino/train_r01_v07/archive/"
    "98b7425a032992b06e075c811542512c21577d2f.tar.gz"
)
DIGITS, CAPITALS, SMALL_LETTERS, SIGNS = "1a", "1b", "1c", "1d"
# Donors of one split may have asked the same people: writers of apa, apb and app, say.
DONORS = {
    "train": ("apa", "apb", "app", "art", "gmd", "lav", "mot", "pri", "sie"),
    "validation": ("tos",),
    "test": ("cea", "ceb", "ced"),
}
# Of the strokes of a data set's split, as they are read.
DIGESTS = {
    "strokes-unipen-train": "1426a986939b",
    "strokes-unipen-validation": "d6459cb31d89",
    "strokes-unipen-test": "d9313389801b",
    "strokes-letters-train": "81f1944caa1b",
    "strokes-letters-validation": "1bf7794f603a",
    "strokes-letters-test": "00ad4e9a63d1",
    "strokes-signs-train": "4312fce51fc6",
    "strokes-signs-validation": "9d2f61a7699e",
    "strokes-signs-test": "b3cb99580f86",
}
REMEDY = refetch("unipen")
EVERY_DONOR = [donor for split in SPLITS for donor in DONORS[split]]
WRITERS_PER_DONOR = 1000  # a writer's number is this times the donor's, plus a rank

# Characters that a person takes for a digit where they stand alone, at any size: 0, 1 (a dot fills
# the frame as a tick does), 2, 4, 5, 6, 8, 9. They are no examples of "no digit", neither in
# training nor in measuring.
LOOKALIKES = "oODQlIij|/\\!'`,.zZyYsSbGB&gq"

ENDS_COMPONENT = re.compile(r"\.(?!DT|COMMENT)")
SEGMENT = re.compile(r'\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(.+)"')
MM_PER_INCH = 25.4

Points = NDArray[np.float64]
Component = tuple[bool, Points, str]  # the pen is down; points in mm, y up; the writer


def find_unipen(
    parts: Sequence[str],
    split: str,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> list[Path]:
    """The files of ``data`` that name the characters of a split, and those that may hold ink.

    Where there is no folder ``unipen``, the donors' files are downloaded.

    Raises:
        DataMissingError: there are none, or a donor's ink is missing.
    """
    folder = data_root(root) / "unipen"
    if not folder.exists():
        if not download:
            raise _missing(folder, "downloads are switched off")
        fetch_unipen(data_root(root), lambda: not folder.exists())
    named = [
        path
        for part in parts
        for donor in DONORS[split]
        for path in _files(folder / "data" / part / donor)
    ]
    donors = sorted({_donor(path) for path in named})
    ink = {donor: _files(folder / "include" / donor) for donor in donors}
    if not named or not all(ink.values()):
        raise _missing(folder, "the folder is incomplete")
    return named + [path for donor in donors for path in ink[donor]]


def _missing(folder: Path, reason: object) -> DataMissingError:
    return missing_error(f"UNIPEN (train_r01_v07, doi {DOI})", folder, reason)


def fetch_unipen(root: Path, needed: Callable[[], bool] = lambda: True) -> None:
    """Download the donors' files, in place of the folder that is there; it is whole or not there.

    Raises:
        DataMissingError: they cannot be downloaded.
    """
    folder = root / "unipen"

    def fill(partial: Path) -> None:
        _unpack(partial)
        (top,) = partial.iterdir()
        if folder.exists():
            folder.rename(partial / "old")
        top.rename(folder)

    try:
        fetch_files("unipen", root, fill, needed)
    except (OSError, ValueError, EOFError, zlib.error, tarfile.TarError) as error:
        raise _missing(folder, error) from error


def _unpack(folder: Path) -> None:
    with (
        urllib.request.urlopen(ARCHIVE_URL) as packed,
        _with_bar(packed) as read,
        tarfile.open(fileobj=read, mode="r|gz") as archive,
    ):
        for member in archive:
            if _is_wanted(PurePosixPath(member.name).parts[1:]):
                archive.extract(member, folder, filter="data")


def _with_bar(packed: Any) -> Any:
    """The answer of a server, read with a bar of its bytes."""
    size = int(packed.headers["Content-Length"] or 0) or None
    return tqdm.wrapattr(packed, "read", size, desc="UNIPEN", delay=BAR_DELAY)


def _is_wanted(names: Sequence[str]) -> bool:
    """A file of ``data/PART/DONOR`` or ``include/DONOR`` that a data set is read from."""
    parts = (DIGITS, CAPITALS, SMALL_LETTERS, SIGNS)
    of_data = names[:1] == ("data",) and len(names) > 3 and names[1] in parts
    donor = names[2] if of_data else names[1] if len(names) > 2 else ""
    return donor in EVERY_DONOR and (of_data or names[0] == "include")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _archive(path: Path) -> Path:
    """The folder ``unipen`` above a file of the archive."""
    return next(folder for folder in path.parents if folder.name == "unipen")


def _donor(path: Path) -> str:
    """The donor of a file of ``data/PART/DONOR`` or ``include/DONOR``."""
    names = path.relative_to(_archive(path)).parts
    return names[2 if _is_data(path) else 1]


def read_unipen(name: str, files: Sequence[Path]) -> list[PenDrawing]:
    """The labelled drawings of the files of :func:`find_unipen`; their strokes are read-only.

    Digits have their label, all else ``NO_DIGIT``.

    Args:
        name: of the cache's file.
        files: as found.

    Raises:
        DataDamagedError: a file does not read as UNIPEN, or the drawings are not the archive's.
    """
    return unpack_strokes(cached(name, files, lambda: _checked(name, files)))


def _checked(name: str, files: Sequence[Path]) -> dict[str, Tensor]:
    """The drawings, packed: of thousands of files, what is read of them has a digest."""
    folder = _archive(files[0])
    try:
        drawings = pack_strokes(_parse(files))
    except DataDamagedError as error:
        raise DataDamagedError(f"{error} {REMEDY}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataDamagedError(f"{folder} is damaged ({error}): {REMEDY}") from error
    found = content_digest(drawings)
    if name not in DIGESTS:
        say_unknown(folder, found)
    elif found != DIGESTS[name]:
        reason = f"drawings of {name} with the digest {found}, not {DIGESTS[name]}"
        raise DataDamagedError(f"{folder} is incomplete or altered ({reason}): {REMEDY}")
    return drawings


def _parse(files: Sequence[Path]) -> list[PenDrawing]:
    named = [(path, *_characters(path)) for path in files if _is_data(path)]
    found = [
        (_donor(path), character, strokes, writer)
        for path, includes, segments in named
        for character, strokes, writer in _drawings(path, includes, segments)
    ]
    numbers = _writer_numbers({(donor, writer) for donor, _, _, writer in found})
    return [
        PenDrawing(
            strokes,
            int(character) if character.isdecimal() else NO_DIGIT,
            numbers[donor, writer],
            character,
        )
        for donor, character, strokes, writer in found
    ]


def _is_data(path: Path) -> bool:
    return path.relative_to(_archive(path)).parts[0] == "data"


def _writer_numbers(writers: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Numbers of (donor, writer), rising with the donor's place in ``EVERY_DONOR``."""
    ranks = {
        donor: sorted(writer for other, writer in writers if other == donor)
        for donor in EVERY_DONOR
    }
    return {
        (donor, writer): WRITERS_PER_DONOR * EVERY_DONOR.index(donor) + ranks[donor].index(writer)
        for donor, writer in writers
    }


def _characters(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the included files, and (components, character) of each segment."""
    text = path.read_text(encoding="latin-1")
    includes = re.findall(r"^\.INCLUDE\s+(\S+)", text, re.MULTILINE)
    return includes, [
        (components, label.replace("\\", "", 1) if len(label) == 2 else label)
        for components, label in SEGMENT.findall(text)
    ]


def _drawings(
    path: Path, includes: Sequence[str], segments: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, list[Points], str]]:
    """Character, strokes and writer of each segment of a file."""
    folder = _archive(path) / "include"
    components = [each for name in includes for each in _components(folder, name)]
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
