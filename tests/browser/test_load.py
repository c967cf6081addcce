"""A pad that is used for long keeps its memory and its speed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from drawing import arc
from live import INK_TIMES, Pad, live_pad
from playwright.sync_api import BrowserContext
from reliability import LONG, record
from servers import Server, machine

pytestmark = [pytest.mark.browser, pytest.mark.stress]

STROKES = 10  # of a drawing, which is then cleared
WARM_UP = 4  # drawings
DRAWINGS = {"closed": 500, "Why?": 100} if LONG else {"closed": 30, "Why?": 6}
PARTS = 10 if LONG else 3  # of all strokes, each with what it leaves; the first and last times
SIZE = 400  # px of the pad
GROWTH = 20.0  # MB of kernel or page
KEPT = 0.5  # objects kept per stroke; a leak keeps at least one
MARGIN, FRAME = 1.5, 17.0  # factor and ms: a smaller slowdown may be due to other processes

# A 0 of ten strokes.
ZERO = [
    [(SIZE * x, SIZE * y) for x, y in arc(0.5, 0.5, 0.24, 0.36, 36 * n - 90, 36 * n - 54)[::2]]
    for n in range(STROKES)
]

# Draws and clears, and waits for each answer; returns the ms until the answer to each stroke.
DRAW = """async ([drawings, strokes]) => {
    const result = document.querySelector('.dp-pad .dp-result');
    const answer = () => new Promise(resolve => {
        const observer = new MutationObserver(() => {
            if (!result.querySelector('[data-pen="up"]')) return;
            observer.disconnect();
            resolve(performance.now());
        });
        observer.observe(result, {childList: true, subtree: true});
    });
    const times = [];
    for (let n = 0; n < drawings; n++) {
        for (const points of strokes) {
            pen.down(points[0]);
            await pen.move(points.slice(1), 2);
            const answered = answer();
            const released = performance.now();
            pen.up(points.at(-1));
            times.push(await answered - released);
        }
        if (result.querySelector('.dp-digit')?.textContent !== '0') throw Error('not read as 0');
        const cleared = answer();
        document.querySelector('.dp-pad .dp-clear').click();
        await cleared;
    }
    return times;
}"""


@dataclass
class Kept:
    """Memory of kernel and page after garbage collection."""

    kernel_mb: float  # resident
    kernel_objects: int  # known to Python's collector: containers, instances
    page_mb: float  # JavaScript's heap
    page_arrays: int
    page_nodes: int


class Meter:
    """Reads the memory of kernel and page."""

    def __init__(self, pad: Pad) -> None:
        self._kernel, self._page = pad.kernel, pad.page.context.new_cdp_session(pad.page)
        self._kernel.run("import gc")

    def read(self) -> Kept:
        objects = self._kernel.value("(gc.collect(), len(gc.get_objects()))[1]")
        self._page.send("HeapProfiler.collectGarbage")
        return Kept(
            kernel_mb=self._kernel.process.memory_info().rss / 1e6,
            kernel_objects=objects,
            page_mb=self._page.send("Runtime.getHeapUsage")["usedSize"] / 1e6,
            page_arrays=self._arrays(),
            page_nodes=self._page.send("Memory.getDOMCounters")["nodes"],
        )

    def _arrays(self) -> int:
        group = {"objectGroup": "load"}
        of = self._page.send("Runtime.evaluate", {"expression": "Array.prototype", **group})
        prototype = {"prototypeObjectId": of["result"]["objectId"], **group}
        found = self._page.send("Runtime.queryObjects", prototype)["objects"]["objectId"]
        length = {"functionDeclaration": "function() { return this.length; }", "objectId": found}
        count = self._page.send("Runtime.callFunctionOn", length)["result"]["value"]
        self._page.send("Runtime.releaseObjectGroup", group)
        return int(count)


def growth(read: Sequence[Kept], drawings: int) -> dict[str, float]:
    """Growth in MB, and the median growth of other counts per stroke.

    Args:
        read: before the first and after each part.
        drawings: number per part.
    """
    grown = {}
    for name in vars(read[0]):
        values = [getattr(each, name) for each in read]
        if name.endswith("mb"):
            grown[name] = round(values[-1] - values[0], 1)
        else:
            usual = statistics.median(after - before for before, after in pairwise(values))
            grown[f"{name}_per_stroke"] = round(usual / drawings / STROKES, 3)
    return grown


def first_and_last(times: Sequence[float]) -> tuple[float, float]:
    """The 95th percentile of the first part of the times, and of the last."""
    part = len(times) // PARTS
    first, last = (statistics.quantiles(each, n=20)[-1] for each in (times[:part], times[-part:]))
    return round(first, 1), round(last, 1)


@pytest.fixture(scope="module")
def pad(lab: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Pad]:
    with live_pad(lab, open_context) as opened:
        opened.page.evaluate(INK_TIMES)
        yield opened


def draw(pad: Pad, drawings: int) -> dict[str, list[float]]:
    """Ms of each stroke until its answer, and of each of the pointer's events until its ink."""
    pad.page.evaluate("inkTimes.length = 0")
    answers = pad.page.evaluate(DRAW, [drawings, ZERO])
    return {"answer": answers, "ink": pad.page.evaluate("inkTimes")}


@pytest.mark.parametrize("panel", DRAWINGS)
def test_nothing_grows(pad: Pad, panel: str) -> None:
    meter = Meter(pad)
    if panel != "closed":
        pad.page.get_by_role("button", name=panel).click()
    draw(pad, WARM_UP)
    times: dict[str, list[float]] = {"answer": [], "ink": []}
    read = [meter.read()]
    for _ in range(PARTS):
        for name, each in draw(pad, DRAWINGS[panel] // PARTS).items():
            times[name] += each
        read.append(meter.read())
    grown = growth(read, DRAWINGS[panel] // PARTS)
    p95 = {name: first_and_last(each) for name, each in times.items()}
    record(
        "pad under load",
        {
            f"panels: {panel}": {
                "strokes": STROKES * DRAWINGS[panel],
                "clears": DRAWINGS[panel],
                "growth": grown,
                "p95_ms_first_and_last_tenth": p95,
                "machine": machine("jupyterlab", "ipykernel", "ipywidgets", "anywidget"),
            }
        },
    )
    for name, n in grown.items():
        assert n <= (GROWTH if name.endswith("mb") else KEPT), grown
    for first, last in p95.values():
        assert last <= MARGIN * first + FRAME, p95
