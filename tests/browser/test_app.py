"""The drawing pad as a page: no notebook, no code, no stored drawings, by mouse and by finger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drawing import DIGITS, Finger, draw_by_mouse, ink
from live import kernel_of, open_pad
from playwright.sync_api import BrowserContext, Page, expect
from servers import Server, serving

pytestmark = pytest.mark.browser

SCROLLED = "[...document.querySelectorAll('*')].reduce((sum, e) => sum + e.scrollTop, 0)"
SCROLLABLE = "[...document.querySelectorAll('*')].some(e => e.scrollHeight > e.clientHeight + 50)"
Open = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def page(app: Server, open_context: Open) -> Iterator[Page]:
    page = open_pad(app, open_context)
    yield page
    page.context.close()


@pytest.fixture
def phone(app: Server, open_context: Open) -> Iterator[Page]:
    window = {"width": 390, "height": 640}
    page = open_pad(app, open_context, viewport=window, has_touch=True, is_mobile=True)
    yield page
    page.context.close()


def test_visitors_do_not_share_corrections(open_context: Open, tmp_path: Path) -> None:
    """`make voila` as a teacher starts it, without any variable."""
    data = tmp_path / "data"
    with serving("voila", tmp_path, DIGITLIB_DRAWINGS=None, DIGITLIB_DATA=str(data)) as server:
        for _ in range(2):
            page = open_pad(server, open_context)
            draw_by_mouse(page, page.locator(".dp-pad .dp-canvas"), DIGITS[7])
            expect(page.locator(".dp-head .dp-digit")).to_have_text("7")  # not the last visitor's 1
            expect(page.get_by_role("button", name="Why?")).to_be_visible()
            expect(page.get_by_role("button", name="My drawings")).to_have_count(0)
            row = page.locator(".dp-correction")
            expect(row).to_contain_text("This pad remembers your drawing until you leave the page.")
            row.get_by_role("button", name="This is 1", exact=True).click()
            expect(row.get_by_role("status")).to_have_text(
                "Remembered as 1. Similar drawings will be read as 1."
            )
            expect(page.locator(".dp-head .dp-digit")).to_have_text("1")
    assert not data.exists(), "a drawing is stored"


def test_the_page_shows_the_pad_and_no_code(page: Page) -> None:
    expect(page).to_have_title("Draw a digit")
    text = page.locator("body").inner_text()
    for code in ("import", "Studio(", "weights =", "Nothing is drawn yet"):
        assert code not in text
    assert page.locator(".jp-CodeCell .jp-InputArea, .cm-editor").count() == 0


def test_the_page_asks_no_other_machine(app: Server, open_context: Open) -> None:
    context = open_context()
    requested: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    open_pad(app, lambda **_: context)
    assert [url for url in requested if not url.startswith((app.url, "data:", "blob:"))] == []
    context.close()


def test_touch_draws_and_does_not_scroll_the_page(phone: Page) -> None:
    canvas = phone.locator(".dp-pad .dp-canvas")
    before = phone.evaluate(SCROLLED)
    assert phone.evaluate(SCROLLABLE)
    Finger(phone, canvas).draw(DIGITS[4])
    expect(phone.locator(".dp-head .dp-digit")).to_have_text("4")
    assert ink(canvas) > 500
    assert phone.evaluate(SCROLLED) == before
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_second_finger_does_not_draw(phone: Page) -> None:
    finger = Finger(phone, phone.locator(".dp-pad .dp-canvas"))
    finger.touch("touchStart", (0.5, 0.2))
    finger.touch("touchMove", (0.5, 0.3))
    finger.touch("touchStart", (0.5, 0.3), (0.9, 0.9))
    for i in range(1, 12):
        finger.touch("touchMove", (0.5, 0.3 + i * 0.05), (0.9 - i * 0.05, 0.9))
    finger.touch("touchEnd", (0.5, 0.85))
    finger.touch("touchEnd")
    expect(phone.locator(".dp-head .dp-digit")).to_have_text("1")


def test_the_page_says_that_its_kernel_has_ended(app: Server, page: Page) -> None:
    """The last test, because it ends the pad."""
    kernel_of(page, app).kill()
    note = page.locator(".dp-ink .dp-note")
    expect(note).to_contain_text("The connection has ended. Reload the page.")
    expect(note.get_by_role("button", name="Reload")).to_be_visible()
