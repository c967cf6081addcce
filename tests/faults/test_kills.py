"""Processes killed at random moments: nothing is lost, and the same command goes on."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import files
from reliability import LONG, record

from digitlib.datasets.drawing_file import DrawingFile
from digitlib.files import REPOSITORY
from digitlib.models.weights import load_model, model_digest, read_tensors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's"),
]
KILLS = 30 if LONG else 3
WORKERS = Path(__file__).with_name("workers.py")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


class Worker:
    """A process that does its work as often as it is told, and what it does may be killed."""

    def __init__(self, work: str, folder: Path, *names: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", WORKERS, work, folder, *names], env=ENVIRONMENT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

    def run(self, seconds: float | None = None) -> bool:
        """Do the work; whether it ended by itself, before it was killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        process = int(self.process.stdout.readline())
        ended, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ended:
            os.kill(process, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        assert status in (0, -signal.SIGKILL)
        return status == 0


@contextmanager
def worker(work: str, folder: Path, *names: str) -> Iterator[Worker]:
    started = Worker(work, folder, *names)
    with started.process:
        yield started
        started.process.stdin.close()  # type: ignore[union-attr]


def kill(
    worker: Worker, fresh: Callable[[], None], middle: Callable[[], None], end: Callable[[], None]
) -> dict[str, int]:
    """Kill the work at random moments, and let it go on, until it has been killed often enough.

    Args:
        worker: of the work.
        fresh: begins from nothing.
        middle: checks what a kill left.
        end: checks the result.
    """
    chance, kills, ends = random.Random(0), 0, 0
    fresh()
    start = time.monotonic()
    assert worker.run()
    seconds = time.monotonic() - start
    fresh()
    while kills < KILLS:
        if worker.run(chance.uniform(0, seconds)):
            end()
            ends += 1
            fresh()
        else:
            middle()
            kills += 1
    assert worker.run()
    end()
    return {"kills": kills, "same results": ends + 1}


def begin(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


# --- training --------------------------------------------------------------------------------


def test_killed_trainings_end_in_the_same_weights(tmp_path: Path) -> None:
    folder, epochs = tmp_path / "weights", set()
    weights, checkpoint = folder / "net.safetensors", folder / "net.ckpt"

    def middle() -> None:
        if checkpoint.exists():
            epochs.add(len(read_tensors(checkpoint)[1]["history"]))
        if weights.exists():
            assert model_digest(load_model(weights)[0]) == untroubled

    def end() -> None:
        assert [*files(folder)] == [weights.name]
        assert model_digest(load_model(weights)[0]) == untroubled

    with worker("train", folder) as training:
        begin(folder)
        assert training.run()
        untroubled = model_digest(load_model(weights)[0])
        found = kill(training, lambda: begin(folder), middle, end)
    assert len(epochs) > 1 or not LONG
    record("kills", {"training": found | {"epochs at which it was killed": len(epochs)}})


# --- drawings --------------------------------------------------------------------------------

STORE = """
import sys
import numpy as np
from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
store, number = DrawingFile(sys.argv[1]), 0
while True:
    drawing = Drawing(0, strokes=[np.array([[0.0, 0.0], [50.0, 90.0]])])
    store.append(drawing)
    print(drawing.id, 0, flush=True)
    if (number := number + 1) % 3 == 0:
        store.relabel(drawing.id, 1)
        print(drawing.id, 1, flush=True)
"""
AT_ONCE = 3


def start_storing(folder: Path) -> subprocess.Popen[str]:
    """A process that stores drawings, and has stored one."""
    process = subprocess.Popen(
        [sys.executable, "-c", STORE, folder], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process


def test_drawings_that_are_said_to_be_stored_are_there(tmp_path: Path) -> None:
    chance, said = random.Random(0), dict[str, int]()
    running = [start_storing(tmp_path) for _ in range(AT_ONCE)]
    for _ in range(KILLS):
        process = running.pop(0)
        first, _, _ = process.stdout.readline().partition(" ")  # type: ignore[union-attr]
        said[first] = 0
        time.sleep(chance.uniform(0, 0.5))
        running.append(start_storing(tmp_path))
        process.kill()
        said |= acknowledged(process)
    for process in running:
        process.kill()
        said |= acknowledged(process)
    store = DrawingFile(tmp_path)
    stored = store.read()
    labels = {drawing.id: drawing.label for drawing in stored}
    assert len(labels) == len(stored)
    assert len(stored) - len(said) in range(KILLS + AT_ONCE + 1)  # stored, and not said any more
    assert all(labels[identity] in (label, 1) for identity, label in said.items())
    store.relabel(stored[0].id, 1)
    assert [*files(tmp_path)] == ["drawings.jsonl"]
    assert store.remark == ""
    figures = {"kills": KILLS, "at once": AT_ONCE, "drawings": len(said), "lost": 0}
    record("kills", {"drawings": figures})


def acknowledged(process: subprocess.Popen[str]) -> dict[str, int]:
    """What a killed process has said to be stored; the last word of each drawing counts."""
    output, _ = process.communicate()
    lines = (line.split() for line in output.splitlines(keepends=True) if line.endswith("\n"))
    return {identity: int(label) for identity, label in lines}
