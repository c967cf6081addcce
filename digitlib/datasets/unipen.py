"""UNIPEN, train_r01_v07: pen drawings of digits, letters and signs by people of many countries.

Source: International Unipen Foundation (Guyon et al., "UNIPEN project of on-line data exchange and
recognizer benchmarks", ICPR 1994), Zenodo, doi 10.5281/zenodo.1195803, CC BY 4.0; the donors below.
"""

from __future__ import annotations

import os
import tarfile
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from digitlib.datasets.base import BAR_DELAY, NO_DIGIT, SPLITS, missing_error
from digitlib.datasets.cache import cached, content_digest
from digitlib.datasets.downloads import fetch_files, refetch, say_unknown
from digitlib.datasets.pen import PenDrawing, pack_strokes, unpack_strokes
from digitlib.datasets.unipen_format import read_characters
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
        # Python before 3.11.4, as in Debian 12, has no filters: plain files in their places alone.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in archive:
            path = PurePosixPath(member.name)
            plain = member.isfile() and not path.is_absolute() and ".." not in path.parts
            if plain and _is_wanted(path.parts[1:]):
                archive.extract(member, folder)


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
    include = _archive(files[0]) / "include"
    found = [
        (_donor(path), character, strokes, writer)
        for path in files
        if _is_data(path)
        for character, strokes, writer in read_characters(path, include)
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
