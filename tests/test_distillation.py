"""Soft labels: frames with teachers' logits, and networks distilled from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import sample_splits, small_config
from torch import nn
from torch.nn import functional as F

from digitlib.__main__ import main
from digitlib.training.config import PRESETS, TrainConfig
from digitlib.training.distillation import (
    DistillationLoader,
    SoftLabels,
    Teacher,
    make_soft_labels,
    select_teachers,
)
from digitlib.training.loader import Batch, BatchLoader, Splits, as_input
from digitlib.training.logits import predict_logits
from digitlib.training.optimization import training_loss
from digitlib.training.trainer import fit

PASSES = 2


class ConstantTeacher(nn.Module):
    """One digit for every frame, its logit in proportion to the brightness."""

    def __init__(self, digit: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.eye(10)[digit])

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean(dim=(1, 2, 3))[:, None] * self.scale


def config(**changes: object) -> TrainConfig:
    return replace(small_config(), **changes)


@pytest.fixture(scope="module")
def soft_labels() -> SoftLabels:
    teachers = [Teacher(ConstantTeacher(digit), ("sample",)) for digit in (3, 4)]
    return make_soft_labels(config(), sample_splits(), teachers, PASSES, progress=False)


def test_soft_labels_have_the_frames_of_training(soft_labels: SoftLabels) -> None:
    feed = BatchLoader(config(), sample_splits(), torch.device("cpu"))
    drawn = [batch for number in range(PASSES) for batch in feed.epoch(number)]
    frames = torch.cat([(batch.frames * 255).round().to(torch.uint8) for batch in drawn])
    labels = torch.cat([batch.labels for batch in drawn])
    assert len(soft_labels) == len(frames)

    def sums(images: torch.Tensor, of: torch.Tensor) -> list[tuple[int, int]]:
        return sorted(zip(images.sum(dim=(1, 2)).tolist(), of.tolist(), strict=True))

    assert sums(soft_labels.images, soft_labels.labels) == sums(frames, labels)


def test_logits_are_the_mean_of_the_teachers_and_belong_to_their_frames(
    soft_labels: SoftLabels,
) -> None:
    brightness = as_input(soft_labels.images.float() / 255).mean(dim=(1, 2, 3))
    expected = torch.zeros(len(soft_labels), 10)
    expected[:, 3] = expected[:, 4] = brightness / 2
    torch.testing.assert_close(soft_labels.teacher_logits.float(), expected, atol=2e-3, rtol=1e-2)


def test_making_soft_labels_leaves_the_global_random_state_as_it_was() -> None:
    before = torch.get_rng_state()
    teachers = [Teacher(ConstantTeacher(3), ("sample",))]
    made = make_soft_labels(config(), sample_splits(), teachers, 1, progress=False)
    assert len(made) == 256
    assert torch.equal(torch.get_rng_state(), before)


def test_the_most_specialised_teachers_are_selected() -> None:
    general, other = (Teacher(ConstantTeacher(n), ("sample", "styles", "typeset")) for n in (1, 2))
    special = Teacher(ConstantTeacher(3), ("sample",))
    everybody = [general, special, other]
    assert select_teachers(everybody, "sample") == [special.network]
    assert select_teachers(everybody, "styles") == [general.network, other.network]
    with pytest.raises(ValueError, match="None of the teachers labels mnist"):
        select_teachers(everybody, "mnist")


def test_each_data_set_is_labelled_by_its_own_teachers() -> None:
    data = sample_splits()
    digits = data.train[0]
    none = replace(digits, name="no_digits", labels=torch.full_like(digits.labels, 10))
    both = Splits((digits, none), data.validation)
    two = config(datasets=("sample", "no_digits"), mix_ratios=(0.5,))
    special, general = ConstantTeacher(1), ConstantTeacher(2)
    teachers = [Teacher(special, ("sample",)), Teacher(general, ("sample", "no_digits"))]
    soft_labels = make_soft_labels(two, both, teachers, 1, progress=False)
    digit = soft_labels.labels < 10
    assert 0 < digit.sum() < len(soft_labels)
    assert torch.equal((soft_labels.teacher_logits != 0).any(dim=1), torch.ones_like(digit))
    assert not soft_labels.teacher_logits[digit, 2].any()
    assert not soft_labels.teacher_logits[~digit, 1].any()


class InkTeacher(nn.Module):
    """The mean brightness as the logit of 0."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return F.pad(frames.mean(dim=(1, 2, 3))[:, None], (0, 9))


def test_the_teachers_input_is_the_drawing_before_tremor() -> None:
    digits = sample_splits().train[0].select(slice(0, 200))
    points = torch.rand(1, 20, 2).expand(len(digits), 20, 2)
    numbers = torch.zeros(len(digits), 20, dtype=torch.int16)
    drawn = Splits((replace(digits, points=points, stroke_numbers=numbers),), ())
    shaky = config(tremor_prob=0.5)
    soft_labels = make_soft_labels(
        shaky, drawn, [Teacher(InkTeacher(), ("sample",))], 1, progress=False
    )
    feed = BatchLoader(shaky, drawn, torch.device("cpu"))
    steady = torch.cat([batch.clean for batch in feed.epoch(0) if batch.clean is not None])
    assert len(steady) == len(soft_labels)
    clean = as_input((steady * 255).round() / 255).mean(dim=(1, 2, 3))
    torch.testing.assert_close(
        soft_labels.teacher_logits[:, 0].float().sort().values,
        clean.sort().values,
        atol=2e-3,
        rtol=1e-2,
    )
    seen = as_input(soft_labels.images.float() / 255).mean(dim=(1, 2, 3))
    assert not torch.allclose(seen.sort().values, clean.sort().values, atol=0.02)


def test_soft_labels_are_read_back_from_their_file(soft_labels: SoftLabels, tmp_path: Path) -> None:
    soft_labels.save(tmp_path / "pool.safetensors")
    back = SoftLabels.load(tmp_path / "pool.safetensors")
    for name in ("images", "labels", "teacher_logits"):
        assert torch.equal(getattr(back, name), getattr(soft_labels, name)), name
    assert back.digest == soft_labels.digest
    twice = SoftLabels.load(tmp_path / "pool.safetensors", tmp_path / "pool.safetensors")
    assert torch.equal(twice.labels, torch.cat([soft_labels.labels, soft_labels.labels]))
    assert (
        replace(soft_labels, teacher_logits=soft_labels.teacher_logits + 1).digest
        != soft_labels.digest
    )


def test_a_single_file_is_not_copied(
    soft_labels: SoftLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft_labels.save(tmp_path / "labels.safetensors")
    monkeypatch.delattr(torch, "cat")  # would hold the frames twice
    assert SoftLabels.load(tmp_path / "labels.safetensors").digest == soft_labels.digest


def drawn_digits() -> Splits:
    """Pen drawings of random samples, one stroke each."""
    digits = sample_splits().train[0].select(slice(0, 200))
    points = torch.rand(len(digits), 20, 2)
    numbers = torch.zeros(len(digits), 20, dtype=torch.int16)
    return Splits((replace(digits, points=points, stroke_numbers=numbers),), ())


class PlanesTeacher(InkTeacher):
    """The mean size of the planes as the logit of 1."""

    pen = nn.Identity()

    def forward(self, frames: torch.Tensor, planes: torch.Tensor | None = None) -> torch.Tensor:
        assert planes is not None
        return F.pad(planes.abs().mean(dim=(1, 2, 3))[:, None], (1, 8))


def test_soft_labels_keep_the_planes_of_their_frames(tmp_path: Path) -> None:
    drawn, recipe = drawn_digits(), config(planes_prob=1.0)
    teachers = [Teacher(PlanesTeacher(), ("sample",))]
    made = make_soft_labels(recipe, drawn, teachers, 1, progress=False)
    batches_ = [*BatchLoader(recipe, drawn, torch.device("cpu")).epoch(0)]
    planes = torch.cat([batch.planes for batch in batches_ if batch.planes is not None])
    assert made.planes is not None
    torch.testing.assert_close(made.planes / 127, planes, atol=0.5 / 127 + 1e-6, rtol=0)
    sizes = planes.abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(made.teacher_logits[:, 1].float(), sizes, atol=1e-3, rtol=1e-2)
    made.save(tmp_path / "labels.safetensors")
    back = SoftLabels.load(tmp_path / "labels.safetensors", tmp_path / "labels.safetensors").planes
    assert back is not None
    assert torch.equal(back, torch.cat([made.planes, made.planes]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_frames_keeps_its_planes(share: float) -> None:
    count = 600
    planes = torch.randint(-127, 128, (count, 3, 28, 28), dtype=torch.int8)
    labels = SoftLabels(
        torch.zeros(count, 28, 28, dtype=torch.uint8),
        torch.arange(count),
        torch.zeros(count, 10).half(),
        planes,
    )
    loader = DistillationLoader(
        config(planes_prob=share, batch_size=200), labels, 3, torch.device("cpu")
    )
    kept = 0
    for batch in loader.epoch(0):
        if batch.planes is None:
            assert share == 0
            continue
        has = batch.planes.flatten(1).any(dim=1)
        kept += int(has.sum())
        torch.testing.assert_close(batch.planes[has], planes[batch.labels[has]] / 127)
    assert kept / count == pytest.approx(share, abs=0.08)


def test_a_teacher_labels_what_it_is_asked_to(tmp_path: Path) -> None:
    from digitlib.models.weights import Card, save_model

    made = fit(small_config(), sample_splits(), progress=False)
    arguments = {**made.config.model_arguments}
    card = Card(made.config.model, arguments, training={"config": made.config.as_dict()})
    save_model(tmp_path / "teacher.safetensors", made.model, card)
    assert Teacher.load(tmp_path / "teacher.safetensors").datasets == made.config.datasets
    assert Teacher.load(tmp_path / "teacher.safetensors", ("mnist",)).datasets == ("mnist",)


def test_without_tremor_no_second_frames_are_kept() -> None:
    first = next(BatchLoader(config(), sample_splits(), torch.device("cpu")).epoch(0))
    assert first.clean is None


def batches(feed: DistillationLoader, *epochs: int) -> list[Batch]:
    return [batch for number in epochs for batch in feed.epoch(number)]


def test_every_frame_comes_once_before_any_comes_again(soft_labels: SoftLabels) -> None:
    steps = BatchLoader(config(), sample_splits(), torch.device("cpu")).steps
    # Numbered, to identify each frame.
    numbered = replace(soft_labels, labels=torch.arange(len(soft_labels)))
    feed = DistillationLoader(config(), numbered, steps, torch.device("cpu"))
    assert feed.passes == PASSES
    first = torch.cat([batch.labels for batch in batches(feed, 0, 1)])
    assert len(first.unique()) == len(first) >= 0.95 * len(soft_labels)
    again = torch.cat([batch.labels for batch in batches(feed, 0, 1)])
    assert torch.equal(first, again)
    later = torch.cat([batch.labels for batch in batches(feed, 2, 3)])
    assert not torch.equal(first, later)
    for batch in batches(feed, 1):
        assert batch.teacher_logits is not None
        torch.testing.assert_close(
            batch.teacher_logits, soft_labels.teacher_logits[batch.labels].float()
        )
        torch.testing.assert_close(batch.frames, soft_labels.images[batch.labels].float() / 255)


def test_soft_labels_for_less_than_an_epoch_are_refused(soft_labels: SoftLabels) -> None:
    with pytest.raises(ValueError, match="the soft labels have only"):
        DistillationLoader(config(), soft_labels, 10 * len(soft_labels), torch.device("cpu"))


def test_a_distill_weight_and_soft_labels_need_each_other(soft_labels: SoftLabels) -> None:
    with pytest.raises(ValueError, match=r"needs soft labels"):
        fit(config(distill_weight=0.5), sample_splits(), progress=False)
    with pytest.raises(ValueError, match="Soft labels need"):
        fit(config(), sample_splits(), soft_labels=soft_labels, progress=False)


def test_a_network_learns_what_the_teachers_say_and_not_what_the_labels_say(
    soft_labels: SoftLabels,
) -> None:
    # All labels are wrong, all logits right.
    right = F.one_hot(soft_labels.labels, 10).half() * 8
    twisted = replace(soft_labels, labels=(soft_labels.labels + 1) % 10, teacher_logits=right)
    recipe = config(distill_weight=1.0, epochs=25)
    result = fit(recipe, sample_splits(), soft_labels=twisted, progress=False)
    assert result.history[-1]["accuracy/sample"] > 0.8
    assert result.digests["soft_labels"] == twisted.digest
    misled = fit(
        replace(recipe, distill_weight=0.01), sample_splits(), soft_labels=twisted, progress=False
    )
    assert misled.history[-1]["accuracy/sample"] < 0.2


def test_a_distillation_resumes_to_the_same_weights(
    soft_labels: SoftLabels, tmp_path: Path
) -> None:
    recipe = config(distill_weight=0.7, epochs=3)
    whole = fit(recipe, sample_splits(), soft_labels=soft_labels, progress=False)
    path = tmp_path / "run.ckpt"
    for stop in (1, 3):
        part = fit(
            recipe, sample_splits(), soft_labels=soft_labels, progress=False, checkpoint=path,
            until=lambda line, stop=stop: line["epoch"] >= stop,
        )  # fmt: skip
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, part.model.state_dict()[name]), name


def test_a_checkpoint_of_other_soft_labels_is_refused(
    soft_labels: SoftLabels, tmp_path: Path
) -> None:
    recipe, path = config(distill_weight=0.7, epochs=2), tmp_path / "run.ckpt"
    fit(
        recipe,
        sample_splits(),
        soft_labels=soft_labels,
        progress=False,
        checkpoint=path,
        until=lambda _: True,
    )
    other = replace(soft_labels, teacher_logits=soft_labels.teacher_logits + 1)
    with pytest.raises(ValueError, match=r"run\.ckpt is a checkpoint of other data"):
        fit(recipe, sample_splits(), soft_labels=other, progress=False, checkpoint=path)


def test_the_loss_is_least_where_the_network_agrees_with_its_teachers() -> None:
    alone = config(distill_weight=1.0)
    logits = torch.randn(6, 10) * 3
    batch = Batch(torch.zeros(6, 28, 28), torch.zeros(6, dtype=torch.long), logits)
    output = logits.clone().requires_grad_()
    loss = training_loss(alone, output, batch)
    loss.backward()
    assert output.grad is not None
    assert output.grad.abs().max() < 1e-6
    assert training_loss(alone, logits + torch.randn(6, 10), batch) > loss


def test_the_command_writes_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from digitlib.models.card import Card
    from digitlib.models.weights import save_model

    path = tmp_path / "teacher.safetensors"
    made = fit(small_config(), sample_splits(), progress=False)
    arguments, training = made.config.model_arguments, {"config": made.config.as_dict()}
    save_model(path, made.model, Card(made.config.model, {**arguments}, training=training))
    monkeypatch.setitem(PRESETS, "quick", small_config())
    monkeypatch.setattr(Splits, "load", lambda _: sample_splits())
    target = tmp_path / "pool.safetensors"
    options = ["--passes", "1", "--preset", "quick"]
    with pytest.raises(SystemExit) as ended:
        main(["distil", str(target), str(path), *options])
    assert ended.value.code == 0
    made_pool = SoftLabels.load(target)
    expected = predict_logits(made.model, made_pool.images)
    torch.testing.assert_close(made_pool.teacher_logits.float(), expected, atol=5e-3, rtol=5e-3)
