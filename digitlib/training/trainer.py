"""Training: ``fit`` turns a configuration and data into a network.

The random numbers of a step depend only on the seed and the step's number. Therefore a stopped run
resumes from its last complete epoch and ends with the same weights.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.models.inference import optimize_for_inference
from digitlib.models.networks import as_input, build_network, pick_device, reads_strokes
from digitlib.models.weights import model_digest, read_tensors, write_tensors
from digitlib.training.config import TrainConfig
from digitlib.training.examples import Batch, Examples, Splits
from digitlib.training.optimization import Optimization, fast_layers

DISTILL_TEMPERATURE = 2.0  # divides the logits of network and teachers in the distillation loss
READ_AT_ONCE = 2048  # frames
MAX_PROCESSES = 14  # that draw examples; more are never busy


@dataclass(frozen=True)
class TrainResult:
    """A trained network and its training.

    Attributes:
        model: in evaluation mode, on the CPU.
        config: its settings.
        history: per epoch ``epoch``, ``loss``, ``learning_rate`` (at its end), ``seconds`` and a
            validation accuracy per data set, as ``accuracy/NAME``. If the network reads strokes,
            pen data count as strokes, and ``pictures/NAME`` is their accuracy as pictures.
        device: where it was trained.
        digests: of the training data, by name, and of the ``teachers``, a list.
    """

    model: nn.Module
    config: TrainConfig
    history: list[dict[str, float]]
    device: str
    digests: dict[str, str | list[str]]

    @property
    def seconds(self) -> float:
        """Time spent training and validating."""
        return sum(epoch["seconds"] for epoch in self.history)


def fit(
    config: TrainConfig,
    data: Splits,
    teachers: Sequence[nn.Module] = (),
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    processes: int | None = None,
    progress: bool = True,
    until: Callable[[Mapping[str, float]], bool] | None = None,
) -> TrainResult:
    """Train a network; torch's global random state doesn't change.

    Args:
        config: all settings.
        data: see :meth:`Splits.load`.
        teachers: networks with as many outputs, for ``distill_weight`` > 0.
        checkpoint: a file written after every epoch; if it exists, training resumes from it.
        processes: that draw examples, without effect on the result; 0 draws them here. By default,
            all cores but one if examples are varied.
        progress: show a bar, in a notebook or a terminal.
        until: called with each epoch's line of the history; training ends when it returns True.

    Raises:
        ValueError: the checkpoint belongs to another configuration, data or teachers; teachers are
            missing, or given without ``distill_weight``.
        WeightsError: the checkpoint is damaged; the message names it.
    """
    from tqdm.auto import tqdm

    if bool(teachers) != (config.distill_weight > 0):
        raise ValueError("Teachers need distill_weight > 0, and distill_weight > 0 needs teachers.")
    device, epochs = pick_device(config.device), config.epochs
    path = Path(checkpoint) if checkpoint else None
    private = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with private, threadpool_limits(1, "blas"):  # NumPy's threads would only wait for the others
        run = _Run(config, data, teachers, device)
        if path is not None and path.exists():
            run.resume(path)
        if processes is None:
            processes = min((os.cpu_count() or 1) - 1, MAX_PROCESSES) if config.augment else 0
        batches = run.examples.loader(run.epoch * run.examples.steps, processes)
        with tqdm(total=epochs, initial=run.epoch, disable=not progress, unit="epoch") as bar:
            while run.epoch < epochs:
                line = run.train_epoch(batches)
                if path is not None:
                    run.save(path)
                shown = {name: f"{value:.4f}" for name, value in line.items() if "/" in name}
                bar.set_postfix(loss=f"{line['loss']:.4f}", **shown)
                bar.update()
                if until is not None and until(line):
                    break
    model = run.optimization.result.eval().cpu()
    return TrainResult(model, config, run.history, str(device), run.digests)


class _Run:
    """The state of a training run between two epochs."""

    def __init__(
        self, config: TrainConfig, data: Splits, teachers: Sequence[nn.Module], device: torch.device
    ) -> None:
        self.config, self.data, self.device, self.originals = config, data, device, teachers
        self.history = list[dict[str, float]]()
        self.examples = Examples(config, data.train)
        torch.manual_seed(config.seed)
        model = build_network(config.model, **config.model_arguments).to(device)
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimization = Optimization(model, config, len(self.examples))
        self.teachers = [optimize_for_inference(teacher).to(device) for teacher in teachers]
        self.class_weights = None
        if config.no_digit_weight != 1:
            self.class_weights = torch.ones(NO_DIGIT + 1, device=device)
            self.class_weights[NO_DIGIT] = config.no_digit_weight

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return len(self.history)

    @cached_property
    def digests(self) -> dict[str, str | list[str]]:
        """Digests of the training data, by name, and of the teachers."""
        digests: dict[str, str | list[str]] = {part.name: part.digest for part in self.data.train}
        if self.originals:
            digests["teachers"] = [model_digest(teacher) for teacher in self.originals]
        return digests

    def train_epoch(self, batches: Iterator[Batch]) -> dict[str, float]:
        """Train one epoch, validate, and return its line of the history."""
        start = time.perf_counter()
        torch.manual_seed((self.config.seed + 1) * 100_003 + self.epoch)  # for dropout
        loss = self.optimization.optimize(islice(batches, self.examples.steps), self._loss)
        line = {
            "epoch": float(self.epoch + 1),
            "loss": loss,
            "learning_rate": self.optimization.rate,
        }
        model = self.optimization.result
        for part in self.data.validation:
            found = accuracies(model, part)
            line |= {f"{kind}/{part.name}": value for kind, value in found.items()}
        line["seconds"] = time.perf_counter() - start
        self.history.append(line)
        return line

    def _loss(self, batch: Batch) -> Tensor:
        """Cross-entropy with the labels and, if there are any, with the teachers' answers."""
        config, batch = self.config, Batch(*(tensor.to(self.device) for tensor in batch))
        with fast_layers(self.device, config.precision == "bfloat16"):
            logits = run_network(self.optimization.network, batch.shown).float()
        loss = F.cross_entropy(
            logits, batch.labels, self.class_weights, label_smoothing=config.label_smoothing
        )
        if not self.teachers:
            return loss
        # Softened as by Hinton et al. (arXiv 1503.02531); the square keeps the gradient's size.
        target = (self._answers(batch) / DISTILL_TEMPERATURE).softmax(dim=1)
        distilled = F.cross_entropy(logits / DISTILL_TEMPERATURE, target) * DISTILL_TEMPERATURE**2
        return (1 - config.distill_weight) * loss + config.distill_weight * distilled

    @torch.no_grad()
    def _answers(self, batch: Batch) -> Tensor:
        """The teachers' mean logits ``[B, outputs]``; they see the channels of all drawings."""
        frames = as_input(batch.frames)
        with fast_layers(self.device):
            answers = [teacher(frames).float() for teacher in self.teachers]
        return torch.stack(answers).mean(dim=0)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        card = {"config": self.config.as_dict(), "data": self.digests, "history": self.history}
        write_tensors(path, self.optimization.state(), card)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint; ValueError if its configuration or data differ."""
        tensors, card = read_tensors(path)
        expected = {"config": self.config.as_dict(), "data": self.digests}
        for key, what in (("config", "another configuration"), ("data", "other data")):
            if card.get(key) != expected[key]:
                raise ValueError(f"{path} is a checkpoint of {what}: delete or move it.")
        self.history = card["history"]
        self.optimization.load_state(tensors, self.epoch * self.examples.steps)


# --- logits and accuracy ---------------------------------------------------------------------


def run_network(model: nn.Module, frames: Tensor) -> Tensor:
    """Logits ``[N, outputs]`` of frames ``[N, 4, 28, 28]``; what isn't read isn't copied."""
    return model(as_input(frames if reads_strokes(model) else frames[:, :1]))


@torch.inference_mode()
def predict_logits(model: nn.Module, frames: Tensor) -> Tensor:
    """Logits ``[N, outputs]`` on the CPU of frames ``[N, 4, 28, 28]``, in bounded memory.

    The model stays in evaluation mode.
    """
    device = next(model.parameters()).device
    model.eval()
    parts = (part.to(device) for part in frames.split(READ_AT_ONCE))
    return torch.cat([run_network(model, part).float().cpu() for part in parts])


def model_accuracy(model: nn.Module, data: DigitData) -> float:
    """Accuracy, 0-1: of digits among the ten classes, of "not a digit" among all eleven."""
    return accuracies(model, data)["accuracy"]


def accuracies(model: nn.Module, data: DigitData) -> dict[str, float]:
    """The ``accuracy``, see :func:`model_accuracy`, and that of ``pictures``.

    The second is of pen data without stroke direction and order, if the network reads them.
    """
    frames, found, digits = data.frames(), dict[str, float](), data.labels < NO_DIGIT
    for name in ("accuracy", "pictures"):
        logits = predict_logits(model, frames)
        predicted = torch.where(digits, logits[:, :10].argmax(dim=1), logits.argmax(dim=1))
        found[name] = float((predicted == data.labels).double().mean())
        if data.strokes is None or not reads_strokes(model):
            break
        frames[:, 1:] = 0
    return found
