"""Ink at the pointer: people's drawings replayed through slow, busy and broken lines."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import DIGITS, steps_along, to_page
from live import INK_TIMES, Pad, live_pad
from playwright.sync_api import BrowserContext, expect
from servers import machine

from digitlib.datasets.unipen import read_unipen
from digitlib.models.recognizer import Recognizer

pytestmark = [pytest.mark.browser, pytest.mark.timed]

FULL = os.environ.get("DIGITLIB_WRITE_REPORTS") == "1"
DRAWINGS = 60 if FULL else 4  # replayed under each condition
SPACING = 1  # ms per point
BUSY = 3  # seconds
FAR = 0.075  # seconds each way
SIZE = 400  # px of the pad in the notebook
RECOGNIZER = Recognizer.load()
EXACT = 0.02  # px of the pad: the page rounds to hundredths

MOVE = f"points => pen.move(points, {SPACING})"

WAYS = ["app near", "app far", "lab near", "lab far"]
TROUBLES = ["", "busy kernel", "slow page", "cut line"]
# Troubles of a near line are for the reports: they are those of a far one, and sooner over.
CASES = [(way, what) for way in WAYS for what in TROUBLES if FULL or not what or "far" in way]


@pytest.fixture(scope="module", params=WAYS)
def pad(
    request: pytest.FixtureRequest, open_context: Callable[..., BrowserContext]
) -> Iterator[Pad]:
    """The pad in Voilà's page or in JupyterLab, without a delay or with one each way."""
    place, way = request.param.split()
    delay = {"near": 0.0, "far": FAR}[way]
    with live_pad(request.getfixturevalue(place), open_context, delay) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(reports: Path) -> Iterator[dict[str, Any]]:
    """What is measured, written at the end."""
    measured: dict[str, Any] = {}
    yield measured
    what = "ink at the pointer, and people's drawings replayed at one point per ms"
    content = {"what": what, **measured, "machine": machine("jupyterlab", "voila", "anywidget")}
    (reports / "ink.json").write_text(json.dumps(content, indent=1) + "\n")


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
    """What arrived of the drawings that were replayed."""

    drawings: int = 0
    points_sent: int = 0
    points_arrived: int = 0
    exact: int = 0  # drawings whose points all arrived, in order and once
    same: int = 0  # drawings that were read as their sent points are


def check(pad: Pad, strokes: list[list[list[float]]], result: Result) -> None:
    """Compare what has arrived to what was drawn, and clear the pad."""
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
    """Draw them one after the other; something happens in the first stroke of the middle one."""
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
    """Slow the page down, or with 1 no more."""
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
    report[f"{request.node.callspec.id}"] = asdict(result)
    assert result.points_arrived == result.points_sent
    assert result.exact == result.same == result.drawings == DRAWINGS


# --- a real pointer ------------------------------------------------------------------------


def test_ink_is_at_the_pointer(
    pad: Pad, report: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """From the pointer's move to the frame that shows its ink."""
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
