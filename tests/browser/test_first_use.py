"""The first use of the pad in JupyterLab: one test for each fault that a trial found."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import violations
from drawing import DIGITS, draw_by_mouse
from helpers import DIGITS as SHAPES
from helpers import page as digit_page
from live import clear, click, draw, kernel_of, open_pad, open_panel
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from servers import Server

from digitlib.preprocessing.strokes import rasterize

pytestmark = pytest.mark.browser

Open = Callable[..., BrowserContext]
PANELS = ("Picture", "Why?", "My drawings")
LETTER = [
    [(0.3, 0.1), (0.3, 0.9)],
    [(0.3, 0.12), (0.58, 0.1), (0.7, 0.26), (0.56, 0.46), (0.32, 0.5), (0.74, 0.9)],
]
DROP = """([target, file, kind]) => {
    const bytes = Uint8Array.from(atob(file), each => each.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], 'dropped', {type: kind}));
    const goesOn = name => document.querySelector(target).dispatchEvent(
        new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer}));
    return [goesOn('dragover'), goesOn('drop'), dataTransfer.dropEffect];
}"""
# The contrast of an element's text, as WCAG defines it.
CONTRAST = """element => {
    const channels = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => channels(color).slice(0, 3).map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, n) => sum + each * [0.2126, 0.7152, 0.0722][n], 0);
    let behind = element;
    const clear = () => channels(getComputedStyle(behind).backgroundColor)[3] === 0;
    while (clear()) behind = behind.parentElement;
    const [a, b] = [light(getComputedStyle(element).color),
                    light(getComputedStyle(behind).backgroundColor)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""
# From the top of the canvas to the end of the answer, and the height that shows a notebook.
ANSWER_BELOW_PAPER = """() => document.querySelector('.dp-doubt').getBoundingClientRect().bottom
    - document.querySelector('.dp-paper').getBoundingClientRect().top"""
VIEW = "document.querySelector('.jp-WindowedPanel-outer').clientHeight"
TOO_SMALL = """() => [...document.querySelectorAll(
        '.dp-pad :is(button, a, label:has(input), select)')]
    .filter(each => each.checkVisibility({visibilityProperty: true}))
    .map(each => [each.getBoundingClientRect(), each])
    .filter(([{width, height}]) => width < 43.9 || height < 43.9)
    .map(([{width, height}, each]) => `${each.outerHTML.slice(0, 200)}: ${width} x ${height}`)"""


@pytest.fixture(scope="module")
def page(lab: Server, open_context: Open) -> Iterator[Page]:
    page = open_pad(lab, open_context, permissions=["clipboard-read", "clipboard-write"])
    yield page
    page.context.close()


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    if "page" in request.fixturenames:
        page = request.getfixturevalue("page")
        page.get_by_role("radio", name="One digit").check()
        for title in PANELS:
            open_panel(page, title, shown=False)
        clear(page)


def phone(lab: Server, open_context: Open) -> Page:
    """The notebook alone, on a phone, without the sidebars that other tests left open."""
    alone = lab._replace(url=lab.url.replace("/lab/tree/", "/doc/workspaces/phone/tree/"))
    size = {"width": 390, "height": 664}
    return open_pad(alone, open_context, viewport=size, has_touch=True, is_mobile=True)


def set_theme(page: Page, theme: str) -> None:
    """Light or dark, as JupyterLab follows the system."""
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    body = page.locator("body")
    expect(body).to_have_attribute("data-jp-theme-light", "true" if theme == "light" else "false")


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> str:
    picture.save(buffer := io.BytesIO(), kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def number_picture() -> Image.Image:
    """427, written by pen, dark on white."""
    strokes = [
        100 * stroke + [40 + 130 * place, 50]
        for place, digit in enumerate((4, 2, 7))
        for stroke in SHAPES[digit]
    ]
    return Image.fromarray((255 * (1 - rasterize(strokes, (200, 440), 10))).astype(np.uint8))


# --- first sight -----------------------------------------------------------------------------


def test_the_pad_works_at_once_and_nothing_is_unsaved(lab: Server, open_context: Open) -> None:
    page = open_pad(lab, open_context)  # runs nothing
    expect(page.locator(".lm-TabBar-tab.jp-mod-current")).to_have_count(1)
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[3])
    expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
    page.context.close()


def test_at_first_sight_every_button_works(page: Page) -> None:
    dead = page.locator(".dp-pad :is(button, input):disabled")
    assert [each for each in dead.all() if each.is_visible()] == []
    expect(page.locator(".dp-correction")).to_be_hidden()
    draw(page, 3)
    expect(page.locator(".dp-correction")).to_be_visible()


def test_the_canvas_grows_where_there_is_room(page: Page) -> None:
    for (width, height), least in {(1920, 1080): 555, (1366, 768): 440, (800, 600): 250}.items():
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator(".dp-paper").bounding_box()
        assert box
        assert least <= box["width"] <= 561, (width, height, box)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_labels_are_in_the_first_view(lab: Server, open_context: Open) -> None:
    page = open_pad(lab, open_context, viewport={"width": 1366, "height": 768})
    draw(page, 3)
    expect(page.get_by_role("button", name="This is 3", exact=True)).to_be_in_viewport(ratio=1)
    page.context.close()


# --- one digit or a number -------------------------------------------------------------------


def test_a_photo_of_several_digits_leads_to_the_number(page: Page) -> None:
    page.evaluate(DROP, [".dp-ink", encoded(number_picture()), "image/png"])
    expect(page.locator(".dp-head")).to_contain_text("Several digits? Choose Number.")
    page.get_by_role("radio", name="Number").check()
    expect(page.locator(".dp-text")).to_have_text("427")
    expect(page.locator(".dp-boxes .dp-box")).to_have_count(3)
    paper, *boxes = page.evaluate(
        "[...document.querySelectorAll('.dp-paper, .dp-box')].map(e => e.getBoundingClientRect())"
    )
    for place, box in enumerate(boxes):
        middle = (box["x"] - paper["x"] + box["width"] / 2) / paper["width"]
        assert middle == pytest.approx((40 + 130 * place + 45) / 440, abs=0.05)
    expect(page.locator(".dp-correction")).to_be_hidden()


def test_a_number_is_written(page: Page) -> None:
    page.get_by_role("radio", name="Number").check()
    strokes = [
        [[10 + 130 * place + 110 * x, 100 + 180 * y] for x, y in stroke]
        for place, digit in enumerate((2, 7, 3))
        for stroke in DIGITS[digit]
    ]
    page.evaluate("strokes => pen.drawing(strokes, 4)", strokes)
    expect(page.locator(".dp-text")).to_have_text("273")
    page.locator(".dp-ink").focus()
    page.keyboard.press("Control+z")
    expect(page.locator(".dp-text")).to_have_text("27")


# --- the drawing is kept ---------------------------------------------------------------------


def test_a_drawing_survives_a_reload(lab: Server, open_context: Open) -> None:
    page = open_pad(lab, open_context)
    draw(page, 4)
    page.on("dialog", lambda dialog: dialog.accept())  # the notebook isn't saved
    page.reload()
    expect(page.locator(".dp-head .dp-digit")).to_have_text("4")
    page.locator(".dp-clear").click()
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "empty")
    page.reload()
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "empty")
    page.context.close()


def test_a_drawing_stays_in_the_saved_notebook(lab: Server, open_context: Open) -> None:
    """The test keeps the saved notebook, so that the repository's stays as it is."""
    page, saved = open_pad(lab, open_context), []

    def save(route: Any) -> None:
        if route.request.method != "PUT":
            route.continue_()
            return
        saved.append(route.request.post_data_json["content"])
        answer = route.fetch(method="GET", post_data="").json()
        route.fulfill(json=answer | {"content": None, "format": None, "mimetype": None})

    page.route("**/api/contents/notebooks/01_draw.ipynb*", save)
    draw(page, 4)
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_text("Save Notebook", exact=True).click()
    page.wait_for_function("!document.querySelector('.lm-TabBar-tab.jp-mod-dirty')")
    page.unroute_all(behavior="wait")  # JupyterLab also asks by itself, and may just be asking
    page.context.close()
    (notebook,) = saved
    (cell,) = [each for each in notebook["cells"] if each["id"] == "pad"]
    assert len(json.loads(cell["metadata"]["drawing"])["strokes"]) == 2

    def opened(route: Any) -> None:
        answer = route.fetch().json()
        route.fulfill(json=answer | ({"content": notebook} if answer["content"] else {}))

    context = open_context()
    context.route("**/api/contents/notebooks/01_draw.ipynb*", opened)
    another = open_pad(lab, lambda **_: context)
    expect(another.locator(".dp-head .dp-digit")).to_have_text("4")
    context.unroute_all(behavior="wait")
    context.close()


# --- words -----------------------------------------------------------------------------------


def test_a_rejected_drawing_has_no_percentage(page: Page) -> None:
    draw_by_mouse(page, page.locator(".dp-ink"), LETTER)
    answer = page.locator(".dp-result .dp-answer")
    expect(answer).to_have_attribute("data-state", "rejected")
    expect(answer).to_contain_text("Not a digit")
    expect(answer).to_contain_text("It looks a little like")
    assert "%" not in answer.inner_text()


def test_the_answer_is_bold_and_has_one_percentage(page: Page) -> None:
    draw(page, 7)
    weight = page.locator(".dp-head .dp-digit").evaluate("e => getComputedStyle(e).fontWeight")
    assert int(weight) >= 500
    expect(page.locator(".dp-head")).to_contain_text("Very sure")
    assert page.locator(".dp-result").inner_text().count(">99.9 %") <= 1


def test_why_begins_with_sentences(page: Page) -> None:
    draw(page, 3)
    open_panel(page, "Why?")
    panel = page.locator(".dp-why")
    expect(panel).to_contain_text("The ink in blue supports 3, the ink in red is against it.")
    expect(panel).to_contain_text("most similar digits that the network learned from")
    expect(panel.locator("h4")).to_have_count(0)
    click(panel, "More")
    expect(panel.locator("h4")).to_contain_text(["Steps", "Saliency", "Feature maps"])
    click(panel, "More")
    open_panel(page, "Why?", shown=False)


# --- pictures --------------------------------------------------------------------------------


def test_a_picture_is_dropped_or_pasted_while_the_panel_is_closed(
    lab: Server, open_context: Open
) -> None:
    page = open_pad(lab, open_context, permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator(".dp-upload")).to_be_hidden()
    four = encoded(Image.fromarray(digit_page(4)))
    assert page.evaluate(DROP, [".dp-result", four, "image/png"])[:2] == [False, False]
    expect(page.locator(".dp-head .dp-digit")).to_have_text("4")
    expect(page.locator(".dp-upload [role=status]")).to_have_text("dropped is on the canvas.")
    page.evaluate(
        """async file => {
            const picture = await (await fetch('data:image/png;base64,' + file)).blob();
            await navigator.clipboard.write([new ClipboardItem({'image/png': picture})]);
        }""",
        encoded(Image.fromarray(digit_page(2))),
    )
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.locator(".jp-MarkdownCell").first.click()  # the focus is elsewhere, the mouse on the pad
    page.locator(".dp-verdict").hover()
    page.keyboard.press("Control+v")
    expect(page.locator(".dp-head .dp-digit")).to_have_text("2")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    page.context.close()


def test_a_picture_dropped_beside_the_pad_does_not_replace_the_page(page: Page) -> None:
    four = encoded(Image.fromarray(digit_page(4)))
    over, _, effect = page.evaluate(DROP, [".jp-MarkdownCell", four, "image/png"])
    assert (over, effect) == (False, "none")


def test_an_animation_is_read_by_its_first_picture_and_the_pad_says_so(page: Page) -> None:
    first, second = (Image.fromarray(digit_page(digit)) for digit in (7, 2))
    film = encoded(first, "GIF", save_all=True, append_images=[second])
    page.evaluate(DROP, [".dp-ink", film, "image/gif"])
    expect(page.locator(".dp-head .dp-digit")).to_have_text("7")
    said = page.locator(".dp-upload [role=status]")
    expect(said).to_contain_text("It is animated, so only the first picture is read.")


def test_a_failed_import_replaces_the_last_message(page: Page) -> None:
    open_panel(page, "My drawings")
    gallery = page.locator(".dp-gallery")
    choose = gallery.locator("input[type=file]")
    content = {"strokes": [[[10, 10], [60, 90]]], "label": 3}
    good = json.dumps(content).encode() + b"\n"
    choose.set_input_files({"name": "good", "mimeType": "", "buffer": good})
    expect(gallery.get_by_role("status")).to_contain_text("Added 1 drawing.")
    choose.set_input_files({"name": "bad", "mimeType": "", "buffer": b"{}"})
    expect(page.locator(".dp-my_drawings .dp-message")).to_contain_text("Nothing was imported.")
    expect(gallery.locator(".dp-said")).to_have_text("")
    gallery.locator(".dp-thumb").first.click()
    click(gallery.locator(".dp-details"), "Delete")
    expect(gallery.locator(".dp-thumb")).to_have_count(0)
    open_panel(page, "My drawings", shown=False)


# --- fingers ---------------------------------------------------------------------------------


def test_on_a_phone_panels_open_in_view_and_targets_are_large(
    lab: Server, open_context: Open
) -> None:
    page = phone(lab, open_context)
    draw(page, 3)
    assert page.evaluate(ANSWER_BELOW_PAPER) <= page.evaluate(VIEW)
    for title in PANELS:
        open_panel(page, title)
        panel = page.locator(".dp-panel").filter(has=page.get_by_role("heading", name=title))
        expect(panel.locator("h3")).to_be_in_viewport()
        assert page.evaluate(TOO_SMALL) == []
        open_panel(page, title, shown=False)
    page.context.close()


# --- colors, names and keys ------------------------------------------------------------------


def test_labels_can_be_read_while_the_mouse_is_on_them(page: Page) -> None:
    draw(page, 3)
    row = page.locator(".dp-correction")
    for theme in ("dark", "light"):
        set_theme(page, theme)
        for label in ("This is 3", "This is 5"):
            button = row.get_by_role("button", name=label)
            button.click()
            expect(button).to_have_attribute("aria-pressed", "true")
            button.hover()
            page.wait_for_timeout(300)
            assert button.evaluate(CONTRAST) >= 4.5, (theme, label)
        click(row, "Undo")
        click(row, "Undo")


def test_screen_readers_hear_the_answer_and_the_state_of_each_switch(page: Page) -> None:
    spoken = page.locator(".dp-ink [aria-live]")
    expect(spoken).to_have_text("")
    draw(page, 7)
    expect(spoken).to_have_text("7. Very sure.")
    for digit in range(10):
        expect(page.get_by_role("button", name=f"This is {digit}", exact=True)).to_have_count(1)
    for title in PANELS:
        switch = page.get_by_role("button", name=title, exact=True)
        expect(switch).to_have_attribute("aria-pressed", "false")
        open_panel(page, title)
        expect(switch).to_have_attribute("aria-pressed", "true")
        open_panel(page, title, shown=False)
    click(page.locator(".dp-correction"), "This is 1")
    one = page.get_by_role("button", name="This is 1", exact=True)
    expect(one).to_have_attribute("aria-pressed", "true")
    click(page.locator(".dp-correction"), "Undo")


def test_keys_clear_and_undo_without_the_focus_on_the_canvas(page: Page) -> None:
    answer = page.locator(".dp-result .dp-answer")
    for key in ("Delete", "Backspace", "Escape"):
        draw(page, 3)
        page.locator(".dp-ink").focus()
        page.keyboard.press(key)
        expect(answer).to_have_attribute("data-state", "empty")
        page.evaluate("document.activeElement.blur()")
        page.locator(".dp-verdict").hover()
        page.keyboard.press("Control+z")
        expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
        clear(page)


def test_escape_cancels_the_stroke_in_progress(page: Page) -> None:
    draw(page, 3)
    page.evaluate("pen.down([50, 50])")
    page.evaluate("pen.move([[60, 60], [70, 300]], 1)")
    page.locator(".dp-ink").focus()
    page.keyboard.press("Escape")
    page.evaluate("pen.up([70, 300])")
    expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
    expect(page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")


def test_undo_and_redo_restore_a_picture(page: Page) -> None:
    page.evaluate(DROP, [".dp-ink", encoded(Image.fromarray(digit_page(4))), "image/png"])
    shown = page.locator(".dp-image img")
    expect(shown).to_be_visible()
    page.locator(".dp-undo").click()
    expect(shown).to_have_count(0)
    page.locator(".dp-redo").click()
    expect(shown).to_be_visible()
    expect(page.locator(".dp-head .dp-digit")).to_have_text("4")


# --- axe-core --------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pad_and_its_panels_are_accessible(page: Page, axe: str, theme: str) -> None:
    page.evaluate(axe)

    def check(state: str) -> None:
        assert violations(page, ".dp-pad") == [], state

    set_theme(page, theme)
    check("empty")
    draw_by_mouse(page, page.locator(".dp-ink"), LETTER)
    expect(page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "rejected")
    check("rejected")
    clear(page)
    draw(page, 3)
    click(page.locator(".dp-correction"), "This is 3")
    for title in PANELS:
        open_panel(page, title)
        if title == "Why?":
            click(page.locator(".dp-why"), "More")
            expect(page.locator(".dp-why h4")).to_have_count(3)
        if title == "My drawings":
            page.locator(".dp-thumb").first.click()
        check(title)
        if title == "My drawings":
            click(page.locator(".dp-details"), "Delete")
        if title == "Why?":
            click(page.locator(".dp-why"), "More")
        open_panel(page, title, shown=False)
    page.get_by_role("radio", name="Number").check()
    expect(page.locator(".dp-text")).to_have_text("3")
    check("number")


# --- restarts --------------------------------------------------------------------------------


def restart(page: Page) -> None:
    """Restart the kernel as a user does, and wait for another pad with the drawing, a 7."""
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Restart Kernel…", exact=True).click()
    pad = page.query_selector(".dp-pad")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function("pad => !pad.isConnected", arg=pad)
    expect(page.locator(".dp-ink .dp-note")).to_have_text("")
    expect(page.locator(".dp-head .dp-digit")).to_have_text("7")


def test_after_a_restart_the_pad_and_the_drawing_return(lab: Server, open_context: Open) -> None:
    page = open_pad(lab, open_context)
    draw(page, 7)
    restart(page)
    page.context.close()


def test_a_pad_without_its_kernel_says_so(lab: Server, open_context: Open) -> None:
    """The last test, because it ends the kernel of the others."""
    page = open_pad(lab, open_context)
    draw(page, 7)
    kernel_of(lab).kill()  # JupyterLab starts it again; see tests/js/run.test.mjs for what follows
    note = page.locator(".dp-ink .dp-note")
    expect(note).to_contain_text("The kernel has restarted. Run the cells again.")
    broken = """() => [...document.querySelectorAll('.dp-pad, .dp-pad *')]
        .filter(each => each.matches('.jupyter-widgets-disconnected'))
        .filter(each => !['none', '""'].includes(getComputedStyle(each, '::before').content))
        .length"""  # an empty text is the place of a button's icon
    assert page.evaluate(broken) == 0
    page.context.close()
