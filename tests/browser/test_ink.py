"""No ink is lost: people's drawings replayed over slow, busy and broken connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import LONG
from live import Pad, live_pad
from playwright.sync_api import BrowserContext, expect
from servers import Server, machine

from digitlib.datasets.unipen import read_unipen
from digitlib.models.recognizer import Recognizer

pytestmark = [pytest.mark.browser, pytest.mark.needs_unipen]

DRAWINGS = 60 if LONG else 2  # replayed under each condition
FAR = 0.075  # seconds in each direction
EXACT = 0.02  # px of the pad: the page rounds to hundredths
Drawing = list[list[list[float]]]  # strokes of points

CASES = [
    pytest.param(FAR, "cut line", id="far-cut line"),
    *(
        pytest.param(delay, trouble, id=f"{name}-{trouble}", marks=pytest.mark.stress)
        for name, delay in (("near", 0.0), ("far", FAR))
        for trouble in ("", "busy kernel", "slow page")
    ),
]


@pytest.fixture(scope="module")
def report(write_report: Callable[[str, dict[str, Any]], None]) -> Iterator[dict[str, Any]]:
    """The measurements, written if all conditions were tested."""
    measured: dict[str, Any] = {}
    yield measured
    if len(measured) == len(CASES):
        what = "people's drawings replayed at one point per ms in JupyterLab"
        packages = machine("jupyterlab", "anywidget")
        write_report("ink", {"what": what, **measured, "machine": packages})


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    """UNIPEN digits of many writers on three quarters of the pad, without points at rest."""
    found, read = [], read_unipen("unipen", "validation")
    for drawing in read[:: len(read) // DRAWINGS][:DRAWINGS]:
        points = np.concatenate(drawing.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        placed = [
            np.round((stroke - (low + high) / 2) * 300 / (high - low).max() + 200, 1).tolist()
            for stroke in drawing.strokes
        ]
        found.append(
            [[xy for n, xy in enumerate(some) if n == 0 or xy != some[n - 1]] for some in placed]
        )
    return found


def begin(pad: Pad, trouble: str) -> None:
    if trouble == "busy kernel":
        pad.kernel.be_busy(3)
    elif trouble == "cut line":
        pad.line.cut()


def end(pad: Pad, trouble: str) -> None:
    if trouble == "busy kernel":
        expect(pad.note).to_contain_text("busy")
    elif trouble == "cut line":
        expect(pad.note).to_contain_text("Connection lost")
        pad.page.wait_for_timeout(1000)
        pad.line.restore()


@pytest.mark.parametrize(("delay", "trouble"), CASES)
def test_every_point_arrives_once_and_is_read(
    lab: Server,
    open_context: Callable[..., BrowserContext],
    drawings: list[Drawing],
    delay: float,
    trouble: str,
    report: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    """The trouble comes during and after the first stroke of the middle drawing."""
    recognizer, counts = Recognizer.load(), Counter[str]()
    with live_pad(lab, open_context, delay) as pad:
        if trouble == "slow page":
            session = pad.page.context.new_cdp_session(pad.page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
        for number, strokes in enumerate(drawings):
            pad.clear()
            now = trouble if number == len(drawings) // 2 else ""
            first, *others = strokes
            half = len(first) // 2
            pad.page.evaluate("pen.down", first[0])
            pad.page.evaluate("points => pen.move(points, 1)", first[1:half])
            begin(pad, now)
            pad.page.evaluate("points => pen.move(points, 1)", first[half:])
            pad.page.evaluate("pen.up", first[-1])
            pad.page.evaluate("strokes => pen.drawing(strokes, 1)", others)
            end(pad, now)
            pad.settle()
            arrived, read = pad.kernel.arrived()
            counts["points_sent"] += sum(map(len, strokes))
            counts["points_arrived"] += sum(map(len, arrived))
            assert [*map(len, arrived)] == [*map(len, strokes)]
            for trace, stroke in zip(arrived, strokes, strict=True):
                assert np.abs(trace[:, :2] - stroke).max() <= EXACT
                assert (np.diff(trace[:, 2]) >= 0).all()
            expected = recognizer.predict_strokes([np.array(stroke) for stroke in strokes])
            assert read == (expected.digit, expected.rejected)
    report[request.node.callspec.id] = {"drawings": len(drawings), **counts}
