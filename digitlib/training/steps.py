"""A build in steps: a step runs again if its settings or inputs change."""

from __future__ import annotations

import hashlib
import json
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
    """

    folder: Path
    steps: Sequence[Step]
    _data: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def path(self, name: str) -> Path:
        """The output file of a step."""
        return self.folder / f"{name}.safetensors"

    def key(self, step: Step) -> Key:
        """The key of a step, of whose inputs all are there."""
        splits = ("train", "validation")
        for name in step.config.datasets:
            if name not in self._data:
                self._data[name] = [catalog.load(name, split).digest for split in splits]
        data = [self._data[name] for name in step.config.datasets]
        inputs = [_file_digest(self.path(name)) for name in step.inputs]
        return digest(step.settings.encode(), json.dumps([data, inputs]).encode())

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
        """Make what isn't current, or only one step; yield each step when it is made.

        Raises:
            ValueError: there is no such step, or its inputs aren't current.
        """
        states = {step.name: state for step, state in self.states()} if only else {}
        if only and only not in states:
            raise ValueError(f"There is no step {only!r}; there are {', '.join(states)}.")
        for step in self.steps:
            if only not in (None, step.name):
                continue
            lacking = [name for name in step.inputs if only and states[name] != "current"]
            if lacking:
                raise ValueError(f"{only} needs the steps {', '.join(lacking)} first.")
            key = self.key(step)
            if _stored_key(self.path(step.name)) != key:
                self._make(step, key)
                yield step

    def _make(self, step: Step, key: Key) -> None:
        record = {"name": step.name, "key": key}
        if step.teachers:
            teachers = [
                Teacher.load(self.path(name), step.labelled.get(name, ())) for name in step.teachers
            ]
            data = Splits.load(step.config)
            labels = make_soft_labels(step.config, data, teachers, step.passes)
            labels.save(self.path(step.name), {"step": record})
            return
        build.train(
            step.config,
            self.path(step.name),
            soft_labels=[self.path(name) for name in step.soft_labels],
            init=self.path(step.init) if step.init else None,
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
    """As :func:`files.digest`, without reading gigabytes of soft labels into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
