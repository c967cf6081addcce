"""Read numbers: find the rows, read each with the row network, and reject what isn't sure.

The network sees each row in several views: cut out tightly or loosely, or drawn with different
pens. The views vote: the number is the string with the highest mean probability, and that
probability also says how sure the number is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.models.card import parse_card
from digitlib.models.checksum import verify_checksum, wrap_errors
from digitlib.numbers import ctc, finding
from digitlib.numbers.reading import Box, ReadDigit, Reading
from digitlib.numbers.rows import HEIGHT, PADDING, STRIDE, RowInput, pad, picture_row, stroke_row
from digitlib.preprocessing import strokes
from digitlib.preprocessing.limits import check_busy
from digitlib.preprocessing.read import read_gray, reduction

NETWORK = Path(strokes.__file__).parents[1] / "models" / "rownet.onnx"
MARGINS = 0.1, 0.3  # heights of a row above and below it; one view each
SIDE = 0.3  # heights of a row on its left and right
WHOLE = 2.6  # heights of a picture's only row: up to this height, a view shows the whole picture
PENS = (0.07, 0.1), (0.1, 0.2), (0.13, 0.05)  # width of the pen and margin, in heights of a row
MAX_STROKES = 2_000
INKED = 60  # of 255: ink in a view, for the boxes of digits
REACH = 30  # px of a view from the middle of a digit to the side of its box, at most
UNSURE = 0.9  # confidence below which the digits of a rejected row are rejected
SHOWN, SHOWN_MARGIN, SHOWN_PEN = 640, 24, 6.0  # px of the picture of pen strokes: side, margin, pen


@dataclass(frozen=True)
class View:
    """A row as input of the network, uint8 ``[2, 32, W]``, and its extent in the source's unit."""

    row: RowInput
    extent: Box


class RowReader:
    """The row network, without PyTorch.

    Args:
        content: of the ONNX file.

    Attributes:
        card: of the network. Its ``thresholds`` are the probabilities of a whole row below which
            some of its digits are rejected, for ``strokes`` and ``pictures``.

    Raises:
        WeightsError: the file is damaged.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        verify_checksum(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a row is too little work to share
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
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
        """Log probabilities ``[11, W / 2]`` of blank and ten digits, for each row."""
        found = self._session.run(None, {"rows": pad(rows)})[0]
        return [each[:, : row.shape[2] // STRIDE] for each, row in zip(found, rows, strict=True)]

    def vote(self, views: Sequence[View]) -> tuple[str, float, list[tuple[float, Box]]]:
        """The digits of a row, their probability, and the confidence and box of each digit."""
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
        boxes = _boxes(views[shown], ctc.runs(columns[shown]))
        return text, float(shares[:, best].mean()), list(zip(peaks.tolist(), boxes, strict=True))


def read(source: Any, reader: RowReader | None = None) -> Reading:
    """Read a picture or pen strokes; arguments and errors as :meth:`Recognizer.read`."""
    reader = reader or RowReader.bundled()
    if isinstance(source, list | tuple):
        found, picture, extent = _stroke_views(strokes.validate_strokes(source))
        kind = "strokes"
    else:
        found, picture, extent = _picture_views(source)
        kind = "pictures"
    threshold = reader.card["thresholds"][kind]
    digits: list[ReadDigit] = []
    ignored: list[Box] = []
    line = 0
    for views, bounds in found:
        text, sure, places = reader.vote(views)
        if not text:
            ignored.append(bounds)
            continue
        least = min(confidence for confidence, _ in places)
        for digit, (confidence, box) in zip(text, places, strict=True):
            doubtful = sure < threshold and confidence <= max(least, UNSURE)
            digits.append(ReadDigit(int(digit), box, line, confidence, doubtful))
        line += 1
    return Reading(tuple(digits), tuple(ignored), picture, extent)


Found = list[tuple[list[View], Box]]


def _picture_views(source: Any) -> tuple[Found, NDArray[np.uint8], Box]:
    """Views of the rows of a picture with their boxes, and the picture with its extent."""
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
        windows = [
            (left - SIDE * tall, top - margin * tall, right + SIDE * tall, bottom + margin * tall)
            for margin in MARGINS
        ]
        if len(boxes) == 1 and height < WHOLE * tall:
            windows.append((0, 0, width, height))
        views = []
        for window in windows:
            x0, y0 = max(int(window[0]), 0), max(int(window[1]), 0)
            x1, y1 = min(int(window[2]) + 1, width), min(int(window[3]) + 1, height)
            extent = scale * x0, scale * y0, scale * x1, scale * y1
            views.append(View(picture_row(gray[y0:y1, x0:x1]), extent))
        found.append((views, (scale * left, scale * top, scale * right, scale * bottom)))
    shown = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return found, shown, (0.0, 0.0, scale * width, scale * height)


def _stroke_views(arrays: list[NDArray[np.float64]]) -> tuple[Found, NDArray[np.uint8], Box]:
    """As :func:`_picture_views`, of pen strokes."""
    check_busy("drawing", len(arrays), MAX_STROKES, "strokes")
    bounds = strokes.bounding_boxes(arrays)
    found: Found = []
    for row in finding.group(bounds):
        own = [arrays[n] for n in sorted(row)]
        box = finding.union(bounds[row])
        views = [_draw(own, box, pen, margin) for pen, margin in PENS]
        found.append((views, box))
    left, top, right, bottom = whole = finding.union(bounds)
    side = max(right - left, bottom - top, 1e-9)
    scale = (SHOWN - 2 * SHOWN_MARGIN) / side
    shape = tuple(int(np.ceil(s * scale)) + 2 * SHOWN_MARGIN for s in (bottom - top, right - left))
    moved = [(each - whole[:2]) * scale + SHOWN_MARGIN for each in arrays]
    ink = strokes.draw_numbered(moved, (shape[0], shape[1]), SHOWN_PEN)[0]
    margin = SHOWN_MARGIN / scale
    extent = left - margin, top - margin, left - margin + shape[1] / scale, 0.0
    return found, 255 - ink, (*extent[:3], top - margin + shape[0] / scale)


def _draw(arrays: list[NDArray[np.float64]], box: Box, pen: float, margin: float) -> View:
    """A row of strokes, drawn with a pen and margins above and below, relative to its height."""
    left, top, right, bottom = box
    # A flat row, such as a dash, isn't enlarged to the full height.
    tall = max(bottom - top, 0.2 * (right - left), 1e-9)
    scale = HEIGHT / (tall * (1 + pen + 2 * margin))
    edge = scale * tall * (pen / 2 + margin)
    width = int(np.ceil((right - left) * scale + 2 * edge))
    middle = edge + (tall - (bottom - top)) * scale / 2
    moved = [(each - (left, top)) * scale + (edge, middle) for each in arrays]
    drawn = strokes.draw_numbered(moved, (HEIGHT, width), scale * tall * pen)
    extent = left - edge / scale, top - middle / scale
    return View(
        stroke_row(drawn[0], drawn[1]),
        (*extent, extent[0] + width / scale, extent[1] + HEIGHT / scale),
    )


def _boxes(view: View, runs: Sequence[tuple[int, int, float]]) -> list[Box]:
    """The box of each digit: the ink of its part of the row, in the source's unit."""
    ink = view.row[0, :, PADDING:-PADDING] > INKED
    left, top, right, bottom = view.extent
    x_scale, y_scale = (right - left) / ink.shape[1], (bottom - top) / HEIGHT
    middles = [STRIDE * (start + stop) / 2 - PADDING for start, stop, _ in runs]
    cuts = [(a + b) / 2 for a, b in pairwise(middles)]
    boxes = []
    for middle, low, high in zip(middles, [0, *cuts], [*cuts, ink.shape[1]], strict=True):
        first = int(max(low, middle - REACH, 0))
        last = int(np.clip(min(high, middle + REACH), first + 1, ink.shape[1]))
        part = ink[:, first:last]
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        if len(rows):
            x0, x1 = first + columns[0], first + columns[-1] + 1
            y0, y1 = rows[0], rows[-1] + 1
        else:
            x0, x1, y0, y1 = first, last, 0, HEIGHT
        boxes.append((
            left + x_scale * float(x0), top + y_scale * float(y0),
            left + x_scale * float(x1), top + y_scale * float(y1),
        ))  # fmt: skip
    return boxes
