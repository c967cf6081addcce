"""Train a configuration, calibrate it on validation data, measure it, write weights and card.

The test set is evaluated once, after all choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from digitlib.datasets import catalog
from digitlib.evaluation.compare import measure
from digitlib.models.card import Card
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import load_model, save_model
from digitlib.training.calibration import make_card
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import SoftLabels
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit

TESTED = ("mnist", "unipen")  # if trained on; else the first data set


def train(
    config: TrainConfig,
    output: Path,
    *,
    soft_labels: Sequence[Path] = (),
    init: Path | None = None,
    half: bool = False,
    step: Mapping[str, str] | None = None,
) -> Card:
    """Train, calibrate, measure on the test split, and write the weights; return the card.

    Args:
        config: all settings of the training.
        output: weights file; a checkpoint lies beside it until training is complete.
        soft_labels: files of :class:`distillation.SoftLabels`, for ``distill_weight`` > 0.
        init: weights file of the initial network; its training joins the card.
        half: store the weights in half precision; they are measured so.
        step: name and key of the build step, for the card; see :mod:`stages`.
    """
    data = Splits.load(config)
    checkpoint = output.with_suffix(".ckpt")
    labels = SoftLabels.load(*soft_labels) if soft_labels else None
    initial, earlier = (None, None) if init is None else load_model(init)
    result = fit(config, data, soft_labels=labels, init=initial, checkpoint=checkpoint)
    if half:
        result.model.half().float()
    validation = data.validation
    if earlier is not None:  # what the initial network can do is calibrated, too
        learned = (*earlier.training["config"]["datasets"], *config.datasets)
        validation = tuple(catalog.load(name, "validation") for name in dict.fromkeys(learned))
    card = make_card(result, validation)
    if earlier is not None:
        card = replace(card, training=card.training | {"init": earlier.training})
    if step is not None:
        card = replace(card, training=card.training | {"step": dict(step)})
    names = {part.name for part in validation}
    tested = [name for name in TESTED if name in names] or config.datasets[:1]
    tests = [catalog.load(name, "test") for name in tested]
    recognizer = Recognizer.from_model(result.model, card)
    card = replace(card, test={test.name: measure(recognizer, test) for test in tests})
    save_model(output, result.model.half() if half else result.model, card)
    checkpoint.unlink()
    return card
