"""A pad that is used for long keeps its memory and its speed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from live import Pad, live_pad
from playwright.sync_api import BrowserContext
from reliability import LONG, record
from servers import Server, machine

pytestmark = [pytest.mark.browser, pytest.mark.stress]

STROKES = 10  # of a drawing, which is then cleared
WARM_UP = 4  # drawings
DRAWINGS = {"closed": 500, "Why?": 100} if LONG else {"closed": 30, "Why?": 6}
PARTS = 10 if LONG else 3
GROWTH = 20.0  # MB of kernel or page
KEPT = 0.5  # objects kept per stroke; a leak keeps at least one
MARGIN, FRAME = 1.5, 17.0  # factor and ms: a smaller slowdown may be due to other processes

# A 0 of ten strokes.
TURNS = [2 * math.pi * n / 60 - math.pi / 2 for n in range(61)]
ZERO = [
    [(200 + 96 * math.cos(turn), 200 + 144 * math.sin(turn)) for turn in TURNS[6 * n : 6 * n + 7]]
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


def memory(pad: Pad) -> dict[str, float]:
    """MB and numbers of objects in kernel and page after garbage collection."""
    page = pad.page.context.new_cdp_session(pad.page)
    objects = pad.kernel.value("(gc.collect(), len(gc.get_objects()))[1]")
    page.send("HeapProfiler.collectGarbage")
    return {
        "kernel_mb": pad.kernel.process.memory_info().rss / 1e6,
        "page_mb": page.send("Runtime.getHeapUsage")["usedSize"] / 1e6,
        "kernel_objects_per_stroke": objects,
        "page_nodes_per_stroke": page.send("Memory.getDOMCounters")["nodes"],
    }


def growth(read: Sequence[dict[str, float]], strokes: int) -> dict[str, float]:
    """Total growth in MB, and the median growth of objects per stroke.

    Args:
        read: the memory before the first part and after each part.
        strokes: number per part.
    """
    grown = {}
    for name in read[0]:
        values = [each[name] for each in read]
        usual = statistics.median(after - before for before, after in pairwise(values))
        in_mb = name.endswith("mb")
        grown[name] = round(values[-1] - values[0], 1) if in_mb else round(usual / strokes, 3)
    return grown


@pytest.mark.parametrize("panel", DRAWINGS)
def test_memory_and_times_do_not_grow(
    lab: Server, open_context: Callable[..., BrowserContext], panel: str
) -> None:
    with live_pad(lab, open_context) as pad:
        pad.kernel.run("import gc")
        if panel != "closed":
            pad.page.get_by_role("button", name=panel).click()
        pad.page.evaluate(DRAW, [WARM_UP, ZERO])
        parts, read = [], [memory(pad)]
        for _ in range(PARTS):
            parts.append(pad.page.evaluate(DRAW, [DRAWINGS[panel] // PARTS, ZERO]))
            read.append(memory(pad))
    grown = growth(read, STROKES * DRAWINGS[panel] // PARTS)
    first, last = (round(statistics.quantiles(part, n=20)[-1], 1) for part in (parts[0], parts[-1]))
    record(
        "pad under load",
        {
            f"panels: {panel}": {
                "strokes": STROKES * DRAWINGS[panel],
                "clears": DRAWINGS[panel],
                "growth": grown,
                "p95_ms_first_and_last_tenth": {"answer": (first, last)},
                "machine": machine("jupyterlab", "ipykernel", "ipywidgets", "anywidget"),
            }
        },
    )
    for name, n in grown.items():
        assert n <= (GROWTH if name.endswith("mb") else KEPT), grown
    assert last <= MARGIN * first + FRAME
