"""How fast it is: yardsticks and digitlib in one process run, turn by turn, ratios first.

Notebook ``08_speed`` draws what these functions find. Two things are compared only where
they took turns in the same run: machines differ, and a machine differs from hour to hour.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from digitlib.datasets import pictures, synthetic
from digitlib.files import versions
from digitlib.models.networks import build_network, pick_device
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import (
    Frame,
    baseline_frame,
    ink_to_frame,
    normalize,
)
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


def drawings(count: int, seed: int = 0) -> list[list[NDArray[np.float64]]]:
    """Pen strokes of digits in many styles, from rules: the same on every machine."""
    digits = synthetic.draw_digits(count, seed)
    chosen = np.random.RandomState(seed).permutation(len(digits))[:count]
    return [digits[n].strokes for n in chosen]


def latency(recognizer: Recognizer, count: int = 300, seed: int = 0) -> dict[str, Any]:
    """Milliseconds for one drawing, on one thread, every way in turn for every drawing.

    The plain way is that of :mod:`frame` from the same 280x280 picture, then
    ``BaselineCNN`` as it was trained.

    Returns:
        ``p50`` and ``p95`` of ``strokes``, ``picture`` and ``plain``; ``stages`` with the median
        of each stage of each way; ``ratio``, the medians of strokes and picture as parts of the
        plain way's.
    """
    baseline = build_network("baseline").eval()
    drawn = drawings(count, seed)
    canvases = [pictures.canvas(drawing) for drawing in drawn]
    ways: dict[str, Callable[[int], Any]] = {
        "plain": lambda n: _read_plainly(baseline, canvases[n]),
        "strokes": lambda n: recognizer.predict_strokes(drawn[n]),
        "picture": lambda n: recognizer.predict(canvases[n]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    stages: dict[str, dict[str, list[float]]] = {name: {} for name in ways}
    with limit_threads(1):
        for number in range(-min(20, count), count):  # the first ones warm up
            for name, way in ways.items():
                passed = _milliseconds(partial(way, number))[0]
                if number >= 0:
                    times[name].append(passed)
        for number in range(count):
            for name, steps in _stages(recognizer, baseline, drawn[number], canvases[number]):
                value: Any = None
                for stage, step in steps:
                    passed, value = _milliseconds(partial(step, value))
                    stages[name].setdefault(stage, []).append(passed)
    middle = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "p50": middle,
        "p95": {name: float(np.quantile(values, 0.95)) for name, values in times.items()},
        "ratio": {name: middle[name] / middle["plain"] for name in ("strokes", "picture")},
        "stages": {
            name: {stage: float(np.median(values)) for stage, values in each.items()}
            for name, each in stages.items()
        },
        "drawings": count,
    }


def _milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = work()
    return 1000 * (time.perf_counter() - start), value


def _read_plainly(model: nn.Module, picture: Image.Image) -> list[float]:
    return _softmax_plainly(model, baseline_frame(picture))


def _softmax_plainly(model: nn.Module, frame: Frame) -> list[float]:
    with torch.no_grad():
        given = torch.from_numpy(normalize(frame[None, None].astype(np.float32) / 255))
        return model(given).softmax(dim=1)[0].tolist()


Steps = list[tuple[str, Callable[[Any], Any]]]


def _stages(
    recognizer: Recognizer, baseline: nn.Module, drawing: Any, picture: Image.Image
) -> list[tuple[str, Steps]]:
    """Each way in its stages; each is given what the one before it gave."""
    read = ("network", recognizer.predict_frame)
    return [
        ("plain", [
            ("frame", lambda _: baseline_frame(picture)),
            ("network", lambda frame: _softmax_plainly(baseline, frame)),
        ]),
        ("strokes", [("frame", lambda _: strokes.render(strokes.without_taps(drawing))), read]),
        ("picture", [
            ("greyscale", lambda _: read_grey(picture)),
            ("ink", find_ink),
            ("frame", ink_to_frame),
            read,
        ]),
    ]  # fmt: skip


# --- many frames -----------------------------------------------------------------------------


def throughput(
    recognizer: Recognizer, sizes: Sequence[int], *, seconds: float = 0.3, rounds: int = 3
) -> dict[str, dict[int, float]]:
    """Frames per second against batch size: ``default``, ours, and ``baseline``, as it was trained.

    Both take turns at each size; each turn lasts ``seconds``, the median turn counts.
    """
    baseline = build_network("baseline").eval()

    def plainly(frames: Tensor) -> None:
        with torch.no_grad():
            scaled = normalize(frames.float() / 255)
            baseline(scaled[:, None]).softmax(dim=1)

    ways: dict[str, Callable[[Tensor], Any]] = {
        "default": recognizer.probabilities,
        "baseline": plainly,
    }
    found: dict[str, dict[int, float]] = {name: {} for name in ways}
    for size in sizes:
        frames = torch.randint(0, 256, (size, 28, 28), dtype=torch.uint8)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(size / _seconds_each(partial(way, frames), seconds))
        for name in ways:
            found[name][size] = statistics.median(rates[name])
    return found


def _seconds_each(work: Callable[[], Any], seconds: float) -> float:
    """Mean time of one call, of as many as fit, after one that does not count."""
    work()
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < seconds:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


def growth(counts: Sequence[int]) -> list[dict[str, float]]:
    """Seconds and memory of ``.probabilities`` as the work grows, each in a process of its own.

    Returns:
        For each count ``frames``, ``seconds``, and ``memory``: MiB of the process's peak over what
        it held before the call, input and libraries; NaN where the system does not tell.
    """
    return [_in_a_process(GROW.format(count)) for count in counts]


def _grow(count: int) -> dict[str, float]:
    """What :func:`growth` asks of a new process."""
    recognizer = Recognizer.load()
    frames = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
    recognizer.probabilities(frames[:64])
    before = _resident()
    start = time.perf_counter()
    recognizer.probabilities(frames)
    passed = time.perf_counter() - start
    return {"frames": count, "seconds": passed, "memory": (_peak() - before) / 2**20}


def _peak() -> float:
    """Most memory this process has held so far, bytes."""
    if (peak := _status("VmHWM")) is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def _resident() -> float:
    """Memory this process holds now, bytes; where only the peak is known, that."""
    held = _status("VmRSS")
    return _peak() if held is None else held


def _status(name: str) -> float | None:
    """A line of Linux's own account of this process, bytes; None where there is none.

    ``getrusage`` would do, if its peak were not inherited from the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return float(found[0]) * 1024 if found else None


def _in_a_process(code: str) -> dict[str, float]:
    """What code prints as JSON, run by an interpreter of its own."""
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


GROW = """
import json
from digitlib.evaluation.speed import _grow
print(json.dumps(_grow({})))
"""


START = """
import json, time
begin = time.perf_counter()
import digitlib
imported = time.perf_counter()
recognizer = digitlib.Recognizer.load()
recognizer.predict_strokes([[[0.0, 0.0], [1.0, 0.0], [0.4, 2.0]]])
print(json.dumps({"import": imported - begin, "first_prediction": time.perf_counter() - imported}))
"""


def start_up(rounds: int = 5) -> dict[str, float]:
    """Seconds of ``import digitlib``, and from ``Recognizer.load()`` to the first prediction.

    Medians over new processes, PyTorch's own import included in the latter.
    """
    found = [_in_a_process(START) for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


# --- the machine's limit ---------------------------------------------------------------------


def matrix_peak(
    precision: str = "float32", sizes: Sequence[int] = (256, 512, 1024, 2048), rounds: int = 20
) -> float:
    """FLOP/s of the machine's matrix product: what could be had at most.

    The best of several square products of each size, as a product and as a 1x1 convolution: on
    many CPUs another library does those, twice as fast.
    """
    device = pick_device()
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    best = 0.0
    for size in sizes:
        a = torch.randn(size, size, device=device).to(kind)
        # Channels last in memory: rows are places, columns are channels.
        places = a.T.reshape(1, size, size // 16, 16).contiguous(memory_format=torch.channels_last)
        kernel = a[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for product in (lambda a=a: a @ a, lambda p=places, k=kernel: F.conv2d(p, k)):
            for _ in range(rounds + 1):
                start = time.perf_counter()
                with torch.inference_mode():
                    float(product().flatten()[0])  # waits until the device is done
                best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def flops(model: nn.Module, *, learning: bool = False) -> float:
    """Floating-point operations of convolutions and matrices for one frame, forward or both ways.

    A multiplication and an addition count as two.
    """
    frames = 8
    given = torch.zeros(frames, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        logits = model(given)
        if learning:
            F.cross_entropy(logits, torch.zeros(frames, dtype=torch.int64)).backward()
    return counter.get_total_flops() / frames


# --- all of it -------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the numbers hold for: device, cores, threads, versions."""
    device = pick_device()
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }
