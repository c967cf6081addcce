"""The wide pad as a page: a number by pen, its boxes, and windows of two widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import nbformat
import pytest
from drawing import DIGITS
from live import open_pad
from playwright.sync_api import BrowserContext, expect
from servers import INSTALLED, Server, serving

pytestmark = pytest.mark.browser

CODE = "from digitlib import DrawingPad\n\npad = DrawingPad(wide=True)\npad"
RECTANGLES = """selectors => selectors.map(selector =>
    [...document.querySelectorAll(selector)].map(each => each.getBoundingClientRect().toJSON()))"""


def number(text: str) -> list[list[list[float]]]:
    """Strokes on a canvas of 700 by 280 px."""
    return [
        [[120 * place + 30 + 150 * x, 50 + 180 * y] for x, y in stroke]
        for place, digit in enumerate(text)
        for stroke in DIGITS[int(digit)]
    ]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A notebook with only a wide pad, as a page."""
    folder = tmp_path_factory.mktemp("wide")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "wide.ipynb")
    settings = *INSTALLED, f"JUPYTER_CONFIG_DIR={folder / 'config'}"
    with serving("app", folder, *settings, f"NOTEBOOK={folder / 'wide.ipynb'}") as server:
        yield server


@pytest.mark.parametrize("window", [(1366, 768), (360, 740)])
def test_a_number_is_read_and_undone_by_keys(
    wide: Server, open_context: Callable[..., BrowserContext], window: tuple[int, int]
) -> None:
    page = open_pad(wide, open_context, viewport={"width": window[0], "height": window[1]})
    page.evaluate("strokes => pen.drawing(strokes, 4)", number("2703"))
    text = page.locator(".dp-number .dp-text")
    expect(text).to_have_text("2703")
    boxes = page.locator(".dp-boxes .dp-box")
    expect(boxes).to_have_count(4)
    # All at once: an answer that arrives in between replaces these elements.
    (paper,), (answer,), places = page.evaluate(RECTANGLES, [".dp-paper", ".dp-number", ".dp-box"])
    assert paper["width"] == pytest.approx(2.5 * paper["height"], rel=0.01)
    assert answer["bottom"] <= window[1]
    for place, found in enumerate(places):
        middle = (found["x"] - paper["x"] + found["width"] / 2) * 700 / paper["width"]
        assert middle == pytest.approx(120 * place + 30 + 75, abs=15)
    page.locator(".dp-ink").focus()
    page.keyboard.press("Control+z")
    expect(text).to_have_text("270")
    expect(boxes).to_have_count(3)
    page.context.close()
