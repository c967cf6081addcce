"""The panel "Play" in JupyterLab and as a page: a game against the clock, replay, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drawing import DIGITS, draw_by_mouse
from live import is_lab, open_pad
from playwright.sync_api import BrowserContext, Locator, Page, expect
from servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.timed]


@pytest.fixture(scope="module")
def page(studio: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = open_pad(studio, open_context, device_scale_factor=2)
    page.locator(".dp-switches").get_by_role("button", name="Play").click()
    expect(page.locator(".dp-play [data-game=idle]")).to_be_visible()
    yield page
    page.close()


def button(page: Page, name: str) -> Locator:
    return page.locator(".dp-play").get_by_role("button", name=name)


def test_a_game_by_keyboard_and_pen(page: Page, reports: Path) -> None:
    board = page.locator(".dp-board > * > [data-game]")
    button(page, "Start").press("Enter")
    expect(page.locator(".dp-play [data-asked]")).to_be_visible()
    expect(button(page, "Stop")).to_be_focused()
    first = page.locator(".dp-play [data-asked]").get_attribute("data-asked")
    expect(page.locator(".dp-play [role=alert]")).to_contain_text(f" {first}!")
    on_paper = "getComputedStyle(document.querySelector('.dp-paper'), '::before').content"
    assert f" {first}" in page.evaluate(on_paper)
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[int(first or 0)])
    expect(board).to_have_attribute("data-game", "hit")
    expect(page.locator(".dp-play [role=alert]")).to_contain_text("Yes!")
    page.locator(".dp-pad").screenshot(path=reports / "screenshots" / "play.png")
    expect(board).to_have_attribute("data-game", "asked")  # the next, on an empty pad
    expect(page.locator(".dp-result [data-state]")).to_have_attribute("data-state", "empty")
    second = board.get_attribute("data-asked")
    assert second != first
    button(page, "Skip").press("Space")
    expect(board).not_to_have_attribute("data-asked", second or "")
    third = board.get_attribute("data-asked")
    expect(board).not_to_have_attribute("data-asked", third or "", timeout=15_000)  # time is over
    button(page, "Stop").press("Enter")
    expect(page.locator(".dp-play [role=alert]")).to_contain_text("1 of 10 right")
    assert page.evaluate(on_paper) == "none"


def test_a_drawing_is_replayed_by_the_page(page: Page) -> None:
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[4])
    expect(page.locator(".dp-replay polyline")).to_have_count(2)
    expect(page.locator(".dp-play figcaption")).to_contain_text("Drawn in ")
    button(page, "Replay").click()
    page.locator(".dp-replay circle").wait_for(state="attached")
    count = "document.querySelector('.dp-replay').getAnimations({subtree: true}).length"
    assert page.evaluate(count) == 3  # two lines and the pen
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(count) == 0
    page.emulate_media(reduced_motion="no-preference")


def test_files_are_saved(page: Page) -> None:
    expect(page.locator(".dp-head .dp-digit")).to_have_text("4")
    for name, file in {"PNG": "digit-4.png", "Frame": "digit-4-frame.png"}.items():
        with page.expect_download() as download:
            page.locator(".dp-files").get_by_text(name, exact=True).click()
        assert download.value.suggested_filename == file
        assert download.value.path().read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.locator(".dp-files").get_by_text("JSON").click()
    record = json.loads(download.value.path().read_bytes())
    assert [len(stroke[0]) for stroke in record["strokes"]] == [4, 4]
    assert record["strokes"][0][0][2] == 0 < record["strokes"][1][0][2]  # ms
    assert record["prediction"]["digit"] == 4


def test_the_panel_fits_the_page(page: Page, studio: Server) -> None:
    # JupyterLab's own parts leave a notebook no room in a narrow window.
    for width in (1366,) if is_lab(studio) else (360, 1366):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => innerWidth === width", arg=width)
        wide = page.locator(".dp-play").evaluate("""panel => {
            const {left, right} = panel.getBoundingClientRect();
            return [...panel.querySelectorAll('*')].filter(e => e.getClientRects().length)
                .filter(e => e.getBoundingClientRect().left < left - 1
                          || e.getBoundingClientRect().right > right + 1).map(e => e.outerHTML);
        }""")
        assert wide == [], width
    page.set_viewport_size({"width": 1280, "height": 900})
