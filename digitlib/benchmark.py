"""How fast it is: yardsticks and digitlib in one process run, turn by turn, ratios first.

``python -m digitlib.benchmark`` measures everything and writes ``reports/speed.json``; notebook
``08_speed`` calls the same functions and draws what they find. Two things are compared only where
they took turns in the same run: machines differ, and a machine differs from hour to hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from digitlib import (
    datasets,
    glyphs,
    models,
    pictures,
    plain,
    preprocess,
    release,
    reports,
    strokes,
    training,
    yardsticks,
)
from digitlib.recognizer import Recognizer
from digitlib.training import PRESETS, Splits, TrainConfig

OUTPUT = Path(__file__).resolve().parent.parent / "reports" / "speed.json"
TARGETS = (0.99, 0.994)  # validation accuracies to be reached
REFERENCE = "textbook"  # what the others' times are divided by


# --- training: seconds to an accuracy --------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One training run of a race.

    Attributes:
        name: of the recipe or preset.
        seed: of the run.
        seconds: after each epoch, since the start; validation included, loading of data not.
        validation: accuracy after each epoch.
        test: accuracy of the network at the end.
        parameters: of the network.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    validation: tuple[float, ...]
    test: float
    parameters: int

    def seconds_to(self, target: float) -> float | None:
        """When the validation accuracy first was at least ``target``; None where it never was."""
        reached = (s for s, v in zip(self.seconds, self.validation, strict=True) if v >= target)
        return next(reached, None)


def race(
    configs: Mapping[str, TrainConfig],
    data: Splits,
    test: datasets.DigitData,
    *,
    others: Sequence[str] = tuple(yardsticks.RECIPES),
    rounds: int = 10,
    seconds: float = 180,
    seed: int = 0,
) -> list[Run]:
    """Train by presets and by yardsticks, taking turns, each round with another seed.

    A run ends with its recipe, or when the highest of ``TARGETS`` is reached, or after ``seconds``.
    Who has spent so much that another run would exceed ``seconds`` in all sits out the rest.

    Args:
        configs: ours, by name; of one data set.
        data: training and validation digits, of that data set.
        test: looked at once per run, at its end.
        others: keys of :data:`digitlib.yardsticks.RECIPES`.
        rounds: at most so many runs of each.
        seconds: for each recipe in all; every one has at least one run, cut short if need be.
        seed: of the first round.
    """
    device = models.pick_device()
    _warm_up(device)
    racers: dict[str, Callable[[int, _Clock], nn.Module]] = {
        name: partial(_train_preset, config, data) for name, config in configs.items()
    }
    racers |= {name: partial(_train_other, name, data, device) for name in others}
    runs: list[Run] = []
    for number in range(rounds):
        for name, train in racers.items():
            before = [run.seconds[-1] for run in runs if run.name == name]
            if before and sum(before) + max(before) > seconds:
                continue
            clock = _Clock(seconds)
            model = train(seed + number, clock)
            laps, reached = zip(*clock.laps, strict=True)
            count = models.count_parameters(model)
            accuracy = training.accuracy(model, test)
            runs.append(Run(name, seed + number, laps, reached, accuracy, count))
    return runs


class _Clock:
    """Notes time and accuracy after each epoch, and says when to stop."""

    def __init__(self, limit: float) -> None:
        self.limit, self.laps = limit, list[tuple[float, float]]()
        self.start = time.perf_counter()

    def lap(self, accuracy: float) -> bool:
        passed = time.perf_counter() - self.start
        self.laps.append((passed, accuracy))
        return accuracy >= max(TARGETS) or passed >= self.limit


def _train_preset(config: TrainConfig, data: Splits, seed: int, clock: _Clock) -> nn.Module:
    name = f"accuracy/{data.validation[0].name}"
    chosen = replace(config, seed=seed)
    until = lambda line: clock.lap(line[name])  # noqa: E731
    return training.fit(chosen, data, progress=False, until=until).model


def _train_other(
    name: str, data: Splits, device: torch.device, seed: int, clock: _Clock
) -> nn.Module:
    stop = lambda model: clock.lap(training.accuracy(model, data.validation[0], device))  # noqa: E731
    return yardsticks.RECIPES[name](data.train[0], seed, stop, device)


def _warm_up(device: torch.device) -> None:
    """One step of a small network, so that no racer pays for starting the libraries."""
    model = models.build("quicknet", width=4).to(device)
    model(torch.zeros(8, 1, 28, 28, device=device)).sum().backward()


def race_table(runs: Sequence[Run], frames: int) -> dict[str, dict[str, Any]]:
    """What a race comes to, by name: medians over the runs.

    Args:
        runs: of :func:`race`.
        frames: training frames in an epoch.

    Returns:
        ``runs``, ``parameters``, ``test`` accuracies (list), ``median_test``, ``frames_per_second``
        and for each target, as ``0.99``, ``seconds`` to it (a median that counts who never reached
        it as slowest; None where that is most), ``ratio`` (of ``REFERENCE``'s seconds to ours) and
        how many ``reached`` it.
    """
    table: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        table[name] = {
            "runs": len(own),
            "parameters": own[0].parameters,
            "test": [run.test for run in own],
            "median_test": statistics.median(run.test for run in own),
            "frames_per_second": statistics.median(
                frames * len(run.seconds) / run.seconds[-1] for run in own
            ),
        }
        for target in TARGETS:
            times = [run.seconds_to(target) for run in own]
            middle = statistics.median_high([np.inf if t is None else t for t in times])
            table[name][str(target)] = {
                "seconds": middle if np.isfinite(middle) else None,
                "reached": sum(t is not None for t in times),
            }
    for row in table.values():
        for name in map(str, TARGETS):
            ours = row[name]["seconds"]
            theirs = table.get(REFERENCE, row)[name]["seconds"]
            row[name]["ratio"] = theirs / ours if ours and theirs else None
    return table


# --- one drawing -----------------------------------------------------------------------------


def drawings(count: int, seed: int = 0) -> list[list[NDArray[np.float64]]]:
    """Pen strokes of digits in many styles, from rules: the same on every machine."""
    digits = glyphs.digit_styles(count, seed)
    chosen = np.random.RandomState(seed).permutation(len(digits))[:count]
    return [digits[n].strokes for n in chosen]


def latency(recognizer: Recognizer, count: int = 300, seed: int = 0) -> dict[str, Any]:
    """Milliseconds for one drawing, on one thread, every way in turn for every drawing.

    The plain way is that of :mod:`digitlib.plain` from the same 280x280 picture, then
    ``BaselineCNN`` as it was trained.

    Returns:
        ``p50`` and ``p95`` of ``strokes``, ``picture`` and ``plain``; ``stages`` with the median
        of each stage of each way; ``ratio``, the medians of strokes and picture as parts of the
        plain way's.
    """
    baseline = models.build("baseline").eval()
    drawn = drawings(count, seed)
    canvases = [pictures.canvas(drawing) for drawing in drawn]
    ways: dict[str, Callable[[int], Any]] = {
        "plain": lambda n: _read_plainly(baseline, canvases[n]),
        "strokes": lambda n: recognizer.predict_strokes(drawn[n]),
        "picture": lambda n: recognizer.predict(canvases[n]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    stages: dict[str, dict[str, list[float]]] = {name: {} for name in ways}
    with _one_thread():
        for number in range(-min(20, count), count):  # the first ones warm up
            for name, way in ways.items():
                passed = _milliseconds(partial(way, number))[0]
                if number >= 0:
                    times[name].append(passed)
        for number in range(count):
            for name, steps in _stages(recognizer, baseline, drawn[number], canvases[number]):
                value: Any = None
                for stage, step in steps:
                    passed, value = _milliseconds(partial(step, value))
                    stages[name].setdefault(stage, []).append(passed)
    middle = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "p50": middle,
        "p95": {name: float(np.quantile(values, 0.95)) for name, values in times.items()},
        "ratio": {name: middle[name] / middle["plain"] for name in ("strokes", "picture")},
        "stages": {
            name: {stage: float(np.median(values)) for stage, values in each.items()}
            for name, each in stages.items()
        },
        "drawings": count,
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch, NumPy and SciPy use one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = work()
    return 1000 * (time.perf_counter() - start), value


def _read_plainly(model: nn.Module, picture: Image.Image) -> list[float]:
    return _softmax_plainly(model, plain.plain_frame(picture))


def _softmax_plainly(model: nn.Module, frame: preprocess.Frame) -> list[float]:
    with torch.no_grad():
        given = torch.from_numpy(preprocess.normalize(frame)[None, None])
        return model(given).softmax(dim=1)[0].tolist()


Steps = list[tuple[str, Callable[[Any], Any]]]


def _stages(
    recognizer: Recognizer, baseline: nn.Module, drawing: Any, picture: Image.Image
) -> list[tuple[str, Steps]]:
    """Each way in its stages; each is given what the one before it gave."""
    read = ("network", recognizer.predict_frame)
    return [
        ("plain", [
            ("frame", lambda _: plain.plain_frame(picture)),
            ("network", lambda frame: _softmax_plainly(baseline, frame)),
        ]),
        ("strokes", [("frame", lambda _: strokes.render(strokes.without_taps(drawing))), read]),
        ("picture", [
            ("greyscale", lambda _: preprocess.read_grey(picture)),
            ("ink", preprocess.find_ink),
            ("frame", preprocess.ink_to_frame),
            read,
        ]),
    ]  # fmt: skip


# --- many frames -----------------------------------------------------------------------------


def throughput(
    recognizer: Recognizer, sizes: Sequence[int], *, seconds: float = 0.3, rounds: int = 3
) -> dict[str, dict[int, float]]:
    """Frames per second against batch size: ``default``, ours, and ``baseline``, as it was trained.

    Both take turns at each size; each turn lasts ``seconds``, the median turn counts.
    """
    baseline = models.build("baseline").eval()

    def plainly(frames: Tensor) -> None:
        with torch.no_grad():
            scaled = (frames.float() / 255 - preprocess.MNIST_MEAN) / preprocess.MNIST_STD
            baseline(scaled[:, None]).softmax(dim=1)

    ways: dict[str, Callable[[Tensor], Any]] = {
        "default": recognizer.probabilities,
        "baseline": plainly,
    }
    found: dict[str, dict[int, float]] = {name: {} for name in ways}
    for size in sizes:
        frames = torch.randint(0, 256, (size, 28, 28), dtype=torch.uint8)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(size / _seconds_each(partial(way, frames), seconds))
        for name in ways:
            found[name][size] = statistics.median(rates[name])
    return found


def _seconds_each(work: Callable[[], Any], seconds: float) -> float:
    """Mean time of one call, of as many as fit, after one that does not count."""
    work()
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < seconds:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


def growth(counts: Sequence[int]) -> list[dict[str, float]]:
    """Seconds and memory of ``.probabilities`` as the work grows, each in a process of its own.

    Returns:
        For each count ``frames``, ``seconds``, and ``memory``: MiB of the process's peak over what
        it held before the call, input and libraries; NaN where the system does not tell.
    """
    return [_in_a_process("--grow", str(count)) for count in counts]


def _grow(count: int) -> dict[str, float]:
    """What :func:`growth` asks of a new process."""
    recognizer = Recognizer.load()
    frames = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
    recognizer.probabilities(frames[:64])
    before = _resident()
    start = time.perf_counter()
    recognizer.probabilities(frames)
    passed = time.perf_counter() - start
    return {"frames": count, "seconds": passed, "memory": (_peak() - before) / 2**20}


def _peak() -> float:
    """Most memory this process has held so far, bytes."""
    if (peak := _status("VmHWM")) is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def _resident() -> float:
    """Memory this process holds now, bytes; where only the peak is known, that."""
    held = _status("VmRSS")
    return _peak() if held is None else held


def _status(name: str) -> float | None:
    """A line of Linux's own account of this process, bytes; None where there is none.

    ``getrusage`` would do, if its peak were not inherited from the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return float(found[0]) * 1024 if found else None


def _in_a_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "digitlib.benchmark", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


START = """
import json, time
begin = time.perf_counter()
import digitlib
imported = time.perf_counter()
recognizer = digitlib.Recognizer.load()
recognizer.predict_strokes([[[0.0, 0.0], [1.0, 0.0], [0.4, 2.0]]])
print(json.dumps({"import": imported - begin, "first_prediction": time.perf_counter() - imported}))
"""


def start_up(rounds: int = 5) -> dict[str, float]:
    """Seconds of ``import digitlib``, and from ``Recognizer.load()`` to the first prediction.

    Medians over new processes, PyTorch's own import included in the latter.
    """
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", START], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(rounds)
    ]
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


# --- the machine's limit ---------------------------------------------------------------------


def matrix_peak(
    precision: str = "float32", sizes: Sequence[int] = (256, 512, 1024, 2048), rounds: int = 20
) -> float:
    """FLOP/s of the machine's matrix product: what could be had at most.

    The best of several square products of each size, as a product and as a 1x1 convolution: on
    many CPUs another library does those, twice as fast.
    """
    device = models.pick_device()
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    best = 0.0
    for size in sizes:
        a = torch.randn(size, size, device=device).to(kind)
        # Channels last in memory: rows are places, columns are channels.
        places = a.T.reshape(1, size, size // 16, 16).contiguous(memory_format=torch.channels_last)
        kernel = a[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for product in (lambda a=a: a @ a, lambda p=places, k=kernel: F.conv2d(p, k)):
            for _ in range(rounds + 1):
                start = time.perf_counter()
                with torch.inference_mode():
                    float(product().flatten()[0])  # waits until the device is done
                best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def flops(model: nn.Module, *, learning: bool = False) -> float:
    """Floating-point operations of convolutions and matrices for one frame, forward or both ways.

    A multiplication and an addition count as two.
    """
    frames = 8
    given = torch.zeros(frames, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        logits = model(given)
        if learning:
            F.cross_entropy(logits, torch.zeros(frames, dtype=torch.int64)).backward()
    return counter.get_total_flops() / frames


def achieved(
    configs: Mapping[str, TrainConfig],
    frames_per_second: Mapping[str, float],
    recognizer: Recognizer,
    reading: float,
) -> dict[str, dict[str, float]]:
    """FLOP/s that training and reading achieve, beside the matrix product's at their precision.

    Args:
        configs: what was trained, by name.
        frames_per_second: of the training of each.
        recognizer: what was read with.
        reading: its frames per second.

    Returns:
        By name ``flops`` per frame, ``achieved`` and ``peak`` per second, and ``share`` of it.
    """
    peaks = {name: matrix_peak(name) for name in ("float32", "bfloat16")}
    work = {
        f"training: {name}": (
            flops(models.build(config.model, **config.model_arguments), learning=True),
            frames_per_second[name],
            peaks[config.precision],
        )
        for name, config in configs.items()
    }
    work["reading: many frames"] = (flops(recognizer.network), reading, peaks["float32"])
    return {
        name: {"flops": each, "achieved": each * rate, "peak": peak, "share": each * rate / peak}
        for name, (each, rate, peak) in work.items()
    }


# --- all of it -------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the numbers hold for: device, cores, threads, versions."""
    device = models.pick_device()
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": release.versions(),
    }


# Part of the plain way's time, times the reference's time, seconds, MiB: what was promised.
BARS: dict[str, tuple[str, float]] = {
    "quick: times the textbook's speed to 99 %": ("at least", 20),
    "quick: median test accuracy": ("at least", 0.99),
    "strokes: part of the plain way's time": ("at most", 0.5),
    "280x280 picture: part of the plain way's time": ("at most", 1.0),
    "import digitlib, s": ("at most", 0.3),
    "load to first prediction, s": ("at most", 2.5),
    "memory for many frames, MiB": ("at most", 300),
}


def bars(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was promised and what was measured: ``measured``, ``bar``, ``met`` (None: unknown).

    Args:
        found: ``race`` (:func:`race_table`), ``latency``, ``start_up`` and ``growth``.
    """
    quick = found["race"].get("quick", {})
    values = (
        quick.get(str(TARGETS[0]), {}).get("ratio"),
        quick.get("median_test"),
        found["latency"]["ratio"]["strokes"],
        found["latency"]["ratio"]["picture"],
        found["start_up"]["import"],
        found["start_up"]["first_prediction"],
        found["growth"][-1]["memory"],
    )
    rows = {}
    for (name, (side, bar)), value in zip(BARS.items(), values, strict=True):
        value = None if value is None or np.isnan(value) else float(value)
        met = None if value is None else value >= bar if side == "at least" else value <= bar
        rows[name] = {"measured": value, "bar": f"{side} {bar:g}", "met": met}
    return rows


def measure(
    *,
    fast: bool = False,
    rounds: int = 10,
    seconds: float = 180,
    presets: Sequence[str] = ("quick",),
    dataset: str = "mnist",
) -> dict[str, Any]:
    """Everything, in one process run; the keys are the functions' names.

    Args:
        fast: little of everything, in half a minute: shows that it runs, not how fast.
        rounds: of the race.
        seconds: of the race, for each recipe.
        presets: that race.
        dataset: ``mnist`` or ``sample``.
    """
    if fast:
        rounds, seconds = 1, 2
    subset = 1000 if fast else None
    alone: dict[str, Any] = {"datasets": (dataset,), "shares": (), "taught": 0, "subset": subset}
    configs = {name: replace(PRESETS[name], **alone) for name in presets}
    data = Splits.load(next(iter(configs.values())))
    test = datasets.load(dataset, "test").subset(1000 if fast else None)
    recognizer = Recognizer.load()
    runs = race(configs, data, test, rounds=rounds, seconds=seconds)
    table = race_table(runs, len(data.train[0]))
    sizes = (1, 16, 256) if fast else (1, 4, 16, 64, 256, 1024, 4096)
    rates = throughput(recognizer, sizes, seconds=0.05 if fast else 0.3)
    found = {
        "machine": machine(),
        "race": table,
        "runs": [asdict(run) for run in runs],
        "latency": latency(recognizer, 20 if fast else 300),
        "throughput": rates,
        "growth": growth((1000, 2000) if fast else (1000, 10_000, 100_000, 1_000_000)),
        "start_up": start_up(1 if fast else 5),
        "achieved": achieved(
            configs,
            {name: table[name]["frames_per_second"] for name in configs},
            recognizer,
            max(rates["default"].values()),
        ),
    }
    return {"bars": bars(found)} | found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; ``--help`` tells."""
    parser = argparse.ArgumentParser(prog="python -m digitlib.benchmark", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="little of everything")
    parser.add_argument("--rounds", type=int, default=10, help="runs of each recipe, at most")
    parser.add_argument("--seconds", type=float, default=180, help="for each recipe, in all")
    parser.add_argument("--presets", nargs="+", default=["quick"], choices=PRESETS)
    parser.add_argument("--dataset", choices=reports.DATASETS, default="mnist")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="JSON file")
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.grow is not None:
        print(json.dumps(_grow(chosen.grow)))
        return
    found = measure(
        fast=chosen.fast, rounds=chosen.rounds, seconds=chosen.seconds,
        presets=chosen.presets, dataset=chosen.dataset,
    )  # fmt: skip
    reports.write_json(chosen.output, reports.plain(found))
    for name, row in found["bars"].items():
        value = "not reached" if row["measured"] is None else f"{row['measured']:.4g}"
        print(f"{name}: {value} (bar: {row['bar']})")


if __name__ == "__main__":
    main()
