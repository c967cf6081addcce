"""Train the row network on simulated rows, which are drawn while it trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from numpy.random import Generator, default_rng
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import ctc_loss

from digitlib.datasets import pages, real
from digitlib.files import write_bytes
from digitlib.models import export
from digitlib.models.networks import count_parameters
from digitlib.models.weights import model_digest
from digitlib.numbers import ctc, evaluate
from digitlib.numbers.finding import darken
from digitlib.numbers.network import RowNet
from digitlib.numbers.reader import NETWORK, RowReader, read_rows
from digitlib.numbers.rows import HEIGHT, STRIDE, RowInput, pad, picture_row, stroke_row
from digitlib.training.stream import StreamSettings, train_on_stream

POOL = 12  # batches drawn at once and sorted by width, so that little is padded
CALIBRATED = 300  # rows of each group for the threshold
MAX_UNDETECTED = 0.02  # of these rows


@dataclass(frozen=True, kw_only=True)
class Settings(StreamSettings):
    """All settings of a training run; stored with the weights."""

    steps: int = 22_000
    batch_size: int = 48
    learning_rate: float = 2e-3
    averaging: float = 0.999
    strokes: float = 0.25  # share of rows that are pen strokes; the others are pictures
    pictures: float = 0.45  # of the pictures, share made of pictures of digits
    letters: float = 0.04  # of the pictures, share of letters or print alone
    real: float = 0.03  # share of rows from real pictures, if there are any


# --- examples --------------------------------------------------------------------------------


def draw_example(ink: pages.Ink, settings: Settings, random: Generator) -> tuple[RowInput, str]:
    """A row as input of the network, and its digits."""
    if random.random() < settings.strokes:
        row = pages.make_row(ink, random)
        return row_of_strokes(row, random), row.text
    if ink.rows and random.random() < settings.real:
        picture, text = ink.rows[random.integers(len(ink.rows))]
        varied = pages.vary(picture, random).astype(np.float32) / np.float32(255)
        return picture_row(darken(varied)), text
    paper = str(random.choice([*pages.PAPERS], p=[*pages.PAPERS.values()]))
    row = pages.make_row(
        ink, random, paper=paper, pictures=settings.pictures, letters=settings.letters
    )
    scene = pages.photograph(row, ink, paper, random)
    return picture_row(pages.crop(scene, row, random)), row.text


def row_of_strokes(row: pages.Row, random: Generator) -> RowInput:
    """A row as pen strokes give it: ink without paper, with numbered strokes."""
    _, top, _, bottom = row.box
    columns = np.flatnonzero(row.ink.any(axis=0))
    left, right = int(columns[0]) - 2, int(columns[-1]) + 3
    above, below = (random.uniform(0, 0.2, 2) * (bottom - top)).astype(int)
    window = slice(max(top - above, 0), bottom + below), slice(left, right)
    scale = HEIGHT / (window[0].stop - window[0].start)
    size = max(round((right - left) * scale * random.uniform(0.85, 1.2)), 8), HEIGHT
    ink = Image.fromarray(row.ink[window]).resize(size, Image.Resampling.BOX)
    numbers = Image.fromarray(row.strokes[window]).resize(size, Image.Resampling.NEAREST)
    return stroke_row(np.asarray(ink), np.asarray(numbers))


def draw_batches(
    ink: pages.Ink, settings: Settings, random: Generator
) -> Iterator[tuple[Tensor, ...]]:
    """Yield rows, their columns, all digits + 1, and the number of digits of each row, without end.

    Rows are uint8 ``[N, 2, 32, W]``, padded on the right to one width.
    """
    size = settings.batch_size
    while True:
        drawn = [draw_example(ink, settings, random) for _ in range(POOL * size)]
        drawn.sort(key=lambda each: each[0].shape[2])
        for start in random.permutation(POOL) * size:
            made, texts = zip(*drawn[start : start + size], strict=True)
            yield (
                torch.from_numpy(pad(made)),
                torch.tensor([row.shape[2] // STRIDE for row in made]),
                torch.tensor([each for text in texts for each in ctc.encode(text)]),
                torch.tensor([*map(len, texts)]),
            )


# --- training --------------------------------------------------------------------------------


def train(settings: Settings) -> tuple[nn.Module, dict[str, Any]]:
    """Train a network; see :func:`stream.train_on_stream`.

    Raises:
        DataMissingError, DataDamagedError: see :func:`pages.load_ink`.
    """
    ink = pages.load_ink("train")
    draw = partial(draw_batches, ink, settings)
    network, facts = train_on_stream(RowNet, draw, loss_of, settings)
    facts |= {"writers": len(ink.writers), "pictures of digits": len(ink.frames)}
    return network, facts | {"pictures of paper": len(ink.papers)}


def loss_of(found: Tensor, columns: Tensor, digits: Tensor, lengths: Tensor) -> Tensor:
    """The CTC loss of log probabilities ``[N, 12, W / 2]`` for a batch of :func:`draw_batches`."""
    return ctc_loss(found.permute(2, 0, 1), digits, columns, lengths, zero_infinity=True)


# --- threshold -------------------------------------------------------------------------------


def fit_threshold(reader: RowReader) -> float:
    """The row probability below which digits are rejected.

    It is the lowest at which at most ``MAX_UNDETECTED`` of all rows are wrong and not rejected: of
    rows by validation writers, as strokes and pictures, and of a quarter of the real pictures.
    """
    ink, random = pages.load_ink("validation"), default_rng(0)
    outcomes = []
    for group, (_, paper) in evaluate.GROUPS.items():
        for each in evaluate.draw_rows(ink, group, CALIBRATED, random):
            outcomes.append(_outcome(reader, each.picture, each.text))
            if paper == "clean":
                outcomes.append(_outcome(reader, each.strokes, each.text))
    own = real.read_real_pictures("numbers", evaluate.THRESHOLDS)
    return _threshold(outcomes + [_outcome(reader, each.path, each.text) for each in own])


def _outcome(reader: RowReader, source: Any, text: str) -> tuple[float, bool]:
    """The lowest probability of the rows, and whether they are wrong without an ``OTHER``."""
    rows = [row for row in read_rows(source, reader)[0] if row.is_number]
    found = "\n".join(row.text for row in rows)
    wrong = bool(rows) and found != text and "*" not in found
    return min((row.probability for row in rows), default=0.0), wrong


def _threshold(outcomes: Sequence[tuple[float, bool]]) -> float:
    """The lowest threshold that leaves at most ``MAX_UNDETECTED`` of the outcomes wrong."""
    wrong = sorted((probability for probability, failed in outcomes if failed), reverse=True)
    allowed = int(MAX_UNDETECTED * len(outcomes))
    return wrong[allowed] + 1e-6 if len(wrong) > allowed else 0.0


def write() -> None:
    """Train the network, fit its threshold, and write it as ONNX; on 2 cores in 85 minutes.

    Its input ``rows`` is uint8 ``[N, 2, 32, W]``; its output ``log_probabilities`` is float
    ``[N, 12, W / 2]``.
    """
    settings = Settings()
    network, facts = train(settings)
    inputs = {"rows": torch.zeros(2, 2, HEIGHT, 64, dtype=torch.uint8)}
    axes = {"rows": {0: "N", 3: "W"}, "log_probabilities": {0: "N", 2: "T"}}
    file = export.export_module(network, inputs, ["log_probabilities"], axes)
    stored = {"parameters": str(count_parameters(network)), "weights": model_digest(network)}
    write_bytes(NETWORK, export.add_card(file, {"settings": asdict(settings)} | facts, stored))
    calibrate()


def calibrate() -> None:
    """Fit the threshold of the trained network again, and store it in its card."""
    reader = RowReader(NETWORK.read_bytes())
    card = reader.card | {"threshold": fit_threshold(reader)}
    facts = {"parameters": str(reader.parameters), "weights": reader.weights}
    write_bytes(NETWORK, export.add_card(onnx.load(NETWORK), card, facts))
    print(f"{NETWORK.name}: weights {reader.weights}, threshold {card['threshold']:.3f}")
