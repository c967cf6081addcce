"""UCI pendigits: pen strokes and the frames rendered from them.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from digitlib.datasets.base import DataDamagedError, DigitData, data_root, missing_error
from digitlib.datasets.cache import cached
from digitlib.datasets.unipen import PenDigit, read_unipen
from digitlib.files import digest
from digitlib.preprocessing import strokes

PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
# SHA-256 of the unpacked training file (UCI's .Z, 2026-11).
PENDIGITS_DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"
PEN_SAMPLES = 128  # points kept of a drawing; most digits need fewer at strokes.SPACING
PEN_VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)  # of the 30 in pendigits-orig.tra


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[PenDigit]:
    """The pen strokes of a split; no writer is in both ``train`` and ``validation``.

    ``test`` is the file of other writers, ``pendigits-orig.tes``. The strokes are read-only.

    Raises:
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    return read_pen_file(split, find_pendigits(split, data_root(root), download))


def find_pendigits(split: str, root: Path, download: bool) -> list[Path]:
    """The unpacked file of a split, from its ``.Z`` or from UCI where need be."""
    folder = root / "pendigits-orig"
    path = folder / ("pendigits-orig.tes" if split == "test" else "pendigits-orig.tra")
    if not path.exists():
        packed = path.with_name(path.name + ".Z")
        if not packed.exists():
            _download(packed, path, download)
        _unpack(packed, path)
    _check(path)
    return [path]


def _download(packed: Path, path: Path, allowed: bool) -> None:
    import urllib.request

    try:
        if not allowed:
            raise FileNotFoundError("downloads are switched off")
        packed.parent.mkdir(parents=True, exist_ok=True)
        urllib.request.urlretrieve(PENDIGITS_URL + packed.name, packed)
    except OSError as error:
        raise missing_error(f"UCI pendigits ({path.name})", path, error) from error


def _unpack(packed: Path, path: Path) -> None:
    from unlzw3 import unlzw

    try:
        path.write_bytes(unlzw(packed))
    except ValueError as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): delete it.") from error


def _check(path: Path) -> None:
    if path.suffix == ".tra" and hashlib.sha256(path.read_bytes()).hexdigest() != PENDIGITS_DIGEST:
        raise DataDamagedError(f"{path} is truncated or altered: delete it, or fetch it anew.")


def read_pen_file(split: str, files: list[Path]) -> list[PenDigit]:
    """The digits of a split from the file that :func:`find_pendigits` found."""
    (path,) = files
    digits = _parse(path, digest(path.read_bytes()))
    if split == "test":
        return list(digits)
    held_out = split == "validation"
    return [digit for digit in digits if (digit.writer in PEN_VALIDATION_WRITERS) == held_out]


@functools.lru_cache(maxsize=2)  # the two files; their digits are read-only, so they can be shared
def _parse(path: Path, content: str) -> tuple[PenDigit, ...]:
    tensors = cached(f"strokes-{path.name}", [path], lambda: pack_strokes(read_unipen(path)))
    return tuple(unpack_strokes(tensors))


def pack_strokes(digits: Sequence[PenDigit]) -> dict[str, Tensor]:
    """Pen digits as tensors: all points in one ``[P, 2]``, with the lengths of the strokes."""
    every = [stroke for digit in digits for stroke in digit.strokes]
    return {
        "points": torch.from_numpy(np.concatenate(every)),
        "points_of_stroke": torch.tensor([len(stroke) for stroke in every]),
        "strokes_of_digit": torch.tensor([len(digit.strokes) for digit in digits]),
        "labels": torch.tensor([digit.label for digit in digits]),
        "writers": torch.tensor([digit.writer for digit in digits]),
    }


def unpack_strokes(tensors: dict[str, Tensor]) -> list[PenDigit]:
    """Undo :func:`pack_strokes`; the strokes are read-only."""
    points, *counts = (
        tensors[name].numpy() for name in ("points", "points_of_stroke", "strokes_of_digit")
    )
    points.flags.writeable = False
    stroke_ends, digit_ends = (np.cumsum(count)[:-1] for count in counts)
    every = np.split(points, stroke_ends)
    starts = [0, *digit_ends.tolist()]
    about = zip(
        starts, [*starts[1:], len(every)], tensors["labels"].tolist(), tensors["writers"].tolist(),
        strict=True,
    )  # fmt: skip
    return [PenDigit(every[a:b], label, writer) for a, b, label, writer in about]


def pen_data(name: str, split: str, digits: Sequence[PenDigit]) -> DigitData:
    """Render pen digits as frames at the default pen width, and keep their samples."""
    kept = [strokes.drop_stray_taps(digit.strokes) for digit in digits]
    frames = np.stack([strokes.render(drawing) for drawing in kept])
    points = np.stack([_fixed_length(strokes.resample(drawing)) for drawing in kept])
    return DigitData(
        name,
        split,
        torch.from_numpy(frames),
        torch.tensor([digit.label for digit in digits]),
        torch.tensor([digit.writer for digit in digits]),
        torch.from_numpy(points),
    )


def _fixed_length(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """``PEN_SAMPLES`` of them: the last one repeated, or evenly spaced ones left out."""
    last = len(samples) - 1
    if last < PEN_SAMPLES:
        return samples[np.minimum(np.arange(PEN_SAMPLES), last)]
    return samples[np.linspace(0, last, PEN_SAMPLES).round().astype(int)]
