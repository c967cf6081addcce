"""Work to be killed in: ``python workers.py WORK FOLDER`` does it once for each line of stdin.

What it needs is imported once; each time is a process of its own, whose id is said, and at last its
status. It goes on with what an earlier one left in the folder.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from digitlib.training import build
from digitlib.training.config import PRESETS

# What the work would import each time, seconds long.
IMPORTED = {
    "train": ("torch._dynamo", "onnx", "onnxruntime", "digitlib.models.export"),
}


def train(folder: Path) -> None:
    """The preset ``quick`` on 256 digits, as by ``python -m digitlib train``."""
    config = replace(PRESETS["quick"], datasets=("sample",), subset=256, epochs=8, device="cpu")
    build.train(config, folder / "net.safetensors")


def end_with(work: Callable[..., object], *given: object) -> NoReturn:
    """The work of a forked process, which ends with it: its status is 1 where it fails."""
    try:
        work(*given)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Do the work for each line."""
    work, folder = globals()[sys.argv[1]], Path(sys.argv[2])
    for name in IMPORTED[sys.argv[1]]:
        importlib.import_module(name)
    for _ in sys.stdin:
        if process := os.fork():
            print(process, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
            continue
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        end_with(work, folder)


if __name__ == "__main__":
    main()
