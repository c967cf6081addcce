"""UNIPEN, train_r01_v07: pen drawings of digits, letters and signs by people of many countries.

Source: International Unipen Foundation (Guyon et al., "UNIPEN project of on-line data exchange and
recognizer benchmarks", ICPR 1994), Zenodo, doi 10.5281/zenodo.1195803, CC BY 4.0; the donors below.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from digitlib.datasets.base import NO_DIGIT, SPLITS, DigitData
from digitlib.datasets.cache import cached
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import download_folder, missing_error, refetch
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.datasets.unipen_format import read_characters
from digitlib.errors import DataDamagedError
from digitlib.files import data_root, digest

DOI = "10.5281/zenodo.1195803"
TITLE = f"UNIPEN (train_r01_v07, doi {DOI})"
# The same files with parsing slips patched, at a fixed revision.
ARCHIVE_URL = (
    "https://github.com/GreenCappuccino/train_r01_v07/archive/"
    "98b7425a032992b06e075c811542512c21577d2f.tar.gz"
)
# The folders of each data set: digits; capitals and small letters; signs.
PARTS = {"unipen": ("1a",), "letters": ("1b", "1c"), "signs": ("1d",)}
# Donors of one split may have asked the same people, for example apa, apb and app.
DONORS = {
    "train": ("apa", "apb", "app", "art", "gmd", "lav", "mot", "pri", "sie"),
    "validation": ("tos",),
    "test": ("cea", "ceb", "ced"),
}
# Digests of the strokes of each data set and split.
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

# Characters that a person takes for a digit if they appear alone, at any size: 0, 1 (a dot fills
# the frame as a tick does), 2, 4, 5, 6, 8, 9. They are no examples of "not a digit", neither in
# training nor in measuring.
LOOKALIKES = "oODQlIij|/\\!'`,.zZyYsSbGB&gq"


def find(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The files of ``data`` that name the characters of a split, and those that may hold ink.

    Downloads the donors' files if there is no folder ``unipen``.

    Raises:
        DataMissingError: there are none, or a donor's ink is missing.
    """
    folder = root / "unipen"
    if not folder.exists():
        if not download:
            raise missing_error(TITLE, folder, "downloads are switched off")
        fetch(root, replace=False)
    named, ink = list[Path](), set[Path]()
    for part in PARTS[name]:
        for donor in DONORS[split]:
            if found := _files(folder / "data" / part / donor):
                if not (inks := _files(folder / "include" / donor)):
                    raise missing_error(TITLE, folder, f"the ink of {donor} is missing")
                named += found
                ink.update(inks)
    if not named:
        raise missing_error(TITLE, folder, "the folder is incomplete")
    return named + sorted(ink)


def fetch(root: Path, *, replace: bool = True) -> None:
    """Download the donors' files; without ``replace``, only if there is no folder ``unipen``.

    Raises:
        DataMissingError: the download failed.
    """
    import pooch

    folder = root / "unipen"
    with download_folder(TITLE, folder, root) as partial:
        if folder.exists() and not replace:
            return
        packed = pooch.retrieve(ARCHIVE_URL, None, path=partial)
        with tarfile.open(packed) as archive:
            # Python before 3.11.4 (Debian 12) has no filters: accept plain files in their places.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            for member in archive:
                path = PurePosixPath(member.name)
                plain = member.isfile() and not path.is_absolute() and ".." not in path.parts
                if plain and _is_wanted(path.parts[1:]):
                    archive.extract(member, partial / "new")
        (top,) = (partial / "new").iterdir()
        if folder.exists():
            folder.rename(partial / "old")
        top.rename(folder)


def _is_wanted(names: Sequence[str]) -> bool:
    """Whether data sets read this file of ``data/PART/DONOR`` or ``include/DONOR``."""
    match names:
        case ["data", part, donor, _, *_]:
            return donor in EVERY_DONOR and any(part in parts for parts in PARTS.values())
        case ["include", donor, _, *_]:
            return donor in EVERY_DONOR
    return False


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_unipen(
    name: str, split: str, root: str | os.PathLike[str] | None = None
) -> list[PenDrawing]:
    """The strokes of ``unipen``, ``letters`` or ``signs``, in the order of :func:`catalog.load`.

    Digits have their label, all others ``NO_DIGIT``.

    Raises:
        DataMissingError: the files are missing.
        DataDamagedError: a file isn't in UNIPEN's format, or the drawings aren't the archive's.
    """
    return _read(name, split, find(name, split, data_root(root), False))


def _read(name: str, split: str, files: Sequence[Path]) -> list[PenDrawing]:
    key = f"strokes-{name}-{split}"
    drawings = cached(key, files, lambda: _checked(key, files))
    return [drawing for drawing in drawings if drawing.character not in LOOKALIKES]


@register(*PARTS, find=find)
def build(name: str, split: str, files: list[Path]) -> DigitData:
    """The drawings of a split, without lookalikes of digits."""
    return pen_data(name, split, _read(name, split, files))


def _checked(key: str, files: Sequence[Path]) -> list[PenDrawing]:
    """The drawings of thousands of files, checked by their digest."""
    folder = next(folder for folder in files[0].parents if folder.name == "unipen")
    try:
        drawings = _parse(folder, files)
        found = _digest(drawings)
    except DataDamagedError as error:
        raise DataDamagedError(f"{error} {REMEDY}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataDamagedError(f"{folder} is damaged ({error}): {REMEDY}") from error
    if found != DIGESTS.get(key, found):
        reason = f"drawings of {key} with the digest {found}, not {DIGESTS[key]}"
        raise DataDamagedError(f"{folder} is incomplete or altered ({reason}): {REMEDY}")
    return drawings


def _digest(drawings: Sequence[PenDrawing]) -> str:
    strokes = [stroke for each in drawings for stroke in each.strokes]
    parts = {
        "characters": [ord(each.character) for each in drawings],
        "labels": [each.label for each in drawings],
        "points": np.concatenate(strokes),
        "points_of_stroke": [*map(len, strokes)],
        "strokes_of_drawing": [len(each.strokes) for each in drawings],
        "writers": [each.writer for each in drawings],
    }
    return digest(*(x for name in parts for x in (name.encode(), np.array(parts[name]).tobytes())))


def _parse(folder: Path, files: Sequence[Path]) -> list[PenDrawing]:
    found = [
        (path.relative_to(folder).parts[2], *character)  # the donor of data/PART/DONOR
        for path in files
        if path.is_relative_to(folder / "data")
        for character in read_characters(path, folder / "include")
    ]
    ranks = {
        donor: sorted({writer for other, _, _, writer in found if other == donor})
        for donor in EVERY_DONOR
    }
    return [
        PenDrawing(
            strokes,
            int(character) if character.isdecimal() else NO_DIGIT,
            WRITERS_PER_DONOR * EVERY_DONOR.index(donor) + ranks[donor].index(writer),
            character,
        )
        for donor, character, strokes, writer in found
    ]
