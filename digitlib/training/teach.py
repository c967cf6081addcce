"""Teaching: the bundled network learns the hand of one writer from stored drawings, in seconds.

The last layers are fitted anew (:mod:`head`), to the drawings and to a replay of what the network
has learned (:mod:`replay`). The result is kept only if it reads more drawings that it was not
taught, and is no worse elsewhere (:mod:`judging`). Weights, temperature and thresholds of the
bundled network stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.datasets.drawings import drawing_data
from digitlib.errors import DigitlibError
from digitlib.files import locked, versions, write_bytes
from digitlib.models.card import Card
from digitlib.models.export import to_onnx
from digitlib.models.networks import DigitNet
from digitlib.models.weights import load_model, model_digest, save_model
from digitlib.training.head import Examples, HeadTuner, cross_validate, make_folds
from digitlib.training.judging import Counts, Yardstick, count_right, judge
from digitlib.training.replay import load_replay

PERSONAL = "personal"  # name of the weights in the folder of the drawings, .safetensors and .onnx
MIN_DRAWINGS = 5  # fewer say nothing of what would be gained
MAX_DRAWINGS = 500  # the latest; teaching takes longer with each
FOLDS = 4  # parts of the drawings, each held out once

Report = Callable[[dict[str, Any]], None]  # is given each step


class TeachError(DigitlibError):
    """Nothing could be taught; the message is a sentence."""


@dataclass(frozen=True)
class Lesson:
    """What was taught, and what came of it.

    Attributes:
        model: the taught network.
        card: its card, with all of this.
        drawings: of the drawings, each read by a network that was not taught it.
        digits, others: of the yardstick; ``digits`` whether rejected or not.
        places: names of the yardstick's data sets.
        kept: it may be used.
        verdict: why or why not, in a sentence.
    """

    model: DigitNet
    card: Card
    drawings: Counts
    digits: Counts
    others: Counts
    places: tuple[str, str]
    kept: bool
    verdict: str


def teach(
    model: DigitNet,
    card: Card,
    data: DigitData,
    *,
    root: Path | None = None,
    report: Report = lambda step: None,
) -> Lesson:
    """Teach a network drawings of one writer.

    Args:
        model, card: the network, which is not changed.
        data: the drawings, strokes and pictures, with ``NO_DIGIT`` among the labels.
        root: data folder.
        report: is given ``stage``, ``step``, ``steps`` and, after a fit, ``loss``.

    Raises:
        TeachError: there are too few drawings.
    """
    _check_count(len(data))
    folds = make_folds(data.labels, FOLDS)
    steps = _Steps(report, len(folds) + 5)
    steps.next("gathering what the network has learned")
    replay, sources = load_replay(root)
    tuner = HeadTuner(model, replay)
    steps.next("varying the drawings")
    examples = tuner.examples(data)
    held_out = _read_held_out(tuner, examples, folds, steps)
    drawings = count_right(examples.read @ tuner.head.T, held_out, data, card)
    steps.next("learning all drawings")
    head, loss = tuner.fit(examples)
    steps.next("reading what must not be lost", loss=loss)
    yardstick = Yardstick.load(tuner, root)
    digits, others = yardstick.measure(card, tuner.head, head)
    kept, verdict = judge(drawings, digits, others, yardstick)
    about = {
        "drawings": vars(drawings), "replay": sources, "weights": model_digest(model),
        "labels": torch.bincount(data.labels, minlength=NO_DIGIT + 1).tolist(),
        "held out": f"each drawing once, in {len(folds)} parts", "verdict": verdict,
    }  # fmt: skip
    measured = {yardstick.digits.name: vars(digits), yardstick.others.name: vars(others)}
    training = {PERSONAL: about, "init": card.training}
    taught = replace(card, training=training, validation=measured, test={}, versions=versions())
    return Lesson(
        tuner.tuned(head), taught, drawings, digits, others, yardstick.places, kept, verdict
    )


def _check_count(count: int) -> None:
    if count < MIN_DRAWINGS:
        found = {0: "no drawings yet", 1: "only one drawing"}.get(count, f"only {count} drawings")
        raise TeachError(
            f"There {'is' if count == 1 else 'are'} {found}: {MIN_DRAWINGS} are the least."
        )


def _read_held_out(
    tuner: HeadTuner, examples: Examples, folds: Sequence[tuple[Tensor, Tensor]], steps: _Steps
) -> Tensor:
    """Logits ``[N, outputs]`` of the drawings, each by a fit that did not have it."""
    logits = torch.empty(len(examples), len(tuner.head))
    for number, fold in enumerate(folds, 1):
        steps.next(f"trial {number} of {len(folds)}: some drawings held out")
        logits[fold[1]] = cross_validate(tuner, examples, [fold])[fold[1]]
    return logits


class _Steps:
    """Counts steps, and reports each as it begins."""

    def __init__(self, report: Report, steps: int) -> None:
        self.report, self.steps, self.step = report, steps, 0

    def next(self, stage: str, **more: float) -> None:
        self.report({"stage": stage, "step": self.step, "steps": self.steps} | more)
        self.step += 1


# --- the command ---------------------------------------------------------------------------


def run(folder: Path | None, report: Report, root: Path | None = None) -> dict[str, Any]:
    """Teach the bundled network the drawings of a folder; write the weights there if it gained.

    Weights of an earlier lesson stay where the new ones are not kept.

    Args:
        folder: of the drawings; :func:`drawings_folder` without one.
        report: as for :func:`teach`.
        root: data folder.

    Returns:
        ``kept``, ``verdict``, ``drawings``, ``digits`` and ``others`` (``before``, ``after``,
        ``total``), ``places`` (names of the latter two) and ``seconds``.

    Raises:
        TeachError: there are too few drawings.
        DrawingFileError: they cannot be read.
        DataDamagedError: one of them cannot.
        WriteError: the weights cannot be written.
    """
    start = time.perf_counter()
    store = DrawingFile(folder)
    stored = store.read()[-MAX_DRAWINGS:]
    _check_count(len(stored))
    model, card = load_model()
    assert isinstance(model, DigitNet)
    lesson = teach(model, card, drawing_data(stored), root=root, report=report)
    if lesson.kept:
        report({"stage": "writing the network", "step": FOLDS + 4, "steps": FOLDS + 5})
        write_personal(store.folder, lesson)
    return {
        "kept": lesson.kept, "verdict": lesson.verdict, "places": lesson.places,
        "drawings": vars(lesson.drawings), "digits": vars(lesson.digits),
        "others": vars(lesson.others), "seconds": time.perf_counter() - start,
    }  # fmt: skip


def write_personal(folder: Path, lesson: Lesson) -> None:
    """Write ``personal.safetensors`` and ``personal.onnx``, each whole, both of one lesson."""
    path = folder / f"{PERSONAL}.safetensors"
    content = to_onnx(lesson.model, lesson.card)
    waiting = "Another lesson is writing its network: waiting for it."
    with locked(folder / f"{PERSONAL}.lock", waiting):
        save_model(path, lesson.model, lesson.card)
        write_bytes(path.with_suffix(".onnx"), content)


def describe(result: dict[str, Any]) -> str:
    """The result of :func:`run` as lines of text."""
    rows = {"your drawings, held out in turn": result["drawings"]}
    rows |= dict(zip(result["places"], (result["digits"], result["others"]), strict=True))
    return "\n".join([
        *(f"{name}: {row['before']} of {row['total']} right before, {row['after']} after"
          for name, row in rows.items()),
        f"{result['verdict']} ({result['seconds']:.1f} s)",
    ])  # fmt: skip
