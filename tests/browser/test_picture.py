"""A picture comes into the pad: from a file, the clipboard, another window, a phone's camera."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import DIGITS, draw_by_mouse
from helpers import page as digit_page
from live import open_pad
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect
from servers import Server

pytestmark = pytest.mark.browser

SIDEWAYS = 6  # in EXIF: to be turned by a quarter
DROP = """([target, file, zeros]) => {
    const bytes = Uint8Array.from(atob(file), each => each.charCodeAt(0));
    const content = [bytes, new Uint8Array(zeros)];
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(content, 'dropped.jpg', {type: 'image/jpeg'}));
    const goesOn = name => document.querySelector(target).dispatchEvent(
        new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer}));
    return [goesOn('dragover'), goesOn('drop')];
}"""
COPY = """async file => {
    const picture = await (await fetch('data:image/png;base64,' + file)).blob();
    await navigator.clipboard.write([new ClipboardItem({'image/png': picture})]);
}"""


def photo(digit: int, *, side: int = 200, kind: str = "JPEG", noise: int = 0) -> bytes:
    """A file as a camera writes it that was held sideways; noise makes it large."""
    picture = Image.fromarray(digit_page(digit)).resize((side, side))
    random = np.random.default_rng(0)
    shades = np.asarray(picture, int) + random.integers(-noise, noise + 1, (side, side))
    lying = Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    if kind == "JPEG":
        lying, exif[0x0112] = lying.transpose(Image.Transpose.ROTATE_90), SIDEWAYS
    lying.save(buffer := io.BytesIO(), kind, exif=exif)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def page(studio: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """The pad with the panel open."""
    page = open_pad(studio, open_context, permissions=["clipboard-read", "clipboard-write"])
    open_panel(page)
    yield page
    page.context.close()


def open_panel(page: Page) -> None:
    page.get_by_role("button", name="Picture", exact=True).click()
    expect(page.get_by_role("group", name="Read a picture")).to_be_visible()


def choose(page: Page, name: str, content: bytes) -> None:
    file: Any = {"name": name, "mimeType": "", "buffer": content}
    page.locator(".dp-choose + input").set_input_files(file)


def said(page: Page) -> Locator:
    return page.locator(".dp-upload [role=status]")


def is_read(page: Page, digit: int, sentence: str) -> None:
    """The picture is on the canvas and its digit beside it."""
    expect(said(page)).to_have_text(sentence)
    expect(page.locator(".dp-result .dp-digit")).to_have_text(str(digit))
    expect(page.locator(".dp-paper .dp-image img")).to_be_visible()


@pytest.mark.parametrize("side", [200, 2100])
def test_a_photo_is_read_upright_and_goes_with_the_first_stroke(page: Page, side: int) -> None:
    large = photo(7, side=side, noise=60 if side > 2000 else 0)
    choose(page, "<b>seven</b>.jpg", large)
    is_read(page, 7, "<b>seven</b>.jpg is on the canvas.")
    draw_by_mouse(page, page.locator(".dp-paper"), DIGITS[3])
    expect(page.locator(".dp-result .dp-digit")).to_have_text("3")
    expect(page.locator(".dp-paper .dp-image img")).to_have_count(0)
    expect(said(page)).to_have_text("")
    page.locator(".dp-clear").click()
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "empty")


def test_a_picture_is_pasted(page: Page) -> None:
    page.evaluate(COPY, base64.b64encode(photo(4, kind="PNG")).decode())
    cells = page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    page.locator(".dp-ink").focus()
    page.keyboard.press("Control+v")
    is_read(page, 4, "image.png is on the canvas.")
    page.locator(".dp-clear").click()
    expect(page.locator(".dp-paper .dp-image img")).to_have_count(0)
    assert cells.count() == before  # JupyterLab would paste a cell


@pytest.mark.parametrize("target", [".dp-ink", ".dp-upload"])
def test_a_picture_is_dropped(page: Page, target: str) -> None:
    file = base64.b64encode(photo(2)).decode()
    goes_on = page.evaluate(DROP, [target, file, 0])
    assert goes_on == [False, False]  # to the browser, which would open it
    is_read(page, 2, "dropped.jpg is on the canvas.")
    assert "dp-over" not in (page.locator(".dp-pad").get_attribute("class") or "")


def test_a_large_file_is_refused_before_it_travels(page: Page) -> None:
    page.evaluate(DROP, [".dp-ink", "", 20_100_000])
    expect(said(page)).to_have_text("The file has 20.1 MB; at most 20.0 MB are read.")


@pytest.mark.parametrize("content", [b"%PDF-1.7", photo(1)[:500]], ids=["another", "damaged"])
def test_what_is_no_picture_is_refused(page: Page, content: bytes) -> None:
    choose(page, "file.jpg", content)
    expect(said(page)).to_contain_text("The file cannot be read as a picture")
    expect(page.locator(".dp-upload")).to_have_attribute("data-state", "")


def test_a_picture_without_ink_is_said_beside_the_canvas(page: Page) -> None:
    Image.new("L", (90, 90), 255).save(buffer := io.BytesIO(), "PNG")
    choose(page, "white.png", buffer.getvalue())
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "failed")
    expect(page.locator(".dp-verdict")).to_contain_text("The picture has only one color")


def test_the_samples_are_read_by_keyboard_alone(page: Page, reports: Path) -> None:
    page.locator(".dp-choose").focus()
    for digit in (2, 3, 5):
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".dp-result .dp-digit")).to_have_text(str(digit))
        expect(said(page)).to_contain_text("is on the canvas")
    page.mouse.move(0, 0)
    page.locator(".dp-pad").screenshot(path=reports / "screenshots" / "picture.png")


def test_only_fingers_are_offered_the_camera(
    page: Page, studio: Server, open_context: Callable[..., BrowserContext]
) -> None:
    expect(page.get_by_role("button", name="Take a photo")).to_be_hidden()
    phone = open_pad(studio, open_context, has_touch=True)
    open_panel(phone)
    expect(phone.get_by_role("button", name="Take a photo")).to_be_visible()
    expect(phone.locator(".dp-camera + input")).to_have_attribute("capture", "environment")
    phone.context.close()
