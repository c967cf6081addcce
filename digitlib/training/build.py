"""Train a preset, calibrate it on validation data, measure it, and write weights with their card.

The test set is looked at once, after every choice was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from digitlib.datasets import catalog
from digitlib.evaluation.compare import measure
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import Card, load_model, save_model
from digitlib.training.calibration import make_card
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import SoftLabels
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit


def train(
    config: TrainConfig,
    output: Path,
    *,
    pool: Sequence[Path] = (),
    start: Path | None = None,
    root: str | None = None,
    half: bool = False,
) -> Card:
    """Train, calibrate, write the weights, measure them as written; return the card.

    Args:
        config: how to train.
        output: weights file; a checkpoint lies beside it until training is done.
        pool: files of :class:`teaching.Pool`, for configurations that are taught.
        start: weights file of a network to begin with; its training joins the card.
        root: data folder.
        half: store the weights in half precision.

    Returns:
        The card as written.
    """
    data = Splits.load(config, root)
    checkpoint = output.with_suffix(".ckpt")
    taught = SoftLabels.load(*pool) if pool else None
    first, earlier = (None, None) if start is None else load_model(start)
    result = fit(config, data, pool=taught, start=first, checkpoint=checkpoint)
    if half:
        result.model.half().float()
    card = make_card(result, data)
    if earlier is not None:
        card = replace(card, training=card.training | {"start": earlier.training})
    test = catalog.load(config.datasets[0], "test", root)
    recognizer = Recognizer(result.model, card)
    card = replace(card, test={test.name: measure(recognizer, test)})
    save_model(output, result.model.half() if half else result.model, card)
    checkpoint.unlink()
    return card
