"""The recipe of the bundled weights: equal teachers on all data, then one student.

Teachers and the baseline start from random weights and labels. The student starts from random
weights, too; the teachers read each frame that it sees. No other result goes into a network. All
settings are in :mod:`config`. Each output's card has its settings, and digests of data and
teachers: an output is current if these are what they would be today.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from digitlib.datasets import catalog
from digitlib.errors import WeightsError
from digitlib.evaluation.compare import measure, measure_weights
from digitlib.files import REPORTS, write_bytes, write_json
from digitlib.models.card import BASELINE_WEIGHTS, BUNDLED_WEIGHTS, Card
from digitlib.models.export import export_bundled
from digitlib.models.networks import pick_device
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import load_model, model_digest, save_model
from digitlib.training.calibration import make_card
from digitlib.training.config import PRESETS, TEACHERS, TrainConfig
from digitlib.training.examples import Splits
from digitlib.training.trainer import fit

TESTED = ("mnist", "unipen")  # if trained on; else the first data set


# --- one network ---------------------------------------------------------------------------


def train(
    config: TrainConfig,
    output: Path,
    teachers: Sequence[Path] = (),
    *,
    half: bool = False,
    **options: Any,
) -> Card:
    """Train, calibrate, measure on the test split, and write the weights; return the card.

    The test set is evaluated once, after all choices.

    Args:
        config: all settings of the training.
        output: weights file; a checkpoint is kept next to it until training is complete.
        teachers: their weights files, for ``distill_weight`` > 0.
        half: store the weights in half precision; they are measured so.
        options: more arguments of :func:`fit`.
    """
    data = Splits.load(config)
    checkpoint = output.with_suffix(".ckpt")
    networks = [load_model(path)[0] for path in teachers]
    result = fit(config, data, networks, checkpoint=checkpoint, **options)
    if half:
        result.model.half().float()
    card = make_card(result, data.validation)
    tested = [name for name in TESTED if name in config.datasets] or config.datasets[:1]
    recognizer = Recognizer.from_model(result.model, card)
    tests = {name: measure(recognizer, catalog.load(name, "test")) for name in tested}
    card = replace(card, test=tests)
    save_model(output, result.model.half() if half else result.model, card)
    checkpoint.unlink()
    return card


# --- all of them ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """One weights file of the recipe, ``NAME.safetensors``.

    Attributes:
        name: of the file.
        config: all settings of its training.
        teachers: names of the outputs that teach it.
        half: weights in half precision.
    """

    name: str
    config: TrainConfig
    teachers: tuple[str, ...] = ()
    half: bool = False

    def path(self, folder: Path) -> Path:
        """The weights file."""
        return folder / f"{self.name}.safetensors"

    def state(self, folder: Path) -> str:
        """``current``, ``missing``, or ``stale`` if settings, data or teachers have changed."""
        if not self.path(folder).exists():
            return "missing"
        try:
            _, card = load_model(self.path(folder))
            expected: dict[str, Any] = dict(_data_digests(self.config.datasets, self.config.subset))
            if self.teachers:
                paths = [folder / f"{name}.safetensors" for name in self.teachers]
                expected["teachers"] = [model_digest(load_model(path)[0]) for path in paths]
        except WeightsError:
            return "stale"
        wanted = {"config": self.config.as_dict(), "data": expected}
        same = all(card.training.get(name) == value for name, value in wanted.items())
        return "current" if same else "stale"


@lru_cache
def _data_digests(names: tuple[str, ...], subset: int | None) -> dict[str, str]:
    return {name: catalog.load(name).subset(subset).digest for name in names}


_TEACHERS = tuple(Output(f"teacher-{n}", config) for n, config in enumerate(TEACHERS, 1))
# The outputs of a stage are made side by side.
STAGES = (
    (*_TEACHERS, Output("baseline", PRESETS["baseline"], half=True)),
    (Output("digitnet", PRESETS["digitnet"], tuple(each.name for each in _TEACHERS)),),
)
# Where the repository keeps outputs; the numbers of each go to reports/weights.
INSTALLED = {"digitnet": BUNDLED_WEIGHTS, "baseline": BASELINE_WEIGHTS}


def states(folder: Path) -> Iterator[tuple[Output, str]]:
    """Each output with its state."""
    return ((output, output.state(folder)) for stage in STAGES for output in stage)


def run(folder: Path) -> Iterator[Output]:
    """Make what isn't current, and yield each output when it is made.

    On a GPU, networks are trained one by one. Otherwise as many at once as there are cores, which
    is faster than one with several threads. The number of threads changes the last bits of a
    result, so it is the same for an output of a stage that is made alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        missing = [output for output in stage if output.state(folder) != "current"]
        cores = os.cpu_count() or 1
        jobs = 1 if pick_device().type == "cuda" else min(cores, len(stage))
        if jobs < 2:
            for output in missing:
                _make(output, folder)
                yield output
            continue
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context) as pool:
            made = {pool.submit(_make, each, folder, cores // jobs): each for each in missing}
            for finished in as_completed(made):
                finished.result()
                yield made[finished]


def _make(output: Output, folder: Path, threads: int | None = None) -> None:
    """Train an output; with ``threads``, as one of several at once."""
    if threads:
        torch.set_num_threads(threads)

    def show(line: Mapping[str, float]) -> bool:
        shares = "".join(f", {name} {share:.2%}" for name, share in line.items() if "/" in name)
        print(f"{output.name}: epoch {line['epoch']:.0f} of {output.config.epochs}, "
              f"{line['seconds']:.0f} s, loss {line['loss']:.4f}{shares}", flush=True)  # fmt: skip
        return False

    teachers = [folder / f"{name}.safetensors" for name in output.teachers]
    train(
        output.config, output.path(folder), teachers,
        half=output.half, progress=False, processes=threads, until=show,
    )  # fmt: skip


def install(folder: Path) -> None:
    """Copy the bundled weights into the repository, with all their numbers in reports/weights.

    The bundled network is written as ONNX, too.
    """
    for name, target in INSTALLED.items():
        write_bytes(target, (folder / f"{name}.safetensors").read_bytes())
        write_json(REPORTS / "weights" / f"{name}.json", measure_weights(target))
    export_bundled()
