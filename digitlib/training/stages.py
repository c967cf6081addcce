"""The steps that make the bundled weights, as data, and the build that carries them out.

Teachers learn all data sets but UNIPEN from labels, specialists MNIST alone. Their logits for
varied frames are the soft labels, from which five networks are distilled. The logits of the five
for clean pen drawings are the labels of the same drawings with tremor, and the first of the five is
refined on both. A second refinement adds the writers, letters and signs of UNIPEN, by the soft
labels of pen teachers, who know the way of the pen. These networks see frames alone. Then the
network gets a pen branch, which learns from strokes while all else is fixed. At last the whole is
distilled once more: from stroke teachers, who start from a wider network, for drawings, and from
the refined and the wider network for MNIST. ``wide`` and ``baseline`` are for comparison, too.

These are the settings of the weights in the repository, made in November 2026. Two differences are
in the data: the teachers and the first part of the distillation had typeset letters before thick
strokes were thinned (their digest is in the cards, under ``training.init.data``), and all steps
before the stroke teachers had fewer digit styles and non-digits.
"""

from __future__ import annotations

import json
import mmap
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from digitlib.datasets import catalog
from digitlib.evaluation.compare import measure_weights
from digitlib.files import REPORTS, atomic_write, digest, write_json
from digitlib.models.card import BASELINE_WEIGHTS, BUNDLED_WEIGHTS
from digitlib.models.export import export_bundled
from digitlib.training import build
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.distillation import SOFT_LABELS_SEED, Teacher, make_soft_labels
from digitlib.training.loader import Splits

Key = str  # digest of a step's settings, data sets and input files


@dataclass(frozen=True)
class Step:
    """One output file, with all settings and the names of the steps whose outputs it needs."""

    name: str  # of the output, NAME.safetensors
    stage: str
    config: TrainConfig
    teachers: tuple[str, ...] = ()  # the output is soft labels by these networks
    passes: int = 0  # over the training data, for soft labels
    labelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # the data sets that a teacher labels, where these are not all that it was trained on
    soft_labels: tuple[str, ...] = ()
    init: str | None = None  # the initial network
    half: bool = False  # weights in half precision

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the steps whose outputs are needed."""
        return (*self.teachers, *self.soft_labels, *([self.init] if self.init else []))

    @property
    def settings(self) -> str:
        """All that decides the output beside data and inputs, as JSON.

        Of the configuration what is not the default: new settings change no output made before.
        """
        default = TrainConfig().as_dict()
        changed = {n: v for n, v in self.config.as_dict().items() if v != default[n]}
        labelled = [dict(self.labelled)] if self.labelled else []
        return json.dumps([changed, self.passes, self.half, self.inputs, *labelled])


_DISTILLATION = PRESETS["default"]
# The teachers are older than today's variations of frames, and than the widest pens.
_TEACHER = replace(
    _DISTILLATION,
    model_arguments={"outputs": 11, "stride": 2, "late": 72, "depth": 2},
    epochs=16,
    distill_weight=0.0,
    frame_variation="soft",
    max_pen_width=7.0,
    degrade_prob=0.3,
)
_SPECIALIST = TrainConfig(
    model_arguments={"outputs": 11},
    epochs=16,
    degrade_prob=0.0,
    ema_decay=0.998,
    precision="bfloat16",
)
# The three of least validation loss among those tried (reports/experiments.md).
_SPECIALISTS = (
    replace(_SPECIALIST, seed=0, epochs=12),
    replace(_SPECIALIST, seed=2, model_arguments={"outputs": 11, "width": 32}),
    replace(_SPECIALIST, seed=3),
)
_SOFT_LABELS = replace(_DISTILLATION, seed=SOFT_LABELS_SEED, distill_weight=0.0)
_TREMOR = replace(
    _SOFT_LABELS,
    datasets=("pendigits", "styles", "no_digits"),
    mix_ratios=(0.57, 0.43),
    batch_size=512,
    tremor_prob=1.0,
)
# The mean of before and after is accurate on both kinds of drawings (arXiv 2109.01903).
_REFINEMENT = replace(_DISTILLATION, epochs=4, learning_rate=0.03, warmup=0.1, init_weight=0.5)

_PEN_TEACHER = replace(
    _SPECIALIST,
    model_arguments={"outputs": 11, "width": 32, "pen": 32},
    datasets=("unipen", "pendigits", "styles", "no_digits", "letters", "signs", "typeset"),
    mix_ratios=(1.0, 0.5, 0.3, 1.0, 0.3, 0.15),
    batch_size=48,
    epochs=40,
    degrade_prob=0.2,
    tremor_prob=0.2,
    planes_prob=0.8,
    no_digit_weight=0.5,  # a letter read as a digit is cheaper than a digit rejected
)
_WRITERS = replace(
    _DISTILLATION,
    datasets=("mnist", "pendigits", "unipen", "styles", "no_digits", "letters", "signs", "typeset"),
    mix_ratios=(0.22, 0.25, 0.12, 0.06, 0.2, 0.07, 0.04),
)
_WRITERS_LABELS = replace(
    _WRITERS, seed=SOFT_LABELS_SEED, distill_weight=0.0, tremor_prob=0.25, planes_prob=1.0
)
_WRITERS_REFINEMENT = replace(_WRITERS, epochs=6, learning_rate=0.01, warmup=0.1, init_weight=0.5)
_PEN_BRANCH = replace(
    _PEN_TEACHER,
    model_arguments={"outputs": 11, "pen": 32},
    epochs=24,
    planes_prob=1.0,
    split_prob=0.15,
    trained="pen",
)

# From the network ``wide``, on labels: seven in ten of the frames are of pens.
STROKE_TEACHER = replace(
    _SPECIALIST,
    model_arguments={"outputs": 11, "width": 32, "pen": 32},
    datasets=(
        "unipen", "mnist", "pendigits", "styles", "no_digits", "letters", "signs", "typeset",
    ),
    mix_ratios=(1.0, 1.0, 0.4, 0.4, 1.2, 0.7, 0.15),
    batch_size=48,
    epochs=24,
    learning_rate=0.05,
    degrade_prob=0.2,
    tremor_prob=0.2,
    planes_prob=0.75,
    split_prob=0.1,
    move_prob=0.25,
    no_digit_weight=0.6,  # a letter read as a digit is cheaper than a digit rejected
)  # fmt: skip
_STROKES = replace(
    STROKE_TEACHER,
    model_arguments={"outputs": 11, "pen": 32},
    datasets=(
        "mnist", "pendigits", "unipen", "styles", "no_digits", "letters", "signs", "typeset",
    ),
    mix_ratios=(0.35, 0.35, 0.15, 0.15, 0.35, 0.25, 0.05),
    batch_size=128,
    epochs=8,
    distill_weight=0.9,
    no_digit_weight=1.0,
)  # fmt: skip
_STROKE_LABELS = replace(_STROKES, seed=SOFT_LABELS_SEED, distill_weight=0.0, planes_prob=1.0)

_TEACHERS = tuple(f"teacher-{seed}" for seed in range(5))
_EXPERTS = tuple(f"specialist-{config.seed}" for config in _SPECIALISTS)
_DISTILLED = tuple(f"distilled-{seed}" for seed in range(5))
_PEN_TEACHERS = tuple(f"pen-teacher-{seed}" for seed in range(2))
_STROKE_TEACHERS = tuple(f"stroke-teacher-{seed}" for seed in range(2))
_MNIST = ("mnist",)

STEPS = (
    *(Step(n, "teachers", replace(_TEACHER, seed=seed)) for seed, n in enumerate(_TEACHERS)),
    *(Step(n, "specialists", c) for n, c in zip(_EXPERTS, _SPECIALISTS, strict=True)),
    Step("soft-labels", "soft labels", _SOFT_LABELS, teachers=_TEACHERS + _EXPERTS, passes=16),
    *(
        Step(n, "distillation", replace(_DISTILLATION, seed=seed), soft_labels=("soft-labels",))
        for seed, n in enumerate(_DISTILLED)
    ),
    Step("tremor-labels", "tremor soft labels", _TREMOR, teachers=_DISTILLED, passes=26),
    Step(
        "refined", "refinement", _REFINEMENT,
        init=_DISTILLED[0], soft_labels=("soft-labels", "tremor-labels"),
    ),
    *(
        Step(n, "pen teachers", replace(_PEN_TEACHER, seed=seed))
        for seed, n in enumerate(_PEN_TEACHERS)
    ),
    Step(
        "writers-labels", "soft labels of more writers", _WRITERS_LABELS,
        teachers=_EXPERTS + _PEN_TEACHERS, passes=10,
    ),
    Step(
        "writers", "refinement on more writers", _WRITERS_REFINEMENT,
        init="refined", soft_labels=("writers-labels",),
    ),
    Step("branched", "pen branch", _PEN_BRANCH, init="writers"),
    Step("wide", "wider network", PRESETS["wide"], soft_labels=("soft-labels",), half=True),
    *(
        Step(n, "stroke teachers", replace(STROKE_TEACHER, seed=seed), init="wide")
        for seed, n in enumerate(_STROKE_TEACHERS)
    ),
    Step(
        "stroke-labels", "soft labels of strokes", _STROKE_LABELS,
        teachers=("refined", "wide", *_STROKE_TEACHERS), passes=6,
        labelled={"refined": _MNIST, "wide": _MNIST},
    ),
    Step(
        "digitnet", "distillation of strokes", _STROKES,
        init="branched", soft_labels=("stroke-labels",),
    ),
    Step("baseline", "comparison", PRESETS["baseline"], half=True),
)  # fmt: skip

# Where the repository keeps outputs; the numbers of each go to reports/weights.
INSTALLED = {
    "digitnet": BUNDLED_WEIGHTS,
    "wide": REPORTS / "weights" / "wide.safetensors",
    "baseline": BASELINE_WEIGHTS,
}


@dataclass
class Build:
    """Carries steps out in a folder; an output with the key of its step is current and is kept.

    Attributes:
        folder: of the outputs, and of a checkpoint beside a network in training.
        steps: in an order in which inputs come before the steps that need them.
        root: data folder.
    """

    folder: Path
    steps: Sequence[Step] = field(default_factory=lambda: STEPS)
    root: str | None = None
    _data: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def path(self, name: str) -> Path:
        """The output file of a step."""
        return self.folder / f"{name}.safetensors"

    def key(self, step: Step) -> Key:
        """The key of a step, of whose inputs all are there."""
        data = [self._data_digests(name) for name in step.config.datasets]
        inputs = [_file_digest(self.path(name)) for name in step.inputs]
        return digest(step.settings.encode(), json.dumps([data, inputs]).encode())

    def _data_digests(self, name: str) -> list[str]:
        if name not in self._data:
            splits = ("train", "validation")
            self._data[name] = [catalog.load(name, split, self.root).digest for split in splits]
        return self._data[name]

    def states(self) -> Iterator[tuple[Step, str]]:
        """Each step with its state: ``current``, ``stale`` (to be made anew) or ``missing``."""
        states: dict[str, str] = {}
        for step in self.steps:
            ready = all(states[name] == "current" for name in step.inputs)
            if not self.path(step.name).exists():
                state = "missing"
            elif ready and _stored_key(self.path(step.name)) == self.key(step):
                state = "current"
            else:
                state = "stale"
            states[step.name] = state
            yield step, state

    def run(self, only: str | None = None) -> Iterator[Step]:
        """Make what is not current, or of that one step only; give each step once it is made.

        Raises:
            ValueError: there is no such step, or its inputs are not current.
        """
        if only is not None:
            self._check_inputs(only)
        for step in self.steps:
            if only not in (None, step.name):
                continue
            key = self.key(step)
            if _stored_key(self.path(step.name)) != key:
                self._make(step, key)
                yield step

    def _check_inputs(self, name: str) -> None:
        states = {step.name: (step, state) for step, state in self.states()}
        if name not in states:
            raise ValueError(f"There is no step {name!r}; there are {', '.join(states)}.")
        lacking = [n for n in states[name][0].inputs if states[n][1] != "current"]
        if lacking:
            raise ValueError(f"{name} needs the steps {', '.join(lacking)} first.")

    def _make(self, step: Step, key: Key) -> None:
        record = {"name": step.name, "key": key}
        if step.teachers:
            teachers = [
                Teacher.load(self.path(name), step.labelled.get(name, ())) for name in step.teachers
            ]
            data = Splits.load(step.config, self.root)
            labels = make_soft_labels(step.config, data, teachers, step.passes)
            labels.save(self.path(step.name), {"step": record})
            return
        build.train(
            step.config,
            self.path(step.name),
            soft_labels=[self.path(name) for name in step.soft_labels],
            init=self.path(step.init) if step.init else None,
            root=self.root,
            half=step.half,
            step=record,
        )


def install(folder: Path, root: str | None = None) -> None:
    """Copy the bundled weights into the repository, with all their numbers in reports/weights.

    The bundled network is written as ONNX, too.
    """
    for name, target in INSTALLED.items():
        with atomic_write(target) as partial:
            shutil.copyfile(folder / f"{name}.safetensors", partial)
        write_json(REPORTS / "weights" / f"{name}.json", measure_weights(target, root))
    export_bundled()


def _stored_key(path: Path) -> Key | None:
    """The key in the metadata of an output; None where there is no complete file with one."""
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
    except (SafetensorError, OSError):
        return None
    return (card.get("step") or card.get("training", {}).get("step") or {}).get("key")


def _file_digest(path: Path) -> str:
    """Digest of a file, mapped: soft labels are a gigabyte."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        return digest(view)
