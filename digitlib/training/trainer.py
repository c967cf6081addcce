"""Training: ``fit`` turns a configuration and data into a network.

The random numbers of an epoch depend only on the seed and the epoch's number. Therefore a stopped
run resumes from its last complete epoch and ends with the same weights.
"""

from __future__ import annotations

import copy
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from digitlib.models.networks import as_input, build_network, pick_device
from digitlib.models.weights import model_digest, read_tensors, write_tensors
from digitlib.training.config import TrainConfig
from digitlib.training.loader import (
    Batch,
    BatchLoader,
    Splits,
    private_random_state,
    steps_per_epoch,
)
from digitlib.training.logits import model_accuracy
from digitlib.training.optimization import (
    learning_rate,
    make_ema_model,
    make_optimizer,
    move_towards,
    training_loss,
)

if TYPE_CHECKING:
    from digitlib.training.distillation import DistillationLoader, SoftLabels


@dataclass(frozen=True)
class TrainResult:
    """A trained network and its training.

    Attributes:
        model: in evaluation mode, on the CPU.
        config: its settings.
        history: per epoch ``epoch``, ``loss``, ``learning_rate`` (at its end), ``seconds`` and a
            validation accuracy per data set, as ``accuracy/NAME``.
        device: where it was trained.
        digests: of the training data, by name.
    """

    model: nn.Module
    config: TrainConfig
    history: list[dict[str, float]]
    device: str
    digests: dict[str, str]

    @property
    def seconds(self) -> float:
        """Time spent training and validating."""
        return sum(epoch["seconds"] for epoch in self.history)


def fit(
    config: TrainConfig,
    data: Splits,
    *,
    soft_labels: SoftLabels | None = None,
    init: nn.Module | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    until: Callable[[Mapping[str, float]], bool] | None = None,
) -> TrainResult:
    """Train a network; torch's global random state doesn't change.

    Args:
        config: all settings.
        data: see :meth:`Splits.load`.
        soft_labels: training frames with teachers' logits, for ``distill_weight`` > 0; ``data`` is
            then used for validation only.
        init: initial network of the configuration's kind, instead of random weights; it isn't
            changed.
        progress: show a bar, in a notebook or a terminal.
        checkpoint: a file written after every epoch; if it exists, training resumes from it.
        until: called with each epoch's line of the history; training ends when it returns True.

    Raises:
        ValueError: the checkpoint belongs to another configuration, data, soft labels or initial
            network; soft labels are missing, or given without ``distill_weight``; ``init_weight``
            without an initial network; the network has no part ``trained``.
        WeightsError: the checkpoint is damaged; the message names it.
    """
    from tqdm.auto import tqdm

    if config.distill_weight and soft_labels is None:
        raise ValueError(
            "distill_weight > 0 needs soft labels: make them with python -m digitlib distil, "
            "or set distill_weight to 0."
        )
    if soft_labels is not None and not config.distill_weight:
        raise ValueError("Soft labels need a configuration with distill_weight > 0.")
    if config.init_weight and init is None:
        raise ValueError("init_weight > 0 needs an initial network.")
    device, epochs = pick_device(config.device), config.epochs
    path = None if checkpoint is None else Path(checkpoint)
    with private_random_state(device):
        run = _Run(config, data, device, soft_labels, init)
        if path is not None and path.exists():
            run.resume(path)
        with tqdm(total=epochs, initial=run.epoch, disable=not progress, unit="epoch") as bar:
            while run.epoch < epochs:
                line = run.train_epoch()
                if path is not None:
                    run.save(path)
                shown = {name: f"{value:.4f}" for name, value in line.items() if "/" in name}
                bar.set_postfix(loss=f"{line['loss']:.4f}", **shown)
                bar.update()
                if until is not None and until(line):
                    break
    return TrainResult(run.finish(), config, run.history, str(device), run.digests)


class _Run:
    """The state of a training run between two epochs."""

    def __init__(
        self,
        config: TrainConfig,
        data: Splits,
        device: torch.device,
        soft_labels: SoftLabels | None = None,
        init: nn.Module | None = None,
    ) -> None:
        self.config, self.device = config, device
        self.data, self.soft_labels, self.init = data, soft_labels, init
        self.history = list[dict[str, float]]()
        self.steps = steps_per_epoch(config, data)
        self.loader: BatchLoader | DistillationLoader
        if soft_labels is None:
            self.loader = BatchLoader(config, data, device)
        else:
            from digitlib.training.distillation import DistillationLoader

            self.loader = DistillationLoader(config, soft_labels, self.steps, device)
        torch.manual_seed(config.seed)
        model = build_network(config.model, **config.model_arguments)
        if init is not None:
            _initialize(model, init)
        parts = [name for name, _ in model.named_children()]
        if config.trained and config.trained not in parts:
            raise ValueError(f"trained is a part of the network, {parts}, not {config.trained!r}.")
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = torch.compile(self.model) if config.compile else self.model
        self.ema_model = make_ema_model(self.model, config.ema_decay) if config.ema_decay else None
        self.optimizer = make_optimizer(config, self.model)

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return len(self.history)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the training data, by name, of the soft labels and the initial network."""
        digests = {part.name: part.digest for part in self.data.train}
        if self.soft_labels is not None:
            digests["soft_labels"] = self.soft_labels.digest
        if self.init is not None:
            digests["init"] = model_digest(self.init)
        return digests

    @property
    def result(self) -> nn.Module:
        """The averaged network if there is one, else the trained one."""
        return self.model if self.ema_model is None else self.ema_model.module

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return its line of the history."""
        start, config = time.perf_counter(), self.config
        self.model.train()
        if config.trained:
            for name, child in self.model.named_children():
                child.train(name == config.trained).requires_grad_(child.training)
        losses = torch.zeros((), device=self.device)
        for step, batch in enumerate(self.loader.epoch(self.epoch), self.epoch * self.steps):
            rate = learning_rate(config, step, config.epochs * self.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses += self._step(batch)
        line = {
            "epoch": float(self.epoch + 1),
            "loss": losses.item() / self.steps,
            "learning_rate": rate,
        }
        for part in self.data.validation:
            line[f"accuracy/{part.name}"] = model_accuracy(self.result, part, self.device)
        line["seconds"] = time.perf_counter() - start
        self.history.append(line)
        return line

    def _step(self, batch: Batch) -> Tensor:
        """Update the weights by one batch; return its loss."""
        half = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits = self.forward(as_input(batch.frames))
        loss = training_loss(self.config, logits.float(), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.model)
        return loss.detach()

    def finish(self) -> nn.Module:
        """The trained network, on the CPU, averaged with the initial one by ``init_weight``."""
        trained = self.result.eval().cpu()
        if self.init is None or not self.config.init_weight:
            return trained
        mean = copy.deepcopy(self.init).eval().cpu()
        old, new = ([*model.state_dict().values()] for model in (mean, trained))
        move_towards(old, new, 1 - self.config.init_weight)
        return mean

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        if self.ema_model is not None:
            tensors |= {f"ema_model.{n}": t for n, t in self.ema_model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": t for n, t in state.items()}
        card = {"config": self.config.as_dict(), "data": self.digests, "history": self.history}
        write_tensors(path, tensors, card)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint; ValueError if its configuration or data differ."""
        tensors, card = read_tensors(path)
        expected = {"config": self.config.as_dict(), "data": self.digests}
        for key, what in (("config", "another configuration"), ("data", "other data")):
            if card.get(key) != expected[key]:
                raise ValueError(f"{path} is a checkpoint of {what}: delete or move it.")
        parts = defaultdict[str, dict[str, Tensor]](dict)
        for name, tensor in tensors.items():
            part, _, key = name.partition(".")
            parts[part][key] = tensor
        self.model.load_state_dict(parts["model"])
        if self.ema_model is not None:
            self.ema_model.load_state_dict(parts["ema_model"])
        state = self.optimizer.state_dict() | {"state": {}}
        for name, tensor in parts["optimizer"].items():
            index, key = name.split(".")
            # A copy, because Windows doesn't replace a file while a tensor is a view of it.
            state["state"].setdefault(int(index), {})[key] = tensor.clone()
        self.optimizer.load_state_dict(state)
        self.history = card["history"]


def _initialize(model: nn.Module, init: nn.Module) -> None:
    """Copy the weights of a network, which may lack whole parts, such as the pen branch."""
    parts = {name for name, _ in init.named_children()}
    missing, unexpected = model.load_state_dict(init.state_dict(), strict=False)
    others = [name for name in missing if name.partition(".")[0] in parts]
    if others or unexpected:
        raise ValueError(f"The initial network is another: {', '.join(others + unexpected)}.")
