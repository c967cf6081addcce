"""A lesson in a process of its own, and the personal network that it leaves. No PyTorch here."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PERSONAL = "personal.onnx"
NICENESS = 5  # the pad goes first
ONE_CORE = {"OMP_NUM_THREADS": "1"}  # the pad has another
MISSING = "Learning needs PyTorch. To install it: make train, or pip install '.[train]'."

Told = Callable[[dict[str, Any]], None]


def can_learn() -> bool:
    """PyTorch is installed; it is not imported for that."""
    return find_spec("torch") is not None


class LessonProcess:
    """``python -m digitlib teach`` on the drawings of a folder.

    It ends with the kernel: it is stopped at exit, and where the kernel is killed, its next line
    of progress finds no reader.

    Args:
        folder: of the drawings.
        told: called in a thread with each line, a step; the last has ``result`` or ``failed``, or
            is empty where the lesson was stopped.
        command: in place of digitlib's.
    """

    def __init__(self, folder: Path, told: Told, command: list[str] | None = None) -> None:
        self._told, self._stopped = told, False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the thread
        arguments = ["teach", "--json", "--drawings", str(folder)]
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", "digitlib", *arguments],
            env=os.environ | ONE_CORE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        if sys.platform != "win32":
            with suppress(OSError):  # it is over already, or has a lower one
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        atexit.register(self.stop)
        threading.Thread(target=self._listen, daemon=True).start()

    def stop(self) -> None:
        """End it; what it has not written whole is not there."""
        self._stopped = True
        self._process.terminate()

    def _listen(self) -> None:
        last: dict[str, Any] = {}
        assert self._process.stdout is not None
        with self._process:  # closes the pipe and waits for the end
            for line in self._process.stdout:
                try:
                    last = json.loads(line)
                except ValueError:  # a library's own line
                    continue
                if not self._stopped and not {"result", "failed"} & last.keys():
                    self._told(last)
        atexit.unregister(self.stop)
        if self._stopped:
            last = {}
        elif not {"result", "failed"} & last.keys():
            last = {"failed": f"Learning broke off: {self._last_error()}"}
        self._errors.close()
        self._told(last)

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = [line.rpartition("\r")[2].strip() for line in lines if line.strip()]
        return said[-1] if said else f"exit status {self._process.returncode}."
