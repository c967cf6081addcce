"""Training configurations, and the presets: the named ones.

A configuration is data. It is stored with the weights that it made, and training with an equal
configuration gives equal weights. It holds names of data sets; the registry checks them when it
loads them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic.dataclasses import dataclass

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrainConfig:
    """All settings of a training run, validated when it is made; stored with its weights.

    Raises:
        pydantic.ValidationError: a value is out of range or a field is unknown; a ``ValueError``.
    """

    model: str = "digitnet"  # a key of models.networks.NETWORKS
    model_arguments: Mapping[str, Any] = Field(default_factory=dict)  # of the network
    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = ("mnist",)  # the first sets epochs
    mix_ratios: tuple[PositiveFloat, ...] = ()  # frames per step of each further set / batch_size
    seed: int = 0  # of initial weights, order and augmentation
    epochs: PositiveInt = 30  # passes over the first data set
    batch_size: PositiveInt = 128  # frames of the first data set per step
    optimizer: Literal["sgd", "adam"] = "sgd"  # sgd has Nesterov momentum
    learning_rate: NonNegativeFloat = 0.1  # the peak
    schedule: Literal["one-cycle", "constant"] = "one-cycle"  # warm-up, then cosine to zero
    warmup: Share = 0.15  # share of all steps; one-cycle only
    momentum: Share = 0.9  # sgd only
    weight_decay: NonNegativeFloat = 5e-4  # sgd only; not of biases and batch norm
    label_smoothing: Share = 0.0  # of the loss of the labels
    distill_weight: Share = 0.0  # weight of the soft labels in the loss
    init_weight: Share = 0.0  # weight of the initial network in the average with the trained one
    augment: bool = True  # vary every frame, render pen data at random widths
    frame_variation: Literal["sharp", "soft"] = "sharp"  # a key of augment.FRAME_VARIATIONS
    max_pen_width: PositiveFloat = 8.5  # of rendered pen data, frame px
    degrade_prob: Share = 0.3  # share of varied frames with blur and noise, as in bad pictures
    tremor_prob: Share = 0.0  # share of pen drawings with tremor augmentation
    channels_prob: Share = 0.0  # share of pen drawings with stroke direction and order as input
    split_prob: Share = 0.0  # share of pen drawings drawn in four strokes; needs channels_prob
    move_prob: Share = 0.0  # share of pen drawings with each stroke moved separately
    no_digit_weight: NonNegativeFloat = 1.0  # of the class "not a digit" in the loss of the labels
    trained: str = ""  # trainable part of the network ("pen"); "" trains all of it
    ema_decay: Share = 0.0  # of the moving average of weights; 0 keeps the last weights
    subset: PositiveInt | None = None  # digits of each data set; None takes all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the layers; bfloat16 is faster
    compile: bool = False  # torch.compile: a minute of warm-up, then faster on GPUs
    device: str = "auto"  # auto is cuda, else mps, else cpu

    @model_validator(mode="after")
    def _check_mix_ratios(self) -> Self:
        if len(self.mix_ratios) != len(self.datasets) - 1:
            raise ValueError("mix_ratios needs one number for each data set after the first.")
        return self

    def epoch_seed(self, number: int) -> int:
        """Seed of all random numbers of an epoch, from the run's seed and the epoch's number."""
        return (self.seed + 1) * 100_003 + number

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON stores it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


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
    # The textbook recipe: Adam 1e-3, 20 epochs, batch 64, cross-entropy.
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
    # Distillation of the bundled network; training.stages has the steps before and after it.
    "default": _DEFAULT,
    # A third wider, but no more accurate: the teachers are the limit.
    "wide": replace(_DEFAULT, model_arguments={"outputs": 11, "width": 32}),
}  # fmt: skip
