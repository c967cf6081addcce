"""Training configurations, and the presets: the named ones.

A configuration is data: it is stored with the weights that it made, and equal ones train alike.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from digitlib.datasets import catalog
from digitlib.datasets.augment import FRAME_VARIATIONS


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run; stored with its weights."""

    model: str = "digitnet"  # a key of models.networks.NETWORKS
    model_arguments: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ("mnist",)  # an epoch is one pass over the first
    mix_ratios: tuple[float, ...] = ()  # frames per step of each further set, per batch_size
    seed: int = 0  # of initial weights, order and augmentation
    epochs: int = 30
    batch_size: int = 128  # frames of the first data set per step
    optimizer: str = "sgd"  # sgd (Nesterov) or adam
    learning_rate: float = 0.1  # the peak
    schedule: str = "one-cycle"  # one-cycle (warm-up, then cosine to zero) or constant
    warmup: float = 0.15  # share of all steps; one-cycle only
    momentum: float = 0.9  # sgd only
    weight_decay: float = 5e-4  # sgd only; not for biases and batch norm
    label_smoothing: float = 0.0
    distill_weight: float = 0.0  # weight of the soft labels in the loss, 0-1
    init_weight: float = 0.0  # weight of the initial network averaged with the fine-tuned one, 0-1
    augment: bool = True  # vary every frame, render pen data at random widths
    frame_variation: str = "sharp"  # a key of augment.FRAME_VARIATIONS
    max_pen_width: float = 8.5  # of rendered pen data, frame px
    degrade_prob: float = 0.3  # share of varied frames blurred, with noise, as from bad pictures
    tremor_prob: float = 0.0  # share of pen drawings with tremor augmentation
    planes_prob: float = 0.0  # share of pen drawings whose planes tell the way of the pen
    split_prob: float = 0.0  # share of pen drawings drawn in four pieces, where there are planes
    move_prob: float = 0.0  # share of pen drawings with each stroke moved by itself
    no_digit_weight: float = 1.0  # of the class "no digit" in the loss of the labels
    trained: str = ""  # part of the network that is trained ("pen"), the rest is fixed; "" is all
    ema_decay: float = 0.0  # of the exponential moving average of weights; 0 keeps the last ones
    subset: int | None = None  # number of digits of each data set; None takes all
    precision: str = "float32"  # of the layers; bfloat16 is twice as fast on many CPUs
    compile: bool = False  # through torch.compile: a minute of warm-up, then faster on GPUs
    device: str = "auto"  # auto is cuda, else mps, else cpu

    def __post_init__(self) -> None:
        """Refuse invalid values at once."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size are at least 1.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                options = " or ".join(map(repr, allowed))
                raise ValueError(f"{name} is {options}, not {getattr(self, name)!r}.")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is 0 to 1, not {getattr(self, name)}.")
        ratios = self.mix_ratios
        if len(ratios) != len(self.datasets) - 1 or not all(ratio > 0 for ratio in ratios):
            raise ValueError(
                "mix_ratios has one positive number for each data set after the first."
            )
        if not self.datasets or not set(self.datasets) <= set(catalog.SOURCES):
            raise ValueError(f"datasets are some of {[*catalog.SOURCES]}, not {self.datasets}.")

    def epoch_seed(self, number: int) -> int:
        """Seed of all random numbers of an epoch, by the run's seed and the epoch's number."""
        return (self.seed + 1) * 100_003 + number

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON would give it back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


_SHARES = (
    "distill_weight",
    "init_weight",
    "degrade_prob",
    "tremor_prob",
    "planes_prob",
    "split_prob",
    "move_prob",
)
_CHOICES = {
    "optimizer": ("sgd", "adam"),
    "schedule": ("one-cycle", "constant"),
    "precision": ("float32", "bfloat16"),
    "frame_variation": tuple(FRAME_VARIATIONS),
}

_DEFAULT = TrainConfig(
    model_arguments={"outputs": 11},
    datasets=("mnist", "pendigits", "styles", "no_digits", "typeset"),
    mix_ratios=(0.35, 0.2, 0.15, 0.05),
    epochs=24,
    distill_weight=0.9,
    degrade_prob=0.2,
    ema_decay=0.998,
    precision="bfloat16",
)

PRESETS = {
    # The textbook recipe: Adam 1e-3, 20 epochs, batch 64, ToTensor + Normalize, cross-entropy.
    "baseline": TrainConfig(
        model="baseline", epochs=20, batch_size=64, optimizer="adam",
        learning_rate=1e-3, schedule="constant", augment=False,
    ),
    # 99 % of MNIST in the least time, for trying ideas; see reports/experiments.md.
    "quick": TrainConfig(
        model="quicknet", model_arguments={"deskewed": 20}, epochs=1, batch_size=128,
        learning_rate=0.4, momentum=0.85, warmup=0.2, label_smoothing=0.1, augment=False,
        precision="bfloat16",
    ),
    # Distillation of the bundled network; training.stages has the stages before and after it.
    "default": _DEFAULT,
    # A third wider, and as measured no more accurate: the teachers are the limit.
    "wide": replace(_DEFAULT, model_arguments={"outputs": 11, "width": 32}),
}  # fmt: skip
