"""Latency, throughput, memory and start-up time, beside a baseline on the same machine.

Two times are compared only where they were measured in turns in the same run: machines differ,
and the speed of one machine changes over time.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import torch
from numpy.typing import NDArray
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


def throughput(
    recognizer: Recognizer, sizes: Sequence[int], *, seconds: float = 0.3, rounds: int = 3
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
            for _ in range(rounds)
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


# --- memory and start ------------------------------------------------------------------------

SAMPLE_SECONDS = 0.002  # between two readings of the memory in use


def memory_growth(counts: Sequence[int]) -> list[dict[str, float]]:
    """Seconds and memory of ``Recognizer.probabilities`` by number of frames.

    Each number has a process of its own, so that memory freed by one is not reused by the next.

    Returns:
        for each count ``frames``, ``seconds``, and ``memory``: MiB that the process held at most
        during the call over that before it (libraries, network and input).
    """
    return [_run_python(MEASURE_MEMORY.format(count)) for count in counts]


MEASURE_MEMORY = """
import json
from digitlib.evaluation.speed import measure_memory
print(json.dumps(measure_memory({})))
"""


def measure_memory(count: int) -> dict[str, float]:
    """:func:`memory_growth` for one number of frames, in this process."""
    recognizer = Recognizer.load()
    frames = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
    recognizer.probabilities(frames[:64])
    with peak_memory() as memory:
        milliseconds, _ = _timed(partial(recognizer.probabilities, frames))
    return {"frames": count, "seconds": milliseconds / 1000, "memory": memory() / 2**20}


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """Give a function that returns the most resident memory since the start of the block, bytes.

    It counts from the memory at the start. psutil has the peak of a process on Windows alone, and
    ``getrusage`` inherits it from the parent process, so a thread samples the memory in use.
    """
    process, stop = psutil.Process(), threading.Event()
    start = process.memory_info().rss
    samples = [start]

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            samples.append(process.memory_info().rss)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield lambda: float(max(samples) - start)
    finally:
        samples.append(process.memory_info().rss)
        stop.set()
        sampler.join()


STARTUP = """
import json, time
begin = time.perf_counter()
import digitlib
imported = time.perf_counter()
recognizer = digitlib.Recognizer.load()
recognizer.predict_strokes([[[0.0, 0.0], [1.0, 0.0], [0.4, 2.0]]])
print(json.dumps({"import": imported - begin, "first_prediction": time.perf_counter() - imported}))
"""


# After STARTED, the time of the start by its parent's clock: the creation time of a process is
# counted from a boot time that may be a second off.
PAD = """
import json, time
from digitlib import DrawingPad
pad = DrawingPad()
ready = time.time()
import psutil
memory = psutil.Process().memory_info().rss
print(json.dumps({"pad": ready - STARTED, "pad_memory": memory / 1e6}))
"""


def startup_time(rounds: int = 5) -> dict[str, float]:
    """Times of starting, medians over new processes.

    Returns:
        ``import``, seconds of ``import digitlib``; ``first_prediction``, seconds from
        ``Recognizer.load()`` to it; ``pad``, seconds from the interpreter's start until
        ``DrawingPad()`` is there; ``pad_memory``, MB of a Jupyter kernel with a pad.
    """
    rows = [_run_python(_pad_code()) | _run_python(STARTUP) for _ in range(rounds)]
    memory = _run_kernel(_pad_code())["pad_memory"]
    return pd.DataFrame(rows).median().to_dict() | {"pad_memory": memory}


def _pad_code() -> str:
    """The code that shows a pad, to be run at once."""
    return f"STARTED = {time.time()}\n{PAD}"


def _run_kernel(code: str) -> dict[str, float]:
    """The JSON that code prints in a Jupyter kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook).execute(stderr=subprocess.DEVNULL)  # its warnings are not ours
    (printed,) = (out.text for out in notebook.cells[0].outputs if out.name == "stdout")
    return json.loads(printed)


def _run_python(code: str) -> dict[str, float]:
    """The JSON that code prints in an interpreter of its own."""
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# --- the machine's limit ---------------------------------------------------------------------


def matrix_peak(
    precision: str = "float32", sizes: Sequence[int] = (256, 512, 1024, 2048), rounds: int = 20
) -> float:
    """FLOP/s of the machine's matrix product: the upper limit for any network.

    The best of several square products of each size, as a product and as a 1x1 convolution: on
    many CPUs another library computes the latter, twice as fast.
    """
    device = pick_device()
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    best = 0.0
    for size in sizes:
        a = torch.randn(size, size, device=device).to(dtype)
        # Channels last in memory: rows are pixels, columns are channels.
        pixels = a.T.reshape(1, size, size // 16, 16).contiguous(memory_format=torch.channels_last)
        kernel = a[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for product in (lambda a=a: a @ a, lambda p=pixels, k=kernel: F.conv2d(p, k)):
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
