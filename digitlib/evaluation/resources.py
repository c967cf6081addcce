"""Memory in use and time to start, each measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import psutil
import torch

from digitlib.models.recognizer import Recognizer

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
from digitlib.evaluation.resources import measure_memory
print(json.dumps(measure_memory({})))
"""


def measure_memory(count: int) -> dict[str, float]:
    """:func:`memory_growth` for one number of frames, in this process."""
    recognizer = Recognizer.load()
    frames = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
    recognizer.probabilities(frames[:64])
    with peak_memory() as memory:
        start = time.perf_counter()
        recognizer.probabilities(frames)
        seconds = time.perf_counter() - start
    return {"frames": count, "seconds": seconds, "memory": memory() / 2**20}


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
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
