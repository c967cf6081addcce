"""Twenty visitors of the page: each has a pad and a kernel, and no kernel stays behind."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import pytest
from drawing import DIGITS, mouse_events
from playwright.sync_api import BrowserContext, Page, expect
from servers import PATIENCE, Server, machine, serving

pytestmark = [pytest.mark.browser, pytest.mark.stress]

VISITORS = 20
POOL = 4
VISITS = 5  # one after the other
LOST = 5  # pages that end without a farewell
Open = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    with serving("voila", folder, POOL=str(POOL), DIGITLIB_DRAWINGS=None) as server:
        settle(server)
        yield server


def enter(open_context: Open, server: Server) -> Page:
    """A visitor; the page begins to load."""
    page = open_context(viewport={"width": 800, "height": 600}).new_page()
    page.evaluate("url => setTimeout(() => { location = url; })", server.url)
    return page


def ready(page: Page) -> None:
    expect(page.locator(".dp-pad .dp-canvas")).to_be_visible(timeout=1000 * PATIENCE)
    expect(page.locator(".dp-result [data-state]")).to_have_attribute("data-state", "empty")


def kernel_of(page: Page) -> str:
    return re.findall(r'"kernelId": "([^"]*)', page.content())[0]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> float:
    """Seconds until it is true."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() < start + seconds, "takes too long"
        time.sleep(0.05)
    return time.monotonic() - start


def settle(server: Server) -> None:
    """Wait until the pool is full and idle."""

    def used() -> float:
        return sum(sum(kernel.cpu_times()[:2]) for kernel in server.kernels().values())

    wait_until(lambda: len(server.kernels()) >= POOL)
    wait_until(lambda: used() == (time.sleep(0.5), used())[1])


def test_twenty_visitors_at_once(
    server: Server, open_context: Open, write_report: Callable[[str, dict[str, Any]], None]
) -> None:
    pages = [enter(open_context, server) for _ in range(VISITORS)]
    for page in pages:
        ready(page)
    drawn = [
        mouse_events(page, page.locator(".dp-pad .dp-canvas"), DIGITS[n % 10])
        for n, page in enumerate(pages)
    ]
    for _ in zip_longest(*drawn):  # all pens move in turn
        pass
    for n, page in enumerate(pages):
        expect(page.locator(".dp-head .dp-digit")).to_have_text(str(n % 10))
    kernels, running = [kernel_of(page) for page in pages], server.kernels()
    assert len({*kernels}) == VISITORS
    used = sorted(round(running[kernel].memory_info().rss / 1e6, 1) for kernel in kernels)

    stays, lost, leaving = kernels[0], {*kernels[1 : 1 + LOST]}, {*kernels[1 + LOST :]}
    for page in pages[1 : 1 + LOST]:
        page.context.close()  # like a crash, without beforeunload and pagehide
    left = time.monotonic()
    for page in pages[1 + LOST :]:
        page.close(run_before_unload=True)
    freed = wait_until(lambda: not leaving & {*server.kernels()}, 20)
    wait_until(lambda: not lost & {*server.kernels()})
    freed_lost = time.monotonic() - left
    assert stays in server.kernels()

    pages[0].reload()
    ready(pages[0])
    assert kernel_of(pages[0]) != stays
    wait_until(lambda: stays not in server.kernels(), 10)
    pages[0].close(run_before_unload=True)

    times = []
    for _ in range(VISITS):
        settle(server)
        page = open_context().new_page()
        start = time.monotonic()
        page.goto(server.url, wait_until="commit")
        ready(page)
        times.append(round(time.monotonic() - start, 2))
        page.close(run_before_unload=True)
    write_report(
        "visitors",
        {
            "what": f"{VISITORS} visitors of `make voila POOL={POOL}`; then {VISITS} singly",
            "visitors": VISITORS,
            "megabytes_each": used,
            "seconds_to_free_all_who_left": round(freed, 1),
            "seconds_to_free_all_lost": round(freed_lost, 1),
            "seconds_to_ready": times,
            "machine": machine("voila", "onnxruntime", "ipycanvas"),
        },
    )
    assert max(used) <= 150
    assert freed_lost <= 60
    assert statistics.median(times) <= 2
