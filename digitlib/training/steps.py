"""A build in steps: each has an output, which is made anew where its settings or inputs change."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from digitlib.datasets import catalog
from digitlib.errors import WeightsError
from digitlib.files import digest
from digitlib.models.card import parse_card
from digitlib.training import build
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import Teacher, make_soft_labels
from digitlib.training.loader import Splits

Key = str  # digest of a step's settings, data sets and input files


@dataclass(frozen=True)
class Step:
    """One output file, with all settings and the names of the steps whose outputs it needs."""

    name: str  # of the output, NAME.safetensors
    stage: str
    config: TrainConfig
    teachers: tuple[str, ...] = ()  # the output is soft labels by these networks
    passes: int = 0  # over the training data, for soft labels
    labelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # the data sets that a teacher labels, where these are not all that it was trained on
    soft_labels: tuple[str, ...] = ()
    init: str | None = None  # the initial network
    half: bool = False  # weights in half precision

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the steps whose outputs are needed."""
        return (*self.teachers, *self.soft_labels, *([self.init] if self.init else []))

    @property
    def settings(self) -> str:
        """All that decides the output beside data and inputs, as JSON.

        Of the configuration what is not the default: new settings change no output made before.
        """
        default = TrainConfig().as_dict()
        changed = {n: v for n, v in self.config.as_dict().items() if v != default[n]}
        labelled = [dict(self.labelled)] if self.labelled else []
        return json.dumps([changed, self.passes, self.half, self.inputs, *labelled])


@dataclass
class Build:
    """Carries steps out in a folder; an output with the key of its step is current and is kept.

    Attributes:
        folder: of the outputs, and of a checkpoint beside a network in training.
        steps: in an order in which inputs come before the steps that need them.
        root: data folder.
    """

    folder: Path
    steps: Sequence[Step]
    root: str | None = None
    _data: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def path(self, name: str) -> Path:
        """The output file of a step."""
        return self.folder / f"{name}.safetensors"

    def key(self, step: Step) -> Key:
        """The key of a step, of whose inputs all are there."""
        data = [self._data_digests(name) for name in step.config.datasets]
        inputs = [_file_digest(self.path(name)) for name in step.inputs]
        return digest(step.settings.encode(), json.dumps([data, inputs]).encode())

    def _data_digests(self, name: str) -> list[str]:
        if name not in self._data:
            splits = ("train", "validation")
            self._data[name] = [catalog.load(name, split, self.root).digest for split in splits]
        return self._data[name]

    def states(self) -> Iterator[tuple[Step, str]]:
        """Each step with its state: ``current``, ``stale`` (to be made anew) or ``missing``."""
        states: dict[str, str] = {}
        for step in self.steps:
            ready = all(states[name] == "current" for name in step.inputs)
            if not self.path(step.name).exists():
                state = "missing"
            elif ready and _stored_key(self.path(step.name)) == self.key(step):
                state = "current"
            else:
                state = "stale"
            states[step.name] = state
            yield step, state

    def run(self, only: str | None = None) -> Iterator[Step]:
        """Make what is not current, or of that one step only; give each step once it is made.

        Raises:
            ValueError: there is no such step, or its inputs are not current.
        """
        if only is not None:
            self._check_inputs(only)
        for step in self.steps:
            if only not in (None, step.name):
                continue
            key = self.key(step)
            if _stored_key(self.path(step.name)) != key:
                self._make(step, key)
                yield step

    def _check_inputs(self, name: str) -> None:
        states = {step.name: (step, state) for step, state in self.states()}
        if name not in states:
            raise ValueError(f"There is no step {name!r}; there are {', '.join(states)}.")
        lacking = [n for n in states[name][0].inputs if states[n][1] != "current"]
        if lacking:
            raise ValueError(f"{name} needs the steps {', '.join(lacking)} first.")

    def _make(self, step: Step, key: Key) -> None:
        record = {"name": step.name, "key": key}
        if step.teachers:
            teachers = [
                Teacher.load(self.path(name), step.labelled.get(name, ())) for name in step.teachers
            ]
            data = Splits.load(step.config, self.root)
            labels = make_soft_labels(step.config, data, teachers, step.passes)
            labels.save(self.path(step.name), {"step": record})
            return
        build.train(
            step.config,
            self.path(step.name),
            soft_labels=[self.path(name) for name in step.soft_labels],
            init=self.path(step.init) if step.init else None,
            root=self.root,
            half=step.half,
            step=record,
        )


def _stored_key(path: Path) -> Key | None:
    """The key in the metadata of an output; None where there is no complete file with one."""
    try:
        with safe_open(path, framework="pt") as file:
            card = parse_card(file.metadata() or {})
    except (SafetensorError, OSError, WeightsError):
        return None
    return (card.get("step") or card.get("training", {}).get("step") or {}).get("key")


def _file_digest(path: Path) -> str:
    """Digest of a file, mapped: soft labels are a gigabyte."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        return digest(view)
