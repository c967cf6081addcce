"""The drawing pad as a page of its own: no notebook, no code, by mouse and by finger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from drawing import DIGITS, Finger, draw_by_mouse, ink
from playwright.sync_api import BrowserContext, Page, expect
from servers import Server

pytestmark = pytest.mark.browser

SCROLLED = "[...document.querySelectorAll('*')].reduce((sum, e) => sum + e.scrollTop, 0)"
SCROLLABLE = "[...document.querySelectorAll('*')].some(e => e.scrollHeight > e.clientHeight + 50)"


def opened(context: BrowserContext, url: str) -> Page:
    """A page with the pad ready to be drawn on; every page has a kernel of its own."""
    page = context.new_page()
    page.goto(url)
    expect(page.locator(".dp-pad .dp-canvas")).to_be_visible()
    expect(page.locator(".dp-result [data-state]")).to_have_attribute("data-state", "empty")
    return page


@pytest.fixture(scope="module")
def page(app_url: str, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = opened(
        open_context(viewport={"width": 800, "height": 600}, device_scale_factor=2), app_url
    )
    yield page
    page.close()


@pytest.fixture
def phone(app_url: str, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = opened(
        open_context(viewport={"width": 390, "height": 640}, has_touch=True, is_mobile=True),
        app_url,
    )
    yield page
    page.close()


def test_the_page_shows_the_pad_and_no_code(page: Page) -> None:
    expect(page).to_have_title("Draw a digit")
    text = page.locator("body").inner_text()
    for code in ("import", "DrawingPad", "weights =", "pad."):
        assert code not in text
    assert page.locator(".jp-CodeCell .jp-InputArea, .cm-editor").count() == 0
    assert "Nothing is drawn yet" not in text  # the notebook's cell of steps stays out


@pytest.mark.parametrize(
    "path",
    [
        "voila/tree",
        "voila/render/notebooks/01_draw.ipynb",
        "voila/files/notebooks/01_draw.ipynb",
        "voila/files/digitlib/widgets.py",
        "voila/files/reports/screenshots/app.png",
        "api/contents",
        "lab",
    ],
)
def test_nothing_but_the_pad_is_served(page: Page, app_url: str, path: str) -> None:
    assert page.request.get(f"{app_url}/{path}").status in (403, 404)


def test_the_page_asks_no_other_machine(
    app_url: str, open_context: Callable[..., BrowserContext]
) -> None:
    context = open_context()
    requested: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    opened(context, app_url).close()
    assert [url for url in requested if not url.startswith((app_url, "data:", "blob:"))] == []


@pytest.mark.parametrize(
    ("protocol", "number"),
    [("v1.kernel.websocket.jupyter.org", [255] * 7 + [127]), ("", [127, 255, 255, 255])],
)
def test_a_message_of_endless_parts_is_refused(
    page: Page, app_url: str, protocol: str, number: list[int]
) -> None:
    closed = page.evaluate(
        """([protocol, number]) => new Promise(resolve => {
            const {kernelId} = JSON.parse(
                document.getElementById("jupyter-config-data").textContent);
            const address = `ws://${location.host}/api/kernels/${kernelId}/channels`;
            const socket = new WebSocket(address, protocol ? [protocol] : []);
            socket.onopen = () => socket.send(new Uint8Array(number));
            socket.onclose = resolve;
        })""",
        [protocol, number],
    )
    assert closed
    assert page.request.get(f"{app_url}/voila/static/voila.js", timeout=5000).ok


def test_the_dotted_digit_goes_before_the_kernel_answers(page: Page, app: Server) -> None:
    expect(page.locator("[data-state=empty]")).to_be_visible()
    paper = page.locator(".dp-paper")
    expect(paper).not_to_have_css("background-image", "none")
    kernels = app.kernels().values()
    for kernel in kernels:
        kernel.suspend()
    try:
        draw_by_mouse(page, paper, DIGITS[1])
        expect(page.locator("[data-state=empty]")).to_be_visible()
        expect(paper).to_have_css("background-image", "none")
    finally:
        for kernel in kernels:
            kernel.resume()
    expect(page.locator(".dp-digit")).to_have_text("1")
    page.locator(".dp-clear").click()
    expect(page.locator("[data-state=empty]")).to_be_visible()


def test_drawing_by_mouse(page: Page) -> None:
    canvas = page.locator(".dp-pad .dp-canvas")
    for digit in (2, 7):
        draw_by_mouse(page, canvas, DIGITS[digit])
        expect(page.locator(".dp-digit")).to_have_text(str(digit))
        assert ink(canvas) > 1000
        if digit == 2:
            page.locator(".dp-clear").click()
            expect(page.locator("[data-state=empty]")).to_be_visible()
            assert ink(canvas) == 0


@pytest.mark.timed  # a tap that takes long is none
def test_drawing_by_touch_does_not_scroll_the_page(phone: Page) -> None:
    canvas = phone.locator(".dp-pad .dp-canvas")
    finger = Finger(phone, canvas)
    before = phone.evaluate(SCROLLED)
    assert phone.evaluate(SCROLLABLE)
    for digit in (1, 4):
        finger.draw(DIGITS[digit])
        expect(phone.locator(".dp-digit")).to_have_text(str(digit))
        assert ink(canvas) > 500
        phone.locator(".dp-clear").tap()
        expect(phone.locator("[data-state=empty]")).to_be_visible()
    assert phone.evaluate(SCROLLED) == before
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.timed  # a tap that takes long is none
def test_a_second_finger_does_not_draw(phone: Page) -> None:
    canvas = phone.locator(".dp-pad .dp-canvas")
    finger = Finger(phone, canvas)
    finger.touch("touchStart", (0.5, 0.2))
    finger.touch("touchMove", (0.5, 0.3))
    finger.touch("touchStart", (0.5, 0.3), (0.9, 0.9))
    for i in range(1, 12):
        finger.touch("touchMove", (0.5, 0.3 + i * 0.05), (0.9 - i * 0.05, 0.9))
    finger.touch("touchEnd", (0.5, 0.85))
    finger.touch("touchEnd")
    expect(phone.locator(".dp-digit")).to_have_text("1")
    dark_columns = canvas.evaluate(
        """canvas => {
            const {data} = canvas.getContext('2d')
                .getImageData(0, 0, canvas.width, canvas.height);
            const columns = new Set();
            for (let i = 0; i < data.length; i += 4)
                if (data[i + 3] > 128 && data[i] < 90) columns.add((i / 4) % canvas.width);
            return columns.size / canvas.width;
        }"""
    )
    assert dark_columns < 0.15
