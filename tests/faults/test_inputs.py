"""Any picture or drawing is read in bounded time and memory, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reliability import LONG, record

COUNTS = {
    "pictures": 25_000 if LONG else 150,
    "drawings": 25_000 if LONG else 150,
    "read, pictures": 2_000 if LONG else 25,
    "read, drawings": 2_000 if LONG else 25,
}
# s of CPU, MB over the start; a page of 300 digits takes its time, and nothing takes more
MAX_CPU = {"pictures": 1.0, "drawings": 1.0, "read, pictures": 15.0, "read, drawings": 15.0}
MAX_MEMORY = 400


@pytest.mark.stress
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read as on Linux")
@pytest.mark.parametrize(("kind", "count"), COUNTS.items())
def test_every_input_is_read_or_refused_in_time(kind: str, count: int, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).with_name("inputs.py"), kind, str(count)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads(answer.stdout)
    assert found["inputs"] >= count / 2
    assert found["outcomes"].keys() <= {"read", "rejected", "refused"}
    assert found["outcomes"]["refused"]
    assert found["cpu_seconds"] < MAX_CPU[kind]
    assert found["memory_mb"] < MAX_MEMORY
    record(kind, found)
