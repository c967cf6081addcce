"""What a race showed: times to the targets, their ratios with intervals, and sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.evaluation.differences import welch_interval
from digitlib.training.race import ACCURACY_TARGETS, REFERENCE, Run

MEASURED = (
    "seconds", "epochs", "ratio", "interval", "fewer_epochs", "faster_epochs", "cpu_ratio",
)  # fmt: skip


def race_table(runs: Sequence[Run], frames: int) -> dict[str, dict[str, Any]]:
    """Times to the targets, by one rule for all; see :func:`costs_to`.

    Args:
        runs: of :func:`race.race`.
        frames: training frames in an epoch.

    Returns:
        By name ``runs``, ``parameters``, ``test`` accuracies (list), ``median_test``,
        ``frames_per_second``, ``cores`` (CPU seconds by seconds), and for each target, as
        ``0.99``: ``reached`` (number of runs), and None where no run reached it: ``seconds`` and
        ``epochs`` (geometric means), ``ratio`` (seconds of ``REFERENCE`` divided by these) and its
        95 % ``interval`` (:func:`ratio_interval`), ``fewer_epochs`` and ``faster_epochs``, whose
        product is the ratio, and ``cpu_ratio``, that of the processor's seconds.
    """
    named = {
        name: [r for r in runs if r.name == name] for name in dict.fromkeys(r.name for r in runs)
    }
    reference = named.get(REFERENCE, [])
    return {
        name: _summary(own, frames)
        | {str(t): _reached(own, reference, t) for t in ACCURACY_TARGETS}
        for name, own in named.items()
    }


def costs_to(target: float, runs: Sequence[Run]) -> NDArray[np.float64]:
    """Seconds and epochs ``[S, 2]`` spent for each of the S runs that reached a target.

    A run that missed the target counts, too: its seconds and epochs are added to the next run that
    reached it, or else to the last one that did.
    """
    costs, spent = list[NDArray[np.float64]](), np.zeros(2)
    for run in runs:
        epochs = run.epochs_to(target)
        spent += np.array([run.seconds[(epochs or 0) - 1], epochs or len(run.seconds)])
        if epochs:
            costs.append(spent)
            spent = np.zeros(2)
    if costs:
        costs[-1] += spent
    return np.array(costs).reshape(-1, 2)


def ratio_interval(
    slow: NDArray[np.float64], fast: NDArray[np.float64]
) -> tuple[float, float] | None:
    """95 % interval of the ratio of two geometric means, slow to fast.

    :func:`welch_interval` of the mean logarithms: with three runs a bootstrap's is too narrow.
    None with fewer than two values of either.
    """
    if min(len(slow), len(fast)) < 2:
        return None
    low, high = welch_interval(np.log(slow).tolist(), np.log(fast).tolist())
    return math.exp(low), math.exp(high)


def _summary(runs: Sequence[Run], frames: int) -> dict[str, Any]:
    """What the row of one name holds beside its targets."""
    rates = [frames * len(run.seconds) / run.seconds[-1] for run in runs]
    return {
        "runs": len(runs),
        "parameters": runs[0].parameters,
        "test": [run.test for run in runs],
        "median_test": statistics.median(run.test for run in runs),
        "frames_per_second": statistics.median(rates),
        "cores": _cores(runs),
    }


def _cores(runs: Sequence[Run]) -> float:
    """Cores at work: CPU seconds divided by the seconds that passed."""
    return statistics.median(run.cpu_seconds / run.seconds[-1] for run in runs)


def _reached(runs: Sequence[Run], reference: Sequence[Run], target: float) -> dict[str, Any]:
    """Times to one target, beside the reference's."""
    own, theirs = costs_to(target, runs), costs_to(target, reference)
    mean, other = (
        np.exp(np.log(each).mean(axis=0)) if len(each) else None for each in (own, theirs)
    )
    found: dict[str, Any] = {"reached": len(own)} | dict.fromkeys(MEASURED)
    if mean is not None:
        found["seconds"], found["epochs"] = mean.tolist()
    if mean is not None and other is not None:
        found["ratio"], found["fewer_epochs"] = (other / mean).tolist()
        found["faster_epochs"] = found["ratio"] / found["fewer_epochs"]
        found["cpu_ratio"] = found["ratio"] * _cores(reference) / _cores(runs)
        found["interval"] = None if runs is reference else ratio_interval(theirs[:, 0], own[:, 0])
    return found


def tell(table: Mapping[str, Mapping[str, Any]], name: str) -> Iterator[str]:
    """What a race showed of one configuration beside ``REFERENCE``, in sentences.

    Args:
        table: of :func:`race_table`.
        name: of the configuration.
    """
    last = str(max(ACCURACY_TARGETS))
    goal = f"{max(ACCURACY_TARGETS):.0%} of the validation digits"
    own, theirs = table[name][last], table[REFERENCE][last]
    if own["ratio"] is None:
        slow = " and ".join(f"`{n}`" for n in (name, REFERENCE) if not table[n][last]["reached"])
        yield f"{goal} were not reached by {slow}: this run tells nothing about the ratio."
        return
    yield (
        f"`{name}` reads {goal} after {own['seconds']:.2f} s (reached in {own['reached']} of "
        f"{table[name]['runs']} runs), the {REFERENCE} after {theirs['seconds']:.1f} s "
        f"({theirs['reached']} of {table[REFERENCE]['runs']})."
    )
    if own["interval"] is None:
        yield f"That is {own['ratio']:.0f} times as fast; with so few runs there is no interval."
        return
    low, high = own["interval"]
    sure = "faster" if low > 1 else "slower" if high < 1 else "perhaps as fast"
    yield (
        f"**`{name}` is {sure}: {own['ratio']:.0f} times as fast, 95 % interval {low:.0f} to "
        f"{high:.0f}.** It needs {own['fewer_epochs']:.1f} times fewer epochs, and each takes "
        f"{own['faster_epochs']:.1f} times less time. By the processor's time, in which other "
        f"programs do not count, it is {own['cpu_ratio']:.0f} times as fast."
    )
