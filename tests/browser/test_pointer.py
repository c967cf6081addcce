"""Pointers and keys on the pad: what draws, what does not, and what goes through to the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from drawing import COUNT_INK, DIGITS, Finger, draw_by_mouse, to_page
from live import Pad, live_pad, run_all_cells
from playwright.sync_api import BrowserContext, expect
from servers import Server

pytestmark = pytest.mark.browser

LINE = [(0.5, 0.2), (0.5, 0.8)]


@pytest.fixture(scope="module", params=["app", "lab"])
def pad(
    request: pytest.FixtureRequest, open_context: Callable[..., BrowserContext]
) -> Iterator[Pad]:
    with live_pad(request.getfixturevalue(request.param), open_context) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty(pad: Pad) -> None:
    pad.clear()


def drag(pad: Pad, *points: tuple[float, float], button: str = "left") -> None:
    """Press at the first point, go by the others, release at the last."""
    mouse = pad.page.mouse
    pad.layer.scroll_into_view_if_needed()  # a key may have scrolled the page
    mouse.move(*to_page(pad.layer, points[0]))
    mouse.down(button=button)  # type: ignore[arg-type]
    for point in points[1:]:
        mouse.move(*to_page(pad.layer, point), steps=8)
    mouse.up(button=button)  # type: ignore[arg-type]


def test_a_stroke_that_leaves_and_returns_is_one(pad: Pad) -> None:
    drag(pad, (0.5, 0.3), (1.1, 0.5), (0.5, 0.7))
    (stroke,) = pad.strokes()
    assert stroke[:, 0].max() == pytest.approx(440, abs=2)
    assert stroke[-1].tolist() == pytest.approx([200, 280], abs=1)


def test_a_release_outside_ends_the_stroke(pad: Pad) -> None:
    drag(pad, (0.5, 0.5), (0.5, 1.2))
    pad.page.mouse.move(*to_page(pad.layer, (0.2, 0.2)))
    pad.page.mouse.move(*to_page(pad.layer, (0.8, 0.2)), steps=5)
    (stroke,) = pad.strokes()
    assert stroke[-1, 1] == pytest.approx(480, abs=2)


@pytest.mark.parametrize("button", ["right", "middle"])
def test_other_buttons_do_not_draw(pad: Pad, button: str) -> None:
    drag(pad, *LINE, button=button)
    pad.page.keyboard.press("Escape")  # a menu
    drag(pad, (0.2, 0.2), (0.3, 0.2))
    (stroke,) = pad.strokes()
    assert stroke[0].tolist() == pytest.approx([80, 80], abs=1)


@pytest.mark.timed
def test_ink_of_the_page_gives_way_to_that_of_the_kernel(pad: Pad) -> None:
    own, canvas = pad.layer.locator("canvas"), pad.page.locator(".dp-paper canvas").first
    pad.kernel.be_busy(3)
    draw_by_mouse(pad.page, pad.layer, [LINE])
    drawn = own.evaluate(COUNT_INK)
    assert drawn > 1000
    assert canvas.evaluate(COUNT_INK) == 0
    pad.settle()
    assert own.evaluate(COUNT_INK) == 0
    assert canvas.evaluate(COUNT_INK) == pytest.approx(drawn, rel=0.02)


# --- fingers, palms, pens ------------------------------------------------------------------


def touch(finger: Finger, kind: str, *points: tuple[float, float, float]) -> None:
    """Each point with the radius of its contact in px."""
    at = [
        {"x": x, "y": y, "id": n, "radiusX": radius, "radiusY": radius}
        for n, (u, v, radius) in enumerate(points)
        for x, y in [to_page(finger._canvas, (u, v))]
    ]
    finger._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})


def test_a_palm_gives_way_to_the_finger(pad: Pad) -> None:
    finger = Finger(pad.page, pad.layer)
    palm = (0.8, 0.9, 40.0)
    touch(finger, "touchStart", palm)
    touch(finger, "touchStart", palm, (0.5, 0.2, 10.0))
    for n in range(1, 7):
        touch(finger, "touchMove", palm, (0.5, 0.2 + 0.1 * n, 10.0))
    touch(finger, "touchEnd")
    (stroke,) = pad.strokes()
    assert np.ptp(stroke[:, 0]) < 2
    assert stroke[:, 1].max() == pytest.approx(320, abs=2)


def test_a_pen_gives_no_way_to_a_finger(pad: Pad) -> None:
    finger = Finger(pad.page, pad.layer)
    pad.page.evaluate("pen.down([100, 100])")
    finger.draw([[(0.8, 0.2), (0.8, 0.8)]])
    pad.page.evaluate("pen.move([[100, 150], [100, 200]], 1).then(() => pen.up([100, 200]))")
    (stroke,) = pad.strokes()
    assert stroke.tolist() == [[100, 100], [100, 150], [100, 200]]


# --- keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("focus", [".dp-ink", ".dp-clear", ".dp-brush input"])
def test_undo_and_redo_by_keys_wherever_the_focus_is(pad: Pad, focus: str) -> None:
    drag(pad, *LINE)
    pad.settle()
    expect(pad.page.locator(".dp-clear")).to_be_enabled()
    pad.page.locator(f".dp-pad {focus}").first.focus()
    for keys, count in {
        "Control+z": 0,
        "Control+Shift+z": 1,
        "Meta+z": 0,
        "Control+y": 1,
    }.items():
        pad.page.keyboard.press(keys)
        expect(pad.page.locator(".dp-pad [data-state]")).to_have_attribute(
            "data-state", "read" if count else "empty"
        )
        assert len(pad.strokes()) == count
        pad.layer.focus()  # a disabled button loses it


def test_other_keys_do_what_they_do_elsewhere(pad: Pad) -> None:
    """Alone they scroll and reach no shortcut of the notebook; with Ctrl they reach all."""
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
    pad.page.keyboard.press("PageDown")
    pad.page.keyboard.press("d")
    pad.page.keyboard.press("Control+e")
    assert [each for each in pad.page.evaluate("heard") if each[1] != "Control"] == [
        ["pad", "PageDown", False],
        ["pad", "d", False],
        ["pad", "e", False],
        ["page", "e", False],
    ]


def test_undo_does_not_bring_back_what_was_cleared_long_ago(pad: Pad) -> None:
    drag(pad, *LINE)
    pad.clear()
    drag(pad, (0.2, 0.2), (0.8, 0.2))
    for _ in range(3):
        pad.page.keyboard.press("Control+z")
    expect(pad.page.locator(".dp-redo")).to_be_enabled()
    expect(pad.page.locator(".dp-undo")).to_be_disabled()
    assert pad.strokes() == []


# --- the page at its start and its end -----------------------------------------------------


def test_without_the_module_the_kernel_draws_and_the_pad_says_so(
    app: Server, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context().new_page()
    page.route("**/anywidget/**", lambda route: route.abort())
    page.goto(app.url)
    canvas = page.locator(".dp-pad .dp-paper canvas")
    expect(canvas).to_be_visible()
    draw_by_mouse(page, canvas, DIGITS[7])
    expect(page.locator(".dp-digit")).to_have_text("7")
    expect(page.locator(".dp-slow")).to_be_visible()
    assert page.locator(".dp-ink").count() == 0


def test_the_end_of_the_kernel_is_said(pad: Pad) -> None:
    """The last test: it ends the pad."""
    draw_by_mouse(pad.page, pad.layer, DIGITS[7])
    pad.settle()
    if "/lab/" not in pad.page.url:
        pad.kernel.process.kill()
        expect(pad.note).to_contain_text("ended")
        expect(pad.note.get_by_role("button", name="Reload")).to_be_visible()
        return
    pad.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    pad.page.get_by_text("Restart Kernel…", exact=True).click()
    pad.page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(pad.note).to_have_text("The kernel has restarted: run the cells again.")
    run_all_cells(pad.page)
    expect(pad.note).to_have_text("")
    draw_by_mouse(pad.page, pad.layer, DIGITS[7])
    expect(pad.page.locator(".dp-digit")).to_have_text("7")
