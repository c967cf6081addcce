"""Any picture or drawing is read in bounded time and memory, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reliability import LONG, record

COUNTS = {
    "pictures": 25_000 if LONG else 150,
    "frames": 20_000 if LONG else 200,
    "drawings": 25_000 if LONG else 150,
    "read, pictures": 2_000 if LONG else 25,
    "read, frames": 2_000 if LONG else 25,
    "read, drawings": 2_000 if LONG else 25,
}
# s of CPU, MB over the start; a page of 300 digits takes its time, and nothing takes more
MAX_CPU, MAX_CPU_OF_READ = 1.0, 15.0
MAX_MEMORY = 400
LINUX = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is read as on Linux"
)


@LINUX
@pytest.mark.stress
@pytest.mark.parametrize(("kind", "count"), COUNTS.items())
def test_every_input_is_read_or_refused_in_time(kind: str, count: int, tmp_path: Path) -> None:
    record(kind, measured(kind, count, tmp_path))


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("frames", 200), ("read, frames", 25)])
def test_pictures_in_frames_are_read_or_refused(kind: str, count: int, tmp_path: Path) -> None:
    measured(kind, count, tmp_path)


def measured(kind: str, count: int, folder: Path) -> dict[str, Any]:
    """The figures of so many inputs of a kind, within the limits."""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).with_name("inputs.py"), kind, str(count)],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads(answer.stdout)
    assert found["inputs"] >= count / 2
    assert found["outcomes"].keys() <= {"read", "rejected", "refused"}
    assert found["outcomes"]["refused"]
    assert found["cpu_seconds"] < (MAX_CPU_OF_READ if kind.startswith("read") else MAX_CPU)
    assert found["memory_mb"] < MAX_MEMORY
    return found
