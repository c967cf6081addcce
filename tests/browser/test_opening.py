"""Time from opening the page or the notebook to the first ink, as a person would draw at once."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawing import to_page
from playwright.sync_api import BrowserContext, Page
from reliability import LONG
from servers import PATIENCE, Server, machine, serving

pytestmark = [pytest.mark.browser, pytest.mark.timed]

OPENINGS = 5 if LONG else 3
PAGE_SECONDS, NOTEBOOK_SECONDS = 2.0, 5.0
INKED = """() => [...document.querySelectorAll('.dp-paper canvas')].some(canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value, i) => i % 4 === 3 && value > 128);
})"""


@pytest.fixture(scope="module")
def opening(reports: Path) -> Any:
    """The measured seconds, written as ``opening.json``."""
    found: dict[str, Any] = {"what": "s from opening to the first ink, Chromium, empty cache"}
    load = os.getloadavg()[0]
    yield found
    packages = ("jupyterlab", "voila", "ipycanvas", "onnxruntime")
    found["machine"] = machine(*packages, load_before=round(load, 1))
    (reports / "opening.json").write_text(json.dumps(found, indent=1) + "\n")


def summary(seconds: list[float]) -> dict[str, Any]:
    return {
        "min_s": round(min(seconds), 2),
        "median_s": round(statistics.median(seconds), 2),
        "samples_s": [round(each, 2) for each in seconds],
    }


def draw_until_inked(page: Page, start: float) -> float:
    """Press and move on the canvas as soon as there is one; seconds until its first ink."""
    paper = page.locator(".dp-paper")
    paper.wait_for()
    page.mouse.move(*to_page(paper, (0.4, 0.3)))
    page.mouse.down()
    page.mouse.move(*to_page(paper, (0.6, 0.6)), steps=4)
    page.wait_for_function(INKED, polling=10)
    page.mouse.up()
    return time.perf_counter() - start


def wait_for_kernel(server: Server) -> None:
    """Until a kernel that has run the notebook waits for the next visitor: it idles."""
    end = time.monotonic() + PATIENCE
    idle = 0
    while idle < 5 and time.monotonic() < end:
        kernels = server.kernels().values()
        idle = idle + 1 if kernels and sum(each.cpu_percent(0.2) for each in kernels) < 5 else 0


def test_the_page_opens_in_two_seconds(
    open_context: Callable[..., BrowserContext], tmp_path: Path, opening: dict[str, Any]
) -> None:
    """With a kernel that has run the notebook before; each visitor has an empty cache."""
    seconds = []
    with serving("app", tmp_path) as server:
        for _ in range(OPENINGS):
            wait_for_kernel(server)
            page = open_context(viewport={"width": 800, "height": 600}).new_page()
            start = time.perf_counter()
            page.goto(server.url, wait_until="commit")
            seconds.append(draw_until_inked(page, start))
            page.close()
    opening["page"] = summary(seconds)
    assert statistics.median(seconds) <= PAGE_SECONDS


def test_the_notebook_opens_and_runs_in_five_seconds(
    lab_url: str, open_context: Callable[..., BrowserContext], opening: dict[str, Any]
) -> None:
    """From the address to the first ink, all cells run as soon as the kernel is there."""
    seconds = []
    for _ in range(OPENINGS):
        page = open_context(viewport={"width": 1280, "height": 1000}).new_page()
        start = time.perf_counter()
        page.goto(lab_url, wait_until="commit")
        page.get_by_text(
            "Python 3 (ipykernel) | Idle"
        ).wait_for()  # before, JupyterLab runs nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        seconds.append(draw_until_inked(page, start))
        end_kernels(page)
        page.close()
    opening["notebook"] = summary(seconds)
    assert statistics.median(seconds) <= NOTEBOOK_SECONDS


def end_kernels(page: Page) -> None:
    """The next opening starts a kernel of its own."""
    page.evaluate("""async () => {
        const [, token] = document.cookie.match(/_xsrf=([^;]*)/);
        for (const {id} of await (await fetch('/api/sessions')).json())
            await fetch(`/api/sessions/${id}`,
                        {method: 'DELETE', headers: {'X-XSRFToken': token}});
    }""")
