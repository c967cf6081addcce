"""Drawings that are told what they are, stored, looked through, changed and shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawing import DIGITS
from live import open_pad
from playwright.sync_api import BrowserContext, Locator, Page, expect
from servers import Server

from digitlib.datasets.drawing_file import Drawing

pytestmark = pytest.mark.browser


def draw(page: Page, digit: int) -> None:
    strokes = [[[400 * x, 400 * y] for x, y in stroke] for stroke in DIGITS[digit]]
    page.evaluate("strokes => pen.drawing(strokes, 4)", strokes)
    expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))


def click(place: Locator, name: str) -> None:
    """Press a button by keyboard."""
    button = place.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    place.page.keyboard.press("Enter")


def test_a_drawing_is_told_stored_changed_and_shared(
    studio: Server, open_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    page = open_pad(studio, open_context, accept_downloads=True)
    row, gallery = page.locator(".dp-correction"), page.locator(".dp-gallery")
    thumbs, said = gallery.locator(".dp-thumb"), gallery.get_by_role("status")
    told = row.get_by_role("status")

    # What is drawn is told below the pad.
    expect(row.get_by_role("button", name="7", exact=True)).to_be_disabled()
    draw(page, 7)
    click(row, "7")
    expect(told).to_have_text("Stored: right, it is a 7. 1 in all.")
    click(row, "no digit")
    expect(told).to_have_text("Stored as no digit now.")
    click(row, "Undo")
    expect(told).to_have_text("Stored as a 7 again.")
    page.locator(".dp-clear").click()
    expect(page.locator(".dp-pad [data-state]")).to_have_attribute("data-state", "empty")
    draw(page, 3)
    click(row, "8")
    expect(told).to_have_text("Stored: an 8, not a 3. 2 in all.")

    # It is in the gallery, and can be chosen by label and by what was misread.
    page.get_by_role("button", name="My drawings").click()
    expect(thumbs).to_have_count(2)
    expect(thumbs.first).to_have_accessible_name("8, read as 3")
    gallery.get_by_role("combobox").select_option("7")
    expect(thumbs).to_have_count(1)
    gallery.get_by_label("misread only").check()
    expect(gallery.locator(".dp-thumbs")).to_have_text("No drawing is like that.")
    gallery.get_by_role("combobox").select_option("")
    expect(thumbs).to_have_count(1)
    gallery.get_by_label("misread only").uncheck()
    expect(thumbs).to_have_count(2)

    # It is drawn again, gets another label, and is deleted; each can be undone.
    click(gallery, "7, read right")
    details = gallery.locator(".dp-details")
    click(details, "Draw it again")
    expect(page.locator(".dp-head .dp-digit")).to_have_text("7")
    click(details, "1")
    expect(said).to_contain_text("1 now, no longer 7.")
    expect(thumbs.last).to_have_accessible_name("1, read as 7")
    click(gallery, "Undo")
    expect(thumbs.last).to_have_accessible_name("7, read right")
    click(details, "Delete")
    expect(thumbs).to_have_count(1)

    # What was exported comes back.
    with page.expect_download() as download:
        click(gallery, "Export")
    assert download.value.suggested_filename == "drawings.jsonl"
    exported = Path(download.value.path()).read_bytes()
    drawing = Drawing.from_line(exported)
    assert (drawing.label, drawing.predicted) == (8, 3)
    assert all(stroke.shape[1] == 4 for stroke in drawing.strokes)  # with time and pressure
    click(gallery, "Undo")
    expect(thumbs).to_have_count(2)
    for number in range(2):
        thumbs.first.click()
        click(details, "Delete")
        expect(thumbs).to_have_count(1 - number)
    choose = gallery.locator("input[type=file]")
    choose.set_input_files({"name": "<img>.jsonl", "mimeType": "", "buffer": exported})
    expect(said).to_contain_text("1 drawing was added.")
    expect(thumbs).to_have_accessible_name("8, read as 3")
    choose.set_input_files({"name": "x", "mimeType": "", "buffer": exported + b"<b>"})
    expect(page.locator(".dp-drawings .dp-message")).to_contain_text(
        "Line 2 cannot be imported: It is no JSON. Nothing was imported."
    )
    choose.set_input_files({"name": "x", "mimeType": "", "buffer": bytes(8_000_001)})
    expect(said).to_contain_text("The file has 8.0 MB; at most 8.0 MB go through the page.")

    # The servers are those of other tests, too.
    thumbs.first.click()
    click(details, "Delete")
    expect(gallery.locator(".dp-thumbs")).to_contain_text("Nothing is stored yet")
    page.context.close()
