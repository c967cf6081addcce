"""Where the time of training goes, by kind of operation, beside the machine's limit."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from digitlib.evaluation.speed import matrix_peak
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit

# Parts of operations' names → kind; the first that fits counts.
KINDS = {
    "convolution_backward": "convolutions, backward",
    "convolution": "convolutions, forward",
    "mm": "linear layer",
    "batch_norm": "batch norm",
    "max_pool": "pooling",
    "threshold": "ReLU",
    "relu": "ReLU",
    "sgd": "new weights",
    "grid": "deskewing",
}
REST = "loading, loss, copies and other"


def _kind(name: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in name), REST)


class OperationClock(TorchDispatchMode):
    """Seconds of each kind of operation, forward and backward, inside the block (CPU)."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and add its time."""
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        self.seconds[_kind(str(func))] += time.perf_counter() - start
        return result


def training_time(config: TrainConfig, data: Splits, frames: int = 12_800) -> list[dict[str, Any]]:
    """Time of training by kind of operation, the longest first.

    Measured one operation at a time, without the calls between them, on the first ``frames``
    digits and without validation digits but one.

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
    flops: Counter[str] = Counter()
    for operation, count in counter.get_flop_counts()["Global"].items():
        flops[_kind(str(operation))] += count
    peak, total = matrix_peak(config.precision), sum(clock.seconds.values())
    return [
        {"kind": kind, "seconds": seconds, "share": seconds / total,
         "flops": flops[kind] / seconds, "of_peak": flops[kind] / seconds / peak}
        for kind, seconds in clock.seconds.most_common()
    ]  # fmt: skip
