"""The type of every data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from digitlib.files import digest
from digitlib.models.labels import NO_DIGIT as NO_DIGIT  # part of every data set
from digitlib.preprocessing.strokes import render

SPLITS = ("train", "validation", "test")
BAR_DELAY = 2  # seconds that loading takes before it shows a progress bar


def as_frames(images: Tensor) -> Tensor:
    """Frames, float32 ``[N, 4, 28, 28]``, of images, uint8 ``[N, 28, 28]``."""
    return F.pad(images[:, None] / 255, (0, 0, 0, 0, 0, 3))


Strokes = Sequence[NDArray[np.float64]]
Drawings = Sequence[Strokes]  # the strokes of each drawing; none for a picture among them


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
        strokes: of each drawing, ``(n, 2)`` arrays; a picture among them has none. None if the data
            set has pictures only.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    writers: Tensor | None = None
    characters: Tensor | None = None
    strokes: Drawings | None = None

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
        """Which of them have strokes, bool ``[N]``."""
        if self.strokes is None:
            return torch.zeros(len(self), dtype=torch.bool)
        return torch.tensor([len(each) > 0 for each in self.strokes], dtype=torch.bool)

    def frames(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Frames with their channels, float32 ``[N, 4, 28, 28]``; pictures have channels of 0.

        Drawings are rendered at the default pen width: 10,000 take a second.
        """
        chosen = self.select(rows)
        frames = as_frames(chosen.images)
        for frame, strokes in zip(frames, chosen.strokes or (), strict=False):
            if strokes:
                frame[:] = torch.from_numpy(render(strokes))
        return frames

    def select(self, index: Tensor | slice) -> DigitData:
        """The digits at ``index``, in its order."""
        strokes = self.strokes
        if strokes is not None:
            strokes = [strokes[row] for row in torch.arange(len(self))[index].tolist()]
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        selected = {name: tensor[index] for name, tensor in tensors.items()}
        return DigitData(self.name, self.split, **selected, strokes=strokes)

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
