"""The layout of the page: canvas and answer fit every window, and nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drawing import DIGITS, Point, draw_by_mouse, mouse_events
from live import too_wide
from playwright.sync_api import BrowserContext, Locator, Page, expect
from servers import Server

pytestmark = pytest.mark.browser

# Phones in both orientations, a small laptop at 150 % zoom and at 100 %.
WINDOWS = [(320, 568), (390, 664), (390, 844), (568, 320), (844, 390), (911, 512), (1366, 768)]
LETTER = [
    [(0.3, 0.1), (0.3, 0.9)],
    [(0.3, 0.12), (0.58, 0.1), (0.7, 0.26), (0.56, 0.46), (0.32, 0.5), (0.74, 0.9)],
]


def beside(left: int, right: int) -> list[list[Point]]:
    """Two digits in a row."""
    return [
        [(0.5 * (x + place), 0.2 + 0.6 * y) for x, y in stroke]
        for place, digit in enumerate((left, right))
        for stroke in DIGITS[digit]
    ]


DRAWINGS = {"empty": [], "read": DIGITS[3], "rejected": LETTER, "several": beside(3, 7)}
STATES = {"empty": "empty", "read": "read", "rejected": "rejected", "several": "rejected"}
PARTS = (".dp-paper", ".dp-tools", ".dp-right", ".dp-head", ".dp-bars", ".dp-doubt")


@pytest.fixture(scope="module")
def open_page(app: Server, open_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """Open the page in a window of its own."""

    def opened(width: int = 800, height: int = 600, **options: Any) -> Page:
        size = {"width": width, "height": height}
        page = open_context(viewport=size, device_scale_factor=2, **options).new_page()
        page.goto(app.url)
        expect(page.locator(".dp-answer")).to_have_attribute("data-state", "empty")
        return page

    return opened


@pytest.fixture(scope="module")
def page(open_page: Callable[..., Page]) -> Iterator[Page]:
    page = open_page()
    yield page
    page.close()


def show(page: Page, name: str) -> None:
    """Clear the pad and draw one of ``DRAWINGS``."""
    expect(page.locator(".dp-answer")).to_have_attribute("data-pen", "up")
    if page.locator(".dp-clear").is_visible():
        page.locator(".dp-clear").click()
    expect(page.locator(".dp-answer")).to_have_attribute("data-state", "empty")
    draw_by_mouse(page, paper(page), DRAWINGS[name])
    page.mouse.move(0, 0)
    expect(page.locator(".dp-answer")).to_have_attribute("data-state", STATES[name])
    expect(page.locator(".dp-answer")).to_have_attribute("data-pen", "up")


def resize(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(
        """width => innerWidth === width &&
           new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
           .then(() => true)""",
        arg=width,
    )


def paper(page: Page) -> Locator:
    return page.locator(".dp-paper")


def boxes(page: Page) -> dict[str, dict[str, float]]:
    """Place and size of the parts at one moment."""
    return page.evaluate(
        """parts => Object.fromEntries(parts.map(part => {
            const {x, y, width, height} = document.querySelector(part).getBoundingClientRect();
            return [part, {x, y, width, height}];
        }))""",
        PARTS,
    )


@pytest.mark.parametrize("name", DRAWINGS)
def test_canvas_and_answer_fit_every_window(page: Page, name: str) -> None:
    resize(page, 800, 600)
    show(page, name)
    for width, height in WINDOWS:
        resize(page, width, height)
        for part, box in boxes(page).items():
            where = f"{part} in a window of {width}×{height}: {box}"
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width, where
            assert 0 <= box["y"] <= box["y"] + box["height"] <= height, where
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert boxes(page)[".dp-paper"]["width"] >= min(400, 0.55 * min(width, height))
        cut = page.evaluate("""() => [...document.querySelectorAll(
            '.dp-verdict, .dp-verdict > *, .dp-bars span, .dp-doubt b')]
            .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth
                      || e.scrollHeight > e.clientHeight + 1 && e.clientHeight)
            .map(e => e.outerHTML)""")
        assert cut == [], (width, height)


@pytest.mark.parametrize("name", ["read", "several"])
def test_nothing_moves_while_a_drawing_is_read(page: Page, name: str) -> None:
    for width, height in ((320, 568), (1366, 768)):
        resize(page, width, height)
        show(page, "empty")
        before = boxes(page)
        for count, _ in enumerate(mouse_events(page, paper(page), DRAWINGS[name])):
            if count == 12:
                expect(page.locator(".dp-answer")).not_to_have_attribute("data-state", "empty")
                assert boxes(page) == before
        expect(page.locator(".dp-answer")).to_have_attribute("data-state", STATES[name])
        expect(page.locator(".dp-answer")).to_have_attribute("data-pen", "up")
        assert boxes(page) == before


def test_examples_are_shown_until_something_is_drawn(page: Page) -> None:
    show(page, "empty")
    for name, state in (("3", "read"), ("7", "read"), ("R", "rejected")):
        page.locator(f".dp-example:text-is('{name}')").click(timeout=20_000)
        expect(page.locator(".dp-answer")).to_have_attribute("data-state", state)
        if state == "read":
            expect(page.locator(".dp-head .dp-digit")).to_have_text(name)
        expect(page.locator(".dp-examples")).to_be_hidden()
        show(page, "empty")


def test_every_control_has_a_name_and_shows_its_focus(page: Page) -> None:
    show(page, "read")
    for role, count in (("button", 2 + 11), ("radio", 2 + 3)):  # and the switches of the panels
        named = page.locator(".dp-pad").get_by_role(role, name="")  # type: ignore[arg-type]
        shown = [control for control in named.all() if control.is_visible()]
        assert len(shown) >= count
        for control in shown:
            assert '"' in control.aria_snapshot(), control  # its name, in quotes
    page.keyboard.press("Shift")  # from now on by keyboard
    for control in (".dp-undo", ".dp-brush :checked", ".dp-label.dp-answered", ".dp-switch"):
        page.locator(control).first.focus()
        outline = page.locator(control).first.evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid", control


def test_the_tab_key_passes_through_the_pad(page: Page) -> None:
    show(page, "read")
    page.locator("h1").click()
    for key in ("Tab", "Shift+Tab"):
        focused = []
        for _ in range(60):
            page.keyboard.press(key)
            focused.append(page.evaluate("document.activeElement.className"))
        for part in ("dp-ink", "dp-undo", "dp-clear", "jp-Notebook"):  # the last is the page
            assert any(part in name for name in focused), (key, part, focused)


def test_a_dark_system_has_a_dark_page_and_canvas(open_page: Callable[..., Page]) -> None:
    page = open_page(color_scheme="dark")
    show(page, "read")
    luminance = """selector => {
        const [r, g, b] = getComputedStyle(document.querySelector(selector))
            .backgroundColor.match(/\\d+/g).map(Number);
        return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    }"""
    assert page.evaluate(luminance, "body") < 0.1
    assert page.evaluate(luminance, ".dp-paper") < 0.2
    assert page.locator(".dp-paper canvas").first.evaluate("e => getComputedStyle(e).filter") == (
        "invert(1)"
    )
    page.close()


def test_open_panels_fit_narrow_and_wide_windows(page: Page) -> None:
    """The last test, because it opens all panels."""
    resize(page, 800, 600)
    show(page, "read")
    switches = page.locator(".dp-switches button")
    for switch in switches.all():
        switch.click()
    expect(page.locator(".dp-panel")).to_have_count(switches.count())
    expect(page.locator(".dp-why section")).to_have_count(2)
    for width in (360, 1366):
        resize(page, width, 900)
        for panel in page.locator(".dp-panel").all():
            assert too_wide(panel) == []
