"""The screenshots of README, renewed by ``make stress``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import LONG
from drawing import DIGITS, draw_by_mouse
from live import draw, open_pad
from playwright.sync_api import BrowserContext, Page, expect
from repository import REPOSITORY
from servers import Server, serving
from test_layout import DRAWINGS, show

pytestmark = [
    pytest.mark.browser,
    pytest.mark.stress,
    pytest.mark.skipif(not LONG, reason="DIGITLIB_WRITE_REPORTS=1 renews the screenshots."),
]
FOLDER = REPOSITORY / "reports" / "screenshots"
Open = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page as ``make voila`` starts it by default: nothing is stored."""
    with serving("voila", tmp_path_factory.mktemp("app"), DIGITLIB_DRAWINGS=None) as server:
        yield server


def on_page(
    server: Server, open_context: Open, window: tuple[int, int], scheme: str = "light"
) -> Page:
    size = {"width": window[0], "height": window[1]}
    return open_pad(server, open_context, viewport=size, color_scheme=scheme, device_scale_factor=2)


@pytest.mark.parametrize(
    ("file", "drawing", "window", "scheme"),
    [
        ("app", "read", (800, 600), "light"),
        ("empty", "empty", (800, 600), "light"),
        ("dark", "read", (800, 600), "dark"),
        ("phone", "read", (390, 780), "light"),
        ("refused", "several", (390, 780), "light"),
        ("phone-dark", "rejected", (390, 780), "dark"),
    ],
)
def test_page(
    app: Server,
    open_context: Open,
    file: str,
    drawing: str,
    window: tuple[int, int],
    scheme: str,
) -> None:
    assert drawing in DRAWINGS
    page = on_page(app, open_context, window, scheme)
    show(page, drawing)
    page.screenshot(path=FOLDER / f"{file}.png")
    page.context.close()


def test_lab(lab: Server, open_context: Open) -> None:
    page = on_page(lab, open_context, (1280, 1000))
    draw_by_mouse(page, page.locator(".dp-ink"), DIGITS[3])
    expect(page.locator(".dp-head .dp-digit")).to_have_text("3")
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / "lab.png")
    page.locator(".dp-switches").get_by_role("button", name="Why?").click()
    expect(page.locator(".dp-why section")).to_have_count(2)
    page.set_viewport_size({"width": 1280, "height": 1500})  # below the toolbar
    page.locator(".dp-why").screenshot(path=FOLDER / "why.png")
    page.context.close()


def test_picture(app: Server, open_context: Open) -> None:
    page = on_page(app, open_context, (800, 900))
    draw(page, 1)
    page.get_by_role("button", name="Picture", exact=True).click()
    page.locator(".dp-samples button").last.click()
    expect(page.locator(".dp-head .dp-digit")).to_have_text("5")
    page.mouse.move(0, 0)
    page.locator(".dp-pad").screenshot(path=FOLDER / "picture.png")
    page.context.close()
