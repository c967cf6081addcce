"""Temperature and rejection threshold, set on validation data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from digitlib.evaluation.compare import measure
from digitlib.files import versions
from digitlib.models.inference import digit_score
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import Card
from digitlib.training.loader import Splits
from digitlib.training.trainer import TrainResult, predict_logits


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature that minimises the negative log-likelihood on validation data.

    Args:
        logits: ``[N, 10]`` or more; the first ten are used.
        labels: int64 ``[N]``, 0 to 9.
    """
    from scipy.optimize import minimize_scalar

    digits = logits[:, :10].double()

    def loss(log_temperature: float) -> float:
        scaled = digits / float(np.exp(log_temperature))
        return float(nn.functional.cross_entropy(scaled, labels))

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return float(np.exp(best.x))


FALSE_REJECTION = 0.01  # allowed share of rejected digits
SYNTHETIC = ("styles",)  # digits from rules: not for calibration


def make_card(result: TrainResult, data: Splits) -> Card:
    """The card of a trained network, with temperature and threshold set on validation data.

    Each validation set of real digits has the same weight for the temperature, whatever its size,
    and of each at most ``FALSE_REJECTION`` lies below the threshold.
    """
    digits = [part for part in data.validation if int(part.labels.max()) < 10]
    real = [part for part in digits if part.name not in SYNTHETIC] or digits
    size = min(len(part) for part in real)
    logits = [predict_logits(result.model, part.images) for part in real]
    scores = [digit_score(each).numpy() for each in logits]
    samples = [part.sample_indices(size) for part in real]
    sampled = torch.cat([each[index] for each, index in zip(logits, samples, strict=True)])
    labels = torch.cat([part.labels[index] for part, index in zip(real, samples, strict=True)])
    card = Card(
        model=result.config.model,
        model_arguments=dict(result.config.model_arguments),
        temperature=fit_temperature(sampled, labels),
        threshold=min(float(np.quantile(each, FALSE_REJECTION)) for each in scores),
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
    recognizer = Recognizer(result.model, card)
    return replace(card, validation={part.name: measure(recognizer, part) for part in digits})
