"""Temperature and rejection threshold, set on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.rendering import drawn_channels
from digitlib.evaluation.compare import measure
from digitlib.files import versions
from digitlib.models.card import Card
from digitlib.models.inference import digit_score
from digitlib.models.networks import reads_channels
from digitlib.models.recognizer import Recognizer
from digitlib.training.logits import predict_logits
from digitlib.training.trainer import TrainResult

FALSE_REJECTION = 0.01  # allowed share of rejected digits, of each data set
WRITER_REJECTION = 0.05  # allowed share of one writer's
WRITER_DIGITS = 20  # with fewer digits, a single one is more than the allowed share
SCORE_MARGIN = 1e-4  # rounding of scores in exported networks
# Not used for calibration if there are others: synthetic digits, and a few by one writer.
UNCALIBRATED = ("styles", "drawings")


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature that minimizes the negative log-likelihood on validation data.

    Args:
        logits: ``[N, 10]`` or more; the first ten are used.
        labels: int64 ``[N]``, 0 to 9.
    """
    from scipy.optimize import minimize_scalar

    digits = logits[:, :10].double()

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(digits / float(np.exp(log_temperature)), labels))

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return float(np.exp(best.x))


def rejection_threshold(logits: Tensor, writers: Tensor | None = None) -> float:
    """The highest threshold that rejects no more digits than allowed, of all and of each writer.

    Args:
        logits: of digits ``[N, outputs]``.
        writers: their numbers ``[N]``; None if they are unknown.
    """
    scores = digit_score(logits).numpy()
    allowed = [(scores, FALSE_REJECTION)]
    if writers is not None:
        numbers, counts = writers.unique(return_counts=True)
        large = numbers[counts >= WRITER_DIGITS]
        allowed += [(scores[writers == number], WRITER_REJECTION) for number in large]
    lowest = min(float(np.quantile(own, share, method="lower")) for own, share in allowed)
    return lowest - SCORE_MARGIN


def make_card(result: TrainResult, validation: Sequence[DigitData]) -> Card:
    """The card of a trained network, with temperature and thresholds set on validation data.

    For the temperature, each validation set of real digits has the same weight. The threshold
    rejects no more than the allowed share of any set. If the network takes stroke direction and
    order, pen data count twice: as pictures, and as strokes, which have their own threshold.
    """
    digits = [part for part in validation if int(part.labels.max()) < NO_DIGIT]
    real = [part for part in digits if part.name not in UNCALIBRATED] or digits
    size = min(len(part) for part in real)
    logits, labels = list[Tensor](), list[Tensor]()
    thresholds: dict[str, list[float]] = {"pictures": [], "strokes": []}
    for part in real:
        inputs: dict[str, Tensor | None] = {"pictures": None}
        if reads_channels(result.model) and part.points is not None:
            inputs["strokes"] = drawn_channels(part)
        rows = part.sample_indices(size)
        for kind, channels in inputs.items():
            found = predict_logits(result.model, part.images, channels)
            logits.append(found[rows])
            labels.append(part.labels[rows])
            thresholds[kind].append(rejection_threshold(found, part.writers))
    card = Card(
        model=result.config.model,
        model_arguments=dict(result.config.model_arguments),
        temperature=fit_temperature(torch.cat(logits), torch.cat(labels)),
        threshold=min(thresholds["pictures"]),
        stroke_threshold=min(thresholds["strokes"], default=None),
        false_rejection_rate=FALSE_REJECTION,
        training={
            "config": result.config.as_dict(),
            "history": result.history,
            "seconds": result.seconds,
            "device": result.device,
            "data": result.digests,
        },
        versions=versions(),
    )
    recognizer = Recognizer.from_model(result.model, card)
    return replace(card, validation={part.name: measure(recognizer, part) for part in digits})
