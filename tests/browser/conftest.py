"""Pages of running servers, and a Chromium without access to other machines."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from servers import PATIENCE, REPOSITORY, Server, serving

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other machine is reached
]


expect.set_options(timeout=1000 * PATIENCE / 2)


@contextmanager
def serving_lab(folder: Path) -> Iterator[Server]:
    """The drawing notebook in JupyterLab; autosave is off: the repository's file stays as it is."""
    notebook = REPOSITORY / "notebooks" / "01_draw.ipynb"
    before = notebook.read_bytes()
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
    ) as server:
        yield server._replace(url=f"{server.url}/lab/tree/notebooks/01_draw.ipynb?token={token}")
    assert notebook.read_bytes() == before, "the test has changed the notebook"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The drawing notebook in JupyterLab."""
    with serving_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")
def lab_url(lab: Server) -> str:
    """The address of the notebook."""
    return lab.url


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The drawing pad as a page."""
    with serving("app", tmp_path_factory.mktemp("app")) as server:
        yield server


@pytest.fixture(scope="session", params=["lab", "app"])
def studio(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The drawing notebook in JupyterLab, and as a page; for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("studio")
    with serving_lab(folder) if request.param == "lab" else serving("app", folder) as server:
        yield server


@pytest.fixture(scope="module")
def app_url(app: Server) -> str:
    """The address of the page."""
    return app.url


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Stopped with each module: Playwright's event loop would run on under other tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser context: a visitor with an empty cache."""
    contexts = []

    def opened(**options: object) -> BrowserContext:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(1000 * PATIENCE)
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
