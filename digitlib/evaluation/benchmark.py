"""Measure a recognizer on real and simulated pictures of digits, and on marked pen strokes.

The real pictures are those of :mod:`datasets.real`; some of them also get a frame or lose their
margin. Simulated pictures and marks, such as a box, are those of :mod:`datasets.picture_kinds`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from timeit import timeit
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.datasets import picture_kinds, pictures, real, unipen
from digitlib.datasets.pen import PenDrawing
from digitlib.errors import InputError
from digitlib.evaluation.metrics import GroupedProportion, Proportion
from digitlib.files import REPORTS
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.read import read_colors, read_gray
from digitlib.preprocessing.segmentation import border
from digitlib.preprocessing.strokes import Strokes

PATH = REPORTS / "pictures.json"
# Each part's real pictures, and the split of UNIPEN that has the writers of the simulated ones.
PARTS = {"development": (real.DEVELOPMENT, "validation"), "report": (real.REPORT, "test")}
TABLES = ("real pictures", "changed pictures", "simulated pictures", "strokes")
SHARES = ("right", "rejected", "undetected errors")  # of the digits of a kind
DRAWINGS = 100  # drawings made into each kind of picture
FRAME = 0.03  # of the shorter side: width of a frame around a photo
FAINTEST = 0.2  # of a picture's highest contrast to its edge: fainter pixels aren't ink
TIMED, CAMERA = 20, (3000, 4000)  # pictures timed; width and height of 12 megapixels, px

Pixels = NDArray[np.uint8]  # [H, W] or [H, W, 3]


def add_frame(picture: Pixels, shade: int) -> Pixels:
    """The picture in a frame of one shade, ``FRAME`` of its shorter side wide."""
    width = max(round(FRAME * min(picture.shape[:2])), 1)
    sides = ((width, width),) * 2 + ((0, 0),) * (picture.ndim - 2)
    return np.pad(picture, sides, constant_values=shade)


def crop_to_ink(picture: Pixels) -> Pixels:
    """The part of a picture without shadows that has ink, without any margin."""
    gray = read_gray(picture)
    contrast = np.abs(gray - np.median(border(gray)))
    ink = contrast > FAINTEST * contrast.max()
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


PHOTOS, SCANS = ("photo", "photo-crop", "crop"), ("scan28", "canvas")
# Kinds of real pictures, and what is done with them.
CHANGES: dict[str, tuple[tuple[str, ...], Callable[[Pixels], Pixels]]] = {
    "photos as they are": (PHOTOS, np.asarray),
    "photos in a white frame": (PHOTOS, lambda picture: add_frame(picture, 255)),
    "photos in a black frame": (PHOTOS, lambda picture: add_frame(picture, 0)),
    "scans and drawings as they are": (SCANS, np.asarray),
    "scans and drawings without margin": (SCANS, crop_to_ink),
}


def predict(read: Callable[[Any], Prediction], sources: Iterable[Any]) -> list[Prediction | None]:
    """The predictions; None for input that is refused with an InputError."""
    found: list[Prediction | None] = []
    for source in sources:
        try:
            found.append(read(source))
        except InputError:
            found.append(None)
    return found


def score(
    found: Sequence[Prediction | None], labels: Sequence[int], writers: Sequence[int] | None = None
) -> dict[str, Any]:
    """The ``SHARES`` with 95 % intervals; an undetected error is wrong and not rejected.

    Args:
        found: what :func:`predict` returns. Refused input counts as rejected; its number is added.
        labels: the digits.
        writers: of the digits, if they are known: the intervals are bootstrapped over them.
    """
    rejected = np.array([each is None or each.rejected for each in found])
    wrong = np.array([each is None or each.digit for each in found]) != np.array(labels)
    scores: dict[str, Any] = {"refused": sum(each is None for each in found)}
    for name, hits in zip(SHARES, (~wrong & ~rejected, rejected, wrong & ~rejected), strict=True):
        by_writer = writers and GroupedProportion.of_groups(hits, np.array(writers))
        scores[name] = (by_writer or Proportion.of(hits)).as_dict()
    return scores


def measure(recognizer: Recognizer, part: str = "report", count: int = DRAWINGS) -> dict[str, Any]:
    """Scores of pictures and strokes, and the time to read a picture.

    Args:
        recognizer: the network to measure.
        part: of the data, a key of ``PARTS``.
        count: drawings made into each kind of simulated picture.

    Returns:
        For each of ``TABLES``, the result of :func:`score` by kind; none of real pictures if the
        data folder has none.

    Raises:
        DataMissingError, DataDamagedError: UNIPEN is missing or damaged.
    """
    remainders, split = PARTS[part]
    drawings = unipen.read_unipen("unipen", split)
    sample = drawings[:: max(len(drawings) // count, 1)][:count]  # so all writers are among them
    strokes = recognizer.predict_strokes
    return {
        "part": part,
        "weights": recognizer.weights,
        "milliseconds": _times(recognizer, sample[:TIMED]),
        **_measure_real(recognizer, real.read_real_pictures("digits", remainders)),
        "simulated pictures": {
            kind: _drawn(recognizer.predict, sample, partial(picture_kinds.make, kind))
            for kind in picture_kinds.KINDS
        },
        "strokes": {"without a mark": _drawn(strokes, drawings, lambda given, _: given)}
        | {
            mark: _drawn(strokes, drawings, partial(picture_kinds.add_mark, mark))
            for mark in picture_kinds.MARKS
        },
    }


def _measure_real(recognizer: Recognizer, rows: Sequence[real.RealPicture]) -> dict[str, Any]:
    """Scores of real pictures by kind, and of those that are changed."""
    tables: dict[str, Any] = {"real pictures": {}, "changed pictures": {}}
    found = predict(recognizer.predict, (row.path for row in rows))
    for kind in ["all", *sorted({row.kind for row in rows})] if rows else []:
        chosen = [n for n, row in enumerate(rows) if kind in ("all", row.kind)]
        labels = [int(rows[n].text) for n in chosen]
        tables["real pictures"][kind] = score([found[n] for n in chosen], labels)
    for name, (kinds, change) in CHANGES.items() if rows else ():
        given = [row for row in rows if row.kind in kinds]
        changed = predict(recognizer.predict, (change(read_colors(row.path)) for row in given))
        tables["changed pictures"][name] = score(changed, [int(row.text) for row in given])
    return tables


def _drawn(
    read: Callable[[Any], Prediction],
    drawings: Sequence[PenDrawing],
    draw: Callable[[Strokes, int], Any],
) -> dict[str, Any]:
    """The score of drawings made into something; the second argument of ``draw`` is a seed."""
    found = predict(read, (draw(each.strokes, n) for n, each in enumerate(drawings)))
    return score(found, [each.label for each in drawings], [each.writer for each in drawings])


def _times(recognizer: Recognizer, drawings: Sequence[PenDrawing]) -> dict[str, dict[str, float]]:
    """Milliseconds to read a drawing of 280 px, and a JPEG of 12 megapixels."""
    camera = io.BytesIO()
    picture = pictures.photo(drawings[0].strokes, seed=0).resize(CAMERA)
    picture.save(camera, "JPEG", quality=85)
    return milliseconds(recognizer.predict, {
        "drawing, 280 px": [np.asarray(pictures.canvas(each.strokes)) for each in drawings],
        "photo, 12 megapixels": [camera.getvalue()] * 5,
    })  # fmt: skip


def milliseconds(
    read: Callable[[Any], Any], sources: Mapping[str, Sequence[Any]]
) -> dict[str, dict[str, float]]:
    """The time to read a source of each kind: median and p90, ms."""
    took = {
        name: [1000 * timeit(partial(read, each), number=1) for each in given]
        for name, given in sources.items()
    }
    return {
        name: {"median": float(np.median(each)), "p90": float(np.quantile(each, 0.9))}
        for name, each in took.items()
    }


def describe(result: dict[str, Any]) -> str:
    """The scores and times of :func:`measure` as tables for the command line."""
    import pandas as pd

    rows = {
        (table, kind): {"n": f"{scores['right']['count']:,}"}
        | {name: f"{scores[name]['value']:.1%}" for name in SHARES}
        for table in TABLES
        for kind, scores in result[table].items()
    }
    scores = pd.DataFrame.from_dict(rows, orient="index")
    times = pd.DataFrame(result["milliseconds"]).T.round(1)
    return f"{scores.to_string()}\n\nmilliseconds\n{times.to_string()}"
