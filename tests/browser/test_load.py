"""A pad that is drawn on for long: what it keeps, and how soon it answers, at the end as at first.

The long form, of 5,000 strokes, writes its figures: ``DIGITLIB_WRITE_REPORTS=1``.
"""

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

pytestmark = [pytest.mark.browser, pytest.mark.timed]

STROKES = 10  # of a drawing, which is then cleared
WARM_UP = 4  # drawings
DRAWINGS = {"closed": 500, "Why?": 100} if LONG else {"closed": 30, "Why?": 6}
PARTS = 10 if LONG else 3  # of all strokes, each with what it leaves; the first and last times
SIZE = 400  # px of the pad
GROWTH = 20.0  # MB of kernel or page
KEPT = 0.5  # things kept per stroke: who keeps a list of each keeps one at least
MARGIN, FRAME = 1.5, 17.0  # times, and ms: less is no growth yet, for others use the machine, too

# A 0 of ten strokes.
ZERO = [
    [(SIZE * x, SIZE * y) for x, y in arc(0.5, 0.5, 0.24, 0.36, 36 * n - 90, 36 * n - 54)[::2]]
    for n in range(STROKES)
]

# Draws and clears as somebody who waits for each answer; returns the ms until each of a stroke.
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


# --- what is kept --------------------------------------------------------------------------


@dataclass
class Kept:
    """What kernel and page hold, their garbage collected."""

    kernel_mb: float  # resident
    kernel_objects: int  # known to Python's collector: containers, instances
    page_mb: float  # JavaScript's heap
    page_arrays: int
    page_nodes: int


class Meter:
    """Reads what kernel and page hold.

    Args:
        pad: that is drawn on.
    """

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
    """MB in all, other things per stroke of the part in the middle, by their growth.

    Who keeps something of each stroke keeps it in all parts; what else the kernel is at when it is
    read, such as an answer under way, changes one or two.

    Args:
        read: before the first and after each part.
        drawings: of a part.
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


def leaks(grown: dict[str, float]) -> list[str]:
    """What grew too much."""
    return [name for name, n in grown.items() if n > (GROWTH if name.endswith("mb") else KEPT)]


def first_and_last(times: Sequence[float]) -> tuple[float, float]:
    """The 95th percentile of the first part of the times, and of the last."""
    part = len(times) // PARTS
    first, last = (statistics.quantiles(each, n=20)[-1] for each in (times[:part], times[-part:]))
    return round(first, 1), round(last, 1)


def slower(first: float, last: float) -> bool:
    return last > MARGIN * first + FRAME


# --- the tests -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pad(lab: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Pad]:
    with live_pad(lab, open_context) as opened:
        opened.page.evaluate(INK_TIMES)
        yield opened


@pytest.fixture(scope="module")
def meter(pad: Pad) -> Meter:
    return Meter(pad)


def draw(pad: Pad, drawings: int) -> dict[str, list[float]]:
    """Ms of each stroke until its answer, and of each of the pointer's events until its ink."""
    pad.page.evaluate("inkTimes.length = 0")
    answers = pad.page.evaluate(DRAW, [drawings, ZERO])
    return {"answer": answers, "ink": pad.page.evaluate("inkTimes")}


def draw_in_parts(
    pad: Pad, meter: Meter, drawings: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """All times of the drawings, of a number that the parts divide, and what they left."""
    times: dict[str, list[float]] = {"answer": [], "ink": []}
    read = [meter.read()]
    for _ in range(PARTS):
        for name, each in draw(pad, drawings // PARTS).items():
            times[name] += each
        read.append(meter.read())
    return times, growth(read, drawings // PARTS)


@pytest.mark.parametrize("panel", DRAWINGS)
def test_nothing_grows(pad: Pad, meter: Meter, panel: str) -> None:
    if panel != "closed":
        pad.page.get_by_role("button", name=panel).click()
    draw(pad, WARM_UP)
    times, grown = draw_in_parts(pad, meter, DRAWINGS[panel])
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
    assert not leaks(grown), grown
    assert not any(slower(*each) for each in p95.values()), p95


LEAK = """
kept = []
def keep(_):
    kept.append([0])
    time.sleep(0.001 * len(kept))
pad.observe(keep, "strokes")
"""


def test_a_list_kept_of_each_stroke_is_noticed(pad: Pad, meter: Meter) -> None:
    """The last test: it spoils the pad."""
    pad.kernel.run(LEAK)
    pad.page.evaluate("""() => {
        window.kept = [];
        document.addEventListener('pointerup', () => kept.push([document.createElement('p')]));
    }""")
    times, grown = draw_in_parts(pad, meter, 3 * PARTS)
    things = ("kernel_objects", "page_arrays", "page_nodes")
    assert leaks(grown) == [f"{thing}_per_stroke" for thing in things]
    assert slower(*first_and_last(times["answer"]))
