"""Twenty visitors of the page: each has a pad and a kernel, and no kernel stays behind."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
BRUSH = 22 / 400  # of the canvas
Open = Callable[..., BrowserContext]

# Left, top, right, bottom of the ink, as parts of the canvas.
INK_BOX = """canvas => {
    const {width, height} = canvas;
    const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
    const box = [1, 1, 0, 0];
    for (let i = 0; i < width * height; i++) {
        if (data[4 * i + 3] <= 128) continue;
        const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
        box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y),
                   Math.max(box[2], x), Math.max(box[3], y));
    }
    return box;
}"""


def drawing_of(visitor: int) -> list[list[tuple[float, float]]]:
    """A digit, smaller for the second ten visitors."""
    scale = 1.0 if visitor < 10 else 0.7
    return [
        [(0.5 + scale * (x - 0.5), 0.5 + scale * (y - 0.5)) for x, y in stroke]
        for stroke in DIGITS[visitor % 10]
    ]


@dataclass
class Crowd:
    """Twenty open pages with different drawings."""

    pages: list[Page]
    kernels: list[str]
    measured: dict[str, Any] = field(default_factory=dict)
    left: float = 0.0  # time when pages were lost


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    with serving("app", folder, POOL=str(POOL), DIGITLIB_DRAWINGS=None) as server:
        settle(server)
        yield server


@pytest.fixture(scope="module")
def crowd(
    server: Server,
    open_context: Open,
    write_report: Callable[[str, dict[str, Any]], None],
) -> Iterator[Crowd]:
    """Measurements are written if all tests of the module ran."""
    start = time.monotonic()
    pages = [enter(open_context, server) for _ in range(VISITORS)]
    for page in pages:
        ready(page)
    all_ready = time.monotonic() - start
    drawn = [
        mouse_events(page, page.locator(".dp-pad .dp-canvas"), drawing_of(n))
        for n, page in enumerate(pages)
    ]
    for _ in zip_longest(*drawn):  # a move of each pen by turns
        pass
    crowd = Crowd(pages, [kernel_of(page) for page in pages])
    crowd.measured["seconds_until_all_are_ready"] = round(all_ready, 1)
    yield crowd
    if len(crowd.measured) == 6:
        report = {
            "what": f"{VISITORS} visitors of `make app POOL={POOL}` at once; then {VISITS} singly",
            "visitors": VISITORS,
            **crowd.measured,
            "machine": machine("voila", "onnxruntime", "ipycanvas"),
        }
        write_report("visitors", report)


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


def test_every_drawing_is_read(crowd: Crowd) -> None:
    for n, page in enumerate(crowd.pages):
        expect(page.locator(".dp-digit")).to_have_text(str(n % 10))
    assert len(set(crowd.kernels)) == VISITORS


def test_visitors_see_only_their_own_drawing(crowd: Crowd) -> None:
    for n, page in enumerate(crowd.pages):
        expect(page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")
        points = [point for stroke in drawing_of(n) for point in stroke]
        low, high = map(min, *points), map(max, *points)
        box = [*(side - BRUSH / 2 for side in low), *(side + BRUSH / 2 for side in high)]
        shown = page.locator(".dp-pad .dp-canvas").evaluate(INK_BOX)
        assert shown == pytest.approx(box, abs=0.01)
        expect(page.locator(".dp-correction")).to_be_hidden()
    crowd.measured["see_their_own_drawing_alone"] = len(crowd.pages)


def test_a_visitor_takes_150_megabytes(server: Server, crowd: Crowd) -> None:
    processes = server.kernels()
    used = [processes[kernel].memory_info().rss / 1e6 for kernel in crowd.kernels]
    crowd.measured["megabytes_each"] = [round(size, 1) for size in sorted(used)]
    assert max(used) <= 150


def test_leaving_the_page_frees_the_kernel(server: Server, crowd: Crowd) -> None:
    stays, *others = zip(crowd.pages, crowd.kernels, strict=True)
    lost, leaving = others[:LOST], others[LOST:]
    for page, _ in lost:
        page.context.close()  # like a crash, without beforeunload and pagehide
    crowd.left = time.monotonic()
    for page, _ in leaving:
        page.close(run_before_unload=True)
    took = wait_until(lambda: not {kernel for _, kernel in leaving} & {*server.kernels()}, 20)
    crowd.measured["seconds_to_free_all_who_left"] = round(took, 1)
    assert stays[1] in server.kernels()


def test_reloading_frees_the_kernel(server: Server, open_context: Open) -> None:
    page = enter(open_context, server)
    ready(page)
    before = kernel_of(page)
    page.reload()
    ready(page)
    assert kernel_of(page) != before
    wait_until(lambda: before not in server.kernels(), 10)


def test_a_page_is_ready_within_two_seconds(
    server: Server, crowd: Crowd, open_context: Open
) -> None:
    took = []
    for _ in range(VISITS):
        settle(server)
        page = open_context().new_page()
        start = time.monotonic()
        page.goto(server.url, wait_until="commit")
        ready(page)
        took.append(time.monotonic() - start)
        page.close(run_before_unload=True)
    crowd.measured["seconds_to_ready"] = [round(seconds, 2) for seconds in took]
    assert statistics.median(took) <= 2


def test_the_kernels_of_lost_pages_go_within_a_minute(server: Server, crowd: Crowd) -> None:
    lost = {*crowd.kernels[1 : 1 + LOST]}
    wait_until(lambda: not lost & {*server.kernels()})
    took = time.monotonic() - crowd.left
    crowd.measured["seconds_to_free_all_lost"] = round(took, 1)
    assert took <= 60
