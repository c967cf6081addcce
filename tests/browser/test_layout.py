"""The layout of the pad as one file: canvas and answer fit every window, and nothing moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from drawing import DIGITS, Point, draw_by_mouse, mouse_events
from playwright.sync_api import BrowserContext, Locator, Page, expect

from digitlib.page.build import PAGE

pytestmark = pytest.mark.browser

# Phones in both orientations, a small laptop at 150 % zoom and at 100 %, and a large screen.
WINDOWS = [
    (320, 568), (390, 664), (390, 844), (568, 320), (844, 390), (911, 512), (1366, 768),
    (1920, 1080),
]  # fmt: skip
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


def open_file(open_context: Callable[..., BrowserContext], **options: object) -> Page:
    """The page in a browser context of its own."""
    page = open_context(**options).new_page()
    page.goto(PAGE.as_uri())
    expect(page.locator(".dp-answer")).to_have_attribute("data-state", "empty")
    return page


@pytest.fixture(scope="module")
def page(open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = open_file(open_context, device_scale_factor=2)
    yield page
    page.context.close()


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


def test_every_control_has_a_name_and_shows_its_focus(page: Page) -> None:
    show(page, "read")
    for role, count in (("button", 2 + 11), ("radio", 3)):
        named = page.locator(".dp-pad").get_by_role(role, name="")  # type: ignore[arg-type]
        shown = [control for control in named.all() if control.is_visible()]
        assert len(shown) >= count
        for control in shown:
            assert re.match(r'- \w+ "[^"]+"', control.aria_snapshot()), control  # its name
    page.keyboard.press("Shift")  # from now on by keyboard
    for control in (".dp-undo", ".dp-brush :checked", ".dp-label.dp-answered", ".dp-switch"):
        page.locator(control).first.focus()
        outline = page.locator(control).first.evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid", control
