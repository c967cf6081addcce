"""The replay: digits and non-digits on which a taught network keeps its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digitlib.datasets import catalog, non_digits, synthetic
from digitlib.datasets.base import DigitData
from digitlib.datasets.pen import pen_data
from digitlib.errors import DataMissingError
from digitlib.models.explain import TRAINING_DIGITS
from digitlib.training.head import Variation, read_inputs, varied_inputs
from digitlib.training.loader import private_random_state

REPLAYED = {"mnist": 2000, "unipen": 1200, "letters": 1200}  # of each, where the files are
STYLES, NON_DIGITS = 40, 12  # drawings of each style and outline, from rules
REPLAY_VARIATION = Variation(pen=(1.5, 6.0))


def load_replay(root: Path | None = None, seed: int = 0) -> tuple[Tensor, list[str]]:
    """Inputs ``[R, 4, 28, 28]`` of the replay, and the names of their sources.

    The package's training digits and drawings from rules are always among them; data sets whose
    files are there, too. Torch's global random state is left as it was.
    """
    parts = {
        "the package's training digits": _packed_digits(),
        "digit styles from rules": pen_data("styles", "train", synthetic.draw_digits(STYLES, seed)),
        "letters and shapes from rules": pen_data(
            "no_digits", "train",
            non_digits.draw_non_digits(non_digits.LETTERS | non_digits.SHAPES, NON_DIGITS, seed),
        ),
    }  # fmt: skip
    for name, size in REPLAYED.items():
        try:
            parts[name] = catalog.load(name, "train", root, download=False).subset(size, seed)
        except DataMissingError:
            continue
    with private_random_state(torch.device("cpu")):
        torch.manual_seed(seed)
        return torch.cat([_replay_inputs(data) for data in parts.values()]), [*parts]


def _packed_digits() -> DigitData:
    """The training digits in the package, half of MNIST's and half of UNIPEN's, as pictures."""
    with np.load(TRAINING_DIGITS) as stored:
        images, labels = torch.from_numpy(stored["frames"]), torch.from_numpy(stored["labels"])
    return DigitData("training digits", "train", images, labels.long())


def _replay_inputs(data: DigitData) -> Tensor:
    """Pen strokes varied, some without channels; frames as they are."""
    return read_inputs(data) if data.points is None else varied_inputs(data, 0.75, REPLAY_VARIATION)
