"""Read numbers: find the rows, read each with the row network, and reject what isn't sure.

The network sees each row in several views: cut out tightly or loosely, or drawn with different
pens, as written and with more space between digits. The views vote: the number is the string with
the highest mean probability, and that probability also says how sure the number is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.models.card import parse_card
from digitlib.models.checksum import wrap_errors
from digitlib.models.recognizer import is_drawing, open_session
from digitlib.numbers import ctc, finding
from digitlib.numbers.reading import Box, ReadDigit, Reading
from digitlib.numbers.rows import HEIGHT, PADDING, STRIDE, RowInput, pad, picture_row, stroke_row
from digitlib.preprocessing import strokes
from digitlib.preprocessing.limits import check_busy
from digitlib.preprocessing.read import read_gray, reduction, resolve

NETWORK = Path(strokes.__file__).parents[1] / "models" / "rownet.onnx"
# Views of a row in a picture: heights of the row above and below it, and how much wider it gets.
CUTS = (0.1, 1.0), (0.3, 1.0), (0.1, 1.25)
SIDE = 0.3  # heights of a row on its left and right
WHOLE = 2.6  # heights of a picture's only row: up to this height, a view shows the whole picture
PENS = (0.1, 0.2), (0.13, 0.05)  # width of the pen and margin, in heights of a row
SPACES = 0.0, 0.3  # heights of a row added between digits; a view with each pen
SHARED = 0.65  # of the narrower one's width that two strokes of a digit share
MAX_STROKES, MAX_POINTS = 2_000, 10_000  # more strokes are refused, more points thinned out
INKED = 60  # of 255: ink in a view, for the boxes of digits
LINE = 0.8  # of the width of a view: ink as long is a ruled line, outside the boxes
REACH = 30  # px of a view from the middle of a digit to the side of its box, at most
UNSURE = 0.9  # confidence below which the digits of a rejected row are rejected
LONGEST = 30  # heights of a row; longer ones, such as a dash, are drawn lower
SHOWN, SHOWN_MARGIN, SHOWN_PEN = 600, 20, 6.0  # px of the picture of pen strokes: side, margin, pen


@dataclass(frozen=True)
class View:
    """A row as input of the network.

    Attributes:
        row: uint8 ``[2, 32, W]``.
        extent: of the row in the source's unit.
        shifts: of strokes with added space: from which x on they are moved to the right, and how
            far, in the source's unit.
    """

    row: RowInput
    extent: Box
    shifts: tuple[tuple[float, float], ...] = ()


class Place(NamedTuple):
    """The place of a character in a row: the closest digit, its confidence, and its box."""

    digit: int
    confidence: float
    box: Box


class RowReader:
    """The row network, without PyTorch.

    Args:
        content: of the ONNX file.

    Attributes:
        card: of the network. Its ``threshold`` is the probability of a whole row below which some
            of its digits are rejected.

    Raises:
        WeightsError: the file is damaged.
    """

    def __init__(self, content: bytes) -> None:
        self._session = open_session(content)
        stored = self._session.get_modelmeta().custom_metadata_map
        self.card = parse_card(stored)
        self.parameters, self.weights = int(stored["parameters"]), stored["weights"]

    @classmethod
    @cache
    def bundled(cls) -> RowReader:
        """The network that comes with the package."""
        with wrap_errors(NETWORK):
            return cls(NETWORK.read_bytes())

    def columns(self, rows: Sequence[RowInput]) -> list[ctc.Columns]:
        """Log probabilities ``[12, W / 2]`` of blank, ten digits and other, for each row."""
        found = self._session.run(None, {"rows": pad(rows)})[0]
        return [each[:, : row.shape[2] // STRIDE] for each, row in zip(found, rows, strict=True)]

    def vote(self, views: Sequence[View]) -> tuple[str, float, list[Place]]:
        """The characters of a row, their probability together, and each one's place."""
        columns = self.columns([view.row for view in views])
        texts = [ctc.greedy(each) for each in columns]
        candidates = sorted(set(texts))
        logs = ctc.log_probabilities(columns, candidates)
        shares = np.exp(logs)
        best = int(shares.mean(axis=0).argmax())
        text = candidates[best]
        agreeing = [n for n, each in enumerate(texts) if each == text]
        peaks = np.zeros(len(text))
        for n in agreeing:
            peaks += np.array([peak for _, _, peak in ctc.runs(columns[n])]) / len(views)
        shown = max(agreeing, key=lambda n: shares[n, best])
        runs = ctc.runs(columns[shown])
        boxes = _boxes(views[shown], runs) if text else []
        # The closest digit is the most probable one where the character begins.
        closest = [int(columns[shown][1:11, start].argmax()) for start, _, _ in runs]
        places = [Place(*each) for each in zip(closest, peaks.tolist(), boxes, strict=True)]
        return text, float(shares[:, best].mean()), places


class ReadRow(NamedTuple):
    """One row: its characters, their probability together, their places, and its box."""

    text: str
    probability: float
    places: list[Place]
    box: Box

    @property
    def is_number(self) -> bool:
        """Whether most characters are digits."""
        return 2 * sum(each.isdecimal() for each in self.text) > len(self.text)


def read_rows(source: Any, reader: RowReader) -> tuple[list[ReadRow], NDArray[np.uint8], Box]:
    """The rows of a picture or drawing, before rejection, with the picture and its extent."""
    views_of = _stroke_views if is_drawing(source) else _picture_views
    found, picture, extent = views_of(source)
    return [ReadRow(*reader.vote(views), box) for views, box in found], picture, extent


def read(source: Any, reader: RowReader | None = None) -> Reading:
    """Read a picture or pen strokes; arguments and errors as :meth:`Recognizer.read`."""
    reader = reader or RowReader.bundled()
    rows, picture, extent = read_rows(source, reader)
    threshold = reader.card["threshold"]
    digits: list[ReadDigit] = []
    for line, row in enumerate(row for row in rows if row.is_number):
        doubt = max(UNSURE, min(place.confidence for place in row.places))
        digits += [
            ReadDigit(
                place.digit, place.box, line, place.confidence,
                not character.isdecimal()
                or (row.probability < threshold and place.confidence <= doubt),
            )
            for character, place in zip(row.text, row.places, strict=True)
        ]  # fmt: skip
    ignored = tuple(row.box for row in rows if not row.is_number)
    return Reading(tuple(digits), ignored, picture, extent)


Found = list[tuple[list[View], Box]]


def _picture_views(source: Any) -> tuple[Found, NDArray[np.uint8], Box]:
    """Views of the rows of a picture with their boxes, and the picture with its extent."""
    source = resolve(source)
    values = read_gray(source)
    scale = float(reduction(source))
    gray = finding.darken(values)
    height, width = gray.shape
    boxes = finding.find_rows(gray)
    if not boxes:
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    found: Found = []
    for left, top, right, bottom in boxes:
        tall = bottom - top
        side = SIDE * tall
        windows: list[tuple[Box, float]] = [
            ((left - side, top - margin * tall, right + side, bottom + margin * tall), wider)
            for margin, wider in CUTS
        ]
        if len(boxes) == 1 and height < WHOLE * tall:
            windows.append(((0, 0, width, height), 1.0))
        views = []
        for window, wider in windows:
            x0, y0 = max(int(window[0]), 0), max(int(window[1]), 0)
            x1, y1 = min(int(window[2]) + 1, width), min(int(window[3]) + 1, height)
            extent = scale * x0, scale * y0, scale * x1, scale * y1
            views.append(View(picture_row(gray[y0:y1, x0:x1], wider), extent))
        found.append((views, (scale * left, scale * top, scale * right, scale * bottom)))
    shown = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return found, shown, (0.0, 0.0, scale * width, scale * height)


def _stroke_views(source: Sequence[Any]) -> tuple[Found, NDArray[np.uint8], Box]:
    """As :func:`_picture_views`, of pen strokes."""
    arrays = strokes.validate_strokes(source)
    check_busy("drawing", len(arrays), MAX_STROKES, "strokes")
    whole = finding.union(strokes.bounding_boxes(arrays))
    origin, side = np.array(whole[:2]), max(whole[2] - whole[0], whole[3] - whole[1]) or 1.0
    step = -(-sum(map(len, arrays)) // MAX_POINTS)  # of a drawing with more, every second or so
    unit = [(each[::step] - origin) / side for each in arrays]  # the longer side has length 1

    def restored(left: float, top: float, right: float, bottom: float) -> Box:
        x, y = origin.tolist()
        return x + side * left, y + side * top, x + side * right, y + side * bottom

    bounds = strokes.bounding_boxes(unit)
    found: Found = []
    for row in finding.group(bounds, "drawing"):
        box = finding.union(bounds[row])
        views = []
        for space in SPACES:
            apart, shifts = spread([unit[n] for n in sorted(row)], space * (box[3] - box[1]))
            moves = tuple((float(origin[0]) + side * left, side * by) for left, by in shifts)
            around = finding.union(strokes.bounding_boxes(apart))
            for pen, margin in PENS:
                drawn, extent = _draw(apart, around, pen, margin)
                views.append(View(drawn, restored(*extent), moves))
        found.append((views, restored(*box)))
    size = (bounds[:, 2:].max(axis=0) * SHOWN + 2 * SHOWN_MARGIN).astype(int)
    moved = [each * SHOWN + SHOWN_MARGIN for each in unit]
    ink = strokes.draw_numbered(moved, (int(size[1]), int(size[0])), SHOWN_PEN)[0]
    margin, (right, bottom) = SHOWN_MARGIN / SHOWN, ((size - SHOWN_MARGIN) / SHOWN).tolist()
    return found, 255 - ink, restored(-margin, -margin, right, bottom)


def spread(
    arrays: list[NDArray[np.float64]], space: float
) -> tuple[list[NDArray[np.float64]], list[tuple[float, float]]]:
    """A row of strokes with space added where a stroke begins a new digit, and its shifts.

    A new digit is to the right of the last one and shares little of its width.
    """
    moved, shifts = [], list[tuple[float, float]]()
    left = right = -np.inf
    for each in arrays:
        low, high = float(each[:, 0].min()), float(each[:, 0].max())
        shared = min(high, right) - max(low, left)
        if shared < SHARED * min(high - low, right - left) and low + high > left + right:
            left, right = low, high
            shifts.append((low + space * len(shifts), space * len(shifts)))
        else:
            left, right = min(low, left), max(high, right)
        moved.append(each + np.array([shifts[-1][1], 0.0]))
    return moved, shifts


def _draw(
    arrays: list[NDArray[np.float64]], box: Box, pen: float, margin: float
) -> tuple[RowInput, Box]:
    """A row of strokes, drawn with a pen and margins above and below, relative to its height."""
    left, top, right, bottom = box
    tall = max(bottom - top, (right - left) / LONGEST) or 1.0
    scale = HEIGHT / (tall * (1 + pen + 2 * margin))
    edge = tall * (pen / 2 + margin)  # around the row
    above = edge + (tall - (bottom - top)) / 2
    width = int(np.ceil((right - left + 2 * edge) * scale))
    moved = [(each - (left - edge, top - above)) * scale for each in arrays]
    ink, numbers = strokes.draw_numbered(moved, (HEIGHT, width), scale * tall * pen)
    x, y = left - edge, top - above
    return stroke_row(ink, numbers), (x, y, x + width / scale, y + HEIGHT / scale)


def _boxes(view: View, runs: Sequence[ctc.Run]) -> list[Box]:
    """The box of each digit: its ink, cut off where there is least ink between two digits."""
    ink = view.row[0, :, PADDING:-PADDING] > INKED
    ink &= ink.mean(axis=1, keepdims=True) < LINE
    height, width = ink.shape
    left, top, right, bottom = view.extent
    scale = (right - left) / width, (bottom - top) / height
    middles = np.array([STRIDE * (start + stop) / 2 - PADDING for start, stop, _ in runs])
    middles = middles.clip(0, width - 1)
    cuts = [0]
    for first, second in pairwise(middles.astype(int).tolist()):
        covered = ink[:, first : max(second, first + 1)].sum(axis=0)
        least = first + np.flatnonzero(covered == covered.min())
        cuts.append(int(least[np.abs(least - (first + second) / 2).argmin()]))
    boxes = []
    for middle, (low, high) in zip(middles, pairwise([*cuts, width]), strict=True):
        start = max(low, int(middle) - REACH)
        part = ink[:, start : min(high, int(middle) + REACH)]
        rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
        y0, y1 = (rows[0], rows[-1] + 1) if len(rows) else (0, height)
        x0, x1 = (columns[0], columns[-1] + 1) if len(rows) else (0, max(part.shape[1], 1))
        x0, x1 = (left + scale[0] * float(start + x) for x in (x0, x1))
        shift = max((by for begin, by in view.shifts if begin <= (x0 + x1) / 2), default=0.0)
        boxes.append((
            x0 - shift, top + scale[1] * float(y0), x1 - shift, top + scale[1] * float(y1)
        ))  # fmt: skip
    return boxes
