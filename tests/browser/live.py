"""A pad in an open page with its connection, its kernel, and a fast pen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import psutil
from drawing import DIGITS
from kernel import Kernel
from playwright.sync_api import BrowserContext, Locator, Page, expect
from proxy import Line, line
from servers import Server

# A pen as drivers report it: a point every millisecond, gathered into one event per frame.
PEN = """() => {
    const layer = document.querySelector('.dp-pad .dp-ink');
    const canvas = layer.querySelector('canvas');
    const capture = layer.setPointerCapture;
    layer.setPointerCapture = id => id === 7 || capture.call(layer, id);  // 7 is no real pointer
    const event = (type, [x, y], more) => {
        const box = canvas.getBoundingClientRect();
        const scale = 2 * box.width / canvas.width;
        return new PointerEvent(type, {
            bubbles: true, cancelable: true, pointerId: 7, pointerType: 'pen', pressure: 0.5,
            clientX: box.left + scale * x, clientY: box.top + scale * y, buttons: 1,
            button: type === 'pointermove' ? -1 : 0, ...more,
        });
    };
    window.pen = {
        down: point => layer.dispatchEvent(event('pointerdown', point)),
        up: point => layer.dispatchEvent(event('pointerup', point)),
        async move(points, spacing) {
            const start = performance.now();
            for (let done = 0; done < points.length;) {
                await new Promise(requestAnimationFrame);
                const due = Math.ceil((performance.now() - start) / spacing);
                const group = points.slice(done, due).map(point => event('pointermove', point));
                if (!group.length) continue;
                const last = points[Math.min(due, points.length) - 1];
                layer.dispatchEvent(event('pointermove', last, {coalescedEvents: group}));
                done += group.length;
            }
        },
        async stroke(points, spacing) {
            this.down(points[0]);
            await this.move(points.slice(1), spacing);
            this.up(points.at(-1));
        },
        async drawing(strokes, spacing) {
            for (const points of strokes) await this.stroke(points, spacing);
        },
    };
}"""


@dataclass
class Pad:
    """An open page with a pad, its connection and its kernel."""

    page: Page
    line: Line
    kernel: Kernel

    @property
    def layer(self) -> Locator:
        return self.page.locator(".dp-pad .dp-ink")

    @property
    def note(self) -> Locator:
        return self.layer.locator(".dp-note")

    def clear(self) -> None:
        """Remove the drawing once Python has all of it."""
        self.settle()
        button = self.page.locator(".dp-clear")
        if self.kernel.arrived()[0]:
            expect(button).to_be_enabled()
            button.evaluate("button => button.click()")
        expect(self.page.locator(".dp-result .dp-answer")).to_have_attribute("data-state", "empty")

    def settle(self) -> None:
        """Wait until Python shows all ink."""
        expect(self.layer).to_have_attribute("data-strokes", "0")
        expect(self.layer).to_have_attribute("data-trouble", "")

    def strokes(self) -> list[np.ndarray]:
        """The points that have arrived in Python."""
        self.settle()
        return [trace[:, :2] for trace in self.kernel.arrived()[0]]


def draw(page: Page, digit: int) -> None:
    """Draw a digit by pen and wait until it is read."""
    strokes = [[[400 * x, 400 * y] for x, y in stroke] for stroke in DIGITS[digit]]
    page.evaluate("strokes => pen.drawing(strokes, 4)", strokes)
    expect(page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")  # Python has all of it
    expect(page.locator(".dp-head .dp-digit")).to_have_text(str(digit))


def clear(page: Page) -> None:
    """Clear the pad, if there is anything on it."""
    answer = page.locator(".dp-result .dp-answer")
    expect(answer).to_have_attribute("data-pen", "up")
    if page.locator(".dp-clear").is_visible():
        page.locator(".dp-clear").click()
    expect(answer).to_have_attribute("data-state", "empty")


def too_wide(panel: Locator) -> list[str]:
    """Parts of an element that extend beyond it."""
    found: list[str] = panel.evaluate("""panel => {
        const {left, right} = panel.getBoundingClientRect();
        return [...panel.querySelectorAll('*')].filter(e => e.getClientRects().length)
            .filter(e => e.getBoundingClientRect().left < left - 1
                      || e.getBoundingClientRect().right > right + 1).map(e => e.outerHTML);
    }""")
    return found


@contextmanager
def live_pad(
    server: Server, open_context: Callable[..., BrowserContext], delay: float = 0.0
) -> Iterator[Pad]:
    """The pad in a new page, through a connection with a delay in each direction."""
    address = urlsplit(server.url)
    with line(address.port or 0, delay) as opened:
        slow = address._replace(netloc=f"127.0.0.1:{opened.port}").geturl()
        page = open_pad(server._replace(url=slow), open_context)
        kernel = Kernel(kernel_of(server))
        yield Pad(page, opened, kernel)
        kernel.close()
        page.context.close()


def open_pad(
    server: Server, open_context: Callable[..., BrowserContext], **options: object
) -> Page:
    """A new page of JupyterLab, which runs the pad itself; ``pen`` (above) draws, too.

    Args:
        server: shows the drawing notebook.
        open_context: opens a browser context.
        options: of the context; by default a window of 1280 by 900 px.
    """
    page = open_context(**{"viewport": {"width": 1280, "height": 900}} | options).new_page()
    page.goto(server.url)
    expect(page.locator(".dp-pad .dp-ink canvas")).to_be_visible()
    page.evaluate(PEN)
    return page


def open_panel(page: Page, title: str, *, shown: bool = True) -> None:
    """Open or close a panel by its switch."""
    switch = page.locator(".dp-switches").get_by_role("button", name=title, exact=True)
    if ("mod-active" in (switch.get_attribute("class") or "")) != shown:
        switch.click()


def click(place: Locator, name: str) -> None:
    """Press a button by keyboard."""
    button = place.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    place.page.keyboard.press("Enter")


def kernel_of(server: Server) -> psutil.Process:
    """The kernel of a server that has only one."""
    (kernel,) = server.kernels()
    return kernel
