"""UCI pendigits: pen strokes and the frames rendered from them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import DataDamagedError, DigitData, data_root, missing_error
from digitlib.datasets.unipen import PenDigit, read_unipen
from digitlib.preprocessing import strokes

PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
# SHA-256 of the unpacked training file (UCI's .Z, 2026-11).
PENDIGITS_DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"
PEN_SAMPLES = 128  # points kept of a drawing; most digits need fewer at strokes.SPACING


# --- UCI pendigits -------------------------------------------------------------------------

PEN_VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)  # of the 30 in pendigits-orig.tra


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[PenDigit]:
    """The pen strokes themselves; no writer is in both ``train`` and ``validation``.

    Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
    ``test`` is the file of other writers, ``pendigits-orig.tes``.
    """
    name = "pendigits-orig.tes" if split == "test" else "pendigits-orig.tra"
    digits = read_unipen(_pendigits_file(data_root(root) / "pendigits-orig", name, download))
    if split == "test":
        return digits
    held_out = split == "validation"
    return [digit for digit in digits if (digit.writer in PEN_VALIDATION_WRITERS) == held_out]


def _pendigits_file(folder: Path, name: str, download: bool) -> Path:
    """The unpacked file, from its ``.Z`` or from UCI where need be."""
    path = folder / name
    packed = path.with_name(name + ".Z")
    if path.exists():
        _check_pendigits(path)
        return path
    if not packed.exists():
        import urllib.request

        try:
            if not download:
                raise FileNotFoundError("downloads are switched off")
            folder.mkdir(parents=True, exist_ok=True)
            urllib.request.urlretrieve(PENDIGITS_URL + packed.name, packed)
        except OSError as error:
            raise missing_error(f"UCI pendigits ({name})", path, error) from error
    from unlzw3 import unlzw

    try:
        path.write_bytes(unlzw(packed))
    except ValueError as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): delete it.") from error
    _check_pendigits(path)
    return path


def _check_pendigits(path: Path) -> None:
    if path.suffix == ".tra" and hashlib.sha256(path.read_bytes()).hexdigest() != PENDIGITS_DIGEST:
        raise DataDamagedError(f"{path} is truncated or altered: delete it, or fetch it anew.")


def pen_data(name: str, split: str, digits: list[PenDigit]) -> DigitData:
    """Render pen digits as frames at the default pen width, and keep their samples."""
    points = np.zeros((len(digits), PEN_SAMPLES, 2), np.float32)
    kept = [strokes.without_taps(digit.strokes) for digit in digits]
    for row, drawing in enumerate(kept):
        samples = strokes.sample(drawing)
        rest = PEN_SAMPLES - len(samples)
        if rest < 0:
            samples = samples[np.linspace(0, len(samples) - 1, PEN_SAMPLES).round().astype(int)]
        points[row] = np.concatenate([samples, np.repeat(samples[-1:], max(rest, 0), axis=0)])
    frames = np.stack([strokes.render(drawing) for drawing in kept])
    return DigitData(
        name,
        split,
        torch.from_numpy(frames),
        torch.tensor([digit.label for digit in digits]),
        torch.tensor([digit.writer for digit in digits]),
        torch.from_numpy(points),
    )
