"""Temperature and rejection threshold, set on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.rendering import drawn_planes
from digitlib.evaluation.compare import measure
from digitlib.files import versions
from digitlib.models.card import Card
from digitlib.models.inference import digit_score
from digitlib.models.networks import reads_planes
from digitlib.models.recognizer import Recognizer
from digitlib.training.logits import predict_logits
from digitlib.training.trainer import TrainResult


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


FALSE_REJECTION = 0.01  # allowed share of rejected digits, of each data set
WRITER_REJECTION = 0.05  # allowed share of one writer's
WRITER_DIGITS = 20  # of fewer digits, a single one is more than the allowed share
SCORE_MARGIN = 1e-4  # by which exported networks may round the score of a digit on the threshold
# Not for calibration beside others: digits from rules, and a few by one writer.
UNCALIBRATED = ("styles", "drawings")


@dataclass(frozen=True)
class _Outputs:
    """Logits of one data set's digits, read as pictures or as strokes."""

    data: DigitData
    logits: Tensor
    strokes: bool  # read with the way of the pen

    @property
    def labels(self) -> Tensor:
        """Of the same digits."""
        return self.data.labels

    @property
    def threshold(self) -> float:
        """The highest threshold that rejects no more than allowed, of all and of each writer."""
        scores = digit_score(self.logits).numpy()
        allowed = [(scores, FALSE_REJECTION)]
        if self.data.writers is not None:
            numbers, counts = self.data.writers.unique(return_counts=True)
            for number in numbers[counts >= WRITER_DIGITS]:
                allowed.append((scores[self.data.writers == number], WRITER_REJECTION))
        lowest = min(float(np.quantile(own, share, method="lower")) for own, share in allowed)
        return lowest - SCORE_MARGIN

    def sample(self, size: int) -> _Outputs:
        """Those of ``size`` digits."""
        rows = self.data.sample_indices(size)
        return _Outputs(self.data.select(rows), self.logits[rows], self.strokes)


def make_card(result: TrainResult, validation: Sequence[DigitData]) -> Card:
    """The card of a trained network, with temperature and threshold set on validation data.

    Each validation set of real digits has the same weight for the temperature, whatever its size,
    and of each no more than allowed lies below the threshold. Pen data count twice where the
    network takes the way of the pen: as strokes, with a threshold of their own, and as pictures.
    """
    digits = [part for part in validation if int(part.labels.max()) < NO_DIGIT]
    real = [part for part in digits if part.name not in UNCALIBRATED] or digits
    size = min(len(part) for part in real)
    outputs = [each for part in real for each in _outputs(result.model, part)]
    sampled = [each.sample(size) for each in outputs]
    card = Card(
        model=result.config.model,
        model_arguments=dict(result.config.model_arguments),
        temperature=fit_temperature(
            torch.cat([each.logits for each in sampled]),
            torch.cat([each.labels for each in sampled]),
        ),
        threshold=min(each.threshold for each in outputs if not each.strokes),
        stroke_threshold=min((each.threshold for each in outputs if each.strokes), default=None),
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


def _outputs(model: nn.Module, part: DigitData) -> list[_Outputs]:
    """Outputs for a data set as pictures and, where the network takes planes, as strokes."""
    strokes = reads_planes(model) and part.points is not None
    return [
        _Outputs(part, predict_logits(model, part.images, planes), planes is not None)
        for planes in ([None, drawn_planes(part)] if strokes else [None])
    ]
