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
from digitlib.models.networks import as_input
from digitlib.models.weights import model_digest, read_tensors
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.loader import BatchLoader, Splits
from digitlib.training.logits import model_accuracy
from digitlib.training.optimization import learning_rate, make_ema_model
from digitlib.training.trainer import TrainResult, fit

CPU = torch.device("cpu")


def run(config: TrainConfig, checkpoint: Path | None = None, **options: object) -> TrainResult:
    return fit(config, sample_splits(), progress=False, checkpoint=checkpoint, **options)


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
    """An initial network."""
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
        ({"channels_prob": -1}, "channels_prob\n.*greater than or equal to 0"),
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
    for room in ("datasets.catalog", "datasets.synthetic", "training.distillation", "evaluation"):
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
        {"augment": False}, {"degrade_prob": 1.0}, {"label_smoothing": 0.1}, {"weight_decay": 0.1},
        {"momentum": 0.0}, {"precision": "bfloat16"}, {"ema_decay": 0.9},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_every_setting_has_an_effect(changes: dict) -> None:
    plain, changed = run(small_config(epochs=1)), run(small_config(epochs=1, **changes))
    assert model_digest(plain.model) != model_digest(changed.model)


def test_an_epoch_is_one_pass_in_random_order() -> None:
    data = sample_splits()
    loader = BatchLoader(small_config(batch_size=100), data, CPU)
    seen = torch.cat([batch.labels for batch in loader.epoch(0)])
    assert torch.equal(seen.sort().values, data.train[0].labels.sort().values)
    assert not torch.equal(seen, data.train[0].labels)


def numbered(name: str, count: int, first: int) -> DigitData:
    """Data with labels from ``first`` on, by row."""
    images = torch.randint(0, 255, (count, 28, 28), dtype=torch.uint8)
    return DigitData(name, "train", images, torch.arange(count) % 5 + first)


def test_further_sets_get_their_share_of_every_batch() -> None:
    config = small_config(datasets=("mnist", "sample"), mix_ratios=(0.25,), batch_size=40)
    sets = (numbered("mnist", 130, 0), numbered("sample", 12, 5))
    batches = [batch.labels for batch in BatchLoader(config, Splits(sets, ()), CPU).epoch(0)]
    assert [int((labels < 5).sum()) for labels in batches] == [40, 40, 40, 10]
    assert [int((labels >= 5).sum()) for labels in batches] == [10, 10, 10, 10]
    # The smaller set is repeated as a whole: 40 draws of 12 digits.
    counts = torch.bincount(torch.cat(batches), minlength=10)[5:]
    assert (counts - torch.tensor([3, 3, 2, 2, 2]) * 40 / 12).abs().max() <= 3


def test_pen_data_is_rendered_anew_in_every_epoch() -> None:
    made = catalog.load("no_digits", "test", "nowhere", download=False).subset(64)
    loader = BatchLoader(small_config(datasets=("no_digits",)), Splits((made,), ()), CPU)
    first, second = (next(loader.epoch(number)).frames for number in (0, 1))
    inputs = as_input(first)
    assert inputs.shape == (64, 4, 28, 28)
    assert not inputs[:, 1:].any()
    assert inputs.min() == pytest.approx(-0.1307 / 0.3081, abs=1e-4)  # normalized as MNIST is
    assert inputs.max() == pytest.approx((1 - 0.1307) / 0.3081, abs=1e-4)
    ink = [frames[:, 0].sum(dim=(1, 2)).sort().values for frames in (first, second)]
    assert (ink[0] - ink[1]).abs().max() > 1
    # Thin and thick pens: more variety than in the data set itself.
    assert ink[0].std() > 1.2 * (made.images / 255.0).sum(dim=(1, 2)).std()


def test_the_average_of_weights_and_buffers_is_exponential_after_a_warm_up() -> None:
    model, decay = torch.nn.BatchNorm1d(3), 0.6
    average = make_ema_model(model, decay)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    for step in range(8):
        for value in model.state_dict().values():
            value.copy_(torch.full_like(value, step**2))
        average.update_parameters(model)
        keep = min(decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            mean = keep * expected[name] + (1 - keep) * value.double()
            expected[name] = mean if value.is_floating_point() else value.double()
    for name, value in average.module.state_dict().items():
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


def test_a_checkpoint_of_another_run_is_refused(start: torch.nn.Module, tmp_path: Path) -> None:
    checkpoint, config = tmp_path / "run.checkpoint", small_config(epochs=1)
    run(config, checkpoint)
    before = checkpoint.read_bytes()
    for changes in ({"seed": 1}, {"model_arguments": {"width": 5}}):
        with pytest.raises(ValueError, match=r"run\.checkpoint.*another configuration.*delete"):
            run(dataclasses.replace(config, **changes), checkpoint)
    data = sample_splits()
    fewer = Splits((data.train[0].subset(100),), data.validation)
    for other, init in ((fewer, None), (data, start)):
        with pytest.raises(ValueError, match=r"run\.checkpoint.*other data.*delete or move"):
            fit(config, other, progress=False, checkpoint=checkpoint, init=init)
    assert checkpoint.read_bytes() == before
    checkpoint.write_bytes(before[:-50])
    with pytest.raises(ValueError, match=r"run\.checkpoint"):
        run(config, checkpoint)


def test_data_is_loaded_in_the_order_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load(name: str, split: str, root: object) -> DigitData:
        assert root == tmp_path
        return dataclasses.replace(numbered(name, 80, 0), split=split)

    monkeypatch.setattr(catalog, "load", load)
    config = small_config(datasets=("sample", "typeset"), mix_ratios=(0.5,), subset=50)
    splits = Splits.load(config, tmp_path)
    for split in ("train", "validation"):
        found = [(part.name, part.split, len(part)) for part in getattr(splits, split)]
        assert found == [("sample", split, 50), ("typeset", split, 50)]


# --- starting from a network ----------------------------------------------------------------


def test_a_run_starts_from_the_initial_network(start: torch.nn.Module) -> None:
    before = model_digest(start)
    same = run(small_config(epochs=1, learning_rate=0.0, weight_decay=0.0), init=start)
    for (name, now), then in zip(same.model.named_parameters(), start.parameters(), strict=True):
        assert torch.equal(now, then), name
    assert model_digest(start) == before == same.digests["init"]
    assert model_digest(run(small_config(epochs=1), init=start).model) != before


def test_the_initial_network_is_averaged_into_the_result(start: torch.nn.Module) -> None:
    part, whole = (
        run(small_config(epochs=1, init_weight=share), init=start).model for share in (0.25, 0.0)
    )
    states = (model.state_dict().values() for model in (part, whole, start))
    for mixed, new, old in zip(*states, strict=True):
        expected = 0.75 * new + 0.25 * old if mixed.dtype.is_floating_point else new
        torch.testing.assert_close(mixed, expected)
    with pytest.raises(ValueError, match="init_weight > 0 needs an initial network"):
        run(small_config(init_weight=0.5))
