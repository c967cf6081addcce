"""Figures of speed: races, latencies by stage, throughput, growth, distance to the limit.

In the style of :mod:`plotting`, from the numbers of :mod:`speed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from digitlib.reports.plotting import INK, PALE, PALETTE, Line, colors_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def race(runs: Sequence[Any], targets: Sequence[float]) -> Figure:
    """Validation errors against seconds of training, a line for each run, dots at its epochs."""
    figure, ((axes,),) = new_figure(7.6, 3.9)
    names = list(dict.fromkeys(run.name for run in runs))
    for name, color in colors_of(names).items():
        own = [run for run in runs if run.name == name]
        for n, run in enumerate(own):
            errors = [max(1 - value, 1e-4) for value in run.validation]
            label = f"{name} ({len(own)} run{'s' if len(own) > 1 else ''})" if not n else None
            axes.plot(run.seconds, errors, "o-", color=color, alpha=0.75, label=label)
    for target in targets:
        axes.axhline(1 - target, color=INK, linestyle="--", linewidth=1)
        axes.annotate(f"{target:.1%} right", (1.005, 1 - target), va="center", color=INK,
                      xycoords=("axes fraction", "data"), fontsize=8.5)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="seconds of training, validation included",
             ylabel="validation digits misread")  # fmt: skip
    _plain_ticks(axes.xaxis, "{:g}")
    _plain_ticks(axes.yaxis, "{:.1%}")
    axes.legend()
    return figure


def stages(found: Mapping[str, Any], *, targets: Mapping[str, float]) -> Figure:
    """Where the time of one drawing goes: stacked bars of the stages, a row for each way.

    Args:
        found: of :func:`speed.latency`.
        targets: name of a way → the largest part of the baseline's time.
    """
    ways = [*found["stages"]]
    figure, ((axes,),) = new_figure(8.2, 0.75 * len(ways) + 1.1)
    names = list(dict.fromkeys(stage for way in ways for stage in found["stages"][way]))
    for row, way in enumerate(ways):
        left = 0.0
        for stage, value in found["stages"][way].items():
            color = PALETTE[names.index(stage)]
            axes.barh(row, value, 0.6, left=left, color=color, label=stage)
            if value > 0.06 * max(sum(each.values()) for each in found["stages"].values()):
                axes.text(left + value / 2, row, f"{value:.2f}", ha="center", va="center",
                          color="white", fontsize=8.5)  # fmt: skip
            left += value
        if way in targets:
            at = targets[way] * found["p50"]["baseline"]
            label = "allowed at most"
            axes.plot([at, at], [row - 0.42, row + 0.42], color=INK, linewidth=2.2, label=label)
    axes.set(xlabel="ms, median, one thread", ylim=(len(ways) - 0.4, -0.6))
    axes.set_yticks(range(len(ways)), ways)
    axes.grid(False, axis="y")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper right", ncols=6)
    return figure


def rates(found: Mapping[str, Mapping[int, float]]) -> Figure:
    """Frames per second against batch size, both logarithmic."""
    lines: dict[str, Line] = {n: ([*each], [*each.values()]) for n, each in found.items()}
    figure, ((axes,),) = new_figure(6.2, 3.5)
    _logarithmic(axes, lines)
    axes.set(xlabel="frames in a batch", ylabel="frames per second")
    axes.set_xticks([*next(iter(found.values()))])
    axes.legend()
    return figure


def growth(found: Sequence[Mapping[str, float]], *, limit: float) -> Figure:
    """Seconds, beside a straight line through the last, and MiB, against how many frames."""
    frames = np.array([each["frames"] for each in found])
    seconds = np.array([each["seconds"] for each in found])
    memory = np.array([each["memory"] for each in found])
    figure, axes = new_figure(9.4, 3.3, 1, 2)
    time, space = axes[0]
    time.plot(frames, seconds[-1] * frames / frames[-1], "--", color=PALE, label="in proportion")
    _logarithmic(time, {"measured": (frames, seconds)})
    time.set(xlabel="frames", ylabel="seconds", title="time")
    time.legend()
    space.axhline(limit, color=INK, linestyle="--", linewidth=1, label="allowed at most")
    space.plot(frames, memory, "o-", color=PALETTE[0], label="measured")
    high = 1.15 * max(limit, float(np.nanmax(memory, initial=0)))
    space.set(xscale="log", ylim=(0, high), xlabel="frames", title="memory")
    space.set_ylabel("peak memory over the input (MiB)")
    _plain_ticks(space.xaxis, "{:,.0f}")
    space.legend()
    return figure


def limits(found: Mapping[str, Mapping[str, float]]) -> Figure:
    """Achieved FLOP/s as bars before the matrix product's, a row for each kind of work."""
    figure, ((axes,),) = new_figure(7.6, 0.62 * len(found) + 1.1)
    for row, each in enumerate(found.values()):
        first = row == 0
        axes.barh(row, each["peak"] / 1e9, 0.62, color="#e4e4e0",
                  label="matrix product" if first else None)  # fmt: skip
        axes.barh(row, each["achieved"] / 1e9, 0.62, color=PALETTE[0],
                  label="achieved" if first else None)  # fmt: skip
        end = max(each["peak"], each["achieved"]) / 1e9
        axes.text(end, row, f" {each['share']:.0%}", va="center")
    axes.set(xlabel="GFLOP/s", ylim=(len(found) - 0.4, -0.6))
    axes.set_yticks(range(len(found)), list(found))
    axes.grid(False, axis="y")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def _logarithmic(axes: Axes, lines: Mapping[str, Line]) -> None:
    for name, color in colors_of(lines).items():
        axes.plot(*lines[name][:2], "o-", color=color, label=name)
    axes.set(xscale="log", yscale="log")
    _plain_ticks(axes.xaxis, "{:,.0f}")
    _plain_ticks(axes.yaxis, "{:g}")


def _plain_ticks(axis: Any, text: str) -> None:
    """1, 2, 5, 10 … at a logarithmic axis, as numbers and not as powers."""
    few = axis.get_view_interval()
    steps = (1, 2, 5) if few[1] / few[0] < 300 else (1,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text.format(value)))
    axis.set_minor_locator(NullLocator())
