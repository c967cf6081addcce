"""A pad in an open page, and what stands behind it: the line, the kernel, a fast pen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import psutil
from kernel import Kernel
from playwright.sync_api import BrowserContext, Locator, Page, expect
from proxy import Line, line
from servers import Server

# A pen that moves as drivers report it: a point each millisecond, gathered into one event a frame.
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


# Per event of the pointer: ms until its place is inked and the frame that shows it begins.
INK_TIMES = """() => {
    const times = window.inkTimes = [];
    const canvas = document.querySelector('.dp-pad .dp-ink canvas');
    addEventListener('pointermove', event => {
        const box = canvas.getBoundingClientRect();
        const scale = canvas.width / box.width;
        const [x, y] = [scale * (event.clientX - box.left), scale * (event.clientY - box.top)];
        const inked = canvas.getContext('2d').getImageData(x, y, 1, 1).data[3] > 128;
        if (event.buttons === 1)
            requestAnimationFrame(now => times.push(inked ? now - event.timeStamp : null));
    });
}"""


@dataclass
class Pad:
    """An open page with a pad, and what stands behind it."""

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
        """Remove what is drawn, once Python has all of it; programs click through dialogs."""
        self.settle()
        button = self.page.locator(".dp-clear")
        if self.kernel.arrived()[0]:
            expect(button).to_be_enabled()
            button.evaluate("button => button.click()")
        expect(self.page.locator(".dp-pad [data-state]")).to_have_attribute("data-state", "empty")

    def settle(self) -> None:
        """Wait until Python shows all ink."""
        expect(self.layer).to_have_attribute("data-strokes", "0")
        expect(self.layer).to_have_attribute("data-trouble", "")

    def strokes(self) -> list[np.ndarray]:
        """The points that have arrived."""
        self.settle()
        return [trace[:, :2] for trace in self.kernel.arrived()[0]]


@contextmanager
def live_pad(
    server: Server, open_context: Callable[..., BrowserContext], delay: float = 0.0
) -> Iterator[Pad]:
    """The pad in a new page of Voilà or JupyterLab, through a line with a delay each way."""
    address = urlsplit(server.url)
    with line(address.port or 0, delay) as opened:
        slow = address._replace(netloc=f"127.0.0.1:{opened.port}").geturl()
        page = open_pad(server._replace(url=slow), open_context)
        kernel = Kernel(kernel_of(page, server))
        yield Pad(page, opened, kernel)
        kernel.close()
        page.context.close()


def open_pad(
    server: Server, open_context: Callable[..., BrowserContext], **options: object
) -> Page:
    """A new page of Voilà or JupyterLab whose pad can be drawn on, by ``pen`` (above), too.

    Args:
        server: that shows the drawing notebook.
        open_context: of the browser.
        options: of the context, in place of a window of 1280 by 900 px.
    """
    page = open_context(**{"viewport": {"width": 1280, "height": 900}} | options).new_page()
    page.goto(server.url)
    if is_lab(server):
        run_all_cells(page)
    expect(page.locator(".dp-pad .dp-ink canvas")).to_be_visible()
    page.evaluate(PEN)
    return page


def is_lab(server: Server) -> bool:
    """JupyterLab, not Voilà."""
    return "/lab/" in server.url


def run_all_cells(page: Page) -> None:
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def kernel_of(page: Page, server: Server) -> psutil.Process:
    """JupyterLab has but one."""
    config = json.loads(page.locator("#jupyter-config-data").text_content() or "{}")
    kernels = server.kernels()
    return kernels[config["kernelId"]] if "kernelId" in config else next(iter(kernels.values()))
