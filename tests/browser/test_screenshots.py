"""The screenshots in ``reports``, renewed by ``make stress``."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from conftest import LONG
from drawing import DIGITS, draw_by_mouse, mouse_events
from live import open_pad, open_panel
from PIL import Image
from playwright.sync_api import BrowserContext, expect
from repository import REPOSITORY
from servers import Server
from test_layout import open_file, paper, show

pytestmark = [
    pytest.mark.browser,
    pytest.mark.stress,
    pytest.mark.skipif(not LONG, reason="DIGITLIB_WRITE_REPORTS=1 renews the screenshots."),
]
FOLDER = REPOSITORY / "reports" / "screenshots"
Open = Callable[..., BrowserContext]


def options(window: tuple[int, int]) -> dict[str, Any]:
    """Options of a browser context."""
    return {"viewport": {"width": window[0], "height": window[1]}, "device_scale_factor": 2}


def test_page(open_context: Open) -> None:
    page = open_file(open_context, **options((390, 780)))
    show(page, "read")
    page.screenshot(path=FOLDER / "phone.png")
    page.context.close()


def test_animation(open_context: Open) -> None:
    page = open_file(open_context, viewport={"width": 800, "height": 600})
    box = page.locator("main").bounding_box()
    assert box
    pictures, milliseconds = list[Image.Image](), list[int]()

    def shoot(duration: int) -> None:
        content = page.screenshot(clip={**box, "height": 445})
        pictures.append(Image.open(io.BytesIO(content)).convert("RGB"))
        milliseconds.append(duration)

    for digit in (2, 7, 4):
        for number, _ in enumerate(mouse_events(page, paper(page), DIGITS[digit])):
            if number % 3 == 0:
                shoot(60)
        expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))
        shoot(1500)
        page.locator(".dp-clear").click()
    colors = pictures[-1].quantize(64, Image.Quantize.FASTOCTREE)
    first, *others = [each.quantize(palette=colors, dither=Image.Dither.NONE) for each in pictures]
    first.save(
        FOLDER / "pad.gif", save_all=True, append_images=others, duration=milliseconds, loop=0
    )
    page.context.close()


def test_lab(lab: Server, open_context: Open) -> None:
    page = open_pad(lab, open_context, **options((1280, 1000)))
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[3])
    expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
    expect(page.locator(".dp-answered")).to_have_text("3")
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / "lab.png")
    open_panel(page, "Why?")
    expect(page.locator(".dp-why section")).to_have_count(2)
    page.set_viewport_size({"width": 1280, "height": 1500})  # below the toolbar
    page.locator(".dp-why").screenshot(path=FOLDER / "why.png")
    page.context.close()
