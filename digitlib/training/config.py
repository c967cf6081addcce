"""All settings of training: configurations, the named ones, and the recipe of the bundled network.

A configuration is data. It is stored with the weights that it made, and training with an equal
configuration gives equal weights. It holds names of data sets; the catalog checks them when it
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
    NonNegativeInt,
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

    # The network
    model: str = "digitnet"  # a key of models.networks.NETWORKS
    model_arguments: Mapping[str, Any] = Field(default_factory=dict)  # of the network

    # The data
    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = ("mnist",)  # the first sets epochs
    mix_ratios: tuple[PositiveFloat, ...] = ()  # frames per step of each further set / batch_size
    subset: PositiveInt | None = None  # digits of each data set; None takes all

    # Variation of the examples, drawn anew each time
    augment: bool = True  # vary every frame, draw pen strokes at random widths
    habits: Share = 0.5  # share of the drawn digits with habits of other hands
    moved: Share = 0.25  # share of the drawings with each stroke moved by itself
    tremor: Share = 0.1  # share of the drawings by a trembling hand
    marks: Share = 0.0  # share of the drawn digits with a ring, box or other mark: not digits
    degraded: Share = 0.2  # share of the frames with blur and noise, as in bad pictures
    picture_share: Share = 0.4  # share of the drawings without stroke direction and order

    # The loss
    label_smoothing: Share = 0.0  # of the loss of the labels
    no_digit_weight: PositiveFloat = 1.0  # of the class "not a digit" in the loss of the labels
    distill_weight: Share = 0.0  # weight of the teachers' answers in the loss

    # The optimization
    seed: NonNegativeInt = 0  # of all random numbers
    epochs: PositiveInt = 30  # passes over the first data set
    batch_size: PositiveInt = 128  # frames of the first data set per step
    optimizer: Literal["sgd", "adam"] = "sgd"  # sgd has Nesterov momentum
    learning_rate: NonNegativeFloat = 0.1  # the peak
    schedule: Literal["one-cycle", "constant"] = "one-cycle"  # warm-up, then cosine to zero
    warmup: Share = 0.15  # share of all steps; one-cycle only
    momentum: Share = 0.9  # sgd only
    weight_decay: NonNegativeFloat = 5e-4  # sgd only; not of biases and batch norm
    ema_decay: Share = 0.0  # of the moving average of weights; 0 keeps the last weights

    # The machine
    precision: Literal["float32", "bfloat16"] = "float32"  # of layers; see fast_layers
    device: str = "auto"  # auto is cuda, else mps, else cpu

    @model_validator(mode="after")
    def _check_mix_ratios(self) -> Self:
        if len(self.mix_ratios) != len(self.datasets) - 1:
            raise ValueError("mix_ratios needs one number for each data set after the first.")
        return self

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON stores it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


# --- the recipe of the bundled network -------------------------------------------------------

# The student alone, from labels. A step has 128 digits of MNIST and 140 other frames.
STUDENT = TrainConfig(
    model_arguments={"outputs": 11},
    datasets=("mnist", "unipen", "pendigits", "styles", "letters", "signs", "no_digits", "typeset"),
    mix_ratios=(0.3, 0.22, 0.12, 0.25, 0.12, 0.06, 0.03),
    epochs=12,
    marks=0.06,
    no_digit_weight=0.7,  # a letter read as a digit is cheaper than a digit rejected
    ema_decay=0.998,
    precision="bfloat16",
)
# Equal networks but for their seeds, each on all data from random weights.
TEACHERS = tuple(
    replace(STUDENT, model_arguments={"outputs": 11, "width": 32}, seed=seed, epochs=18)
    for seed in (1, 2, 3)
)
# The teachers read each frame that the student sees; their mean logits are its soft labels.
DISTILLED = replace(STUDENT, distill_weight=0.7, epochs=30)

# --- the presets -----------------------------------------------------------------------------

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
    # The bundled network without its teachers, and with them.
    "default": STUDENT,
    "digitnet": DISTILLED,
}  # fmt: skip
