"""Teaching: the bundled network learns the hand of one writer from stored drawings, in seconds.

The last layers are fitted anew (:mod:`head`), to the drawings and to a replay of what the network
has learned. What comes out is kept only if it reads more drawings that it was not taught, and is
no worse elsewhere. Weights, temperature and thresholds of the bundled network stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digitlib.datasets import catalog, non_digits, synthetic
from digitlib.datasets.base import NO_DIGIT, DataMissingError, DigitData
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.datasets.drawings import drawing_data
from digitlib.datasets.pen import pen_data
from digitlib.errors import DigitlibError
from digitlib.files import atomic_write, versions
from digitlib.models.card import Card
from digitlib.models.explain import TRAINING_DIGITS
from digitlib.models.export import to_onnx
from digitlib.models.inference import digit_score
from digitlib.models.networks import DigitNet
from digitlib.models.weights import load_model, model_digest, save_model
from digitlib.training.head import (
    Examples,
    HeadConfig,
    HeadTuner,
    Variation,
    cross_validate,
    make_folds,
    read_inputs,
    varied_inputs,
)
from digitlib.training.loader import private_random_state

PERSONAL = "personal"  # name of the weights in the folder of the drawings, .safetensors and .onnx
MIN_DRAWINGS = 5  # fewer say nothing of what would be gained
MAX_DRAWINGS = 500  # the latest; teaching takes longer with each
FOLDS = 4  # parts of the drawings, each held out once
MAX_LOSS = 0.002  # of accuracy on the yardstick: 0.2 points
MAX_PASSING = 0.01  # more non-digits that pass for a digit: 1 point

REPLAYED = {"mnist": 2000, "unipen": 1200, "letters": 1200}  # of each, where the files are
STYLES, NON_DIGITS = 40, 12  # drawings of each style and outline, from rules
REPLAY_VARIATION = Variation(pen=(1.5, 6.0))

Report = Callable[[dict[str, Any]], None]  # is given each step


class TeachError(DigitlibError):
    """Nothing could be taught; the message is a sentence."""


# --- what is kept --------------------------------------------------------------------------


def load_replay(root: Path | None = None, seed: int = 0) -> tuple[Tensor, list[str]]:
    """Inputs ``[R, 4, 28, 28]`` of what the network has learned, and the names of their sources.

    The package's training digits and drawings from rules are always among them; data sets whose
    files are there, too. Torch's global random state is left as it was.
    """
    parts = {
        "the package's training digits": _packed_digits(),
        "digit styles from rules": pen_data("styles", "train", synthetic.draw_digits(STYLES, seed)),
        "letters and shapes from rules": pen_data(
            "no_digits", "train",
            non_digits.draw_non_digits(non_digits.LETTERS | non_digits.SHAPES, NON_DIGITS, seed),
        ),
    }  # fmt: skip
    for name, size in REPLAYED.items():
        try:
            parts[name] = catalog.load(name, "train", root, download=False).subset(size, seed)
        except DataMissingError:
            continue
    with private_random_state(torch.device("cpu")):
        torch.manual_seed(seed)
        return torch.cat([_replay_inputs(data) for data in parts.values()]), [*parts]


def _packed_digits() -> DigitData:
    """The training digits in the package, half of MNIST's and half of UNIPEN's, as pictures."""
    with np.load(TRAINING_DIGITS) as stored:
        images, labels = torch.from_numpy(stored["frames"]), torch.from_numpy(stored["labels"])
    return DigitData("training digits", "train", images, labels.long())


def _replay_inputs(data: DigitData) -> Tensor:
    """Pen strokes varied, some without planes; frames as they are."""
    return read_inputs(data) if data.points is None else varied_inputs(data, 0.75, REPLAY_VARIATION)


@dataclass(frozen=True)
class Counts:
    """How many of ``total`` are read right before teaching, and after it.

    A digit is, if it is the most probable one and not rejected; no digit is, if it is rejected.
    """

    before: int
    after: int
    total: int


@dataclass(frozen=True)
class Yardstick:
    """Data on which nothing may be lost: digits, and what is none, with their features.

    Attributes:
        digits: MNIST's validation digits, or scikit-learn's in their place.
        others: letters by the writers of the donor tos, or symbols from rules in their place.
        features: of both.
    """

    digits: DigitData
    others: DigitData
    features: tuple[Tensor, Tensor]

    @classmethod
    def load(cls, tuner: HeadTuner, root: Path | None = None) -> Yardstick:
        """The data sets whose files are there; their places are taken by those without files."""
        digits = first_there(root, ("mnist", "validation"), ("sample", "train"))
        others = first_there(root, ("letters", "validation"), ("no_digits", "validation"))
        return cls.of(tuner, digits, others)

    @classmethod
    def of(cls, tuner: HeadTuner, digits: DigitData, others: DigitData) -> Yardstick:
        """These data sets."""
        features = tuple(tuner.features(read_inputs(data)) for data in (digits, others))
        return cls(digits, others, (features[0], features[1]))

    @property
    def places(self) -> tuple[str, str]:
        """What the data sets are, in words."""
        return WORDS[self.digits.name], WORDS[self.others.name]

    def measure(self, card: Card, before: Tensor, after: Tensor) -> tuple[Counts, Counts]:
        """Digits read right, rejected or not, and others rejected, by two matrices."""
        accepting = replace(card, threshold=-torch.inf, stroke_threshold=None)
        digits, others = self.features
        return (
            _count(digits @ before.T, digits @ after.T, self.digits, accepting),
            _count(others @ before.T, others @ after.T, self.others, card),
        )


WORDS = {
    "mnist": "MNIST's validation digits",
    "sample": "scikit-learn's digits (MNIST is not here)",
    "letters": "UNIPEN's letters",
    "no_digits": "symbols from rules (UNIPEN is not here)",
}


def first_there(root: Path | None, *choices: tuple[str, str]) -> DigitData:
    """The first of these data sets and splits whose files are there."""
    for name, split in choices:
        try:
            return catalog.load(name, split, root, download=False)
        except DataMissingError:
            continue
    raise TeachError(f"None of the data sets {choices} is here.")


# --- teaching ------------------------------------------------------------------------------


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


def are_right(logits: Tensor, data: DigitData | Examples, card: Card) -> Tensor:
    """Which are read right, rejection included, bool ``[N]``; see :class:`Counts`."""
    strokes = card.threshold if card.stroke_threshold is None else card.stroke_threshold
    thresholds = torch.where(data.drawn, strokes, card.threshold)
    rejected = digit_score(logits) < thresholds
    digits = data.labels < NO_DIGIT
    return torch.where(digits, ~rejected & (logits[:, :10].argmax(dim=1) == data.labels), rejected)


def teach(
    model: DigitNet,
    card: Card,
    data: DigitData,
    *,
    root: Path | None = None,
    config: HeadConfig | None = None,
    report: Report = lambda step: None,
) -> Lesson:
    """Teach a network drawings of one writer.

    Args:
        model, card: the network, which is not changed.
        data: the drawings, strokes and pictures, with ``NO_DIGIT`` among the labels.
        root: data folder.
        config: settings of the fits.
        report: is given ``stage``, ``step``, ``steps`` and, after a fit, ``loss``.

    Raises:
        TeachError: there are too few drawings.
    """
    if len(data) < MIN_DRAWINGS:
        raise TeachError(_too_few(len(data)))
    folds = make_folds(data.labels, FOLDS)
    steps = _Steps(report, len(folds) + 5)
    steps.next("gathering what the network has learned")
    replay, sources = load_replay(root)
    tuner = HeadTuner(model, replay, config or HeadConfig())
    steps.next("varying the drawings")
    examples = tuner.examples(data)
    logits = examples.read @ tuner.head.T
    after = logits.clone()
    for number, fold in enumerate(folds, 1):
        steps.next(f"trial {number} of {len(folds)}: some drawings held out")
        after[fold[1]] = cross_validate(tuner, examples, [fold])[fold[1]]
    drawings = _count(logits, after, data, card)
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
    taught = replace(
        card,
        training={PERSONAL: about, "init": card.training},
        validation={
            yardstick.digits.name: vars(digits), yardstick.others.name: vars(others)
        },
        test={},
        versions=versions(),
    )  # fmt: skip
    return Lesson(
        tuner.tuned(head), taught, drawings, digits, others, yardstick.places, kept, verdict
    )


def _too_few(count: int) -> str:
    found = {0: "no drawings yet", 1: "only one drawing"}.get(count, f"only {count} drawings")
    return f"There {'is' if count == 1 else 'are'} {found}: {MIN_DRAWINGS} are the least."


class _Steps:
    """Counts steps, and reports each as it begins."""

    def __init__(self, report: Report, steps: int) -> None:
        self.report, self.steps, self.step = report, steps, 0

    def next(self, stage: str, **more: float) -> None:
        self.report({"stage": stage, "step": self.step, "steps": self.steps} | more)
        self.step += 1


def _count(before: Tensor, after: Tensor, data: DigitData, card: Card) -> Counts:
    first, last = (int(are_right(logits, data, card).sum()) for logits in (before, after))
    return Counts(first, last, len(data))


def judge(
    drawings: Counts, digits: Counts, others: Counts, yardstick: Yardstick
) -> tuple[bool, str]:
    """Whether a taught network may be used, and why."""
    held_out = f"of {drawings.total} drawings that it was not taught"
    if drawings.before == drawings.total:
        return False, (
            f"The network reads all {drawings.total} drawings already: there is nothing to learn."
        )
    if drawings.after <= drawings.before:
        return False, (
            f"Not kept: {held_out}, it reads {drawings.after} right, and the bundled network "
            f"{drawings.before}. More drawings of what is misread may help."
        )
    lost = (digits.before - digits.after) / digits.total
    if lost > MAX_LOSS:
        return False, (
            f"Not kept: it reads {lost:.1%} fewer of {yardstick.places[0]}, more than "
            f"{MAX_LOSS:.1%}."
        )
    passing = (others.before - others.after) / others.total
    if passing > MAX_PASSING:
        return False, (
            f"Not kept: {passing:.1%} more of {yardstick.places[1]} pass for a digit, more "
            f"than {MAX_PASSING:.0%}."
        )
    return True, (
        f"Learned: {held_out}, it reads {drawings.after} right, and the bundled network "
        f"{drawings.before}."
    )


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
        OSError: the weights cannot be written.
    """
    start = time.perf_counter()
    store = DrawingFile(folder)
    stored = store.read()[-MAX_DRAWINGS:]
    if len(stored) < MIN_DRAWINGS:
        raise TeachError(_too_few(len(stored)))
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
    """Write ``personal.safetensors`` and ``personal.onnx``, each whole or as it was."""
    for partial in folder.glob(f".{PERSONAL}.*"):  # of a lesson that was killed
        partial.unlink()
    path = folder / f"{PERSONAL}.safetensors"
    content = to_onnx(lesson.model, lesson.card)
    save_model(path, lesson.model, lesson.card)
    with atomic_write(path.with_suffix(".onnx")) as partial:
        partial.write_bytes(content)


def describe(result: dict[str, Any]) -> str:
    """The result of :func:`run` as lines of text."""
    rows = {"your drawings, held out in turn": result["drawings"]}
    rows |= dict(zip(result["places"], (result["digits"], result["others"]), strict=True))
    return "\n".join([
        *(f"{name}: {row['before']} of {row['total']} right before, {row['after']} after"
          for name, row in rows.items()),
        f"{result['verdict']} ({result['seconds']:.1f} s)",
    ])  # fmt: skip
