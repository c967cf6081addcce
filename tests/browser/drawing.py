"""Ten digits as pen strokes, drawn in the browser by mouse or finger."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from playwright.sync_api import Locator, Page, expect

Point = tuple[float, float]


COUNT_INK = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let dark = 0;
    for (let i = 0; i < data.length; i += 4) dark += data[i + 3] > 128 && data[i] < 90;
    return dark;
}"""


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an elliptic arc, degrees clockwise from three o'clock (y points down)."""
    turns = [math.radians(start + (end - start) * i / 24) for i in range(25)]
    return [(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns]


# Strokes in a unit square, x right, y down.
DIGITS: dict[int, list[list[Point]]] = {
    0: [arc(0.5, 0.5, 0.24, 0.36, -80, 285)],
    1: [[(0.38, 0.28), (0.53, 0.14), (0.52, 0.86)]],
    2: [[*arc(0.49, 0.33, 0.22, 0.19, -165, 35), (0.28, 0.84), (0.75, 0.83)]],
    3: [[*arc(0.47, 0.32, 0.21, 0.18, -150, 80), *arc(0.47, 0.67, 0.24, 0.19, -85, 150)]],
    4: [[(0.36, 0.14), (0.26, 0.55), (0.74, 0.54)], [(0.62, 0.2), (0.6, 0.88)]],
    5: [[(0.7, 0.15), (0.36, 0.16), (0.33, 0.45), *arc(0.46, 0.63, 0.23, 0.21, -115, 145)]],
    6: [[(0.63, 0.13), (0.42, 0.32), (0.3, 0.58), *arc(0.49, 0.67, 0.19, 0.18, 190, -170)]],
    7: [[(0.25, 0.18), (0.74, 0.17), (0.58, 0.5), (0.45, 0.87)]],
    8: [
        [
            *arc(0.5, 0.31, 0.18, 0.17, -60, -270),
            *arc(0.5, 0.67, 0.21, 0.19, -90, 270),
            *arc(0.5, 0.31, 0.18, 0.17, 90, -60),
        ]
    ],
    9: [[*arc(0.49, 0.34, 0.2, 0.19, -20, -370), (0.68, 0.5), (0.6, 0.87)]],
}


def steps_along(stroke: list[Point], spacing: float = 0.03) -> Iterator[Point]:
    """Points along a stroke, as dense as a browser reports moves."""
    yield stroke[0]
    for (x0, y0), (x1, y1) in itertools.pairwise(stroke):
        count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / spacing))
        for i in range(1, count + 1):
            yield x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count


def to_page(canvas: Locator, point: Point) -> Point:
    """Unit-square coordinates of the canvas to coordinates of the page."""
    box = canvas.bounding_box()
    assert box
    return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]


def draw_by_mouse(
    page: Page, canvas: Locator, strokes: list[list[Point]], spacing: float = 0.03
) -> None:
    """Draw strokes with pressed and moved mouse events."""
    for _ in mouse_events(page, canvas, strokes, spacing):
        pass


def mouse_events(
    page: Page, canvas: Locator, strokes: list[list[Point]], spacing: float = 0.03
) -> Iterator[None]:
    """The same in steps of one event: several pages can be drawn on by turns."""
    canvas.scroll_into_view_if_needed()
    for stroke in strokes:
        first, *rest = steps_along(stroke, spacing)
        page.mouse.move(*to_page(canvas, first))
        page.mouse.down()
        for point in rest:
            page.mouse.move(*to_page(canvas, point))
            yield
        page.mouse.up()


class Finger:
    """Touches the canvas through the browser's own touch events."""

    def __init__(self, page: Page, canvas: Locator) -> None:
        self._canvas = canvas
        self._cdp = page.context.new_cdp_session(page)
        canvas.scroll_into_view_if_needed()

    def touch(self, kind: str, *points: tuple[float, ...]) -> None:
        """Send one event with all fingers: x, y in the unit square and, optionally, a radius."""
        places = [to_page(self._canvas, (x, y)) for x, y, *_ in points]
        at = [
            {"id": n, "x": x, "y": y} | ({"radiusX": r[0], "radiusY": r[0]} if r else {})
            for n, ((x, y), (_, _, *r)) in enumerate(zip(places, points, strict=True))
        ]
        self._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def draw(self, strokes: list[list[Point]]) -> None:
        """Draw strokes with one finger."""
        for stroke in strokes:
            first, *rest = steps_along(stroke)
            self.touch("touchStart", first)
            for point in rest:
                self.touch("touchMove", point)
            self.touch("touchEnd")


def ink(canvas: Locator) -> int:
    """Number of dark pixels of the canvas, once it shows what Python has, and all of it."""
    expect(canvas.page.locator(".dp-ink")).to_have_attribute("data-strokes", "0")
    count = -1
    while count != (count := canvas.evaluate(COUNT_INK)):
        canvas.page.wait_for_timeout(150)
    return count
