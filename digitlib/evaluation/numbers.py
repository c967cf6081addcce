"""How well whole numbers are read: rows of pen digits, touching pairs, pages with more on them.

The ceiling beside a figure is the share of rows whose digits are each read right alone, given the
same way: no division of the row can do much better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.random import RandomState

from digitlib.datasets import number_pages, rows, synthetic, unipen
from digitlib.datasets.pen import PenDrawing
from digitlib.datasets.rows import Row
from digitlib.errors import BlankDrawingError, DataMissingError
from digitlib.evaluation.metrics import GroupedProportion
from digitlib.files import REPORTS, write_json
from digitlib.models.prediction import Prediction
from digitlib.models.reading import Reading
from digitlib.models.recognizer import Recognizer

PATH = REPORTS / "numbers.json"
ROWS, PAIRS, PAGES = 100, 200, 100  # of each spacing; that touch; with a number, and without one
LENGTHS, PAIR = (2, 8), (2, 2)  # digits of a row
JOINT = 0.15  # heights of a digit between two that are drawn without lifting the pen
HEIGHTS = (36, 110)  # px of a usual digit in pictures
PENS = (0.06, 0.08)  # width of the pen there, in heights of a digit
DRAWN = 10  # digits of each style, where rules draw them
TIMED, FIVE = 40, (5, 5)  # rows whose reading is timed, and their digits


def load_drawings(split: str) -> tuple[list[PenDrawing], str]:
    """Digits of ``unipen``, and its name; digits drawn by rules where it is not here."""
    try:
        return unipen.read_unipen("unipen", split), "UNIPEN"
    except DataMissingError:
        drawn = synthetic.draw_digits(DRAWN, seed=0)
        return [replace(each, writer=0) for each in drawn], "digits drawn by rules"


def measure(
    recognizer: Recognizer, split: str, seed: int = 0, part: float = 1.0, workers: int = -1
) -> dict[str, Any]:
    """Shares of numbers read right and read wrong without a ``?``, with intervals over writers.

    Beside them, how long reading takes.

    Args:
        recognizer: that reads.
        split: of ``unipen``, whose writers wrote the digits.
        seed: of the choice of digits, and of the pages.
        part: of the usual number of rows.
        workers: processes; -1 is one per core.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    drawings = unipen.read_unipen("unipen", split)
    count, pairs, pages = (max(round(part * each), 1) for each in (ROWS, PAIRS, PAGES))
    tasks: dict[tuple[str, str], Any] = {}
    for name, gap in rows.SPACINGS.items():
        made = rows.make_rows(drawings, count, gap, seed, LENGTHS)
        tasks["rows", name] = delayed(_as_strokes)(recognizer.network, made)
        tasks["pictures of rows", name] = delayed(_as_pictures)(recognizer.network, made, seed)
    for name, gap in rows.TOUCHING.items():
        made = rows.make_rows(drawings, pairs, gap, seed, PAIR)
        tasks["pairs", f"{name}, as strokes"] = delayed(_as_strokes)(recognizer.network, made)
        tasks["pairs", f"{name}, as pictures"] = delayed(_as_pictures)(
            recognizer.network, made, seed
        )
    made = rows.make_rows(drawings, pairs, JOINT, seed, PAIR)
    tasks["pairs", "pen not lifted"] = delayed(_as_strokes)(recognizer.network, made, Row.joined)
    found: dict[str, Any] = {"split": split, "seed": seed}
    for (kind, name), result in zip(tasks, Parallel(workers)(tasks.values()), strict=True):
        found.setdefault(kind, {})[name] = result
    found["pages"] = _pages(recognizer.network, drawings, pages, seed, workers)
    return found | {"seconds for five digits": _times(recognizer, drawings, seed)}


def by_gap(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What :func:`measure` found of rows and pairs, as strokes and as pictures, gap by gap."""
    named = {"strokes": ("rows", "as strokes"), "pictures": ("pictures of rows", "as pictures")}
    return {
        kind: {gap: measured[part][gap] for gap in rows.SPACINGS}
        | {gap: measured["pairs"][f"{gap}, {way}"] for gap in rows.TOUCHING}
        for kind, (part, way) in named.items()
    }


def write(path: Path = PATH) -> dict[str, Any]:
    """Measure the bundled network on the test donors' writers, and write it down."""
    recognizer = Recognizer.load()
    found = measure(recognizer, "test") | {"weights": recognizer.weights}
    write_json(path, found)
    return found


def _strokes(row: Row) -> list[Any]:
    return row.strokes


def _as_strokes(
    network: bytes, made: Sequence[Row], strokes: Callable[[Row], Any] = _strokes
) -> dict[str, Any]:
    recognizer = Recognizer(network)
    texts = [recognizer.read(strokes(row)).text for row in made]
    alone = [[recognizer.predict_strokes(digit) for digit in row.digits] for row in made]
    return _shares(made, texts, alone)


def _as_pictures(network: bytes, made: Sequence[Row], seed: int) -> dict[str, Any]:
    recognizer, random = Recognizer(network), RandomState(seed)
    texts, alone = [], []
    for row in made:
        looks = random.uniform(*HEIGHTS), random.uniform(*PENS)
        texts.append(recognizer.read(rows.picture(row.strokes, *looks)).text)
        alone.append([recognizer.predict(rows.picture(digit, *looks)) for digit in row.digits])
    return _shares(made, texts, alone)


def _shares(
    made: Sequence[Row], texts: Sequence[str], alone: Sequence[Sequence[Prediction]]
) -> dict[str, Any]:
    """Rows read right, and wrong without a ``?``; the ceiling, whatever is rejected alone."""
    right = [text == row.text for text, row in zip(texts, made, strict=True)]
    silent = [text != row.text and "?" not in text for text, row in zip(texts, made, strict=True)]
    ceiling = [
        row.text == "".join(str(each.digit) for each in digits)
        for row, digits in zip(made, alone, strict=True)
    ]
    writers = np.array([row.writer for row in made])
    return {
        name: GroupedProportion.of_groups(np.array(hits), writers).as_dict()
        for name, hits in (("right", right), ("silently wrong", silent), ("ceiling", ceiling))
    }


def _pages(
    network: bytes, drawings: Sequence[PenDrawing], count: int, seed: int, workers: int
) -> dict[str, Any]:
    """Ruled pages with a coffee ring and a line of print: with a number, and with none."""
    made = rows.make_rows(drawings, count, rows.SPACINGS["usual"], seed, LENGTHS)
    seeds = RandomState(seed).randint(2**31, size=count).tolist()
    read = Parallel(workers)(
        delayed(_read_page)(network, row and row.strokes, number)
        for row, number in zip([*made, *([None] * count)], seeds * 2, strict=True)
    )
    read, empty = read[:count], read[count:]
    writers = np.array([row.writer for row in made])
    more = [
        len(text.replace("\n", "")) <= len(row.text) for text, row in zip(read, made, strict=True)
    ]
    shares = {
        "no false digits": more,
        "number right": [text == row.text for text, row in zip(read, made, strict=True)],
        "no digits on pages without a number": [not text.strip("?\n") for text in empty],
    }
    return {
        name: GroupedProportion.of_groups(np.array(hits), writers).as_dict()
        for name, hits in shares.items()
    }


def _times(
    recognizer: Recognizer, drawings: Sequence[PenDrawing], seed: int
) -> dict[str, dict[str, float]]:
    """Seconds that reading a row of five digits takes: median, and that of the slowest tenth."""
    made = rows.make_rows(drawings, TIMED, rows.SPACINGS["usual"], seed, FIVE)
    sources: dict[str, list[Any]] = {
        "strokes": [row.strokes for row in made],
        "picture": [rows.picture(row.strokes, 80) for row in made],
    }
    times: dict[str, list[float]] = {name: [] for name in sources}
    for number in range(TIMED):
        for name, each in sources.items():
            begin = perf_counter()
            recognizer.read(each[number])
            times[name].append(perf_counter() - begin)
    return {
        name: {"median": float(np.median(took)), "slowest tenth": float(np.quantile(took, 0.9))}
        for name, took in times.items()
    }


def _read_page(network: bytes, strokes: Sequence[Any] | None, seed: int) -> str:
    try:
        reading: Reading = Recognizer(network).read(number_pages.page(strokes, seed))
    except BlankDrawingError:
        return ""
    return reading.text
