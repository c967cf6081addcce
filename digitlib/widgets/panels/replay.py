"""A drawing as it was drawn: strokes become an animation that the page plays by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.widgets.drawn import LINE, points_text
from digitlib.widgets.history import Stroke

LONGEST = 6.0  # s that a replay takes at most: it is played faster
PAUSE = 0.6  # s between strokes at most, and between strokes without times
CROSSING = 1.2  # s to cross the pad, for drawings without times
KEYFRAMES = 40  # of a stroke at most
STEP = 0.01  # % of the replay: from invisible to visible

_numbers = count()  # an animation of a new name starts from its beginning


class Timing(NamedTuple):
    """When the points of a drawing come in its replay.

    Attributes:
        times: seconds ``[n]`` of each stroke's points.
        drawn: seconds from the first point to the last as drawn; None where no times are known.
    """

    times: list[NDArray[np.float64]]
    drawn: float | None


def time_strokes(traces: Sequence[Stroke], side: float) -> Timing:
    """As drawn, with long pauses cut short; of even speed where no times are known.

    Args:
        traces: ``[n, 4]`` with ms, or ``[n, 2]``, in px of a pad.
        side: of the pad, px.
    """
    known = all(trace.shape[1] > 2 for trace in traces)
    clocks = [
        np.maximum.accumulate(trace[:, 2]) / 1000 if known else _lengths(trace) * CROSSING / side
        for trace in traces
    ]
    times: list[NDArray[np.float64]] = []
    end = drawn = 0.0
    for number, clock in enumerate(clocks):
        pause = 0.0
        if number:
            pause = max(float(clock[0] - clocks[number - 1][-1]), 0.0) if known else PAUSE
        times.append(end + min(pause, PAUSE) + clock - clock[0])
        end, drawn = float(times[-1][-1]), drawn + pause + float(clock[-1] - clock[0])
    faster = min(LONGEST / max(end, 1e-9), 1.0)
    return Timing([faster * time for time in times], drawn if known else None)


def _lengths(trace: Stroke) -> NDArray[np.float64]:
    """Length of the way to each point, px."""
    steps = np.hypot(*np.diff(trace[:, :2], axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def replay_html(traces: Sequence[Stroke], extent: tuple[int, int], *, moving: bool) -> str:
    """Strokes as SVG; they are drawn anew, once, where ``moving``.

    Whoever wants no motion sees the drawing at rest: a media query decides.

    Args:
        traces: as for :func:`time_strokes`.
        extent: width and height of the pad, px.
        moving: with the animation, which starts when a page gets it.
    """
    width = LINE * min(extent)
    lines = "".join(f'<polyline pathLength="1" points="{points_text(t[:, :2])}"/>' for t in traces)
    name, style = "", ""
    if moving and traces:
        name = f"dp-replay-{next(_numbers)}"
        style = f"<style>{_animation(traces, min(extent), name)}</style>"
        lines += f'<circle r="{0.8 * width:g}"/>'
    return (
        f'{style}<svg class="dp-replay {name}" viewBox="0 0 {extent[0]} {extent[1]}" '
        f'stroke-width="{width:g}" role="img" aria-label="the drawing">{lines}</svg>'
    )


def _animation(traces: Sequence[Stroke], side: float, name: str) -> str:
    """CSS: each line grows with the pen, and a circle goes where the pen goes."""
    times = time_strokes(traces, side).times
    length = max(float(times[-1][-1]), 0.01)
    keyframes, rules, pen = "", "", ""
    for number, (trace, time) in enumerate(zip(traces, times, strict=True)):
        some = np.unique(np.linspace(0, len(trace) - 1, KEYFRAMES).round().astype(int))
        at, way = 100 * time[some] / length, _lengths(trace)
        left = 1 - way[some] / max(float(way[-1]), 1e-9)
        keyframes += f"@keyframes {name}-{number}{{{_line_frames(at, left)}}}"
        dash = ";stroke-dasharray:1" if way[-1] else ""
        line = f".dp-replay.{name} > polyline:nth-of-type({number + 1})"
        rules += f"{line}{{animation-name:{name}-{number}{dash}}}"
        pen += _pen_frames(at, trace[some])
    keyframes += f"@keyframes {name}-pen{{{pen}}}"
    rules += f".dp-replay.{name} > circle{{animation-name:{name}-pen}}"
    rules += f".dp-replay.{name} > *{{animation-duration:{length:.2f}s}}"
    return f"{keyframes}@media (prefers-reduced-motion: no-preference){{{rules}}}"


def _line_frames(at: NDArray[np.float64], left: NDArray[np.float64]) -> str:
    """Invisible before the first time (%), then with less and less of the line left to draw."""
    before = f"0%,{at[0] - STEP:.2f}%{{opacity:0}}" if at[0] > STEP else ""
    return before + "".join(
        f"{time:.2f}%{{opacity:1;stroke-dashoffset:{rest:.3f}}}"
        for time, rest in zip(at, left, strict=True)
    )


def _pen_frames(at: NDArray[np.float64], points: Stroke) -> str:
    """At the points at their times (%), invisible before and after."""
    steps = [(at[0] - STEP, 0, points[0]), *((t, 1, p) for t, p in zip(at, points, strict=True))]
    steps.append((at[-1] + STEP, 0, points[-1]))
    return "".join(
        f"{min(max(time, 0), 100):.2f}%"
        f"{{opacity:{opacity};transform:translate({point[0]:.1f}px,{point[1]:.1f}px)}}"
        for time, opacity, point in steps
    )
