"""A JupyterLab per test process, and a Chromium that reaches no other machine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from servers import PATIENCE, REPOSITORY, Server, serving

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LONG = os.environ.get("DIGITLIB_WRITE_REPORTS") == "1"  # full form: write reports/

expect.set_options(timeout=1000 * PATIENCE / 2)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The drawing notebook in JupyterLab, without autosave, light or dark as the system is."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = REPOSITORY / "notebooks" / "01_draw.ipynb"
    before = notebook.read_bytes()
    for plugin, settings in {
        "docmanager-extension/plugin": {"autosave": False},
        "apputils-extension/themes": {"adaptive-theme": True},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        file = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")
    token = secrets.token_hex()
    with serving(
        folder,
        JUPYTER_TOKEN=token,
        JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
    ) as server:
        yield server._replace(url=f"{server.url}/lab/tree/notebooks/01_draw.ipynb?token={token}")
    assert notebook.read_bytes() == before, "a test has changed the notebook"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Stopped after each module; otherwise Playwright's event loop would run in other tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser context, with an empty cache."""
    contexts = []

    def opened(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        return context

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, part: str) -> list[tuple[str, str, str]]:
    """Rules of the ``LEVELS`` that a part of a page breaks, where, and why, once axe-core is there.

    Args:
        page: has run the script of the fixture ``axe``.
        part: CSS selector.
    """
    run = "([part, values]) => axe.run(part, {runOnly: {type: 'tag', values}})"
    found = page.evaluate(run, [part, LEVELS])
    assert found["passes"]
    return [
        (each["id"], node["html"][:200], node["failureSummary"])
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.fixture(scope="session")
def write_report() -> Callable[[str, dict[str, Any]], None]:
    """Write a measurement to ``reports/NAME.json`` if reports are written."""

    def write(name: str, content: dict[str, Any]) -> None:
        if LONG:
            path = REPOSITORY / "reports" / f"{name}.json"
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    return write


@pytest.fixture(scope="session", autouse=True)
def _needs_make() -> None:
    if not shutil.which("make"):
        pytest.skip("no make: the browser tests start JupyterLab by make, as users do.")
