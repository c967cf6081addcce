"""A fresh machine: from a bare checkout to a page that reads a digit, by ``make app`` alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from drawing import DIGITS, draw_by_mouse
from playwright.sync_api import BrowserContext, expect
from repository import REPOSITORY, repository_files
from servers import machine, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timed]


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
    """What the files below a folder take on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and all that it started."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:4]) for member in family)


def test_a_fresh_machine_reads_a_digit_within_a_minute(
    checkout: Path, tmp_path: Path, open_context: Callable[..., BrowserContext], reports: Path
) -> None:
    page = open_context().new_page()
    home = tmp_path / "home"
    home.mkdir()
    load, start = os.getloadavg()[0], time.monotonic()
    with serving(
        "app", tmp_path, f"PYTHON={sys.executable}", checkout=checkout,
        HOME=str(home), PYTHONPATH="", PIP_NO_CACHE_DIR="1",
    ) as server:  # fmt: skip
        page.goto(server.url)
        draw_by_mouse(page, page.locator(".dp-pad .dp-canvas"), DIGITS[3])
        expect(page.locator(".dp-digit")).to_have_text("3")
        seconds = time.monotonic() - start
        used = cpu_seconds(server.process)
    sizes = {
        "app": megabytes(checkout / ".venv") + megabytes(home),
        "all": megabytes(Path(sys.prefix)),  # the environment of this test: every layer
    }
    report = {
        "what": "`make app` in a fresh checkout, nothing cached, to a digit that is read",
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "megabytes": {layers: round(size) for layers, size in sizes.items()},
        "machine": machine("pip", "voila", "onnxruntime", load_before=round(load, 1)),
    }
    (reports / "setup.json").write_text(json.dumps(report, indent=1) + "\n")
    assert seconds <= 60
    assert sizes["app"] <= 500
