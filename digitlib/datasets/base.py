"""The type of every data set, and where data lies."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digitlib.files import REPOSITORY

SPLITS = ("train", "validation", "test")


class DataMissingError(FileNotFoundError):
    """A data set is not where it was looked for and could not be downloaded."""


class DataDamagedError(ValueError):
    """A data file is there, but not what it should be."""


@dataclass(frozen=True)
class DigitData:
    """Frames of one split of a data set.

    Attributes:
        name: ``mnist``, ``sample``, ``pendigits``, ``notmnist`` …
        split: ``train``, ``validation`` or ``test``.
        images: uint8 ``[N, 28, 28]``, white ink on black.
        labels: int64 ``[N]``; 10 stands for "no digit".
        writers: int64 ``[N]`` or None where unknown.
        points: float ``[N, PEN_SAMPLES, 2]`` for pen data: evenly sampled strokes, to be rendered
            anew at any pen width with :func:`augment.render_batch`; else None.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    writers: Tensor | None = None
    points: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"DigitData({self.name} {self.split}: {len(self):,} digits, sha256 {self.digest})"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 over images and labels."""
        content = hashlib.sha256(self.images.numpy().tobytes())
        content.update(self.labels.numpy().tobytes())
        return content.hexdigest()[:12]

    def take(self, index: Tensor | slice) -> DigitData:
        """The digits at ``index``, in its order."""
        parts = {
            name: value[index]
            for name in ("images", "labels", "writers", "points")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **parts)

    def chosen(self, size: int, seed: int = 0) -> Tensor:
        """Indices of ``size`` digits, or of all, drawn at random by ``seed``; rising, int64."""
        if size < 1:
            raise ValueError(f"A subset has at least one digit, not {size}.")
        drawn = np.random.RandomState(seed).permutation(len(self))[:size]
        return torch.from_numpy(np.sort(drawn))

    def subset(self, size: int | None, seed: int = 0) -> DigitData:
        """``size`` digits drawn at random by ``seed``; everything for None."""
        if size is None or size >= len(self):
            return self
        return self.take(self.chosen(size, seed))


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Where data lies: the argument, else ``$DIGITLIB_DATA``, else ``data/`` in the repository."""
    if root is not None:
        return Path(root)
    return Path(os.environ.get("DIGITLIB_DATA") or REPOSITORY / "data")


def missing_error(what: str, path: Path, reason: object) -> DataMissingError:
    """The error for a data set that is not there, with the ways out."""
    reason = " ".join(str(reason).split())[:120]
    return DataMissingError(
        f"{what} is not at {path}, and downloading it failed ({reason}). Either go online once, "
        "or put the files there by hand (data/README.md says which); the environment variable "
        "DIGITLIB_DATA names another folder."
    )
