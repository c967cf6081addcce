"""From a bare checkout to a digit that is read, by ``make lab`` alone."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from drawing import DIGITS, draw_by_mouse
from playwright.sync_api import BrowserContext, expect
from repository import REPOSITORY, repository_files
from servers import machine, serving

pytestmark = [pytest.mark.browser, pytest.mark.stress]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository's files, without an environment."""
    for file in repository_files():
        copy = tmp_path / "digitlib" / file.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return tmp_path / "digitlib"


@pytest.fixture(scope="module", autouse=True)
def _needs_packages(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("download")
    download = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, "six"]
    if subprocess.run(download, capture_output=True).returncode:
        pytest.skip("no package index is reached: set-up needs one.")


def megabytes(folder: Path) -> float:
    """Size of a folder on disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:4]) for member in family)


def test_a_fresh_machine_reads_a_digit(
    checkout: Path,
    tmp_path: Path,
    open_context: Callable[..., BrowserContext],
    write_report: Callable[[str, dict[str, Any]], None],
) -> None:
    page = open_context(viewport={"width": 1280, "height": 900}).new_page()
    home = tmp_path / "home"
    home.mkdir()
    start, token = time.monotonic(), secrets.token_hex()
    with serving(
        tmp_path, f"PYTHON={sys.executable}", checkout=checkout,
        HOME=str(home), PYTHONPATH="", PIP_NO_CACHE_DIR="1", JUPYTER_TOKEN=token,
    ) as server:  # fmt: skip
        page.goto(f"{server.url}/lab/tree/notebooks/01_draw.ipynb?token={token}")
        draw_by_mouse(page, page.locator(".dp-pad .dp-canvas"), DIGITS[3])
        expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
        seconds = time.monotonic() - start
        used = cpu_seconds(server.process)
    size = megabytes(checkout / ".venv") + megabytes(home)
    report = {
        "what": "`make lab` in a fresh checkout, nothing cached, to a digit that is read",
        "lab": {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(used, 1),
            "megabytes": round(size),
        },
        "megabytes": {"all": round(megabytes(Path(sys.prefix)))},  # with all that tests need
        "machine": machine("pip", "jupyterlab", "onnxruntime"),
    }
    write_report("setup", report)
    assert seconds <= 75
    assert size <= 900
