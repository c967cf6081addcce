"""No ink is lost: people's drawings replayed over slow, busy and broken connections."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest
from conftest import LONG
from drawing import DIGITS, steps_along, to_page
from live import INK_TIMES, Pad, live_pad
from playwright.sync_api import BrowserContext, expect
from servers import Server, machine

from digitlib.datasets.catalog import read_unipen
from digitlib.models.recognizer import Recognizer

pytestmark = pytest.mark.browser

DRAWINGS = 60 if LONG else 2  # replayed under each condition
SPACING = 1  # ms per point
BUSY = 3  # seconds
FAR = 0.075  # seconds in each direction
SIZE = 400  # px of the pad in the notebook
RECOGNIZER = Recognizer.load()
EXACT = 0.02  # px of the pad: the page rounds to hundredths

MOVE = f"points => pen.move(points, {SPACING})"

TROUBLES = ["", "busy kernel", "slow page", "cut line"]
SHORT = [("lab far", "cut line")]  # the others only in `make stress`
CASES = [
    pytest.param(way, what, marks=() if (way, what) in SHORT else pytest.mark.stress)
    for way in ("lab far", "lab near")
    for what in TROUBLES
]


@pytest.fixture(scope="module", params=["lab far", "lab near"])
def pad(
    request: pytest.FixtureRequest,
    lab: Server,
    open_context: Callable[..., BrowserContext],
) -> Iterator[Pad]:
    """The pad in JupyterLab, with a delay or without."""
    with live_pad(lab, open_context, FAR if "far" in request.param else 0.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(write_report: Callable[[str, dict[str, Any]], None]) -> Iterator[dict[str, Any]]:
    """The measurements, written at the end."""
    measured: dict[str, Any] = {}
    yield measured
    what = "ink at the pointer, and people's drawings replayed at one point per ms"
    write_report("ink", {"what": what, **measured, "machine": machine("jupyterlab", "anywidget")})


# --- people's drawings ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings() -> list[list[list[list[float]]]]:
    """UNIPEN digits of many writers, as strokes in px of the pad."""
    read = read_unipen("unipen", "validation")
    return [fitted(drawing.strokes) for drawing in read[:: len(read) // DRAWINGS][:DRAWINGS]]


def fitted(strokes: Sequence[np.ndarray]) -> list[list[list[float]]]:
    """Strokes that fill three quarters of the pad, without points at rest."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.75 * SIZE / (high - low).max()
    return [
        [xy for n, xy in enumerate(placed) if n == 0 or xy != placed[n - 1]]
        for stroke in strokes
        for placed in [np.round((stroke - (low + high) / 2) * scale + SIZE / 2, 1).tolist()]
    ]


@dataclass
class Result:
    """What arrived of the replayed drawings."""

    drawings: int = 0
    points_sent: int = 0
    points_arrived: int = 0
    exact: int = 0  # drawings with all points, in order and once
    same: int = 0  # drawings read like the points that were sent


def check(pad: Pad, strokes: list[list[list[float]]], result: Result) -> None:
    """Compare the points that arrived with those drawn, and clear the pad."""
    pad.settle()
    arrived, read = pad.kernel.arrived()
    expected = RECOGNIZER.predict_strokes([np.array(stroke) for stroke in strokes])
    result.drawings += 1
    result.points_sent += sum(len(stroke) for stroke in strokes)
    result.points_arrived += sum(len(trace) for trace in arrived)
    result.exact += [len(stroke) for stroke in strokes] == [
        len(trace) for trace in arrived
    ] and all(
        np.abs(trace[:, :2] - stroke).max() <= EXACT and (np.diff(trace[:, 2]) >= 0).all()
        for trace, stroke in zip(arrived, strokes, strict=True)
    )
    result.same += read == (expected.digit, expected.rejected)
    pad.clear()


def replay(
    pad: Pad,
    drawings: list[list[list[list[float]]]],
    in_mid_stroke: Callable[[], None] = lambda: None,
    after_stroke: Callable[[], None] = lambda: None,
) -> Result:
    """Draw them in turn; something happens during and after a stroke of the middle one."""
    result = Result()
    pad.clear()
    for number, strokes in enumerate(drawings):
        first, *others = strokes
        half = len(first) // 2
        pad.page.evaluate("pen.down", first[0])
        pad.page.evaluate(MOVE, first[1:half])
        if number == len(drawings) // 2:
            in_mid_stroke()
        pad.page.evaluate(MOVE, first[half:])
        pad.page.evaluate("pen.up", first[-1])
        pad.page.evaluate(f"strokes => pen.drawing(strokes, {SPACING})", others)
        if number == len(drawings) // 2:
            after_stroke()
        check(pad, strokes, result)
    return result


def slow(pad: Pad, rate: int) -> None:
    """Slow the page down by this factor."""
    pad.page.context.new_cdp_session(pad.page).send(
        "Emulation.setCPUThrottlingRate", {"rate": rate}
    )


def cut_for_a_while(pad: Pad) -> None:
    expect(pad.note).to_contain_text("Connection lost")
    pad.page.wait_for_timeout(1000)
    pad.line.restore()


@pytest.mark.needs_unipen
@pytest.mark.parametrize(("pad", "trouble"), CASES, indirect=["pad"], scope="module")
def test_every_point_arrives_once_and_is_read(
    pad: Pad,
    drawings: list[list[list[list[float]]]],
    trouble: str,
    report: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    match trouble:
        case "busy kernel":
            result = replay(
                pad,
                drawings,
                lambda: pad.kernel.be_busy(BUSY),
                lambda: expect(pad.note).to_contain_text("busy"),
            )
        case "slow page":
            slow(pad, 6)
            result = replay(pad, drawings)
            slow(pad, 1)
        case "cut line":
            result = replay(pad, drawings, pad.line.cut, lambda: cut_for_a_while(pad))
        case _:
            result = replay(pad, drawings)
    report[request.node.callspec.id] = asdict(result)
    assert result.points_arrived == result.points_sent
    assert result.exact == result.same == result.drawings == DRAWINGS


# --- a real pointer ------------------------------------------------------------------------


@pytest.mark.stress
def test_ink_is_at_the_pointer(
    pad: Pad, report: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Time from the pointer's move to the frame that shows its ink."""
    pad.clear()
    pad.layer.scroll_into_view_if_needed()  # JupyterLab shows the last cell that was run
    pad.page.evaluate(INK_TIMES)
    for stroke in DIGITS[8] + DIGITS[2]:
        first, *others = steps_along(stroke)
        pad.page.mouse.move(*to_page(pad.layer, first))
        pad.page.mouse.down()
        for point in others:
            pad.page.mouse.move(*to_page(pad.layer, point))
        pad.page.mouse.up()
    times = pad.page.evaluate("inkTimes")
    assert len(times) >= 100
    assert None not in times, "a place was not inked when its event had been handled"
    median = statistics.median(times)
    report[request.node.callspec.id] = {
        "events": len(times),
        "median_ms": round(median, 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
    }
    assert median <= 20
