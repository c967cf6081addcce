"""``handwriting``, ``Predictions`` and the baseline preprocessing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import DIGITS, bundled
from PIL import Image, ImageDraw
from sklearn.metrics import accuracy_score

from digitlib import Recognizer
from digitlib.datasets import catalog, picture_kinds, pictures
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.datasets.rendering import drawn_planes
from digitlib.errors import BlankDrawingError
from digitlib.evaluation import compare, handwriting, readers
from digitlib.evaluation.compare import Predictions
from digitlib.evaluation.handwriting import DigitSet
from digitlib.evaluation.metrics import GroupedProportion, Proportion
from digitlib.evaluation.readers import Reader
from digitlib.models.card import BASELINE_WEIGHTS, Card
from digitlib.models.networks import DigitNet
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import BASELINE_THICKEN, baseline_frame, to_frame

DRAWN = [PenDrawing(list(DIGITS[digit]), digit, 0) for digit in range(10)]
LABELS = np.arange(10)
BLANK = Image.new("L", (60, 60), 255)


@pytest.fixture(scope="module")
def networks() -> dict[str, Recognizer]:
    return {"digitnet": bundled(), "baseline": Recognizer.load(BASELINE_WEIGHTS)}


def predictions_of(right: str, predicted: str = "") -> Predictions:
    """Predictions for as many digits as there are letters, ``x`` for one read right."""
    seen = np.array([int(digit) for digit in predicted or "0" * len(right)])
    hit = np.array([letter == "x" for letter in right])
    labels = np.where(hit, seen, (seen + 1) % 10)
    return Predictions(np.eye(10)[seen], labels, hit, np.zeros(len(right), bool))


# --- baseline preprocessing ------------------------------------------------------------------


def test_baseline_preprocessing_pastes_the_box_into_the_middle() -> None:
    page = np.full((100, 80), 255, np.uint8)
    page[20:80, 30:40] = 0  # 60 high: a third as large at 20 px
    frame = baseline_frame(Image.fromarray(page))
    assert frame.shape == (28, 28)
    assert frame.dtype == np.uint8
    rows, columns = np.nonzero(frame > 100)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs((columns.min() + columns.max()) / 2 - 13.5) <= 0.5
    assert frame.max() == 255


def test_baseline_preprocessing_centres_the_box_and_ours_the_mass() -> None:
    page = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((40, 40, 60, 160), fill=0)  # heavy at the left,
    pen.rectangle((60, 90, 160, 110), fill=0)  # with an arm to the right
    columns = np.arange(28)
    ours, theirs = (frame(page).sum(axis=0).astype(float) for frame in (to_frame, baseline_frame))
    assert ours @ columns / ours.sum() == pytest.approx(14, abs=0.6)
    assert theirs @ columns / theirs.sum() < 12.5


def test_baseline_preprocessing_widens_by_its_filter_and_enlarges_nothing() -> None:
    page = np.full((40, 40), 255, np.uint8)
    page[10:20, 20] = 0
    frame = baseline_frame(Image.fromarray(page).convert("RGB"))
    grown = BASELINE_THICKEN // 2
    assert (frame > 0).sum() <= 10 * (1 + 2 * grown)  # cut to its box, which it cannot leave
    assert np.ptp(np.nonzero(frame)[0]) + 1 == 10


def test_baseline_preprocessing_refuses_white_paper() -> None:
    with pytest.raises(BlankDrawingError):
        baseline_frame(BLANK)


# --- test sets -------------------------------------------------------------------------------


def test_frames_are_those_of_both_preprocessings_and_empty_where_no_ink_is_found() -> None:
    page = pictures.canvas(DRAWN[2].strokes)
    made = DigitSet.of_pictures([page, BLANK], [2, 0])
    assert list(made.frames) == ["digitlib", "baseline"]
    np.testing.assert_array_equal(made.frames["digitlib"][0], to_frame(page))
    np.testing.assert_array_equal(made.frames["baseline"][0], baseline_frame(page))
    for frames in made.frames.values():
        assert frames.shape == (2, 28, 28)
        assert not frames[1].any()


def test_canvases_have_each_brush_and_height_once() -> None:
    made = handwriting.canvas_sets(DRAWN[:1])
    assert len(made) == len(handwriting.BRUSHES) * len(handwriting.HEIGHTS)
    assert handwriting.DEFAULT_CANVAS in made
    page = pictures.canvas(DRAWN[0].strokes, brush=28, height=150)
    np.testing.assert_array_equal(made[28, 150].frames["digitlib"][0], to_frame(page))
    assert made[28, 150].labels.tolist() == [DRAWN[0].label]


def test_a_photo_follows_from_seed_and_row() -> None:
    twice = [DRAWN[3], DRAWN[3]]
    first, again = (np.asarray(handwriting.photo(twice, 0, 7)) for _ in range(2))
    assert np.array_equal(first, again)
    for other in (handwriting.photo(twice, 1, 7), handwriting.photo(twice, 0, 8)):
        assert np.asarray(other).shape != first.shape or (np.asarray(other) != first).any()
    handwriting.photo(twice, 1, 2**32 - 1)  # the largest seed that a notebook takes
    made = handwriting.photo_set(twice, 7)
    np.testing.assert_array_equal(made.frames["digitlib"][0], to_frame(Image.fromarray(first)))


def test_rows_are_chosen_by_the_seed_and_rise() -> None:
    rows = handwriting.sample_rows(100, 10, 1)
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, handwriting.sample_rows(100, 10, 1))
    assert not np.array_equal(rows, handwriting.sample_rows(100, 10, 2))
    assert handwriting.sample_rows(4, 10).tolist() == [0, 1, 2, 3]
    assert len(handwriting.sample_rows(0, 10)) == 0


def test_every_kind_of_picture_has_all_drawings_and_sets_are_joined() -> None:
    made = handwriting.picture_kind_sets(DRAWN[:2], 3)
    assert list(made) == list(picture_kinds.KINDS)
    for kind, each in made.items():
        page = picture_kinds.make(kind, DRAWN[1].strokes, 3001)
        np.testing.assert_array_equal(each.frames["digitlib"][1], to_frame(page))
    joined = DigitSet.concatenate([*made.values()])
    assert joined.labels.tolist() == [0, 1] * len(made)
    assert {frames.shape for frames in joined.frames.values()} == {(2 * len(made), 28, 28)}


def test_tremor_follows_from_its_seed_and_leaves_the_global_generator_alone() -> None:
    pens = pen_data("pendigits", "validation", DRAWN)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    made = [handwriting.with_tremor(pens, seed) for seed in (1, 1, 2)]
    once, again, other = (each.frames["digitlib"] for each in made)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert made[0].labels.tolist() == pens.labels.tolist()
    # Another drawing, but of the same digit: nearer to its own than to the others on average.
    own = (once.float() - pens.images.float()).abs().mean()
    others = (once.float() - pens.images.roll(1, 0).float()).abs().mean()
    assert 0 < own < others


def test_most_low_resolution_scans_are_read(networks: dict[str, Recognizer]) -> None:
    some = handwriting.low_resolution_scans(200, seed=1)
    assert all(frames.shape == (200, 28, 28) for frames in some.frames.values())
    assert readers.predict_all(networks, some)[Reader("digitnet")].accuracy.value > 0.95


# --- predictions -----------------------------------------------------------------------------


def test_predictions_are_the_recognizers(networks: dict[str, Recognizer]) -> None:
    made = [pictures.canvas(digit.strokes) for digit in DRAWN]
    found = readers.predict_all(networks, DigitSet.of_pictures(made, LABELS))
    assert [str(reader) for reader in found] == [
        "digitnet", "baseline",
        "digitnet, baseline preprocessing", "baseline, baseline preprocessing",
    ]  # fmt: skip
    for name, network in networks.items():
        singles = [network.predict(page) for page in made]
        seen = [single.digit for single in singles]
        own = found[Reader(name)]
        assert own.predicted.tolist() == seen
        assert own.rejected.tolist() == [single.rejected for single in singles]
        assert own.rejection_rate.successes == sum(single.rejected for single in singles)
        assert own.accuracy.value == accuracy_score(LABELS, seen)
        frames = torch.from_numpy(np.stack([baseline_frame(page) for page in made]))
        expected = network.probabilities(frames)
        other = found[Reader(name, "baseline")]
        np.testing.assert_allclose(other.probabilities, expected, atol=1e-5)


def test_strokes_are_read_as_by_the_recognizer(networks: dict[str, Recognizer]) -> None:
    frames = torch.from_numpy(np.stack([strokes.render(digit.strokes) for digit in DRAWN]))
    found = compare.predict(networks["digitnet"], frames, LABELS)
    singles = [networks["digitnet"].predict_strokes(digit.strokes).digit for digit in DRAWN]
    assert found.predicted.tolist() == singles


def test_frames_without_ink_are_never_read_right(networks: dict[str, Recognizer]) -> None:
    empty = torch.zeros(10, 28, 28, dtype=torch.uint8)
    found = compare.predict(networks["digitnet"], empty, LABELS)
    assert found.right.dtype == np.bool_
    assert not found.right.any()
    assert found.accuracy == Proportion(0, 10)


def test_groups_are_counted_apart() -> None:
    found = predictions_of("x.xx.").accuracy_by(np.array([3, 1, 3, 3, 1]))
    assert found == {1: Proportion(0, 2), 3: Proportion(3, 3)}
    assert list(found) == [1, 3]


# --- tables ----------------------------------------------------------------------------------


def test_arrays_of_shares_have_nan_where_nothing_was_read() -> None:
    share, other = Proportion(9, 10), Proportion(5, 10)
    shares = pd.DataFrame({"a": {"digitnet": share}, "b": {"digitnet": other, "more": other}}).T
    arrays = compare.share_arrays(shares)
    np.testing.assert_allclose(arrays["digitnet"][0], [0.9, 0.5])
    np.testing.assert_allclose([part[0] for part in arrays["digitnet"][1:]], share.interval)
    assert np.isnan([part[0] for part in arrays["more"]]).all()
    wrong, low, high = compare.share_arrays(shares, misread=True)["digitnet"]
    np.testing.assert_allclose(wrong, [0.1, 0.5])
    np.testing.assert_allclose((low[0], high[0]), Proportion(1, 10).interval)


def test_differences_are_to_the_same_networks_strokes() -> None:
    measured = {
        (6, 150): {
            Reader("digitnet"): predictions_of("xxx."),
            Reader("digitnet", "baseline"): predictions_of("x..."),
        }
    }
    found = readers.differences(measured, {"digitnet": np.full(4, True)})
    values = {reader: each["value"] for reader, each in found[(6, 150)].items()}
    assert values == {"digitnet": -0.25, "digitnet, baseline preprocessing": -0.75}


def test_curves_rise_with_the_brush_one_for_each_height() -> None:
    reader = Reader("digitnet")
    measured = {
        (20, 60): {reader: predictions_of("x.")},
        (6, 150): {reader: predictions_of("xx")},
        (6, 60): {reader: predictions_of("..")},
        (20, 150): {reader: predictions_of("xx")},
    }
    assert readers.brush_curves(measured, reader) == {
        "60 px high": ([6, 20], [0.0, 0.5]),
        "150 px high": ([6, 20], [1.0, 1.0]),
    }


def test_contributions_add_up() -> None:
    predictions = {
        Reader("digitnet"): predictions_of("xxxx"),
        Reader("baseline"): predictions_of("xxx."),
        Reader("baseline", "baseline"): predictions_of("x..."),
    }
    found = readers.contributions(predictions)
    assert found is not None
    assert {part: each["value"] for part, each in found.items()} == {
        "preprocessing": 0.5,
        "network": 0.25,
    }
    assert readers.contributions({Reader("digitnet"): predictions_of("x")}) is None


def test_gains_count_the_digits_that_one_alone_reads_and_have_p_without_groups() -> None:
    ours, theirs = predictions_of("xxxx.x"), predictions_of("x..xx.")
    grouped = replace(ours, groups=np.array([0, 0, 1, 1, 2, 2]))
    found = readers.gains({
        "alone": {Reader("digitnet"): ours, Reader("baseline"): theirs},
        "by writer": {Reader("digitnet"): grouped, Reader("baseline"): theirs},
        "no baseline": {Reader("digitnet"): ours},
    })  # fmt: skip
    assert list(found) == ["alone", "by writer"]
    assert (found["alone"]["only digitnet"], found["alone"]["only baseline"]) == (3, 1)
    assert found["alone"]["p"] == pytest.approx(0.625)
    assert "p" not in found["by writer"]
    assert found["by writer"]["gained"]["value"] == pytest.approx(1 / 3)
    table = readers.gains_table(found)
    assert table.loc["by writer", "p (exact McNemar test)"] == "–"
    assert table.loc["alone", "gained by digitnet"].startswith("+33.3 points (95 % interval ")


def test_other_ways_of_drawing_change_the_planes_alone() -> None:
    pens = pen_data("unipen", "test", DRAWN)
    as_drawn = handwriting.DigitSet.of_frames(pens)
    ways = handwriting.drawn_other_ways(pens)
    assert set(ways) == set(handwriting.OTHER_WAYS)
    for found in ways.values():
        assert torch.equal(found.frames["digitlib"], pens.images)
        assert found.planes is not None
        assert as_drawn.planes is not None
        assert not torch.equal(found.planes, as_drawn.planes)
    again = handwriting.drawn_other_ways(pens)
    for first, second in zip(ways.values(), again.values(), strict=True):
        assert torch.equal(first.planes, second.planes)  # type: ignore[arg-type]


# --- groups ----------------------------------------------------------------------------------


def test_pictures_of_writers_are_in_groups_of_writers_and_kinds_in_groups_of_drawings() -> None:
    two = [PenDrawing(list(DIGITS[digit]), digit, 4) for digit in (2, 3)]
    for made in (handwriting.canvas_set(two), handwriting.photo_set(two)):
        assert made.groups is not None
        assert (made.groups.tolist(), made.unit, made.planes) == ([4, 4], "writers", None)
    kinds = [*handwriting.picture_kind_sets(two).values()]
    joined = DigitSet.concatenate(kinds[:3])
    assert joined.groups is not None
    assert (joined.groups.tolist(), joined.unit) == ([0, 1] * 3, "drawings")
    alone = DigitSet.of_pictures([pictures.canvas(two[0].strokes)], [2])
    assert alone.groups is None
    assert DigitSet.concatenate([alone, alone]).groups is None


def test_strokes_keep_their_planes_and_writers_and_scans_have_none() -> None:
    pens = pen_data("unipen", "test", DRAWN)
    for made in (DigitSet.of_frames(pens), handwriting.with_tremor(pens)):
        assert made.planes is not None
        assert made.planes.shape == (10, 3, 28, 28)
        assert made.groups is not None
        assert made.groups.tolist() == [0] * 10
    assert torch.equal(DigitSet.of_frames(pens).planes, drawn_planes(pens))  # type: ignore[arg-type]
    scans = DigitSet.of_frames(catalog.load("sample", "test").subset(5))
    assert scans.planes is scans.groups is None


def test_planes_go_to_networks_that_take_them_and_only_with_their_own_frames(
    networks: dict[str, Recognizer],
) -> None:
    torch.manual_seed(0)
    model = DigitNet(outputs=11, pen=8)
    assert model.pen is not None
    torch.nn.init.normal_(model.pen.join.weight)
    reader = Recognizer.from_model(model, Card("digitnet", {"outputs": 11, "pen": 8}))
    drawn = DigitSet.of_frames(pen_data("unipen", "test", DRAWN))
    both = DigitSet(
        {**drawn.frames, "baseline": drawn.frames["digitlib"]}, drawn.labels, drawn.planes
    )
    found = readers.predict_all({"digitnet": reader, "baseline": networks["baseline"]}, both)
    frames = drawn.frames["digitlib"]
    for preprocessing, planes in (("digitlib", drawn.planes), ("baseline", None)):
        expected = reader.predict_batch(frames, planes).probabilities
        own = found[Reader("digitnet", preprocessing)].probabilities
        np.testing.assert_array_equal(own, expected)
    without = networks["baseline"].predict_batch(frames).probabilities
    np.testing.assert_array_equal(found[Reader("baseline")].probabilities, without)


def test_intervals_are_over_groups_where_there_are_any() -> None:
    hits = np.array([True, True, False, True, True, True])
    groups = np.array([0, 0, 1, 1, 2, 2])
    blank = np.eye(10)[[0] * 6], np.where(hits, 0, 1), hits, ~hits
    alone, grouped = Predictions(*blank), Predictions(*blank, groups, "drawings")
    assert alone.accuracy == Proportion.of(hits)
    assert grouped.accuracy == GroupedProportion.of_groups(hits, groups, "drawings")
    assert grouped.rejection_rate.as_dict()["drawings"] == 3
