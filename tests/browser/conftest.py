"""Servers as users start them, and a Chromium without access to other machines."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds that a step may take on a slow machine
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=1000 * PATIENCE / 2)


@contextlib.contextmanager
def serving(target: str, folder: Path, **environment: str) -> Iterator[str]:
    """Run ``make <target>`` and yield its address; nothing is left running afterwards.

    The recipe is the user's, with this Python in place of ``.venv`` and Jupyter's settings in
    ``folder``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{target}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *("make", "--old-file=.venv/.app", "--old-file=.venv/.train", target),
                *(f"PORT={port}", "BROWSER=no"),
                *(f"PY={sys.executable}", f"JUPYTER_CONFIG_DIR={folder / 'config'}"),
            ],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, and its kernels, which are in process groups of their own."""
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


@pytest.fixture(scope="module")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The drawing notebook in JupyterLab; autosave is off: the repository's file stays as it is."""
    notebook = REPOSITORY / "notebooks" / "05_draw.ipynb"
    before = notebook.read_bytes()
    folder = tmp_path_factory.mktemp("lab")
    for plugin, settings in {
        "docmanager-extension/plugin": {"autosave": False},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        file = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    token = secrets.token_hex()
    with serving(
        "lab",
        folder,
        JUPYTER_TOKEN=token,
        JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
    ) as url:
        yield f"{url}/lab/tree/notebooks/05_draw.ipynb?token={token}"
    assert notebook.read_bytes() == before, "the test has changed the notebook"


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The drawing pad as a page."""
    with serving("app", tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Stopped with each module: Playwright's event loop would run on under other tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser context that reaches this machine only."""
    contexts = []

    def local_only(route: Route) -> None:
        local = urlsplit(route.request.url).hostname in ("127.0.0.1", None)
        route.continue_() if local else route.abort()

    def opened(**options: object) -> BrowserContext:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(1000 * PATIENCE)
        context.route("**/*", local_only)
        contexts.append(context)
        return context

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of screenshots and measurements: ``reports/`` when they are to be renewed."""
    if os.environ.get("DIGITLIB_WRITE_REPORTS") == "1":
        folder = REPOSITORY / "reports"
    else:
        folder = tmp_path_factory.mktemp("reports")
    (folder / "screenshots").mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _needs_make() -> None:
    if not shutil.which("make"):
        pytest.skip("no make: the browser tests start the servers as users do, by make.")
