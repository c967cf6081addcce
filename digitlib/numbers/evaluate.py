"""Measure the reader: simulated rows by other writers, pages, real pictures, and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import pages, real
from digitlib.errors import BlankDrawingError
from digitlib.evaluation.benchmark import milliseconds
from digitlib.evaluation.metrics import GroupedProportion, Proportion
from digitlib.files import REPORTS, write_json
from digitlib.numbers.reader import RowReader, read

PATH = REPORTS / "numbers.json"
# Spacing and paper of each group of rows.
GROUPS = {
    "usual": ("usual", "clean"), "just apart": ("just apart", "clean"),
    "touching": ("touching", "clean"), "overlapping": ("overlapping", "clean"),
    "boxes": ("usual", "boxes"), "photo": ("usual", "photo"),
}  # fmt: skip
ROWS, PAGES, TIMED = 200, 100, 40
LENGTHS = (2, 3, 4, 5, 6, 7, 8), (1 / 7,) * 7
FIVE = (5,), (1.0,)
THRESHOLDS = (2,)  # remainders of the real pictures that set the threshold; those of 0 train
MARGIN = 0.6  # heights of a digit around a row
CAMERA = 3000, 4000  # px of a page of 12 megapixels


@dataclass(frozen=True)
class Example:
    """A row to read: as a picture and as strokes, with its text and writer."""

    picture: NDArray[np.uint8]
    strokes: list[NDArray[np.float64]]
    text: str
    writer: int


def draw_rows(
    ink: pages.Ink, group: str, count: int, random: Generator,
    lengths: tuple[Sequence[int], Sequence[float]] = LENGTHS,
) -> list[Example]:  # fmt: skip
    """Rows of a group of ``GROUPS``, with the unchanged strokes of the writers of ``ink``."""
    spacing, paper = GROUPS[group]
    examples = []
    for _ in range(count):
        row = pages.make_row(ink, random, spacing, paper, lengths, augment=False)
        scene = 255 - row.ink
        if paper != "clean":
            scene = pages.photograph(row, ink, paper, random, extras=False).astype(np.uint8)
        left, top, right, bottom = row.box
        margin = round(MARGIN * pages.DIGIT)
        cut = scene[max(top - margin, 0) : bottom + margin, left - margin : right + margin]
        examples.append(Example(cut, list(row.paths), row.text, row.writer))
    return examples


def read_text(source: Any) -> str:
    """The text of :func:`reader.read`; empty for a picture without ink."""
    try:
        return read(source).text
    except BlankDrawingError:
        return ""


def score(texts: Sequence[str], found: Sequence[str], groups: Sequence[int]) -> dict[str, Any]:
    """Shares of rows that are right, and that are wrong without a ``?``, with intervals.

    Args:
        texts: the rows' digits.
        found: what was read.
        groups: the writer of each row; rows of one writer resemble each other.
    """
    right = np.array([a == b for a, b in zip(texts, found, strict=True)])
    undetected = np.array([a != b and "?" not in b for a, b in zip(texts, found, strict=True)])
    numbers = np.array(groups)
    return {
        name: GroupedProportion.of_groups(hits, numbers).as_dict()
        for name, hits in (("right", right), ("undetected errors", undetected))
    }


def score_real(read_one: Callable[[str], str], remainders: Sequence[int]) -> dict[str, Any]:
    """As :func:`score`, of real pictures by kind and in all; each picture is its own group.

    Without pictures, the result is empty.
    """
    rows = real.read_real_pictures("numbers", remainders)
    found = [read_one(str(row.path)) for row in rows]
    result = {}
    for kind in ["all", *sorted({row.kind for row in rows})] if rows else []:
        chosen = [n for n, row in enumerate(rows) if kind in ("all", row.kind)]
        texts = [rows[n].text for n in chosen]
        result[kind] = score(texts, [found[n] for n in chosen], chosen)
    return result


def measure(split: str = "test", part: float = 1.0) -> dict[str, Any]:
    """Accuracy on simulated rows and pages by the writers of a split, and on real pictures.

    Args:
        split: of UNIPEN.
        part: of the usual number of rows.

    Raises:
        DataMissingError, DataDamagedError: see :func:`pages.load_ink`.
    """
    ink, random = pages.load_ink(split), default_rng(0)
    reader = RowReader.bundled()
    result: dict[str, Any] = {
        "split": split, "weights": reader.weights, "parameters": reader.parameters,
        "training": {key: reader.card[key] for key in ("minutes", "device")},
        "strokes": {}, "pictures": {},
    }  # fmt: skip
    with Parallel(-1) as workers:
        for group in GROUPS:
            made = draw_rows(ink, group, max(round(part * ROWS), 2), random)
            for kind in ("strokes", "pictures") if GROUPS[group][1] == "clean" else ("pictures",):
                sources = [e.strokes if kind == "strokes" else e.picture for e in made]
                found = workers(delayed(read_text)(source) for source in sources)
                texts, writers = [e.text for e in made], [e.writer for e in made]
                result[kind][group] = score(texts, found, writers)
        count = max(round(part * PAGES), 2)
        rows = [pages.make_row(ink, random, "usual", augment=False) for _ in range(count)]
        for name, given in (("with a number", rows), ("without a number", [None] * count)):
            drawn = [pages.make_page(row, random) for row in given]
            found = workers(delayed(read_text)(page) for page in drawn)
            texts = [row.text if row else "" for row in given]
            false = [len(f.replace("\n", "")) <= len(t) for f, t in zip(found, texts, strict=True)]
            result.setdefault("pages", {})[name] = {
                "no false digit": Proportion.of(np.array(false)).as_dict(),
                "right": Proportion.of(np.array([*map(str.__eq__, texts, found)])).as_dict(),
            }
    result["real pictures"] = score_real(read_text, real.REPORT) or None
    return result | {"milliseconds": _times(ink, random)}


def _times(ink: pages.Ink, random: Generator) -> dict[str, dict[str, float]]:
    """Milliseconds to read a row of five digits, and a page of 12 megapixels."""
    rows = draw_rows(ink, "usual", TIMED, random, FIVE)
    wide = [Image.fromarray(row.picture) for row in rows]
    page = Image.fromarray(pages.make_page(None, random)).resize(CAMERA[::-1])
    return milliseconds(read_text, {
        "strokes": [row.strokes for row in rows],
        "picture, 400 px": [np.asarray(e.resize((400, 400 * e.height // e.width))) for e in wide],
        "page, 12 megapixels": [np.asarray(page)] * 5,
    })  # fmt: skip


def write() -> None:
    """Measure the bundled network on test writers and odd pictures; write reports/numbers.json."""
    write_json(PATH, measure())
