"""The type of every data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digitlib.files import digest
from digitlib.models.labels import NO_DIGIT as NO_DIGIT  # part of every data set

SPLITS = ("train", "validation", "test")
BAR_DELAY = 2  # seconds that loading takes before it shows a progress bar


@dataclass(frozen=True)
class DigitData:
    """Frames of one split of a data set.

    Attributes:
        name: ``mnist``, ``sample``, ``pendigits``, ``notmnist`` …
        split: ``train``, ``validation`` or ``test``.
        images: uint8 ``[N, 28, 28]``, white ink on black.
        labels: int64 ``[N]``; ``NO_DIGIT`` for others.
        writers: int64 ``[N]``, or None if unknown.
        characters: Unicode code points of pen data, int64 ``[N]``, 0 if unknown; else None.
        points: float ``[N, PEN_SAMPLES, 2]`` for pen data: evenly sampled strokes, which
            :func:`rendering.render_batch` draws at any pen width; else None.
        stroke_numbers: int16 ``[N, PEN_SAMPLES]`` for pen data: the stroke of each point, from 0;
            -1 if the last point is repeated, and throughout for a picture among them; else None.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    writers: Tensor | None = None
    characters: Tensor | None = None
    points: Tensor | None = None
    stroke_numbers: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"DigitData({self.name} {self.split}: {len(self):,} digits, sha256 {self.digest})"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of images and labels."""
        return digest(self.images.numpy().tobytes(), self.labels.numpy().tobytes())

    @property
    def drawn(self) -> Tensor:
        """Which of them have pen samples, bool ``[N]``."""
        if self.stroke_numbers is None:
            return torch.zeros(len(self), dtype=torch.bool)
        return self.stroke_numbers[:, 0] >= 0

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that aren't None, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def select(self, index: Tensor | slice) -> DigitData:
        """The digits at ``index``, in its order."""
        selected = {name: tensor[index] for name, tensor in self.tensors().items()}
        return DigitData(self.name, self.split, **selected)

    def sample_indices(self, size: int, seed: int = 0) -> Tensor:
        """Rising indices of ``size`` random digits, or of all, int64."""
        if size < 1:
            raise ValueError(f"A subset has at least one digit, not {size}.")
        drawn = np.random.RandomState(seed).permutation(len(self))[:size]
        return torch.from_numpy(np.sort(drawn))

    def subset(self, size: int | None, seed: int = 0) -> DigitData:
        """``size`` random digits; all for None."""
        if size is None or size >= len(self):
            return self
        return self.select(self.sample_indices(size, seed))
