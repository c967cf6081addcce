"""Real pictures of digits and numbers that people wrote; they stay outside the repository.

The folder ``pictures`` of :func:`files.data_root` has a table for each name in ``NAMES`` and the
pictures themselves. Pictures with an even number in their file name are for development, those
with an odd one are for reports.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from digitlib.files import data_root

NAMES = {"digits": "label", "numbers": "text"}  # tables, and their columns with what is written
DEVELOPMENT, REPORT = (0, 2), (1, 3)  # remainders of a picture's number and 4


@dataclass(frozen=True)
class RealPicture:
    """A picture with what is written on it; its kind says what it shows, such as ``formcell``."""

    path: Path
    text: str
    kind: str
    number: int  # in its file name


def read_real_pictures(name: str, remainders: Collection[int]) -> list[RealPicture]:
    """The pictures of a table in its order; none without the folder.

    Args:
        name: of the table, a key of ``NAMES``.
        remainders: of the pictures' numbers and 4.
    """
    folder = data_root(None) / "pictures"
    if not folder.is_dir():
        return []
    found = []
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = folder / row["file"]
            number = int("".join(filter(str.isdigit, path.name)))
            if number % 4 in remainders:
                found.append(RealPicture(path, row[NAMES[name]], row["kind"], number))
    return found
