"""Training: configurations are validated; runs repeat and resume exactly, and they learn."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import sample_splits, small_config
from torch.nn import functional as F

from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.models.weights import model_digest, read_tensors
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.examples import Splits
from digitlib.training.optimization import Optimization, fast_layers, learning_rate
from digitlib.training.trainer import TrainResult, fit, model_accuracy


def run(config: TrainConfig, checkpoint: Path | None = None, **options: object) -> TrainResult:
    data = sample_splits()
    return fit(config, data, processes=0, progress=False, checkpoint=checkpoint, **options)


def numbers(result: TrainResult) -> list[dict[str, float]]:
    """The history without its times."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in result.history]


# The optimizers keep different states between epochs.
KINDS = {
    "sgd": {"ema_decay": 0.99},
    "adam": {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant"},
    "half": {"precision": "bfloat16"},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[TrainConfig, TrainResult]:
    """A configuration and its uninterrupted run."""
    config = small_config(**KINDS[request.param])
    return config, run(config)


@pytest.fixture(scope="module")
def start() -> torch.nn.Module:
    """Any trained network."""
    return run(small_config(seed=5, epochs=1)).model


# --- configurations ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"epochs": 0}, "epochs\n.*greater than 0"),
        ({"batch_size": 0}, "batch_size\n.*greater than 0"),
        ({"subset": 0}, "subset\n.*greater than 0"),
        ({"optimizer": "lion"}, "'sgd' or 'adam'"),
        ({"precision": "float16"}, "'float32' or 'bfloat16'"),
        ({"distill_weight": 1.5}, "distill_weight\n.*less than or equal to 1"),
        ({"picture_share": -1}, "picture_share\n.*greater than or equal to 0"),
        ({"datasets": ()}, "datasets\n.*at least 1 item"),
        ({"datasets": ("mnist", "sample")}, "mix_ratios needs one number for each"),
        ({"mix_ratios": (0.5,)}, "mix_ratios needs one number for each"),
        ({"datasets": ("mnist", "sample"), "mix_ratios": (0.0,)}, "greater than 0"),
        ({"epoch": 3}, "epoch\n"),
    ],
)
def test_invalid_configurations_are_refused(changes: dict, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        TrainConfig(**changes)
    with pytest.raises(ValueError, match=advice):
        dataclasses.replace(TrainConfig(), **changes)


@pytest.mark.parametrize("config", [TrainConfig(), *PRESETS.values()])
def test_a_stored_configuration_equals_the_original(config: TrainConfig) -> None:
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3


def test_unknown_data_sets_are_named_when_they_are_loaded() -> None:
    with pytest.raises(ValueError, match="no data set 'emnist'"):
        Splits.load(TrainConfig(datasets=("emnist",)))


def test_training_imports_no_data_sets() -> None:
    code = "import sys; from digitlib import fit; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = set(loaded.stdout.split())
    assert "digitlib.training.trainer" in names
    for room in ("datasets.catalog", "datasets.synthetic", "evaluation"):
        assert f"digitlib.{room}" not in names


# --- the learning rate ---------------------------------------------------------------------


@pytest.mark.parametrize(("warmup", "steps"), [(0.15, 400), (0.3, 37), (0.0, 50)])
def test_one_cycle_rises_in_a_line_and_falls_in_a_cosine(warmup: float, steps: int) -> None:
    config = TrainConfig(warmup=warmup, learning_rate=0.2)
    rates = np.array([learning_rate(config, step, steps) for step in range(steps)])
    peak = max(1, round(warmup * steps)) - 1
    np.testing.assert_allclose(rates[: peak + 1], 0.2 * np.arange(1, peak + 2) / (peak + 1))
    assert (np.diff(rates[peak:]) < 0).all()
    assert 0 <= rates[-1] < 0.2 * 0.01
    assert rates[peak + (steps - peak) // 2] == pytest.approx(0.1, abs=0.012)
    assert learning_rate(dataclasses.replace(config, schedule="constant"), steps - 1, steps) == 0.2


# --- runs ----------------------------------------------------------------------------------


def test_a_result_has_its_settings_and_history(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    assert (result.config, result.device, result.model.training) == (config, "cpu", False)
    assert result.digests == {"sample": sample_splits().train[0].digest}
    assert [line["epoch"] for line in result.history] == [1, 2, 3]
    assert result.seconds == pytest.approx(sum(line["seconds"] for line in result.history))
    expected = {"epoch", "loss", "learning_rate", "accuracy/sample", "seconds"}
    assert all(set(line) == expected for line in result.history)
    validation = sample_splits().validation[0]
    assert result.history[-1]["accuracy/sample"] == model_accuracy(result.model, validation)
    rates = [learning_rate(config, 4 * epoch - 1, 12) for epoch in (1, 2, 3)]
    assert [line["learning_rate"] for line in result.history] == pytest.approx(rates)


def test_only_the_seed_decides(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    torch.rand(17)
    again = run(config)
    assert model_digest(again.model) == model_digest(result.model)
    assert numbers(again) == numbers(result)
    other = run(dataclasses.replace(config, seed=1))
    assert model_digest(other.model) != model_digest(result.model)


def test_training_leaves_the_global_random_state_unchanged() -> None:
    before = torch.get_rng_state()
    run(small_config(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_digits_are_learned() -> None:
    config = small_config(
        model_arguments={"width": 8}, epochs=6, subset=None, augment=False, learning_rate=0.05
    )
    result = fit(config, sample_splits(None), progress=False)
    losses = [line["loss"] for line in result.history]
    assert losses[0] > 1
    assert losses[-1] < 0.3 * losses[0]
    assert model_accuracy(result.model, catalog.load("sample", "test")) > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": False}, {"degraded": 1.0}, {"label_smoothing": 0.1}, {"weight_decay": 0.1},
        {"momentum": 0.0}, {"precision": "bfloat16"}, {"ema_decay": 0.9},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_every_setting_has_an_effect(changes: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    plain, changed = run(small_config(epochs=1)), run(small_config(epochs=1, **changes))
    assert model_digest(plain.model) != model_digest(changed.model)


@pytest.mark.parametrize(("capability", "wanted", "dtype"), [
    ("AVX512", True, torch.bfloat16), ("AVX512", False, torch.float32),
    ("AVX2", True, torch.float32), ("DEFAULT", True, torch.float32),
])  # fmt: skip
def test_layers_compute_in_bfloat16_where_the_processor_does(
    capability: str, wanted: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with fast_layers(torch.device("cpu"), wanted):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


def test_the_average_of_weights_is_exponential_after_a_warm_up() -> None:
    model, decay = torch.nn.BatchNorm1d(3), 0.6
    average = Optimization(model, small_config(ema_decay=decay), 8).average
    assert average is not None
    expected: dict[str, torch.Tensor] = {}
    for step in range(8):
        for value in model.state_dict().values():
            value.copy_(torch.full_like(value, step**2))
        average.update_parameters(model)
        keep = min(decay, (1 + step) / (10 + step)) if step else 0.0
        for name, value in model.named_parameters():
            before = expected.get(name, value.double())
            expected[name] = keep * before + (1 - keep) * value.double()
    for name, value in average.module.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], atol=1e-5, rtol=1e-5)


def test_accuracy_counts_the_class_not_a_digit() -> None:
    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(len(frames), 11)
            logits[:, 3], logits[:, 10] = 1, 2
            return logits

    labels = torch.tensor([3, 3, 10, 5])
    data = DigitData("made", "test", torch.zeros(4, 28, 28, dtype=torch.uint8), labels)
    assert model_accuracy(Fixed(), data) == 0.75


def test_training_ends_early_on_request() -> None:
    result = run(small_config(), until=lambda line: line["epoch"] == 2)
    assert len(result.history) == 2


# --- interruptions -------------------------------------------------------------------------


def stop_in_step(number: int) -> Callable[..., torch.Tensor]:
    """A loss that is interrupted with Ctrl-C."""
    whole, calls = F.cross_entropy, 0

    def interrupted(*arguments: object, **options: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    return interrupted


@pytest.mark.parametrize("step", [2, 11])  # in the first and the last of three epochs
def test_an_interrupted_run_resumes_to_the_same_weights(
    step: int,
    kind: tuple[TrainConfig, TrainResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, whole = kind
    checkpoint = tmp_path / "folder" / "run.checkpoint"
    with monkeypatch.context() as patched:
        patched.setattr(F, "cross_entropy", stop_in_step(step))
        with pytest.raises(KeyboardInterrupt):
            run(config, checkpoint)
    done = (step - 1) // 4
    assert checkpoint.exists() == (done > 0)
    if done:
        assert len(read_tensors(checkpoint)[1]["history"]) == done
    resumed = run(config, checkpoint)
    assert model_digest(resumed.model) == model_digest(whole.model)
    assert numbers(resumed) == numbers(whole)
    assert [*checkpoint.parent.iterdir()] == [checkpoint]
    # A finished run isn't repeated.
    monkeypatch.setattr(F, "cross_entropy", stop_in_step(1))
    assert model_digest(run(config, checkpoint).model) == model_digest(whole.model)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint, config = tmp_path / "run.checkpoint", small_config(epochs=1)
    run(config, checkpoint)
    before = checkpoint.read_bytes()
    for changes in ({"seed": 1}, {"model_arguments": {"width": 5}}):
        with pytest.raises(ValueError, match=r"run\.checkpoint.*another configuration.*delete"):
            run(dataclasses.replace(config, **changes), checkpoint)
    data = sample_splits()
    fewer = Splits((data.train[0].subset(100),), data.validation)
    with pytest.raises(ValueError, match=r"run\.checkpoint.*other data.*delete or move"):
        fit(config, fewer, progress=False, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    checkpoint.write_bytes(before[:-50])
    with pytest.raises(ValueError, match=r"run\.checkpoint"):
        run(config, checkpoint)


def test_data_is_loaded_in_the_order_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load(name: str, split: str, root: object) -> DigitData:
        assert root == tmp_path
        images = torch.zeros(80, 28, 28, dtype=torch.uint8)
        return DigitData(name, split, images, torch.arange(80))

    monkeypatch.setattr(catalog, "load", load)
    config = small_config(datasets=("sample", "typeset"), mix_ratios=(0.5,), subset=50)
    splits = Splits.load(config, tmp_path)
    for split in ("train", "validation"):
        found = [(part.name, part.split, len(part)) for part in getattr(splits, split)]
        assert found == [("sample", split, 50), ("typeset", split, 50)]


# --- teachers ------------------------------------------------------------------------------


def test_a_student_learns_what_its_teachers_know() -> None:
    """From teachers alone, with labels that say nothing."""
    config = small_config(model_arguments={"width": 8}, epochs=6, subset=None, learning_rate=0.05)
    teacher = fit(config, sample_splits(None), progress=False).model
    untold = Splits(
        tuple(dataclasses.replace(p, labels=p.labels * 0) for p in sample_splits(None).train), ()
    )
    student = fit(
        dataclasses.replace(config, distill_weight=1.0, seed=1), untold, [teacher], progress=False
    )
    test = catalog.load("sample", "test")
    assert model_accuracy(teacher, test) > 0.9
    assert model_accuracy(student.model, test) > 0.9
    assert student.digests["teachers"] == [model_digest(teacher)]


def test_teachers_and_their_weight_belong_together(start: torch.nn.Module) -> None:
    for teachers, weight in (([start], 0.0), ([], 0.5)):
        with pytest.raises(ValueError, match="distill_weight > 0 needs teachers"):
            fit(small_config(distill_weight=weight), sample_splits(), teachers)
