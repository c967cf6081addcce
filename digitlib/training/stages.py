"""The steps that make the bundled weights, as data; :class:`steps.Build` carries them out.

Teachers learn all data sets but UNIPEN from labels, specialists MNIST alone. Their logits for
varied frames are the soft labels, from which five networks are distilled. The logits of the five
for clean pen drawings are the labels of the same drawings with tremor, and the first of the five is
refined on both. A second refinement adds the writers, letters and signs of UNIPEN, by the soft
labels of pen teachers, who know stroke direction and order. These networks see frames alone. Then
the network gets a pen branch, which learns from strokes while all else is fixed. At last the whole
is distilled once more: from stroke teachers, who start from a wider network, for drawings, and from
the refined and the wider network for MNIST. ``wide`` and ``baseline`` are for comparison, too.

These are the settings of the weights in the repository, made in November 2026. Two differences are
in the data: the teachers and the first part of the distillation had typeset letters before thick
strokes were thinned (their digest is in the cards, under ``training.init.data``), and all steps
before the stroke teachers had fewer digit styles and non-digits.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from digitlib.evaluation.compare import measure_weights
from digitlib.files import REPORTS, write_bytes, write_json
from digitlib.models.card import BASELINE_WEIGHTS, BUNDLED_WEIGHTS
from digitlib.models.export import export_bundled
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.distillation import SOFT_LABELS_SEED
from digitlib.training.steps import Step

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
    channels_prob=0.8,
    no_digit_weight=0.5,  # a letter read as a digit is cheaper than a digit rejected
)
_WRITERS = replace(
    _DISTILLATION,
    datasets=("mnist", "pendigits", "unipen", "styles", "no_digits", "letters", "signs", "typeset"),
    mix_ratios=(0.22, 0.25, 0.12, 0.06, 0.2, 0.07, 0.04),
)
_WRITERS_LABELS = replace(
    _WRITERS, seed=SOFT_LABELS_SEED, distill_weight=0.0, tremor_prob=0.25, channels_prob=1.0
)
_WRITERS_REFINEMENT = replace(_WRITERS, epochs=6, learning_rate=0.01, warmup=0.1, init_weight=0.5)
_PEN_BRANCH = replace(
    _PEN_TEACHER,
    model_arguments={"outputs": 11, "pen": 32},
    epochs=24,
    channels_prob=1.0,
    split_prob=0.15,
    trained="pen",
)

# From the network ``wide``, on labels: seven in ten of the frames are of pens.
STROKE_TEACHER = replace(
    _PEN_TEACHER,
    datasets=("unipen", "mnist", *_PEN_TEACHER.datasets[1:]),
    mix_ratios=(1.0, 1.0, 0.4, 0.4, 1.2, 0.7, 0.15),
    epochs=24,
    learning_rate=0.05,
    channels_prob=0.75,
    split_prob=0.1,
    move_prob=0.25,
    no_digit_weight=0.6,
)
_STROKES = replace(
    STROKE_TEACHER,
    model_arguments=_PEN_BRANCH.model_arguments,
    datasets=_WRITERS.datasets,
    mix_ratios=(0.35, 0.35, 0.15, 0.15, 0.35, 0.25, 0.05),
    batch_size=128,
    epochs=8,
    distill_weight=0.9,
    no_digit_weight=1.0,
)
_STROKE_LABELS = replace(_STROKES, seed=SOFT_LABELS_SEED, distill_weight=0.0, channels_prob=1.0)

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


def install(folder: Path) -> None:
    """Copy the bundled weights into the repository, with all their numbers in reports/weights.

    The bundled network is written as ONNX, too.
    """
    for name, target in INSTALLED.items():
        write_bytes(target, (folder / f"{name}.safetensors").read_bytes())
        write_json(REPORTS / "weights" / f"{name}.json", measure_weights(target))
    export_bundled()
