"""JupyterLab started as users start it, its kernels, and the machine it runs on."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from repository import REPOSITORY, shell_environment

PATIENCE = 120  # seconds per step on a slow machine
KERNEL = re.compile(r"kernel-[0-9a-f-]{36}\.json")  # the connection file in the command line


class Server(NamedTuple):
    """A server under test: its address and the process that started it."""

    url: str
    process: psutil.Process

    def kernels(self) -> list[psutil.Process]:
        """The processes of the running kernels."""
        family = self.process.children(recursive=True)
        return [process for process in family if KERNEL.search(_command(process))]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


# Skip the set-up and use this Python instead of ``.venv``.
INSTALLED = ("--old-file=.venv/.lab", f"PY={sys.executable}")


@contextlib.contextmanager
def serving(
    folder: Path, *settings: str, checkout: Path = REPOSITORY, **environment: str
) -> Iterator[Server]:
    """Run ``make lab`` and end everything it started.

    Args:
        folder: for the log, and for Jupyter's own settings.
        settings: of make, instead of those that skip the set-up.
        checkout: the folder where make runs.
        environment: variables to set. Drawings go to ``folder`` by default.
    """
    variables = shell_environment() | {"DIGITLIB_DRAWINGS": str(folder / "drawings")} | environment
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "lab.log"
    config = f"JUPYTER_CONFIG_DIR={folder / 'config'}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "lab", f"PORT={port}", "BROWSER=no", *(settings or (*INSTALLED, config))],
            cwd=checkout,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    finally:
        _stop(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail(
        f"The server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels, which have their own process groups."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=15)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(timeout=15)


def machine(*packages: str, **more: Any) -> dict[str, Any]:
    """The conditions of a measured time."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        **more,
    }
