"""A pad that has just appeared: it is in view, and takes every stroke from then on."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np
import pytest
from drawing import DIGITS, draw_by_mouse
from kernel import Kernel
from live import is_lab, kernel_of, open_pad, run_all_cells
from playwright.sync_api import BrowserContext, Page, expect
from proxy import line
from reliability import LONG
from servers import PATIENCE, Server

from digitlib.models.recognizer import Recognizer

pytestmark = pytest.mark.browser

WINDOW = {"width": 1280, "height": 900}
FAR = 0.1  # seconds each way
SECONDS = 1.0  # of drawing, from the first stroke that begins on a canvas
SIZE = 400  # px of the pad
PLACE = (450, 140, 240)  # px of the window: left, top and bottom of strokes; on the pad once it is

# What is done on any canvas of the pad, in px of the pad, from the first moment of the page.
WATCH = """
window.drawn = [];
const point = (event, box) => [event.clientX - box.left, event.clientY - box.top]
    .map((at, axis) => SIZE * at / [box.width, box.height][axis]);
for (const type of ['pointerdown', 'pointermove']) addEventListener(type, event => {
    const canvas = event.target.closest?.('.dp-paper')?.querySelector('canvas');
    if (!canvas || !event.buttons) return;
    if (type === 'pointerdown') drawn.push([]);
    drawn.at(-1)?.push(point(event, canvas.getBoundingClientRect()));
}, true);
""".replace("SIZE", str(SIZE))


def draw_from_now_on(page: Page) -> None:
    """Stroke after stroke at one place, whatever is there, until the pad has been for a while."""
    end, start, count = None, time.monotonic(), 0
    left, top, bottom = PLACE
    while end is None or time.monotonic() < end:
        assert time.monotonic() < start + PATIENCE, "there is no canvas"
        page.mouse.move(left + 10 * (count % 18), top)
        page.mouse.down()
        page.mouse.move(left + 10 * (count % 18), bottom, steps=3)
        page.mouse.up()
        count += 1
        if end is None and page.evaluate("drawn.length"):
            end = time.monotonic() + SECONDS


@pytest.mark.parametrize("delay", [0, FAR, 4 * FAR] if LONG else [0, FAR])
@pytest.mark.parametrize("place", ["app", "lab"])
def test_no_stroke_of_the_first_moment_is_lost(
    place: str,
    delay: float,
    request: pytest.FixtureRequest,
    open_context: Callable[..., BrowserContext],
) -> None:
    server: Server = request.getfixturevalue(place)
    address = urlsplit(server.url)
    context = open_context(viewport=WINDOW)
    context.add_init_script(WATCH)
    page = context.new_page()
    with line(address.port or 0, delay) as opened:
        page.goto(address._replace(netloc=f"127.0.0.1:{opened.port}").geturl(), wait_until="commit")
        if is_lab(server):  # before its kernel is there, JupyterLab runs nothing
            run_all_cells(page)
            page.locator(".dp-paper").wait_for(state="attached")  # earlier, a press is a cell's
        draw_from_now_on(page)
        expect(page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")
        drawn = [np.array(stroke) for stroke in page.evaluate("drawn")]
        kernel = Kernel(kernel_of(page, server))
        arrived, read = kernel.arrived()
        kernel.close()
        context.close()
    assert [len(trace) for trace in arrived] == [len(stroke) for stroke in drawn]
    assert np.abs(np.concatenate(arrived)[:, :2] - np.concatenate(drawn)).max() < 0.1
    expected = Recognizer.load().predict_strokes([trace[:, :2] for trace in arrived])
    assert read == (expected.digit, expected.rejected)


def test_after_run_all_cells_the_pad_is_in_view(
    lab: Server, open_context: Callable[..., BrowserContext]
) -> None:
    """JupyterLab scrolls to the last cell; the pad comes back once, and then never again."""
    page = open_pad(lab, open_context, viewport=WINDOW)
    notebook = page.locator(".jp-WindowedPanel-outer").first
    top, bottom = notebook.evaluate(
        "element => { const box = element.getBoundingClientRect(); return [box.top, box.bottom]; }"
    )
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    box = page.locator(".dp-pad").bounding_box()
    assert box
    assert top <= box["y"]
    assert box["y"] + box["height"] <= bottom

    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[7])
    expect(page.locator(".dp-digit")).to_have_text("7")
    notebook.evaluate("element => { element.scrollTop = element.scrollHeight; }")
    scrolled = notebook.evaluate("element => element.scrollTop")
    kernel = Kernel(kernel_of(page, lab))
    kernel.run("pad.clear(); pad.draw([[(0, 0), (1, 100)]])")
    kernel.close()
    expect(page.locator(".dp-digit")).to_have_text("1")
    assert notebook.evaluate("element => element.scrollTop") == scrolled
    page.context.close()
