"""How far training and reading are from the machine's limit, and where the time goes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from digitlib.evaluation.flops import flops, matrix_peak
from digitlib.models.networks import build_network
from digitlib.models.recognizer import Recognizer
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit


def achieved_flops(
    configs: Mapping[str, TrainConfig],
    frames_per_second: Mapping[str, float],
    recognizer: Recognizer,
    reading: float,
) -> dict[str, dict[str, float]]:
    """FLOP/s of training and of reading, beside the matrix product's at the same precision.

    Args:
        configs: of the training runs, by name.
        frames_per_second: of training, by name.
        recognizer: for reading.
        reading: frames per second of the recognizer.

    Returns:
        By name ``flops`` of a frame, ``achieved`` and ``peak`` FLOP/s, and their ratio ``share``.
    """
    peaks = {name: matrix_peak(name) for name in ("float32", "bfloat16")}
    work = {
        f"training: {name}": (
            flops(build_network(config.model, **config.model_arguments), learning=True),
            frames_per_second[name],
            peaks[config.precision],
        )
        for name, config in configs.items()
    }
    read = build_network(recognizer.card.model, **recognizer.card.model_arguments)
    work["reading: many frames"] = (flops(read), reading, peaks["float32"])
    return {
        name: {"flops": each, "achieved": each * rate, "peak": peak, "share": each * rate / peak}
        for name, (each, rate, peak) in work.items()
    }


# --- by kind of operation ------------------------------------------------------------------

# Parts of operations' names → kind; the first that fits counts.
KINDS = {
    "convolution_backward": "convolutions, backward",
    "convolution": "convolutions, forward",
    "mm": "linear layer",
    "batch_norm": "batch norm",
    "max_pool": "pooling",
    "threshold": "ReLU",
    "relu": "ReLU",
    "grid": "deskewing",
}
REST = "loading, loss, copies and other"


def _kind(name: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in name), REST)


class OperationClock(TorchDispatchMode):
    """Seconds of each kind of operation, forward and backward, inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and add its time."""
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # a call returns before its work is done
        self.seconds[_kind(str(func))] += time.perf_counter() - start
        return result


def training_time(config: TrainConfig, data: Splits, frames: int = 12_800) -> list[dict[str, Any]]:
    """Time of training by kind of operation, the longest first.

    Measured one operation at a time, without the calls between them, on ``frames`` digits,
    and a single one for validation.

    Returns:
        ``kind``, ``seconds``, ``share`` of all seconds, ``flops`` per second and ``of_peak``, their
        share of the matrix product's (0 where there is nothing to multiply).
    """
    few = Splits(
        tuple(part.subset(frames) for part in data.train),
        tuple(part.subset(1) for part in data.validation),
    )
    config = replace(config, epochs=1)
    fit(config, few, progress=False)
    with OperationClock() as clock:
        fit(config, few, progress=False)
    with FlopCounterMode(display=False) as counter:
        fit(config, few, progress=False)
    done: Counter[str] = Counter()
    for operation, count in counter.get_flop_counts()["Global"].items():
        done[_kind(str(operation))] += count
    peak, total = matrix_peak(config.precision), sum(clock.seconds.values())
    return [
        {"kind": kind, "seconds": seconds, "share": seconds / total,
         "flops": done[kind] / seconds, "of_peak": done[kind] / seconds / peak}
        for kind, seconds in sorted(clock.seconds.items(), key=itemgetter(1), reverse=True)
    ]  # fmt: skip
