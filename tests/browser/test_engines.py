"""The pad as one file in Firefox and WebKit; test_pad_file.py has the tests in Chromium."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import DIGITS, steps_along
from engines import Engine, Firefox, find_firefox, find_webkit, firefox, wait, webkit
from PIL import Image

from digitlib.page.build import PAGE

pytestmark = [pytest.mark.browser, pytest.mark.stress]

READY = "performance.getEntriesByName('ready').length"
SHOWN = "document.querySelector('.dp-head .dp-digit')?.textContent ?? ''"
BOX = "document.querySelector('.dp-ink').getBoundingClientRect().toJSON()"
CLEAR = "document.querySelector('.dp-clear').click()"
# ms for a prediction, without the time to show it: the quickest of many short runs, because other
# programs interrupt the others. Clocks count whole ms.
SPEED = """(() => {
    const {Recognizer} = modules.recognizer, recognizer = new Recognizer();
    const strokes = [Array.from({length: 60}, (_, i) => [100 + 80 * Math.sin(i / 8), 3 * i])];
    const times = [];
    for (let run = 0; run < 100; run++) {
        const start = performance.now();
        for (let n = 0; n < 4; n++) recognizer.predictStrokes(strokes);
        times.push((performance.now() - start) / 4);
    }
    return Math.min(...times);
})()"""


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "firefox":
        if (program := find_firefox()) is None:
            pytest.skip("no Firefox: install it (Debian: apt install firefox-esr).")
        with firefox(program, folder) as opened:
            opened.open(PAGE.as_uri())
            yield opened
    else:
        if (programs := find_webkit()) is None:
            pytest.skip("no WebKit: install it (Debian: apt install webkit2gtk-driver xvfb).")
        with webkit(programs, folder) as opened:
            opened.open(PAGE.as_uri())
            yield opened


def draw(page: Engine, digit: int, kind: str) -> None:
    box = page.evaluate(BOX)
    for stroke in DIGITS[digit]:
        points = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"])
            for x, y in steps_along(stroke, 0.06)
        ]
        page.press(kind, points)


def ink_on_screen(page: Engine) -> int:
    """Dark pixels of the canvas in a screenshot."""
    box = page.evaluate(BOX)
    sides = box["left"], box["top"], box["right"], box["bottom"]
    picture = Image.open(io.BytesIO(page.screenshot())).convert("L").crop(sides)
    return int((np.asarray(picture) < 90).sum())


def expect_digit(page: Engine, digit: int | str) -> None:
    wait(lambda: page.evaluate(SHOWN) == str(digit), f"the digit {digit}", 20)


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_digits_are_drawn_and_read(page: Engine, kind: str) -> None:
    assert wait(lambda: page.evaluate(READY), "the page") == 1
    for digit in (0, 4, 7):
        draw(page, digit, kind)
        expect_digit(page, digit)
        page.evaluate(CLEAR)
        expect_digit(page, "")


def test_cleared_ink_leaves_the_screen(page: Engine) -> None:
    draw(page, 4, "mouse")
    expect_digit(page, 4)
    assert ink_on_screen(page) > 1000
    page.evaluate(CLEAR)
    wait(lambda: not ink_on_screen(page), "clearing", 20)


def test_a_correction_survives_a_reload(page: Engine) -> None:
    draw(page, 3, "mouse")
    expect_digit(page, 3)
    page.evaluate("document.querySelectorAll('.dp-label')[8].click()")
    expect_digit(page, 8)
    page.open(PAGE.as_uri())
    expect_digit(page, 8)  # the drawing survives, too
    page.evaluate("window.confirm = () => true")
    page.evaluate("document.querySelector('.dp-forget button').click()")
    expect_digit(page, 3)
    page.evaluate(CLEAR)


def test_the_page_asks_for_nothing(page: Engine) -> None:
    if not isinstance(page, Firefox):
        pytest.skip("WebKit's driver doesn't list requests.")
    asked = {address for address in page.requests if not address.startswith("data:")}
    assert asked <= {PAGE.as_uri()}


def test_a_prediction_takes_milliseconds(page: Engine, request: pytest.FixtureRequest) -> None:
    took = page.evaluate(SPEED)
    print(f"{request.node.callspec.id}: {took:.2f} ms per prediction")
    assert took <= 15


def test_screenshots(page: Engine, request: pytest.FixtureRequest) -> None:
    """With DIGITLIB_SCREENSHOTS=FOLDER, the page of each engine is kept to be looked at."""
    draw(page, 3, "mouse")
    expect_digit(page, 3)
    picture = page.screenshot()
    assert picture.startswith(b"\x89PNG")
    if folder := os.environ.get("DIGITLIB_SCREENSHOTS"):
        (Path(folder) / f"pad-{request.node.callspec.id}.png").write_bytes(picture)
    page.evaluate(CLEAR)
