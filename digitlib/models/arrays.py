"""Frames and results as arrays of NumPy, or as tensors of PyTorch, which need not be there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.frame import FRAME_SIZE

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", NDArray[Any], "Tensor")


def is_tensor(values: Any) -> bool:
    """Whether it is PyTorch's, which need not be there."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def to_array(values: Any) -> NDArray[Any]:
    """The values as an array, which shares the memory of a tensor on the CPU."""
    return values.detach().cpu().numpy() if is_tensor(values) else np.asarray(values)


def like(given: Any, found: NDArray[Any]) -> Any:
    """The numbers as an array, or as a tensor where a tensor was given."""
    return sys.modules["torch"].from_numpy(found) if is_tensor(given) else found


def check_frames(frames: Any) -> None:
    """ValueError where frames are of another shape or type."""
    if frames.ndim != 3 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE):
        raise ValueError(f"frames are [N, 28, 28]; these are {tuple(frames.shape)}.")
    kind = to_array(frames[:0]).dtype
    if kind != np.uint8 and not np.issubdtype(kind, np.floating):
        raise ValueError(f"frames are uint8 0-255 or float 0-1, not {kind}.")


def to_bytes(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """Frames of 0-1 as 0-255; ValueError where they are NaN or outside 0-1."""
    if frames.dtype == np.uint8:
        return frames
    if not (frames.min() >= 0 and frames.max() <= 1):
        raise ValueError("float frames run from 0 to 1, without NaN: scale them first.")
    return np.rint(frames * np.float32(255)).astype(np.uint8)
