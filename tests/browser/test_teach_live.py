"""The panel "Learn my handwriting" in JupyterLab and as a page: learned, used, and left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawing import DIGITS
from live import open_pad, too_wide
from playwright.sync_api import BrowserContext, Page, expect
from servers import Server

from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile

pytestmark = [pytest.mark.browser, pytest.mark.stress]
LESSON = 300_000  # ms at most: with data sets that are not in the cache
MIRRORED = [[(1 - x, y) for x, y in stroke] for stroke in DIGITS[7]]


@pytest.fixture
def page(lab: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A page with the panel, over a store with a seven that nobody was ever taught."""
    folder = Path(lab.process.environ()["DIGITLIB_DRAWINGS"])
    random = np.random.RandomState(0)
    stored = [
        Drawing(
            label, [300 * np.array(stroke) + random.randn(len(stroke), 2) for stroke in strokes]
        )
        for label, strokes in [*DIGITS.items(), *[(7, MIRRORED)] * 8]
    ]
    DrawingFile(folder).append(*stored)
    page = open_pad(lab, open_context)
    open_panel(page)
    yield page
    page.close()
    DrawingFile(folder).delete([drawing.id for drawing in stored])
    for file in folder.glob("personal.*"):
        file.unlink()


def open_panel(page: Page) -> None:
    page.locator(".dp-switches").get_by_role("button", name="Learn my handwriting").click()


def press(page: Page, name: str) -> None:
    """Press a button of the panel by keyboard."""
    button = page.locator(".dp-handwriting").get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")


def draw(page: Page, strokes: list[list[tuple[float, float]]], digit: int) -> None:
    if page.locator(".dp-clear").is_enabled():
        page.locator(".dp-clear").click()
    points = [[[400 * x, 400 * y] for x, y in stroke] for stroke in strokes]
    page.evaluate("strokes => pen.drawing(strokes, 4)", points)
    expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))


def test_a_lesson_is_cancelled_learned_used_and_left(
    page: Page, lab: Server, open_context: Callable[..., BrowserContext]
) -> None:
    panel = page.locator(".dp-handwriting")
    expect(panel.locator(".dp-counts p")).to_contain_text("18 drawings are stored")
    press(page, "Learn")
    expect(panel.get_by_role("progressbar", name="Learning")).to_be_visible()
    press(page, "Cancel")
    expect(panel.get_by_role("status")).to_have_text("Stopped: nothing has changed.")

    press(page, "Learn")
    draw(page, DIGITS[4], 4)  # the pad reads meanwhile
    expect(panel.locator("[data-lesson=kept]")).to_be_visible(timeout=LESSON)
    expect(panel.locator("table tbody tr")).to_have_count(3)
    expect(panel.locator(".dp-use")).to_contain_text("The bundled network reads the pad.")
    press(page, "Use it")
    expect(panel.locator(".dp-use")).to_contain_text("Your network reads the pad, taught 18")
    draw(page, MIRRORED, 7)
    assert too_wide(panel) == []
    press(page, "Back to the bundled network")
    expect(panel.locator(".dp-use")).to_contain_text("Your own is ready.")

    later = open_pad(lab, open_context)  # another visit
    open_panel(later)
    expect(later.locator(".dp-use")).to_have_text(
        "The bundled network reads the pad. Your own is ready."
    )
    later.close()
