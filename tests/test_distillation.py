"""Soft labels: frames with teachers' logits, and networks distilled from them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import sample_splits, small_config
from torch import nn
from torch.nn import functional as F

from digitlib.__main__ import main
from digitlib.datasets.base import as_frames
from digitlib.models.card import Card
from digitlib.models.weights import model_digest, save_model
from digitlib.preprocessing.frame import normalize
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.distillation import (
    DistillationLoader,
    SoftLabels,
    Teacher,
    make_soft_labels,
    select_teachers,
)
from digitlib.training.loader import BatchLoader, Splits
from digitlib.training.logits import predict_logits
from digitlib.training.trainer import fit

PASSES = 2
CPU = torch.device("cpu")


class Brightness(nn.Module):
    """The mean brightness of a frame as the logit of one digit."""

    def __init__(self, digit: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.eye(10)[digit])

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames[:, 0].mean(dim=(1, 2))[:, None] * self.scale


class Channels(nn.Module):
    """The mean size of the channels as the logit of 1."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return F.pad(frames[:, 1:].abs().mean(dim=(1, 2, 3))[:, None], (1, 8))


def label(recipe: TrainConfig, data: Splits, passes: int, *networks: nn.Module) -> SoftLabels:
    """Soft labels by teachers of the sample."""
    teachers = [Teacher(network, ("sample",)) for network in networks]
    return make_soft_labels(recipe, data, teachers, passes, progress=False)


def drawn_digits() -> Splits:
    """Pen drawings of random samples, one stroke each."""
    digits = sample_splits().train[0].select(slice(0, 200))
    points = torch.rand(len(digits), 20, 2)
    numbers = torch.zeros(len(digits), 20, dtype=torch.int16)
    return Splits((replace(digits, points=points, stroke_numbers=numbers),), ())


@pytest.fixture(scope="module")
def soft_labels() -> SoftLabels:
    before = torch.get_rng_state()
    made = label(small_config(), sample_splits(), PASSES, Brightness(3), Brightness(4))
    assert torch.equal(torch.get_rng_state(), before)
    return made


def test_soft_labels_have_the_frames_of_training(soft_labels: SoftLabels) -> None:
    feed = BatchLoader(small_config(), sample_splits(), CPU)
    drawn = [batch for number in range(PASSES) for batch in feed.epoch(number)]
    images = torch.cat([(batch.frames[:, 0] * 255).round().to(torch.uint8) for batch in drawn])
    assert torch.equal(soft_labels.images, images)
    assert torch.equal(soft_labels.labels, torch.cat([batch.labels for batch in drawn]))


def test_logits_are_the_mean_of_the_teachers(soft_labels: SoftLabels) -> None:
    brightness = normalize(soft_labels.images / 255).mean(dim=(1, 2))
    expected = torch.zeros(len(soft_labels), 10)
    expected[:, 3] = expected[:, 4] = brightness / 2
    torch.testing.assert_close(soft_labels.teacher_logits.float(), expected, atol=2e-3, rtol=1e-2)


def test_the_most_specialized_teachers_label_a_data_set() -> None:
    digits = sample_splits().train[0]
    none = replace(digits, name="no_digits", labels=torch.full_like(digits.labels, 10))
    special = Teacher(Brightness(1), ("sample",))
    general = Teacher(Brightness(2), ("sample", "no_digits"))
    assert select_teachers([general, special], "sample") == [special.network]
    with pytest.raises(ValueError, match="None of the teachers labels mnist"):
        select_teachers([general, special], "mnist")
    recipe = small_config(datasets=("sample", "no_digits"), mix_ratios=(0.5,))
    data = Splits((digits, none), ())
    soft_labels = make_soft_labels(recipe, data, [special, general], 1, progress=False)
    digit = soft_labels.labels < 10
    assert 0 < digit.sum() < len(soft_labels)
    assert soft_labels.teacher_logits[digit, 1].all()
    assert soft_labels.teacher_logits[~digit, 2].all()
    assert not soft_labels.teacher_logits[digit, 2].any()
    assert not soft_labels.teacher_logits[~digit, 1].any()


def test_the_input_of_teachers_is_the_drawing_before_tremor() -> None:
    drawn, shaky = drawn_digits(), small_config(tremor_prob=0.5)
    soft_labels = label(shaky, drawn, 1, Brightness(0))
    batches = BatchLoader(shaky, drawn, CPU).epoch(0)
    steady = torch.cat([batch.clean for batch in batches if batch.clean is not None])
    clean = normalize((steady[:, 0] * 255).round() / 255).mean(dim=(1, 2))
    found = soft_labels.teacher_logits[:, 0].float()
    torch.testing.assert_close(found, clean, atol=2e-3, rtol=1e-2)
    seen = normalize(soft_labels.images / 255).mean(dim=(1, 2))
    assert not torch.allclose(seen, clean, atol=0.02)


def test_soft_labels_keep_the_channels_and_are_read_from_their_files(tmp_path: Path) -> None:
    drawn, recipe = drawn_digits(), small_config(channels_prob=1.0)
    made = label(recipe, drawn, 1, Channels())
    batches = BatchLoader(recipe, drawn, CPU).epoch(0)
    channels = torch.cat([batch.frames[:, 1:] for batch in batches])
    assert made.channels is not None
    torch.testing.assert_close(made.channels / 127, channels, atol=0.5 / 127 + 1e-6, rtol=0)
    sizes = channels.abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(made.teacher_logits[:, 1].float(), sizes, atol=1e-3, rtol=1e-2)
    path = tmp_path / "labels.safetensors"
    made.save(path)
    once, twice = SoftLabels.load(path), SoftLabels.load(path, path)
    for name in ("images", "labels", "teacher_logits", "channels"):
        value = getattr(made, name)
        assert torch.equal(getattr(once, name), value), name
        assert torch.equal(getattr(twice, name), torch.cat([value, value])), name
    assert once.digest == made.digest
    assert replace(made, teacher_logits=made.teacher_logits + 1).digest != made.digest


def test_a_share_of_the_frames_keeps_its_channels() -> None:
    count = 600
    channels = torch.randint(1, 128, (count, 3, 28, 28), dtype=torch.int8)
    images = torch.zeros(count, 28, 28, dtype=torch.uint8)
    labels = SoftLabels(images, torch.arange(count), torch.zeros(count, 10).half(), channels)
    recipe = small_config(channels_prob=0.3, batch_size=200)
    kept = 0
    for batch in DistillationLoader(recipe, labels, 3, CPU).epoch(0):
        has = batch.frames[:, 1:].flatten(1).any(dim=1)
        kept += int(has.sum())
        torch.testing.assert_close(batch.frames[has, 1:], channels[batch.labels[has]] / 127)
    assert kept / count == pytest.approx(0.3, abs=0.08)


def test_every_frame_is_used_once_before_any_repeats(soft_labels: SoftLabels) -> None:
    numbered = replace(soft_labels, labels=torch.arange(len(soft_labels)))
    feed = DistillationLoader(small_config(), numbered, 4, CPU)
    assert feed.passes == PASSES
    batches = [batch for number in range(4) for batch in feed.epoch(number)]
    first, later = (torch.cat([b.labels for b in part]) for part in (batches[:8], batches[8:]))
    assert len(first.unique()) == len(first) >= 0.95 * len(soft_labels)
    assert not torch.equal(first, later)
    for batch in batches[:4]:
        expected = soft_labels.teacher_logits[batch.labels].float()
        torch.testing.assert_close(batch.teacher_logits, expected)
        torch.testing.assert_close(batch.frames, as_frames(soft_labels.images[batch.labels]))


def test_soft_labels_must_fit_the_configuration(soft_labels: SoftLabels) -> None:
    with pytest.raises(ValueError, match="the soft labels have only"):
        DistillationLoader(small_config(), soft_labels, 10 * len(soft_labels), CPU)
    with pytest.raises(ValueError, match=r"needs soft labels"):
        fit(small_config(distill_weight=0.5), sample_splits(), progress=False)
    with pytest.raises(ValueError, match="Soft labels need"):
        fit(small_config(), sample_splits(), soft_labels=soft_labels, progress=False)


def test_a_network_learns_from_teachers_rather_than_labels(soft_labels: SoftLabels) -> None:
    # All labels are wrong, all logits right.
    right = F.one_hot(soft_labels.labels, 10).half() * 8
    twisted = replace(soft_labels, labels=(soft_labels.labels + 1) % 10, teacher_logits=right)
    recipe = small_config(distill_weight=1.0, epochs=25)
    result = fit(recipe, sample_splits(), soft_labels=twisted, progress=False)
    assert result.history[-1]["accuracy/sample"] > 0.8
    assert result.digests["soft_labels"] == twisted.digest


def test_a_distillation_resumes_to_the_same_weights(
    soft_labels: SoftLabels, tmp_path: Path
) -> None:
    recipe, path = small_config(distill_weight=0.7), tmp_path / "run.ckpt"
    train = partial(fit, recipe, sample_splits(), progress=False)
    whole = train(soft_labels=soft_labels)
    train(soft_labels=soft_labels, checkpoint=path, until=lambda _: True)
    other = replace(soft_labels, teacher_logits=soft_labels.teacher_logits + 1)
    with pytest.raises(ValueError, match=r"run\.ckpt is a checkpoint of other data"):
        train(soft_labels=other, checkpoint=path)
    resumed = train(soft_labels=soft_labels, checkpoint=path)
    assert model_digest(resumed.model) == model_digest(whole.model)


def test_the_command_writes_soft_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, target = tmp_path / "teacher.safetensors", tmp_path / "labels.safetensors"
    made = fit(small_config(), sample_splits(), progress=False)
    arguments, training = made.config.model_arguments, {"config": made.config.as_dict()}
    save_model(path, made.model, Card(made.config.model, {**arguments}, training=training))
    assert Teacher.load(path).datasets == made.config.datasets
    assert Teacher.load(path, ("mnist",)).datasets == ("mnist",)
    monkeypatch.setitem(PRESETS, "quick", small_config())
    monkeypatch.setattr(Splits, "load", lambda _: sample_splits())
    with pytest.raises(SystemExit) as ended:
        main(["distil", str(target), str(path), "--passes", "1", "--preset", "quick"])
    assert ended.value.code == 0
    found = SoftLabels.load(target)
    expected = predict_logits(made.model, found.images)
    torch.testing.assert_close(found.teacher_logits.float(), expected, atol=5e-3, rtol=5e-3)
