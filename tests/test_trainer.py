"""Training: valid configurations; runs repeat and resume to the bit, and they learn."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
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
from digitlib.models.networks import build_network
from digitlib.models.weights import model_digest, read_tensors, write_tensors
from digitlib.training import trainer
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.loader import Splits
from digitlib.training.logits import model_accuracy, predict_logits
from digitlib.training.optimization import learning_rate
from digitlib.training.trainer import TrainResult, _Run, fit


def run(config: TrainConfig, checkpoint: Path | None = None) -> TrainResult:
    return fit(config, sample_splits(), progress=False, checkpoint=checkpoint)


def same_weights(first: TrainResult, second: TrainResult) -> bool:
    a, b = first.model.state_dict(), second.model.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def numbers(result: TrainResult) -> list[dict[str, float]]:
    """The history without its times."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in result.history]


# Both optimizers, which keep different states between epochs.
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


# --- configurations ------------------------------------------------------------------------


def test_the_baseline_is_the_textbook_recipe() -> None:
    config = PRESETS["baseline"]
    assert (config.model, config.datasets, config.subset) == ("baseline", ("mnist",), None)
    assert (config.optimizer, config.learning_rate, config.schedule) == ("adam", 1e-3, "constant")
    assert (config.epochs, config.batch_size) == (20, 64)
    assert (config.augment, config.ema_decay, config.label_smoothing) == (False, 0, 0)


def test_the_default_trains_the_network_that_knows_no_digits() -> None:
    config = PRESETS["default"]
    assert config.model == "digitnet"
    assert config.datasets[0] == "mnist"
    outputs = config.model_arguments.get("outputs", 10)
    assert (outputs == 11) == ("no_digits" in config.datasets)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"optimizer": "lion"}, "'sgd' or 'adam', not 'lion'"),
        ({"precision": "float16"}, "'float32' or 'bfloat16', not 'float16'"),
        ({"distill_weight": 1.5}, "distill_weight is 0 to 1, not 1.5"),
        ({"degrade_prob": -0.1}, "degrade_prob is 0 to 1, not -0.1"),
        ({"planes_prob": 2}, "planes_prob is 0 to 1, not 2"),
        ({"tremor_prob": -1}, "tremor_prob is 0 to 1, not -1"),
        ({"schedule": "steps"}, "'one-cycle' or 'constant', not 'steps'"),
        ({"datasets": ("emnist",)}, "mnist.*not.*emnist"),
        ({"datasets": ()}, "mix_ratios|datasets"),
        ({"datasets": ("mnist", "sample")}, "one positive number for each"),
        ({"mix_ratios": (0.5,)}, "one positive number for each"),
        ({"datasets": ("mnist", "sample"), "mix_ratios": (0.0,)}, "positive"),
        ({"datasets": ("mnist", "sample"), "mix_ratios": (-0.5,)}, "positive"),
    ],
)
def test_senseless_configurations_are_refused(changes: dict, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        TrainConfig(**changes)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


@pytest.mark.parametrize("config", [TrainConfig(), *PRESETS.values()])
def test_a_configuration_is_stored_whole(config: TrainConfig) -> None:
    stored = config.as_dict()
    assert set(stored) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert json.loads(json.dumps(stored)) == stored
    # And it can be brought back to train the same again.
    back = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    assert TrainConfig(**back) == config


# --- the learning rate ---------------------------------------------------------------------


@pytest.mark.parametrize(("warmup", "steps"), [(0.15, 400), (0.3, 37), (0.0, 50)])
def test_one_cycle_warms_up_then_falls_to_nothing(warmup: float, steps: int) -> None:
    config = TrainConfig(warmup=warmup, learning_rate=0.2)
    rates = np.array([learning_rate(config, step, steps) for step in range(steps)])
    peak = int(rates.argmax())
    assert rates[peak] == pytest.approx(0.2)
    assert peak + 1 == max(1, round(warmup * steps))
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert 0 <= rates[-1] < 0.2 * 0.01
    assert rates.min() >= 0
    rise = np.diff(rates[: peak + 1])
    np.testing.assert_allclose(rise, rise[:1].repeat(len(rise)))  # a straight line up
    half = rates[peak + (steps - peak) // 2]  # and a cosine down
    assert half == pytest.approx(0.1, abs=0.012)


def test_a_constant_rate_is_constant() -> None:
    config = TrainConfig(schedule="constant", learning_rate=0.003)
    assert {learning_rate(config, step, 50) for step in range(50)} == {0.003}


def test_the_schedule_runs_over_all_epochs(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    steps = math.ceil(256 / config.batch_size)
    expected = [
        learning_rate(config, steps * epoch - 1, steps * config.epochs) for epoch in (1, 2, 3)
    ]
    assert [line["learning_rate"] for line in result.history] == pytest.approx(expected)


# --- runs ----------------------------------------------------------------------------------


def test_a_result_has_its_settings_and_history(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    assert result.config is config
    assert result.device == "cpu"
    assert not result.model.training
    assert result.digests == {"sample": sample_splits().train[0].digest}
    assert [line["epoch"] for line in result.history] == [1, 2, 3]
    assert result.seconds == pytest.approx(sum(line["seconds"] for line in result.history))
    assert 0 < result.seconds < 600
    expected = {"epoch", "loss", "learning_rate", "accuracy/sample", "seconds"}
    assert all(set(line) == expected for line in result.history)
    # The last line's accuracy is that of the network handed back.
    validation = sample_splits().validation[0]
    assert result.history[-1]["accuracy/sample"] == model_accuracy(result.model, validation)


def test_the_same_seed_gives_the_same_weights(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    torch.rand(17)  # whatever the random numbers before
    again = run(config)
    assert same_weights(again, result)
    assert numbers(again) == numbers(result)


def test_another_seed_gives_other_weights(kind: tuple[TrainConfig, TrainResult]) -> None:
    config, result = kind
    other = run(dataclasses.replace(config, seed=1))
    first = next(iter(result.model.state_dict()))
    assert not torch.equal(other.model.state_dict()[first], result.model.state_dict()[first])


def test_the_loss_falls_and_digits_are_learned() -> None:
    data = sample_splits(None)
    config = small_config(
        model_arguments={"width": 8}, epochs=6, subset=None, augment=False, learning_rate=0.05
    )
    result = fit(config, data, progress=False)
    losses = [line["loss"] for line in result.history]
    assert losses[0] > 1
    assert losses[-1] < 0.3 * losses[0]
    assert result.history[-1]["accuracy/sample"] > 0.9
    assert model_accuracy(result.model, catalog.load("sample", "test")) > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": False},
        {"degrade_prob": 1.0},
        {"label_smoothing": 0.1},
        {"weight_decay": 0.1},
        {"momentum": 0.0},
        {"precision": "bfloat16"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_every_switch_does_something(changes: dict) -> None:
    plain = run(small_config(epochs=1))
    assert not same_weights(plain, run(small_config(epochs=1, **changes)))


def test_an_epoch_is_one_pass_over_the_first_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sample_splits()
    seen: list[int] = []
    whole = F.cross_entropy

    def look(logits: torch.Tensor, labels: torch.Tensor, **options: object) -> torch.Tensor:
        seen.extend(labels.tolist())
        return whole(logits, labels, **options)

    monkeypatch.setattr(F, "cross_entropy", look)
    run(small_config(epochs=1, batch_size=100))
    assert sorted(seen) == sorted(data.train[0].labels.tolist())
    assert seen != data.train[0].labels.tolist()  # in another order


def numbered(name: str, count: int, first: int) -> DigitData:
    """Data whose labels tell which set and which row they are; 10 classes."""
    images = torch.randint(0, 255, (count, 28, 28), dtype=torch.uint8)
    return DigitData(name, "train", images, torch.arange(count) % 5 + first)


def test_further_sets_get_their_share_of_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(
        datasets=("mnist", "sample"), mix_ratios=(0.25,), batch_size=40, epochs=1, subset=None
    )
    sets = (numbered("mnist", 130, 0), numbered("sample", 12, 5))
    batches: list[torch.Tensor] = []
    whole = F.cross_entropy

    def look(logits: torch.Tensor, labels: torch.Tensor, **options: object) -> torch.Tensor:
        batches.append(labels)
        return whole(logits, labels, **options)

    monkeypatch.setattr(F, "cross_entropy", look)
    fit(config, Splits(sets, sets), progress=False)
    assert [int((labels < 5).sum()) for labels in batches] == [40, 40, 40, 10]
    assert [int((labels >= 5).sum()) for labels in batches] == [10, 10, 10, 10]
    # The smaller set goes round again and again, each time whole: 40 draws of 12 digits.
    counts = torch.bincount(torch.cat(batches), minlength=10)[5:]
    assert counts.sum() == 40
    assert (counts - torch.tensor([3, 3, 2, 2, 2]) * 40 / 12).abs().max() <= 3


def test_pen_data_is_drawn_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = catalog.load("no_digits", "test", "nowhere", download=False)
    made = dataclasses.replace(made.subset(64), labels=torch.arange(64) % 10)
    fed: list[torch.Tensor] = []
    build = build_network

    def watched(name: str, **arguments: object) -> torch.nn.Module:
        model = build(name, **arguments)
        model.register_forward_pre_hook(
            lambda m, given: fed.append(given[0]) if m.training else None
        )
        return model

    monkeypatch.setattr(trainer, "build_network", watched)
    config = small_config(datasets=("no_digits",), epochs=2)
    fit(config, Splits((made,), (made,)), progress=False)
    first, second = fed
    assert first.shape == (64, 1, 28, 28)
    assert first.min() == pytest.approx(-0.1307 / 0.3081, abs=1e-4)  # normalised as MNIST is
    assert first.max() == pytest.approx((1 - 0.1307) / 0.3081, abs=1e-4)
    ink = [
        (batch[:, 0] * 0.3081 + 0.1307).sum(dim=(1, 2)).sort().values for batch in (first, second)
    ]
    assert (ink[0] - ink[1]).abs().max() > 1  # other widths, other shapes
    # Thin pens and thick ones: far more variety than in the data set itself.
    own = (made.images / 255.0).sum(dim=(1, 2))
    assert ink[0].std() > 1.2 * own.std()


def test_the_average_of_weights_and_buffers_is_exponential_after_a_warm_up() -> None:
    decay = 0.6
    state = _Run(small_config(ema_decay=decay), sample_splits(), torch.device("cpu"))

    def copy() -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in state.model.state_dict().items()}

    weights = [copy()]
    state.optimizer.register_step_post_hook(lambda *_: weights.append(copy()))
    for _ in range(3):
        state.train_epoch()
    expected = {name: value.double() for name, value in weights[0].items()}
    for step, now in enumerate(weights[1:]):
        keep = min(decay, (1 + step) / (10 + step))
        for name, value in now.items():
            mean = keep * expected[name] + (1 - keep) * value.double()
            expected[name] = mean if value.is_floating_point() else value.double()
    assert len(weights) == 1 + 3 * state.steps
    found = state.result.state_dict()
    for name, value in found.items():
        torch.testing.assert_close(value.double(), expected[name], atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(value, weights[-1][name]) for name, value in found.items())


def test_every_step_has_the_rate_of_the_schedule() -> None:
    config = small_config(warmup=0.3, epochs=2)
    state = _Run(config, sample_splits(), torch.device("cpu"))
    rates: list[float] = []
    state.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    for _ in range(2):
        state.train_epoch()
    count = 2 * state.steps
    assert rates == [learning_rate(config, step, count) for step in range(count)]


def test_training_leaves_the_global_random_state_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit(small_config(epochs=1), sample_splits(), progress=False)
    assert torch.equal(torch.rand(4), expected)


def test_without_averaging_the_last_weights_are_kept() -> None:
    averaged = run(small_config(ema_decay=0.9))
    assert not same_weights(averaged, run(small_config(ema_decay=0.0)))


def test_accuracy_of_no_digits_counts_the_eleventh_class() -> None:
    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(len(frames), 11)
            logits[:, 3], logits[:, 10] = 1, 2  # a three, but rather nothing
            return logits

    labels = torch.tensor([3, 3, 10, 5])
    data = DigitData("made", "test", torch.zeros(4, 28, 28, dtype=torch.uint8), labels)
    assert model_accuracy(Fixed(), data) == 0.75


def test_logits_do_not_depend_on_the_chunk(kind: tuple[TrainConfig, TrainResult]) -> None:
    images = sample_splits().validation[0].images
    model = kind[1].model.train()
    parts = predict_logits(model, images, chunk=7)
    assert parts.shape == (len(images), 10)
    torch.testing.assert_close(parts, predict_logits(model, images), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        by_hand = model.eval()(((images / 255.0 - 0.1307) / 0.3081)[:, None])
    torch.testing.assert_close(parts, by_hand, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_shown_when_wanted(progress: bool, capsys: pytest.CaptureFixture[str]) -> None:
    fit(small_config(epochs=1), sample_splits(), progress=progress)
    said = capsys.readouterr().err
    assert ("1/1" in said and "loss=" in said) == progress


# --- interruptions -------------------------------------------------------------------------


def stop_in_step(number: int) -> Callable[..., torch.Tensor]:
    """Ctrl-C arrives while a loss is computed."""
    whole, calls = F.cross_entropy, 0

    def interrupted(*arguments: object, **options: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    return interrupted


@pytest.mark.parametrize("step", [2, 6, 11])  # in each of the three epochs of four steps
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
    torch.rand(3)  # a new kernel has other random numbers
    resumed = run(config, checkpoint)
    assert same_weights(resumed, whole)
    assert numbers(resumed) == numbers(whole)
    assert [*checkpoint.parent.iterdir()] == [checkpoint]  # no half-written file is left


def test_a_finished_run_is_not_repeated(
    kind: tuple[TrainConfig, TrainResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, whole = kind
    run(config, tmp_path / "run.checkpoint")
    monkeypatch.setattr(F, "cross_entropy", stop_in_step(1))
    assert same_weights(run(config, tmp_path / "run.checkpoint"), whole)


KILLED = """
import json, sys
from pathlib import Path
import torch
from digitlib.datasets.base import DigitData
from digitlib.models.weights import read_tensors
from digitlib.training import trainer
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Splits

folder, threads, changes = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(threads)
write = trainer._Run.save

def save(self, path):
    write(self, path)
    print("saved", flush=True)
    sys.stdin.readline()  # here it waits to be killed

trainer._Run.save = save
tensors, _ = read_tensors(folder / "data")
data = DigitData("sample", "train", tensors["images"], tensors["labels"])
changes |= {"datasets": tuple(changes["datasets"]), "mix_ratios": ()}
trainer.fit(
    TrainConfig(**changes), Splits((data,), ()), progress=False,
    checkpoint=folder / "run.checkpoint",
)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill outright")
def test_a_killed_process_leaves_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    config = small_config(ema_decay=0.99)
    part = sample_splits().train[0]
    write_tensors(tmp_path / "data", {"images": part.images, "labels": part.labels}, {})
    arguments = [str(tmp_path), str(torch.get_num_threads()), json.dumps(config.as_dict())]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"saved"
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    checkpoint = tmp_path / "run.checkpoint"
    assert len(read_tensors(checkpoint)[1]["history"]) == 1
    data = Splits((part,), ())
    resumed = fit(config, data, progress=False, checkpoint=checkpoint)
    whole = fit(config, data, progress=False)
    assert same_weights(resumed, whole)
    assert numbers(resumed) == numbers(whole)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"epochs": 4}, {"learning_rate": 0.05}, {"model_arguments": {"width": 5}}],
    ids=lambda c: next(iter(c)),
)
def test_a_checkpoint_of_another_configuration_is_refused(changes: dict, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    run(small_config(epochs=1), checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match=r"run\.checkpoint.*another configuration.*delete or move"):
        run(small_config(**({"epochs": 1} | changes)), checkpoint)
    assert checkpoint.read_bytes() == before


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    run(small_config(epochs=1), checkpoint)
    other = sample_splits()
    changed = Splits((other.train[0].subset(100),), other.validation)
    with pytest.raises(ValueError, match=r"run\.checkpoint.*other data.*delete or move"):
        fit(small_config(epochs=1), changed, progress=False, checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    run(small_config(epochs=1), checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"run\.checkpoint"):
        run(small_config(epochs=1), checkpoint)


def test_data_is_loaded_in_the_order_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    roots = []

    def load(name: str, split: str, root: object) -> DigitData:
        roots.append(root)
        return dataclasses.replace(numbered(name, 80, 0), split=split)

    monkeypatch.setattr(catalog, "load", load)
    config = small_config(datasets=("sample", "typeset"), mix_ratios=(0.5,), subset=50)
    splits = Splits.load(config, tmp_path)
    for split in ("train", "validation"):
        found = [(part.name, part.split, len(part)) for part in getattr(splits, split)]
        assert found == [("sample", split, 50), ("typeset", split, 50)]
    assert set(roots) == {tmp_path}


# --- starting from a network ----------------------------------------------------------------


@pytest.fixture(scope="module")
def start() -> torch.nn.Module:
    return fit(small_config(seed=5, epochs=1), sample_splits(), progress=False).model


def test_a_run_begins_with_the_network_given_and_leaves_it_as_it_is(start: torch.nn.Module) -> None:
    before = model_digest(start)
    still = small_config(epochs=1, learning_rate=0.0, weight_decay=0.0)
    same = fit(still, sample_splits(), init=start, progress=False)
    for (name, now), then in zip(same.model.named_parameters(), start.parameters(), strict=True):
        assert torch.equal(now, then), name
    assert model_digest(start) == before
    assert same.digests["init"] == before
    other = fit(small_config(epochs=1), sample_splits(), init=start, progress=False)
    assert model_digest(other.model) != before


def test_what_is_kept_of_the_start_is_averaged_into_the_result(start: torch.nn.Module) -> None:
    part, whole = (
        fit(small_config(epochs=1, init_weight=kept), sample_splits(), init=start, progress=False)
        for kept in (0.25, 0.0)
    )
    states = (model.state_dict() for model in (part.model, whole.model, start))
    for mixed, new, old in zip(*(state.values() for state in states), strict=True):
        if mixed.dtype.is_floating_point:
            torch.testing.assert_close(mixed, 0.75 * new + 0.25 * old)
        else:
            assert torch.equal(mixed, new)


def test_keeping_needs_a_start() -> None:
    with pytest.raises(ValueError, match="init_weight > 0 needs an initial network"):
        fit(small_config(init_weight=0.5), sample_splits(), progress=False)


def test_a_checkpoint_of_another_start_is_refused(start: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    config = small_config(epochs=1)
    fit(config, sample_splits(), init=start, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="of other data"):
        fit(config, sample_splits(), progress=False, checkpoint=path)
