"""The pad as one file, opened from the disk: drawing, correcting, saving, without any request."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG, violations
from drawing import DIGITS, Finger, draw_by_mouse, ink
from live import PEN, clear, draw, too_wide
from playwright.sync_api import BrowserContext, Page, expect
from servers import machine

from digitlib.datasets.drawing import Drawing
from digitlib.page.build import PAGE

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
# A browser that lets the page store nothing, as some do in private mode.
REFUSE = """() => {
    for (const name of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, name, {
            get() { throw new DOMException('denied', 'SecurityError'); },
        });
}"""
SCALED = [[(0.2 + 0.6 * x, 0.2 + 0.6 * y) for x, y in stroke] for stroke in DIGITS[3]]
# ms from the release of the pointer to the answer, and from each move to the end of its frame. A
# message that is sent while a frame is prepared arrives after the frame is painted.
STOPWATCH = """() => {
    const watch = window.stopwatch = {ink: []};
    addEventListener('pointermove', ({buttons, timeStamp}) => {
        const {port1: sent, port2: painted} = new MessageChannel();
        painted.onmessage = () => watch.ink.push(performance.now() - timeStamp);
        if (buttons) requestAnimationFrame(() => sent.postMessage(''));
    });
    addEventListener('pointerup', () => {
        Object.assign(watch, {up: performance.now(), answer: null});
    }, true);
    new MutationObserver(() => {
        if (document.querySelector('.dp-result [data-pen="up"]'))
            watch.answer ??= performance.now() - watch.up;
    }).observe(document.querySelector('.dp-result'), {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def open_page(open_context: Callable[..., BrowserContext]) -> Iterator[Open]:
    """Open the page in a context of its own, without a network; check that it runs silently."""
    asked: list[str] = []
    complaints: list[str] = []

    def opened(refuse: bool = False, **options: Any) -> Page:
        context = open_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        context.set_offline(True)
        if refuse:
            context.add_init_script(f"({REFUSE})()")
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else 0)
        page.goto(PAGE.as_uri())
        expect(page.locator(".dp-ink canvas")).to_be_visible()
        page.evaluate(PEN)
        return page

    yield opened
    assert {address for address in asked if not address.startswith("data:")} == {PAGE.as_uri()}
    assert complaints == []


@pytest.fixture(scope="module")
def page(open_page: Open) -> Page:
    return open_page()


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    if "page" in request.fixturenames:
        clear(request.getfixturevalue("page"))


def expect_digit(page: Page, digit: int) -> None:
    """The answer to the whole drawing, not to a stroke in progress."""
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-pen", "up")
    expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))


def label(page: Page, name: str) -> None:
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-pen", "up")
    page.locator(".dp-correction").get_by_role("button", name=name, exact=True).click()


# --- drawing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", [0, 4, 7])
def test_a_digit_is_drawn_by_mouse(page: Page, digit: int) -> None:
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[digit])
    expect_digit(page, digit)
    assert ink(page.locator(".dp-canvas")) > 1000  # the ink stays after the stroke


def test_a_digit_is_drawn_by_pen(page: Page) -> None:
    draw(page, 8)
    expect(page.locator(".dp-spoken")).to_have_text("8. Very sure.")


def test_a_digit_is_drawn_by_finger_on_a_phone(open_page: Open) -> None:
    phone = {"width": 320, "height": 568}
    page = open_page(viewport=phone, has_touch=True, is_mobile=True, device_scale_factor=2)
    Finger(page, page.locator(".dp-ink")).draw(DIGITS[5])
    expect_digit(page, 5)
    page.locator(".dp-label").nth(3).tap()
    expect(page.locator(".dp-message")).to_contain_text("Saved as 3.")
    assert too_wide(page.locator("body")) == []
    page.context.close()


def test_a_second_finger_neither_draws_nor_scrolls(open_page: Open) -> None:
    phone = {"width": 320, "height": 480}
    page = open_page(viewport=phone, has_touch=True, is_mobile=True)
    finger = Finger(page, page.locator(".dp-ink"))
    finger.draw(DIGITS[4])
    expect_digit(page, 4)
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") > 50
    clear(page)
    before = page.evaluate("scrollY")
    finger.touch("touchStart", (0.5, 0.2))
    finger.touch("touchMove", (0.5, 0.3))
    finger.touch("touchStart", (0.5, 0.3), (0.9, 0.9))
    for i in range(1, 12):
        finger.touch("touchMove", (0.5, 0.3 + i * 0.05), (0.9 - i * 0.05, 0.9))
    finger.touch("touchEnd", (0.5, 0.85))
    finger.touch("touchEnd")
    expect_digit(page, 1)
    assert page.evaluate("scrollY") == before
    page.context.close()


def test_a_palm_leaves_no_ink_once_a_pen_has_drawn(open_page: Open) -> None:
    page = open_page(has_touch=True)
    draw(page, 2)
    palm = Finger(page, page.locator(".dp-ink"))
    palm.touch("touchStart", (0.9, 0.9, 30))
    palm.touch("touchEnd")
    page.locator(".dp-undo").click()
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "empty")
    page.context.close()


def test_the_drawing_is_undone_and_redone(page: Page) -> None:
    answer = page.locator(".dp-result .dp-answer")
    draw(page, 4)  # two strokes
    page.locator(".dp-undo").click()
    page.keyboard.press("Control+z")
    expect(answer).to_have_attribute("data-state", "empty")
    page.keyboard.press("Control+y")
    page.locator(".dp-redo").click()
    expect_digit(page, 4)
    expect(page.locator(".dp-redo")).to_be_disabled()
    page.locator(".dp-clear").click()
    expect(answer).to_have_attribute("data-state", "empty")
    page.keyboard.press("Control+z")
    expect_digit(page, 4)


def test_examples_are_read_or_rejected(page: Page) -> None:
    states = {"3": "read", "7": "read", "R": "rejected", "37": "rejected"}
    for name, state in states.items():
        page.locator(f".dp-example:text-is('{name}')").click()
        expect(page.locator(".dp-answer")).to_have_attribute("data-state", state)
        clear(page)
    page.locator(".dp-example:text-is('37')").click()
    expect(page.locator(".dp-head")).to_contain_text("Draw one digit at a time.")


def test_brushes_change_the_ink_and_not_the_answer(page: Page) -> None:
    draw(page, 6)
    bars = page.locator(".dp-bars").inner_html()
    thick = []
    for brush in page.locator(".dp-brush input").all():
        brush.check()
        thick.append(ink(page.locator(".dp-canvas")))
        assert page.locator(".dp-bars").inner_html() == bars
    assert thick == sorted(thick)
    page.locator(".dp-brush input").nth(1).check()


def test_the_drawing_survives_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, 2)
    page.reload()
    expect_digit(page, 2)
    assert ink(page.locator(".dp-canvas")) > 1000
    page.context.close()


def test_a_dark_system_has_a_dark_page(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    dark = "rgb(16, 19, 22)"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    inverted = page.locator(".dp-canvas").evaluate("e => getComputedStyle(e).filter")
    assert inverted == "invert(1)"
    page.context.close()


def test_the_page_fits_in_any_window(open_page: Open) -> None:
    page = open_page()
    draw(page, 8)
    label(page, "This is 8")
    for width, height in [(195, 332), (320, 568), (664, 390), (800, 900)]:
        page.set_viewport_size({"width": width, "height": height})
        assert too_wide(page.locator("body")) == []
        canvas, answer = (page.locator(each).bounding_box() for each in (".dp-ink", ".dp-result"))
        assert canvas
        assert answer
        left_of = canvas["x"] + canvas["width"] <= answer["x"]
        assert left_of or canvas["y"] + canvas["height"] <= answer["y"]
    page.context.close()


def test_a_contrast_theme_shows_bars_and_buttons(open_page: Open) -> None:
    page = open_page(forced_colors="active")
    draw(page, 3)
    colors = page.evaluate("""() => [['html'], ['.dp-best u'], ['.dp-undo', '::before']].map(
        ([name, part]) => getComputedStyle(document.querySelector(name), part).backgroundColor
    )""")
    assert len({*colors}) == 3
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(open_page: Open, axe: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.evaluate(axe)
    assert violations(page, "html") == []
    page.locator(".dp-example:text-is('R')").click()
    assert violations(page, "html") == []
    clear(page)
    draw(page, 3)
    label(page, "This is 3")
    expect(page.get_by_role("button", name="This is 3")).to_have_attribute("aria-pressed", "true")
    assert violations(page, "html") == []
    page.context.close()


# --- corrections -----------------------------------------------------------------------------


def test_a_correction_counts_until_it_is_undone(open_page: Open) -> None:
    page = open_page()
    draw(page, 3)
    label(page, "This is 8")
    expect(page.locator(".dp-message")).to_have_text(
        "Saved as 8. Similar drawings will be read as 8."
    )
    expect_digit(page, 8)
    expect(page.locator(".dp-head")).to_contain_text("like the 8 you corrected")
    label(page, "This is not a digit")
    expect(page.locator(".dp-answer")).to_have_attribute("data-state", "rejected")
    for digit in (8, 3):
        label(page, "Undo this click")
        expect_digit(page, digit)
    expect(page.locator(".dp-message")).to_have_text("Forgotten.")
    page.context.close()


def test_corrections_survive_a_reload_until_all_are_forgotten(open_page: Open) -> None:
    page = open_page()
    draw(page, 3)
    label(page, "This is 8")
    clear(page)
    page.reload()
    page.evaluate(PEN)
    draw_by_mouse(page, page.locator(".dp-ink"), SCALED)
    expect_digit(page, 8)
    expect(page.locator(".dp-forget")).to_contain_text("Corrected drawings: 1")
    forget = page.get_by_role("button", name="Forget all")
    page.once("dialog", lambda question: question.dismiss())
    forget.click()
    expect_digit(page, 8)
    page.once("dialog", lambda question: question.accept())
    forget.click()
    expect_digit(page, 3)
    expect(page.locator(".dp-forget")).to_be_hidden()
    page.reload()
    expect_digit(page, 3)
    page.context.close()


def test_damaged_storage_is_left_out(open_page: Open) -> None:
    page = open_page()
    lines = ["{", "null", '{"label": 3}', '{"label": 11, "strokes": [[[1, 2]]]}']
    page.evaluate("text => localStorage.setItem('digitlib drawings', text)", "\n".join(lines))
    page.reload()
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[3])
    expect_digit(page, 3)
    expect(page.locator(".dp-forget")).to_be_hidden()
    page.context.close()


def test_a_browser_that_stores_nothing_is_said_and_remembered(open_page: Open) -> None:
    page = open_page(refuse=True)
    draw(page, 3)
    expect(page.locator(".dp-question")).to_contain_text("This browser can't save it.")
    label(page, "This is 8")
    expect(page.locator(".dp-message")).to_contain_text("Remembered as 8.")
    clear(page)
    draw_by_mouse(page, page.locator(".dp-ink"), SCALED)
    expect_digit(page, 8)
    page.context.close()


# --- files -----------------------------------------------------------------------------------


def test_the_drawing_is_saved_as_picture_and_as_json(page: Page, tmp_path: Path) -> None:
    draw(page, 7)
    for kind in ("PNG", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Save {kind}").click()
        assert download.value.suggested_filename == f"digit-7.{kind.lower()}"
        download.value.save_as(tmp_path / kind)
    assert (tmp_path / "PNG").read_bytes().startswith(b"\x89PNG")
    drawing = Drawing.from_line((tmp_path / "JSON").read_bytes())
    assert (drawing.label, drawing.predicted) == (7, 7)
    assert drawing.strokes[0].shape[1] == 4
    assert drawing.strokes[0][0, 2] == 0
    clear(page)
    expect(page.get_by_role("link", name="Save PNG")).to_be_hidden()


# --- speed -----------------------------------------------------------------------------------


@pytest.mark.stress
def test_the_page_is_ready_and_answers_soon(
    open_page: Open, write_report: Callable[[str, dict[str, Any]], None]
) -> None:
    """Also measures the lag of the ink.

    The lag starts when the browser receives a pointer move, and ends when the page has painted the
    frame with its ink. The time of the mouse before, and of the compositor and the screen after it,
    isn't measured.
    """
    ready, delays, lags = [], {}, {}
    for slower in (1, 6):
        page = open_page(bypass_csp=True)  # Playwright's waiting needs eval
        for _ in range(5):
            page.reload()
            mark = "performance.getEntriesByName('ready')[0].startTime"
            ready.append(page.wait_for_function(mark).json_value())
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.evaluate(STOPWATCH)
        times = delays[slower] = []
        for digit in [*DIGITS] if LONG else [*DIGITS][::3]:
            draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[digit], spacing=0.08)
            times.append(page.wait_for_function("stopwatch.answer").json_value())
            clear(page)
        lags[slower] = page.evaluate("stopwatch.ink")
        assert len(lags[slower]) >= 100
        page.context.close()
    medians = {f"{slower} times": statistics.median(times) for slower, times in delays.items()}
    ink_lag = {
        f"{slower} times": {
            "median": round(statistics.median(times), 1),
            "95th percentile": round(statistics.quantiles(times, n=20)[-1], 1),
        }
        for slower, times in lags.items()
    }
    write_report("page", {
        "what": "the pad as one file: ms until it is ready, from pointer-up to the answer, and "
                "from a pointer move until its ink is painted, with the processor throttled",
        "megabytes": round(PAGE.stat().st_size / 1e6, 2),
        "ready_ms": round(statistics.median(ready), 1),
        "answer_ms": {name: round(value, 1) for name, value in medians.items()},
        "ink_ms": ink_lag,
        "machine": machine(),
    })  # fmt: skip
    print(json.dumps({"ready": ready, "answer": delays, "ink": ink_lag}))
    assert statistics.median(ready) <= 600
    assert medians["1 times"] <= 30
    assert medians["6 times"] <= 100
    assert ink_lag["1 times"]["median"] <= 20
