"""Teaching a writer's drawings: the fit, what is kept, the files, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from digitlib.__main__ import main
from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.datasets.drawings import drawing_data
from digitlib.datasets.synthetic import draw_digits
from digitlib.models.networks import DigitNet, as_input
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import load_model, model_digest
from digitlib.training import teach, writers
from digitlib.training.head import (
    HeadConfig,
    HeadTuner,
    cross_validate,
    make_folds,
    read_inputs,
    varied_inputs,
)
from digitlib.training.judging import Counts, Yardstick, judge
from digitlib.training.replay import load_replay
from digitlib.training.teach import TeachError


def drawings() -> list[Drawing]:
    """Twelve digits as they are, and eight sevens in a mirror, which nobody was ever taught."""
    drawn = [(each.label, each.strokes) for each in draw_digits(8, seed=3)]
    sevens = [strokes for label, strokes in drawn if label == 7][:8]
    others = [(label, strokes) for label, strokes in drawn if label != 7][::8][:12]
    mirrored = [(7, [stroke * [-1, 1] for stroke in strokes]) for strokes in sevens]
    return [
        Drawing(label, [100 * (stroke - np.concatenate(strokes).min(0)) for stroke in strokes])
        for label, strokes in (*others, *mirrored)
    ]


@pytest.fixture(scope="module")
def model() -> DigitNet:
    model = load_model()[0]
    assert isinstance(model, DigitNet)
    return model


@pytest.fixture(scope="module")
def data() -> DigitData:
    return drawing_data(drawings())


@pytest.fixture(scope="module")
def tuner(model: DigitNet, tmp_path_factory: pytest.TempPathFactory) -> HeadTuner:
    replay, _ = load_replay(tmp_path_factory.mktemp("empty"))
    return HeadTuner(model, replay, HeadConfig(copies=3))


def test_features_times_the_matrix_are_the_networks_logits(
    model: DigitNet, tuner: HeadTuner, data: DigitData
) -> None:
    inputs = read_inputs(data)
    with torch.no_grad():
        expected = model(as_input(inputs))
    torch.testing.assert_close(
        tuner.features(inputs) @ tuner.head.T, expected, atol=2e-3, rtol=1e-3
    )


def test_a_tuned_copy_computes_what_was_fitted(
    model: DigitNet, tuner: HeadTuner, data: DigitData
) -> None:
    before = model_digest(model)
    head, _ = tuner.fit(tuner.examples(data))
    inputs = read_inputs(data)
    with torch.no_grad():
        found = tuner.tuned(head)(as_input(inputs))
    torch.testing.assert_close(found, tuner.features(inputs) @ head.T, atol=2e-3, rtol=1e-3)
    assert model_digest(model) == before


def test_the_fit_lowers_its_loss_to_where_the_gradient_is_small(
    tuner: HeadTuner, data: DigitData
) -> None:
    examples = tuner.examples(data)
    long = HeadTuner(tuner.model, tuner.replay, replace(tuner.config, iterations=60))
    (_, short_loss), (head, loss) = tuner.fit(examples), long.fit(examples)
    start = F.cross_entropy(examples.read @ tuner.head.T, examples.labels)
    assert loss <= short_loss < float(start)
    assert not torch.equal(head, tuner.head)


def test_variation_leaves_the_random_numbers_and_pictures_without_channels(data: DigitData) -> None:
    picture = DigitData("drawings", "train", data.images, data.labels)
    torch.manual_seed(0)
    inputs = varied_inputs(picture, 1.0)
    assert not inputs[:, 1:].any()
    assert not torch.equal(inputs[:, 0], data.images.float() / 255)
    torch.manual_seed(0)
    pens = varied_inputs(data, 0.0)
    assert not pens[:, 1:].any()


def test_the_random_state_is_left_as_it_was(tuner: HeadTuner, data: DigitData) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    tuner.examples(data)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_drawing_is_held_out_once_and_few_of_a_digit_are_taught() -> None:
    labels = torch.tensor([0] * 9 + [3] * 7 + [NO_DIGIT])
    folds = make_folds(labels, 4, per_digit=2)
    held_out = torch.cat([rows for _, rows in folds])
    assert held_out.sort().values.tolist() == [*range(17)]
    for taught, rows in folds:
        assert not set(taught.tolist()) & set(rows.tolist())
        assert int(labels[taught].bincount().max()) <= 2
        assert {0, 3} <= set(labels[taught].tolist())
    assert sum(len(taught) for taught, _ in make_folds(labels, 4)) == 3 * 17


def test_a_form_drawn_some_times_is_learned(tuner: HeadTuner, data: DigitData) -> None:
    examples = tuner.examples(data)
    after = cross_validate(tuner, examples, make_folds(data.labels, 4))
    sevens = data.labels == 7
    before = (examples.read @ tuner.head.T)[:, :10].argmax(dim=1)
    assert (before[sevens] == 7).sum() <= 2
    assert (after[sevens, :10].argmax(dim=1) == 7).sum() >= 6


@pytest.mark.slow
def test_a_writers_habit_is_counted_before_and_after(
    tuner: HeadTuner, model: DigitNet, data: DigitData
) -> None:
    mine = replace(data, writers=torch.full((len(data),), 5))
    (writer,) = writers.writers_of(tuner, mine)
    found = writers.teach_writer(tuner, load_model()[1], writer)
    assert (found["writer"], found["drawings"]) == (5, 20)
    assert found["misread"] >= 6
    assert found["misread after"] <= 2
    assert writers.accuracy(tuner, writer) == 1 - found["misread"] / 20
    assert len(writers.misread(tuner, writer).frames) == found["misread"]
    labels, nearest = writers.nearest_own(tuner, writer)
    assert len(labels) == found["misread"]
    assert (labels == nearest).float().mean() > 0.7  # the sevens have each other


def test_settings_are_tried_on_writers_of_whom_much_is_misread(
    tuner: HeadTuner, model: DigitNet, data: DigitData
) -> None:
    often = data.select(torch.arange(len(data)).repeat(3))
    mirrored = often.labels == 7
    mine = replace(often, writers=torch.where(mirrored, 6, 5))
    left = writers.try_settings(model, load_model()[1], tuner.replay, mine, tuner.config)
    assert left["writers"] == 1
    assert left["before"] >= 18
    assert left["value"] == left["after"] / left["before"] < 0.2


def test_writers_with_too_few_drawings_are_left_out(tuner: HeadTuner, data: DigitData) -> None:
    few = torch.arange(20) % 10
    assert [*writers.writers_of(tuner, replace(data, writers=few))] == []


def test_the_share_that_is_left_is_the_median_over_writers() -> None:
    table = pd.DataFrame({"misread": [4, 2, 1], "misread after": [1, 1, 1]})
    left = writers.remaining_share(table)
    assert (left["value"], left["before"], left["after"]) == (0.5, 7, 3)
    assert (left["low"], left["high"]) == (0.25, 1.0)


@pytest.fixture(scope="module")
def yardstick(tuner: HeadTuner, tmp_path_factory: pytest.TempPathFactory) -> Yardstick:
    return Yardstick.load(tuner, tmp_path_factory.mktemp("nothing"))


def test_without_data_sets_others_stand_in_and_are_named(yardstick: Yardstick) -> None:
    assert yardstick.places == (
        "scikit-learn's digits (MNIST is not here)",
        "symbols from rules (UNIPEN is not here)",
    )


@pytest.mark.parametrize(
    ("counts", "kept", "words"),
    [
        ((Counts(8, 10, 10), Counts(99, 99, 100), Counts(9, 9, 10)), True, "Learned"),
        ((Counts(10, 10, 10), Counts(99, 99, 100), Counts(9, 9, 10)), False, "nothing to learn"),
        ((Counts(8, 8, 10), Counts(99, 99, 100), Counts(9, 9, 10)), False, "Not kept: of 10"),
        ((Counts(8, 9, 10), Counts(998, 996, 1000), Counts(9, 9, 10)), True, "Learned"),
        ((Counts(8, 9, 10), Counts(998, 995, 1000), Counts(9, 9, 10)), False, "0.3% fewer"),
        ((Counts(8, 9, 10), Counts(99, 99, 100), Counts(95, 93, 100)), False, "2.0% more"),
    ],
)
def test_what_is_kept(
    yardstick: Yardstick, counts: tuple[Counts, Counts, Counts], kept: bool, words: str
) -> None:
    found, verdict = judge(*counts, yardstick)
    assert found is kept
    assert words in verdict


@pytest.mark.slow
def test_the_personal_network_is_written_with_its_card(tmp_path: Path, model: DigitNet) -> None:
    DrawingFile(tmp_path / "drawings").append(*drawings())
    steps: list[dict[str, Any]] = []
    result = teach.run(tmp_path / "drawings", steps.append, tmp_path)
    assert result["kept"], result
    assert result["drawings"]["after"] > result["drawings"]["before"]
    assert [step["step"] for step in steps] == [*range(steps[0]["steps"])]
    assert "scikit-learn" in result["places"][0]
    personal = Recognizer.load(tmp_path / "drawings" / "personal.onnx")
    about = personal.card.training[teach.PERSONAL]
    assert about["weights"] == model_digest(model) != personal.weights
    assert about["drawings"]["total"] == 20
    weights, card = load_model(tmp_path / "drawings" / "personal.safetensors")
    assert model_digest(weights) == personal.weights
    assert card == personal.card
    right = [personal.predict_strokes(each.points).digit == each.label for each in drawings()]
    assert sum(right) >= 18
    assert teach.describe(result).endswith(" s)")


@pytest.mark.slow
def test_what_gains_nothing_leaves_earlier_weights(tmp_path: Path) -> None:
    DrawingFile(tmp_path).append(*drawings()[:12])
    (tmp_path / "personal.onnx").write_bytes(b"earlier")
    result = teach.run(tmp_path, lambda step: None, tmp_path)
    assert not result["kept"]
    assert "nothing to learn" in result["verdict"]
    assert (tmp_path / "personal.onnx").read_bytes() == b"earlier"


@pytest.mark.parametrize(("count", "words"), [(0, "no drawings yet"), (1, "only one"), (4, "4")])
def test_too_few_drawings_are_a_sentence(
    tmp_path: Path, count: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if count:
        DrawingFile(tmp_path).append(*drawings()[:count])
    with pytest.raises(TeachError, match=words):
        teach.run(tmp_path, lambda step: None)
    with pytest.raises(SystemExit) as ended:
        main(["teach", "--drawings", str(tmp_path), "--json"])
    assert ended.value.code == 1
    assert words in json.loads(capsys.readouterr().out.splitlines()[-1])["failed"]
