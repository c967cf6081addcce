"""The panels below the pad in JupyterLab: pictures, explanations, stored drawings, downloads."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import DIGITS, draw_by_mouse
from helpers import page as digit_page
from live import clear, click, draw, open_pad, open_panel
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect
from servers import Server

from digitlib.datasets.drawing import Drawing

pytestmark = pytest.mark.browser

SIDEWAYS = 6  # EXIF orientation
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


@pytest.fixture(scope="module")
def page(lab: Server, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = open_pad(
        lab,
        open_context,
        permissions=["clipboard-read", "clipboard-write"],
        accept_downloads=True,
    )
    yield page
    page.context.close()


@pytest.fixture(autouse=True)
def _empty(page: Page) -> None:
    clear(page)


# --- downloads and stored drawings -----------------------------------------------------------


def test_the_drawing_is_saved_as_png_and_json(page: Page) -> None:
    draw(page, 4)
    expect(page.locator(".dp-save a")).to_have_text(["Save PNG", "Save JSON"])
    expect(page.locator(".dp-save a").first).to_have_attribute("download", "digit-4.png")
    with page.expect_download() as download:
        page.locator(".dp-save").get_by_text("Save PNG").click()
    assert download.value.suggested_filename == "digit-4.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.locator(".dp-save").get_by_text("Save JSON").click()
    record = json.loads(Path(download.value.path()).read_bytes())
    assert [len(stroke[0]) for stroke in record["strokes"]] == [4, 4]
    assert record["strokes"][0][0][2] == 0 < record["strokes"][1][0][2]  # ms
    assert record["prediction"]["digit"] == 4


def test_a_correction_is_remembered_and_can_be_undone(page: Page) -> None:
    row, answer = page.locator(".dp-correction"), page.locator(".dp-head")
    mirrored = [[[400 * (1 - x), 400 * y] for x, y in stroke] for stroke in DIGITS[7]]
    page.evaluate("strokes => pen.drawing(strokes, 4)", mirrored)
    expect(answer).to_contain_text("Not a digit")
    click(row, "This is 7")
    expect(row.get_by_role("status")).to_have_text(
        "Saved as 7. Similar drawings will be read as 7."
    )
    expect(answer).to_contain_text("like the 7 you corrected")
    expect(answer.locator(".dp-because")).to_be_visible()
    clear(page)
    page.evaluate("strokes => pen.drawing(strokes, 4)", mirrored)
    expect(answer.locator(".dp-digit")).to_have_text("7")
    click(row, "This is not a digit")
    expect(answer).to_contain_text("Not a digit")
    click(row, "Undo")
    expect(row.get_by_role("status")).to_have_text("Forgotten.")
    expect(answer.locator(".dp-digit")).to_have_text("7")
    open_panel(page, "My drawings")
    page.locator(".dp-gallery .dp-thumb").first.click()
    click(page.locator(".dp-gallery .dp-details"), "Delete")
    expect(answer).to_contain_text("Not a digit")


def test_a_drawing_is_labeled_stored_changed_and_shared(page: Page) -> None:
    row, gallery = page.locator(".dp-correction"), page.locator(".dp-gallery")
    thumbs, said = gallery.locator(".dp-thumb"), gallery.get_by_role("status")
    outcome, details = row.get_by_role("status"), gallery.locator(".dp-details")

    expect(row).to_be_hidden()
    draw(page, 7)
    expect(row).to_contain_text("This saves your drawing on the computer that runs this pad.")
    click(row, "This is 7")
    expect(outcome).to_have_text("Saved as 7. Similar drawings will be read as 7.")
    click(row, "This is not a digit")
    expect(outcome).to_have_text("Saved as not a digit. Similar drawings will be rejected.")
    click(row, "Undo")
    expect(outcome).to_have_text("Saved as 7. Similar drawings will be read as 7.")
    clear(page)
    draw(page, 3)
    click(row, "This is 8")
    expect(outcome).to_have_text("Saved as 8. Similar drawings will be read as 8.")

    open_panel(page, "My drawings")
    expect(thumbs).to_have_count(2)
    expect(thumbs.first).to_have_accessible_name("8, read as 3")

    click(gallery, "7, read correctly")
    click(details, "This is 1")
    expect(said).to_contain_text("Changed from 7 to 1.")
    click(gallery, "Undo")
    expect(thumbs.last).to_have_accessible_name("7, read correctly")
    click(details, "Delete")
    expect(thumbs).to_have_count(1)

    with page.expect_download() as download:
        click(gallery, "Export")
    assert download.value.suggested_filename == "drawings.jsonl"
    exported = Path(download.value.path()).read_bytes()
    drawing = Drawing.from_line(exported)
    assert (drawing.label, drawing.predicted) == (8, 3)
    thumbs.first.click()
    click(details, "Delete")
    expect(gallery.locator(".dp-thumbs")).to_contain_text("You have no drawings yet.")
    choose = gallery.locator("input[type=file]")
    choose.set_input_files({"name": "<img>.jsonl", "mimeType": "", "buffer": exported})
    expect(said).to_contain_text("Added 1 drawing.")
    expect(thumbs).to_have_accessible_name("8, read as 3")
    choose.set_input_files({"name": "x", "mimeType": "", "buffer": bytes(8_000_001)})
    expect(said).to_contain_text("The file has 8.0 MB. The limit is 8.0 MB.")
    thumbs.first.click()
    click(details, "Delete")  # other tests use the server, too
    expect(thumbs).to_have_count(0)


# --- pictures --------------------------------------------------------------------------------


def photo(digit: int, *, side: int = 200, kind: str = "JPEG", noise: int = 0) -> bytes:
    """A file from a camera that was held sideways; noise makes it large."""
    picture = Image.fromarray(digit_page(digit)).resize((side, side))
    random = np.random.default_rng(0)
    shades = np.asarray(picture, int) + random.integers(-noise, noise + 1, (side, side))
    image = Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    if kind == "JPEG":
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), SIDEWAYS
    image.save(buffer := io.BytesIO(), kind, exif=exif)
    return buffer.getvalue()


def choose(page: Page, name: str, content: bytes) -> None:
    file: Any = {"name": name, "mimeType": "", "buffer": content}
    page.locator(".dp-choose + input").set_input_files(file)


def said(page: Page) -> Locator:
    return page.locator(".dp-upload [role=status]")


def is_read(page: Page, digit: int, sentence: str) -> None:
    expect(said(page)).to_have_text(sentence)
    expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))
    expect(page.locator(".dp-paper .dp-image img")).to_be_visible()


def test_a_photo_is_read_upright_and_replaced_by_the_first_stroke(page: Page) -> None:
    open_panel(page, "Picture")
    choose(page, "small.jpg", photo(2))
    is_read(page, 2, "small.jpg is on the canvas.")
    choose(page, "<b>seven</b>.jpg", photo(7, side=2100, noise=60))  # the page reduces it
    is_read(page, 7, "<b>seven</b>.jpg is on the canvas.")
    draw_by_mouse(page, page.locator(".dp-paper"), DIGITS[3])
    expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
    expect(page.locator(".dp-paper .dp-image img")).to_have_count(0)
    expect(said(page)).to_have_text("")


def test_a_picture_is_pasted_or_dropped(page: Page) -> None:
    open_panel(page, "Picture")
    page.evaluate(COPY, base64.b64encode(photo(4, kind="PNG")).decode())
    cells = page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    page.locator(".dp-ink").focus()
    page.keyboard.press("Control+v")
    is_read(page, 4, "image.png is on the canvas.")
    assert cells.count() == before  # JupyterLab would paste a cell
    goes_on = page.evaluate(DROP, [".dp-ink", base64.b64encode(photo(2)).decode(), 0])
    assert goes_on == [False, False]  # the browser would open the file
    is_read(page, 2, "dropped.jpg is on the canvas.")


def test_a_problem_with_a_picture_is_reported(page: Page) -> None:
    open_panel(page, "Picture")
    page.evaluate(DROP, [".dp-ink", "", 8_100_000])
    expect(said(page)).to_have_text("The file has 8.1 MB. The limit is 8.0 MB.")
    choose(page, "file.jpg", photo(1)[:500])
    expect(said(page)).to_contain_text("cannot be read as a picture")
    Image.new("L", (90, 90), 255).save(buffer := io.BytesIO(), "PNG")
    choose(page, "white.png", buffer.getvalue())
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "failed")


def test_the_samples_are_read_by_keyboard_alone(page: Page) -> None:
    open_panel(page, "Picture")
    expect(page.get_by_role("button", name="Take a photo")).to_be_hidden()  # only on phones
    page.locator(".dp-choose").focus()
    for digit in (2, 3, 5):
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))
        expect(said(page)).to_contain_text("is on the canvas")


# --- explanations ----------------------------------------------------------------------------


def test_the_explanation_follows_the_drawing(page: Page) -> None:
    open_panel(page, "Why?")
    panel = page.locator(".dp-why")
    expect(panel.get_by_role("status")).to_contain_text("Draw a digit to see")
    draw(page, 3)
    expect(panel).to_contain_text("supports 3")
    click(panel, "More")
    expect(panel.locator(".dp-saliency figcaption").first).to_have_text("as 3")
    expect(panel.locator(".dp-steps figcaption")).to_have_text(["frame", "direction", "time"])
    clear(page)
    draw(page, 7)
    expect(panel.locator(".dp-saliency figcaption").first).to_have_text("as 7")
    click(panel, "More")
    expect(panel.locator("h4")).to_have_count(0)
    open_panel(page, "Why?", shown=False)
    expect(panel).to_be_hidden()
