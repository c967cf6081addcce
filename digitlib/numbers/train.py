"""Train the row network on simulated rows, which are drawn while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.random import Generator, default_rng
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

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

POOL = 12  # batches drawn at once and sorted by width, so that little is padded
REPORT_STEPS = 250  # between lines about the loss
CALIBRATED = 300  # rows of each group for the thresholds
MAX_UNDETECTED = 0.025  # of these rows


@dataclass(frozen=True)
class Settings:
    """All settings of a training run; stored with the weights."""

    steps: int = 22_000
    batch_size: int = 48
    learning_rate: float = 2e-3  # the peak of one cycle of AdamW
    weight_decay: float = 1e-2
    averaging: float = 0.999  # decay of the moving average of the weights
    strokes: float = 0.25  # share of rows that are pen strokes; the others are pictures
    pictures: float = 0.45  # of the pictures, share made of pictures of digits
    letters: float = 0.04  # of the pictures, share of letters or print alone
    real: float = 0.03  # share of rows from real pictures, if there are any
    seed: int = 0


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


class Batches(IterableDataset[tuple[Tensor, ...]]):
    """Endless batches: rows, their columns, all digits + 1, and the number of digits of each row.

    Rows are uint8 ``[N, 2, 32, W]``, padded on the right to one width.
    """

    def __init__(self, ink: pages.Ink, settings: Settings) -> None:
        self.ink, self.settings = ink, settings

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = get_worker_info()
        random = default_rng([self.settings.seed, worker.id if worker else 0])
        size = self.settings.batch_size
        while True:
            drawn = [draw_example(self.ink, self.settings, random) for _ in range(POOL * size)]
            drawn.sort(key=lambda each: each[0].shape[2])
            for start in random.permutation(POOL) * size:
                yield _collate(drawn[start : start + size])


def _collate(examples: Sequence[tuple[RowInput, str]]) -> tuple[Tensor, ...]:
    texts = [text for _, text in examples]
    return (
        torch.from_numpy(pad([row for row, _ in examples])),
        torch.tensor([row.shape[2] // STRIDE for row, _ in examples]),
        torch.tensor([each for text in texts for each in ctc.encode(text)]),
        torch.tensor([len(text) for text in texts]),
    )


# --- training --------------------------------------------------------------------------------


def train(settings: Settings) -> tuple[RowNet, dict[str, Any]]:
    """Train a network; on a GPU where there is one, else on one core, with one for the rows.

    Returns:
        the averaged network, and facts about the run for its card.

    Raises:
        DataMissingError, DataDamagedError: see :func:`pages.load_ink`.
    """
    begin = time.monotonic()
    ink = pages.load_ink("train")
    print(f"{len(ink.writers)} writers, {len(ink.frames):,} pictures of digits, "
          f"{len(ink.papers)} pictures of paper")  # fmt: skip
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)  # the other core draws rows
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = RowNet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = get_ema_multi_avg_fn(settings.averaging)
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    cycle = OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.05, final_div_factor=1e3
    )
    ctc_loss = nn.CTCLoss(zero_infinity=True)
    batches = iter(DataLoader(Batches(ink, settings), None, num_workers=1, prefetch_factor=36))
    losses: list[float] = []
    for step in range(1, settings.steps + 1):
        rows, columns, digits, lengths = next(batches)
        given = rows.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            found = network(given)
        loss = ctc_loss(found.float().permute(2, 0, 1), digits.to(device), columns, lengths)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        cycle.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        if step % REPORT_STEPS == 0:
            minutes = (time.monotonic() - begin) / 60
            recent = float(np.mean(losses[-REPORT_STEPS:]))
            print(f"step {step:,} of {settings.steps:,}: loss {recent:.3f}, {minutes:.1f} minutes",
                  flush=True)  # fmt: skip
    network.load_state_dict(averaged.module.state_dict())
    return network.cpu().eval(), {
        "minutes": (time.monotonic() - begin) / 60,
        "device": device.type,
        "writers": len(ink.writers),
        "pictures of digits": len(ink.frames),
        "pictures of paper": len(ink.papers),
    }


def to_onnx(network: RowNet, card: dict[str, Any]) -> bytes:
    """The content of an ONNX file with the network and its card.

    Its input ``rows`` is uint8 ``[N, 2, 32, W]``; its output ``log_probabilities`` is float
    ``[N, 12, W / 2]``.
    """
    inputs = {"rows": torch.zeros(2, 2, HEIGHT, 64, dtype=torch.uint8)}
    axes = {"rows": {0: "N", 3: "W"}, "log_probabilities": {0: "N", 2: "T"}}
    file = export.export_module(network.eval(), inputs, ["log_probabilities"], axes)
    facts = {"parameters": str(count_parameters(network)), "weights": model_digest(network)}
    return export.add_card(file, card, facts)


# --- thresholds ------------------------------------------------------------------------------


def fit_thresholds(reader: RowReader, rows: int = CALIBRATED) -> dict[str, float]:
    """The row probability below which digits are rejected, of ``strokes`` and of ``pictures``.

    It is the lowest at which at most ``MAX_UNDETECTED`` of all rows are wrong and not rejected: of
    rows by validation writers, as many of each group, and of a quarter of the real pictures.
    """
    ink, random = pages.load_ink("validation"), default_rng(0)
    outcomes: dict[str, list[tuple[float, bool]]] = {"strokes": [], "pictures": []}
    for group, (_, paper) in evaluate.GROUPS.items():
        for each in evaluate.draw_rows(ink, group, rows, random):
            outcomes["pictures"].append(_outcome(reader, each.picture, each.text))
            if paper == "clean":
                outcomes["strokes"].append(_outcome(reader, each.strokes, each.text))
    own = real.read_real_pictures("numbers", evaluate.THRESHOLDS)
    outcomes["pictures"] += [_outcome(reader, each.path, each.text) for each in own]
    return {kind: _threshold(found) for kind, found in outcomes.items()}


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


def write(path: Path = NETWORK, settings: Settings | None = None) -> None:
    """Train a network, fit its thresholds, and write it as ONNX; on 2 cores in 85 minutes."""
    settings = settings or Settings()
    network, facts = train(settings)
    write_bytes(path, to_onnx(network, {"settings": asdict(settings)} | facts))
    calibrate(path)


def calibrate(path: Path = NETWORK) -> None:
    """Fit the thresholds of a trained network again, and store them in its card."""
    reader = RowReader(path.read_bytes())
    card = reader.card | {"thresholds": fit_thresholds(reader)}
    facts = {"parameters": str(reader.parameters), "weights": reader.weights}
    write_bytes(path, export.add_card(onnx.load(path), card, facts))
    print(f"{path.name}: weights {reader.weights}, thresholds {card['thresholds']}")
