"""The drawing notebook in a real JupyterLab, drawn on by mouse, pen, fingers and keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from drawing import COUNT_INK, DIGITS, Finger, draw_by_mouse, ink, to_page
from kernel import Kernel
from live import Pad, draw, kernel_of, live_pad
from playwright.sync_api import BrowserContext, Page, expect
from proxy import line
from servers import PATIENCE, Server

from digitlib.models.recognizer import Recognizer

pytestmark = pytest.mark.browser

LINE = [(0.5, 0.2), (0.5, 0.8)]
WINDOW = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def pad(lab: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Pad]:
    with live_pad(lab, open_context) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    if "pad" in request.fixturenames:
        request.getfixturevalue("pad").clear()


def drag(pad: Pad, *points: tuple[float, float], button: str = "left") -> None:
    """Press at the first point, pass the others, release at the last."""
    mouse = pad.page.mouse
    pad.layer.scroll_into_view_if_needed()
    mouse.move(*to_page(pad.layer, points[0]))
    mouse.down(button=button)  # type: ignore[arg-type]
    for point in points[1:]:
        mouse.move(*to_page(pad.layer, point), steps=8)
    mouse.up(button=button)  # type: ignore[arg-type]


# --- the first moment ------------------------------------------------------------------------

# Records the points on any canvas of the pad, in px of the pad, from the start of the page.
WATCH = """
window.drawn = [];
const point = (event, box) => [event.clientX - box.left, event.clientY - box.top]
    .map((at, axis) => 400 * at / [box.width, box.height][axis]);
for (const type of ['pointerdown', 'pointermove']) addEventListener(type, event => {
    const canvas = event.target.closest?.('.dp-paper')?.querySelector('canvas');
    if (!canvas || !event.buttons) return;
    if (type === 'pointerdown') drawn.push([]);
    drawn.at(-1)?.push(point(event, canvas.getBoundingClientRect()));
}, true);
"""


def draw_from_now_on(page: Page) -> None:
    """Draw strokes in the place of the pad until the pad has taken them for a second."""
    end, start, count = None, time.monotonic(), 0
    while end is None or time.monotonic() < end:
        assert time.monotonic() < start + PATIENCE, "there is no canvas"
        page.mouse.move(450 + 10 * (count % 18), 350)
        page.mouse.down()
        page.mouse.move(450 + 10 * (count % 18), 450, steps=3)
        page.mouse.up()
        count += 1
        if end is None and page.evaluate("drawn.length"):
            end = time.monotonic() + 1


def test_no_stroke_is_lost_while_the_pad_appears(
    lab: Server, open_context: Callable[..., BrowserContext]
) -> None:
    address = urlsplit(lab.url)
    context = open_context(viewport=WINDOW)
    context.add_init_script(WATCH)
    page = context.new_page()
    with line(address.port or 0, 0.1) as opened:
        page.goto(address._replace(netloc=f"127.0.0.1:{opened.port}").geturl(), wait_until="commit")
        page.locator(".dp-paper").wait_for(state="attached")  # before, a press selects a cell
        draw_from_now_on(page)
        expect(page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")
        drawn = [np.array(stroke) for stroke in page.evaluate("drawn")]
        kernel = Kernel(kernel_of(lab))
        arrived, read = kernel.arrived()
        kernel.close()
        context.close()
    assert [len(trace) for trace in arrived] == [len(stroke) for stroke in drawn]
    assert np.abs(np.concatenate(arrived)[:, :2] - np.concatenate(drawn)).max() < 0.1
    expected = Recognizer.load().predict_strokes([trace[:, :2] for trace in arrived])
    assert read == (expected.digit, expected.rejected)


def test_a_new_pad_is_in_view_once(pad: Pad) -> None:
    """JupyterLab scrolls to the last cell it runs; the pad scrolls back once and never again."""
    notebook = pad.page.locator(".jp-WindowedPanel-outer").first
    top, bottom = notebook.evaluate(
        "element => { const box = element.getBoundingClientRect(); return [box.top, box.bottom]; }"
    )
    box = pad.page.locator(".dp-paper").bounding_box()
    assert box
    assert top <= box["y"]
    assert box["y"] + box["height"] <= bottom
    draw(pad.page, 7)
    notebook.evaluate("element => { element.scrollTop = element.scrollHeight; }")
    scrolled = notebook.evaluate("element => element.scrollTop")
    pad.kernel.run("pad.clear(); pad.draw([[(0, 0), (1, 100)]])")
    expect(pad.page.locator(".dp-head .dp-digit")).to_have_text("1")
    assert notebook.evaluate("element => element.scrollTop") == scrolled


# --- strokes ---------------------------------------------------------------------------------


def test_drawing_undo_redo_and_clear(pad: Pad) -> None:
    canvas = pad.page.locator(".dp-pad .dp-canvas")
    draw_by_mouse(pad.page, canvas, DIGITS[4])
    expect(pad.page.locator(".dp-head .dp-digit")).to_have_text("4")
    expect(pad.page.locator(".dp-bars li")).to_have_count(10)
    expect(pad.page.locator(".dp-bars .dp-best b")).to_have_text("4")
    whole = ink(canvas)
    pad.page.locator(".dp-undo").click()
    expect(pad.page.locator(".dp-redo")).to_be_enabled()
    assert 0 < ink(canvas) < whole
    pad.page.locator(".dp-redo").click()
    expect(pad.page.locator(".dp-redo")).to_be_hidden()
    assert ink(canvas) == pytest.approx(whole, rel=0.01)
    pad.page.locator(".dp-clear").click()
    expect(pad.page.locator(".dp-clear")).to_be_hidden()
    assert ink(canvas) == 0


def test_the_answer_changes_while_the_pen_is_down(pad: Pad) -> None:
    pad.page.mouse.move(*to_page(pad.layer, (0.5, 0.15)))
    pad.page.mouse.down()
    for i in range(30):
        pad.page.mouse.move(*to_page(pad.layer, (0.5, 0.15 + 0.7 * i / 30)))
    expect(pad.page.locator(".dp-head .dp-digit")).to_have_text("1")
    pad.page.mouse.up()


def test_a_stroke_may_leave_and_return_and_ends_with_the_release(pad: Pad) -> None:
    drag(pad, (0.5, 0.3), (1.1, 0.5), (0.5, 0.7))
    drag(pad, (0.5, 0.5), (0.5, 1.2))
    pad.page.mouse.move(*to_page(pad.layer, (0.2, 0.2)))
    pad.page.mouse.move(*to_page(pad.layer, (0.8, 0.2)), steps=5)
    returned, left = pad.strokes()
    assert returned[:, 0].max() == pytest.approx(440, abs=2)
    assert returned[-1].tolist() == pytest.approx([200, 280], abs=1)
    assert left[-1, 1] == pytest.approx(480, abs=2)


def test_other_buttons_do_not_draw(pad: Pad) -> None:
    for button in ("right", "middle"):
        drag(pad, *LINE, button=button)
        pad.page.keyboard.press("Escape")  # closes a menu
    drag(pad, (0.2, 0.2), (0.3, 0.2))
    (stroke,) = pad.strokes()
    assert stroke[0].tolist() == pytest.approx([80, 80], abs=1)


def test_ink_of_the_page_is_replaced_by_that_of_the_kernel(pad: Pad) -> None:
    own, canvas = pad.layer.locator("canvas"), pad.page.locator(".dp-paper canvas").first
    pad.kernel.be_busy(3)
    draw_by_mouse(pad.page, pad.layer, [LINE])
    drawn = own.evaluate(COUNT_INK)
    assert drawn > 1000
    expect(pad.note).to_contain_text("busy")
    pad.settle()
    assert own.evaluate(COUNT_INK) == 0
    assert canvas.evaluate(COUNT_INK) == pytest.approx(drawn, rel=0.02)


def test_the_brush_changes_the_ink_and_not_the_answer(pad: Pad) -> None:
    canvas = pad.page.locator(".dp-pad .dp-canvas")
    draw(pad.page, 5)
    before, bars = ink(canvas), pad.page.locator(".dp-bars").inner_text()
    pad.page.get_by_role("radio", name="thick brush").check()
    assert ink(canvas) > 1.2 * before
    assert pad.page.locator(".dp-bars").inner_text() == bars
    pad.page.keyboard.press("ArrowLeft")
    expect(pad.page.get_by_role("radio", name="medium brush")).to_be_checked()


# --- fingers and pens ------------------------------------------------------------------------


def test_a_palm_is_replaced_by_the_finger(pad: Pad) -> None:
    finger, palm = Finger(pad.page, pad.layer), (0.8, 0.9, 40.0)
    finger.touch("touchStart", palm)
    finger.touch("touchStart", palm, (0.5, 0.2, 10.0))
    for n in range(1, 7):
        finger.touch("touchMove", palm, (0.5, 0.2 + 0.1 * n, 10.0))
    finger.touch("touchEnd")
    (stroke,) = pad.strokes()
    assert np.ptp(stroke[:, 0]) < 2
    assert stroke[:, 1].max() == pytest.approx(320, abs=2)


def test_a_finger_does_not_interrupt_a_pen(pad: Pad) -> None:
    pad.page.evaluate("pen.down([100, 100])")
    Finger(pad.page, pad.layer).draw([[(0.8, 0.2), (0.8, 0.8)]])
    pad.page.evaluate("pen.move([[100, 150], [100, 200]], 1).then(() => pen.up([100, 200]))")
    (stroke,) = pad.strokes()
    assert stroke.tolist() == [[100, 100], [100, 150], [100, 200]]


# --- keys ------------------------------------------------------------------------------------


def test_keys_undo_and_redo_and_do_not_reach_the_notebook(pad: Pad) -> None:
    cells = pad.page.locator(".jp-Notebook .jp-Cell").count()
    for part in (".dp-ink", ".dp-clear", ".dp-brush :checked"):
        drag(pad, *LINE)
        pad.settle()
        expect(pad.page.locator(".dp-clear")).to_be_enabled()
        pad.page.locator(f".dp-pad {part}").first.focus()
        for key in "ddaxb":  # in JupyterLab: delete, add above, cut, add below
            pad.page.keyboard.press(key)
        for keys, count in {"Control+z": 0, "Control+Shift+z": 1, "Meta+z": 0}.items():
            pad.page.keyboard.press(keys)
            expect(pad.page.locator(".dp-result .dp-answer")).to_have_attribute(
                "data-state", "read" if count else "empty"
            )
            assert len(pad.strokes()) == count
            pad.layer.focus()  # a disabled button loses it
    assert pad.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_the_tab_key_passes_through_the_pad(pad: Pad) -> None:
    """The canvas of ipycanvas would keep it."""
    draw(pad.page, 3)
    focused = "(e => e.closest('.dp-pad') ? e.className : 'outside')(document.activeElement)"
    for key, start in (("Tab", ".dp-ink"), ("Shift+Tab", ".dp-clear")):
        pad.page.locator(f".dp-pad {start}").focus()
        passed = [start[1:]]
        while passed[-1] != "outside":
            pad.page.keyboard.press(key)
            passed.append(pad.page.evaluate(focused))
            assert len(passed) < 60, passed
        for part in ("dp-ink", "dp-undo", "dp-clear"):
            assert any(part in name for name in passed), (key, part, passed)


def test_other_shortcuts_reach_the_page(pad: Pad) -> None:
    pad.page.evaluate(
        """() => {
            window.heard = [];
            const pad = document.querySelector('.dp-pad');
            const hear = where => event => heard.push([where, event.key, event.defaultPrevented]);
            pad.addEventListener('keydown', hear('pad'));
            pad.parentElement.addEventListener('keydown', hear('page'));
            pad.parentElement.addEventListener('keydown', event => event.preventDefault());
        }"""
    )
    pad.layer.focus()
    for keys in ("PageDown", "d", "Control+e"):
        pad.page.keyboard.press(keys)
    assert [each for each in pad.page.evaluate("heard") if each[1] != "Control"] == [
        ["pad", "PageDown", False],
        ["pad", "d", False],
        ["pad", "e", False],
        ["page", "e", False],
    ]
