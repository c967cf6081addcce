"""Latency and throughput, beside a baseline on the same machine.

Two times are compared only where they were measured in turns in the same run: machines differ,
and the speed of one machine changes over time.
"""

from __future__ import annotations

import logging
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from digitlib.datasets import pictures, synthetic
from digitlib.files import versions
from digitlib.models.networks import build_network, pick_device
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import Frame, baseline_frame, ink_to_frame, normalize
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import read_grey

# --- threads ---------------------------------------------------------------------------------


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """PyTorch and the thread pools of NumPy and SciPy use ``count`` threads inside the block.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"count is at least 1, not {count}.")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)


# --- one drawing -----------------------------------------------------------------------------

WARM_UP = 20  # drawings read before the first one that is timed


class Pathway(NamedTuple):
    """One way from a drawing to probabilities: as one call, and stage by stage.

    Attributes:
        predict: all of it.
        stages: name → function of the output of the stage before; the first one gets None.
    """

    predict: Callable[[], Any]
    stages: dict[str, Callable[[Any], Any]]


def sample_drawings(count: int, seed: int = 0) -> list[list[NDArray[np.float64]]]:
    """Synthetic pen strokes of digits in many styles: the same on every machine."""
    digits = synthetic.draw_digits(count, seed)
    chosen = np.random.RandomState(seed).permutation(len(digits))[:count]
    return [digits[n].strokes for n in chosen]


def latency(recognizer: Recognizer, count: int = 300, seed: int = 0) -> dict[str, Any]:
    """Milliseconds for one drawing on one thread, all pathways in turn for every drawing.

    ``strokes`` and ``picture`` (280x280 px) are the recognizer's pathways; ``baseline`` is the
    same picture through baseline preprocessing and ``BaselineCNN`` in PyTorch.

    Returns:
        ``p50`` and ``p95`` of each pathway; ``stages``, the medians of each one's stages;
        ``ratio``, the medians of strokes and picture divided by the baseline's; ``drawings``.
    """
    baseline = build_network("baseline").eval()
    rows = [_pathways(recognizer, baseline, each) for each in sample_drawings(count, seed)]
    # benchmark.Timer repeats one statement, so it cannot change the drawing and the pathway from
    # call to call; one clock reading (under 0.1 µs) does not matter for times above 100 µs.
    with limit_threads(1):
        for row in rows[:WARM_UP]:
            for pathway in row.values():
                pathway.predict()
        whole = pd.DataFrame([{n: _timed(p.predict)[0] for n, p in row.items()} for row in rows])
        stages = [{n: _time_stages(pathway) for n, pathway in row.items()} for row in rows]
    medians = whole.median()
    return {
        "p50": medians.to_dict(),
        "p95": whole.quantile(0.95).to_dict(),
        "ratio": (medians / medians["baseline"]).drop("baseline").to_dict(),
        "stages": {n: pd.DataFrame([row[n] for row in stages]).median().to_dict() for n in whole},
        "drawings": count,
    }


def _pathways(
    recognizer: Recognizer, baseline: nn.Module, drawing: list[NDArray[np.float64]]
) -> dict[str, Pathway]:
    picture = pictures.canvas(drawing)
    network = recognizer.predict_frame
    return {
        "baseline": Pathway(
            lambda: _predict_baseline(baseline, baseline_frame(picture)),
            {
                "frame": lambda _: baseline_frame(picture),
                "network": partial(_predict_baseline, baseline),
            },
        ),
        "strokes": Pathway(
            lambda: recognizer.predict_strokes(drawing),
            {
                "frame": lambda _: _render(recognizer, drawing),
                "network": lambda inputs: network(*inputs),
            },
        ),
        "picture": Pathway(
            lambda: recognizer.predict(picture),
            {
                "greyscale": lambda _: read_grey(picture),
                "ink": find_ink,
                "frame": ink_to_frame,
                "network": network,
            },
        ),
    }


def _render(recognizer: Recognizer, drawing: strokes.Strokes) -> tuple[Any, ...]:
    """The frame of a drawing and, for a network that takes them, its planes."""
    kept = strokes.drop_stray_taps(drawing)
    if recognizer.takes_planes:
        return strokes.render_with_planes(kept)
    return (strokes.render(kept),)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of one call, and its result."""
    start = time.perf_counter()
    value = call()
    return 1000 * (time.perf_counter() - start), value


def _time_stages(pathway: Pathway) -> dict[str, float]:
    """Milliseconds of each stage."""
    times, value = {}, None
    for name, stage in pathway.stages.items():
        times[name], value = _timed(partial(stage, value))
    return times


def _predict_baseline(model: nn.Module, frame: Frame) -> list[float]:
    with torch.no_grad():
        inputs = torch.from_numpy(normalize(frame[None, None].astype(np.float32) / 255))
        return model(inputs).softmax(dim=1)[0].tolist()


# --- many frames -----------------------------------------------------------------------------


TURNS = 3  # of each network at each size


def throughput(
    recognizer: Recognizer, sizes: Sequence[int], *, seconds: float = 0.3
) -> dict[str, dict[int, float]]:
    """Frames per second by batch size, of ``digitnet``, the recognizer, and of ``baseline``.

    Both take turns at each size; a turn lasts ``seconds``, and the median turn counts. The
    baseline runs in PyTorch, as it was trained.
    """
    model = build_network("baseline").eval()

    def baseline(frames: Tensor) -> None:
        with torch.no_grad():
            model(normalize(frames.float() / 255)[:, None]).softmax(dim=1)

    networks: dict[str, Callable[[Tensor], Any]] = {
        "digitnet": recognizer.probabilities,
        "baseline": baseline,
    }
    rates: dict[str, dict[int, float]] = {name: {} for name in networks}
    for size in sizes:
        frames = torch.randint(0, 256, (size, 28, 28), dtype=torch.uint8)
        turns = [
            {name: _seconds_per_call(read, frames, seconds) for name, read in networks.items()}
            for _ in range(TURNS)
        ]
        for name in networks:
            rates[name][size] = size / statistics.median(turn[name] for turn in turns)
    return rates


def _seconds_per_call(read: Callable[[Tensor], Any], frames: Tensor, seconds: float) -> float:
    """Median time of a call, of as many as fit into ``seconds``, with all threads."""
    # The import warns on standard error where there is a CUDA toolkit and no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils.benchmark import Timer

    timer = Timer(
        "read(frames)",
        globals={"read": read, "frames": frames},
        num_threads=torch.get_num_threads(),
    )
    return timer.blocked_autorange(min_run_time=seconds).median


# --- the machine ----------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Device, cores, threads, operating system and library versions."""
    device = pick_device()
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }
