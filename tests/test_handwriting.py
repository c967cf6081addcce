"""``handwriting`` and ``digitlib.preprocessing.frame``: the same drawings read in several ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import DIGITS, bundled
from PIL import Image, ImageDraw
from sklearn.metrics import accuracy_score

from digitlib import Recognizer
from digitlib.datasets import catalog, pictures
from digitlib.datasets.pendigits import pen_data
from digitlib.datasets.unipen import PenDigit
from digitlib.evaluation import handwriting
from digitlib.evaluation.handwriting import PLAIN, Kind, Predictions
from digitlib.evaluation.metrics import Proportion
from digitlib.models.weights import BASELINE_WEIGHTS
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import BASELINE_THICKEN, baseline_frame, to_frame
from digitlib.preprocessing.read import BlankDrawingError

DRAWN = [PenDigit(list(DIGITS[digit]), digit, 0) for digit in range(10)]
LABELS = np.arange(10)
BLANK = Image.new("L", (60, 60), 255)


@pytest.fixture(scope="module")
def networks() -> dict[str, Recognizer]:
    return {"default": bundled(), "baseline": Recognizer.load(BASELINE_WEIGHTS)}


def reading(right: str, predicted: str = "") -> Predictions:
    """A reading of as many digits as there are letters, ``x`` for one read right."""
    seen = np.array([int(digit) for digit in predicted or "0" * len(right)])
    hit = np.array([letter == "x" for letter in right])
    labels = np.where(hit, seen, (seen + 1) % 10)
    return Predictions(np.eye(10)[seen], labels, hit, np.zeros(len(right), bool))


# --- the plain path --------------------------------------------------------------------------


def test_the_plain_path_pastes_the_box_into_the_middle() -> None:
    page = np.full((100, 80), 255, np.uint8)
    page[20:80, 30:40] = 0  # 60 high: a third as large at 20 px
    frame = baseline_frame(Image.fromarray(page))
    assert frame.shape == (28, 28)
    assert frame.dtype == np.uint8
    rows, columns = np.nonzero(frame > 100)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs((columns.min() + columns.max()) / 2 - 13.5) <= 0.5
    assert frame.max() == 255


def test_the_plain_path_centres_the_box_and_ours_the_mass() -> None:
    page = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((40, 40, 60, 160), fill=0)  # heavy at the left,
    pen.rectangle((60, 90, 160, 110), fill=0)  # with an arm to the right
    columns = np.arange(28)
    ours, theirs = (frame(page).sum(axis=0).astype(float) for frame in (to_frame, baseline_frame))
    assert ours @ columns / ours.sum() == pytest.approx(14, abs=0.6)
    assert theirs @ columns / theirs.sum() < 12.5


def test_the_plain_path_widens_by_its_filter_and_enlarges_nothing() -> None:
    page = np.full((40, 40), 255, np.uint8)
    page[10:20, 20] = 0
    frame = baseline_frame(Image.fromarray(page).convert("RGB"))
    grown = BASELINE_THICKEN // 2
    assert (frame > 0).sum() <= 10 * (1 + 2 * grown)  # cut to its box, which it cannot leave
    assert np.ptp(np.nonzero(frame)[0]) + 1 == 10


def test_the_plain_path_refuses_white_paper() -> None:
    with pytest.raises(BlankDrawingError):
        baseline_frame(BLANK)


# --- what is read ----------------------------------------------------------------------------


def test_frames_are_those_of_both_paths_and_empty_where_no_ink_is_found() -> None:
    page = pictures.canvas(DRAWN[2].strokes)
    paths = handwriting.to_frames([page, BLANK])
    assert list(paths) == ["", PLAIN]
    np.testing.assert_array_equal(paths[""][0], to_frame(page))
    np.testing.assert_array_equal(paths[PLAIN][0], baseline_frame(page))
    for frames in paths.values():
        assert frames.shape == (2, 28, 28)
        assert not frames[1].any()


def test_canvases_have_each_brush_and_height_once() -> None:
    made = handwriting.canvases(DRAWN[:1])
    assert len(made) == len(handwriting.BRUSHES) * len(handwriting.HEIGHTS)
    assert handwriting.USUAL in made
    page = pictures.canvas(DRAWN[0].strokes, brush=28, height=150)
    np.testing.assert_array_equal(made[28, 150][""][0], to_frame(page))


def test_a_photo_follows_from_seed_and_row() -> None:
    twice = [DRAWN[3], DRAWN[3]]
    first, again = (np.asarray(handwriting.photo(twice, 0, 7)) for _ in range(2))
    assert np.array_equal(first, again)
    for other in (handwriting.photo(twice, 1, 7), handwriting.photo(twice, 0, 8)):
        assert np.asarray(other).shape != first.shape or (np.asarray(other) != first).any()
    handwriting.photo(twice, 1, 2**32 - 1)  # the largest seed that a notebook takes


def test_rows_are_chosen_by_the_seed_and_rise() -> None:
    rows = handwriting.choose(100, 10, 1)
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, handwriting.choose(100, 10, 1))
    assert not np.array_equal(rows, handwriting.choose(100, 10, 2))
    assert handwriting.choose(4, 10).tolist() == [0, 1, 2, 3]
    assert len(handwriting.choose(0, 10)) == 0


def test_what_is_missing_is_left_out() -> None:
    test = catalog.load("sample", "test")
    scans = handwriting.scans(20)
    always = ["sample test", handwriting.SCANS]
    alone = handwriting.kinds(test, scans, None, None, LABELS[:0], {}, {}, {})
    assert list(alone) == always
    paths = handwriting.to_frames(pictures.canvas(d.strokes) for d in DRAWN[:2])
    staged = handwriting.staged(DRAWN[:1])
    pens = replace(test, points=torch.rand(len(test), 20, 2))
    every = handwriting.kinds(test, scans, pens, test, LABELS[:2], paths, paths, staged)
    scenes_of = handwriting.SCENES
    pictures_of = ["canvas", "phone photos", scenes_of]
    assert list(every) == [*always, "pen strokes", "unsteady hand", *pictures_of, "rare styles"]
    assert every[scenes_of].labels.tolist() == [LABELS[0]] * len(staged)
    assert every[scenes_of].frames[""].shape == (len(staged), 28, 28)
    assert handwriting.staged([]) == {}


def test_an_unsteady_hand_follows_from_its_seed_and_leaves_chance_alone() -> None:
    pens = pen_data("pendigits", "validation", DRAWN)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    once, again, other = (handwriting.unsteady(pens, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(once.frames[""], again.frames[""])
    assert not torch.equal(once.frames[""], other.frames[""])
    assert once.labels.tolist() == pens.labels.tolist()
    # Another drawing, but of the same digit: nearer to its own than to the others on average.
    own = (once.frames[""].float() - pens.images.float()).abs().mean()
    others = (once.frames[""].float() - pens.images.roll(1, 0).float()).abs().mean()
    assert 0 < own < others


def test_scans_have_their_labels_and_most_are_read(networks: dict[str, Recognizer]) -> None:
    some = handwriting.scans(200, seed=1)
    assert all(frames.shape == (200, 28, 28) for frames in some.frames.values())
    assert handwriting.predict_all(networks, some)["default"].accuracy.value > 0.95


# --- reading ---------------------------------------------------------------------------------


def test_networks_read_as_the_recognizer_does(networks: dict[str, Recognizer]) -> None:
    made = [pictures.canvas(digit.strokes) for digit in DRAWN]
    found = handwriting.predict_all(networks, Kind(handwriting.to_frames(made), LABELS))
    assert list(found) == ["default", "baseline", f"default{PLAIN}", f"baseline{PLAIN}"]
    for name, network in networks.items():
        answers = [network.predict(page) for page in made]
        seen = [answer.digit for answer in answers]
        assert found[name].predicted.tolist() == seen
        assert found[name].rejected.tolist() == [answer.rejected for answer in answers]
        assert found[name].accuracy.value == accuracy_score(LABELS, seen)
        frames = torch.from_numpy(np.stack([baseline_frame(page) for page in made]))
        expected = network.probabilities(frames)
        np.testing.assert_allclose(found[name + PLAIN].probabilities, expected, atol=1e-5)


def test_strokes_are_read_as_the_recognizer_does(networks: dict[str, Recognizer]) -> None:
    frames = torch.from_numpy(np.stack([strokes.render(digit.strokes) for digit in DRAWN]))
    found = handwriting.predict(networks["default"], frames, LABELS)
    answers = [networks["default"].predict_strokes(digit.strokes).digit for digit in DRAWN]
    assert found.predicted.tolist() == answers


def test_where_no_ink_was_found_nothing_is_read_right(networks: dict[str, Recognizer]) -> None:
    empty = torch.zeros(10, 28, 28, dtype=torch.uint8)
    found = handwriting.predict(networks["default"], empty, LABELS)
    assert found.right.dtype == np.bool_
    assert not found.right.any()
    assert found.accuracy == Proportion(0, 10)


def test_groups_are_counted_apart() -> None:
    found = reading("x.xx.").by(np.array([3, 1, 3, 3, 1]))
    assert found == {1: Proportion(0, 2), 3: Proportion(3, 3)}
    assert list(found) == [1, 3]


# --- tables ----------------------------------------------------------------------------------


def test_a_panel_has_nan_where_nothing_was_read() -> None:
    share, other = Proportion(9, 10), Proportion(5, 10)
    shares = {"a": {"default": share}, "b": {"default": other, "more": other}}
    drawn = handwriting.panel(shares)
    np.testing.assert_allclose(drawn["default"][0], [0.9, 0.5])
    np.testing.assert_allclose([part[0] for part in drawn["default"][1:]], share.interval)
    assert np.isnan([part[0] for part in drawn["more"]]).all()
    wrong, low, high = handwriting.panel(shares, misread=True)["default"]
    np.testing.assert_allclose(wrong, [0.1, 0.5])
    np.testing.assert_allclose((low[0], high[0]), Proportion(1, 10).interval)


def test_groups_of_networks_make_a_panel() -> None:
    half, all_of_two, none = Proportion(1, 2), Proportion(2, 2), Proportion(0, 2)
    by = {"default": {7: half, 8: all_of_two}, "baseline": {7: none, 8: half}}
    drawn = handwriting.grouped(by)
    np.testing.assert_allclose(drawn["baseline"][0], [0, 0.5])
    np.testing.assert_allclose(drawn["default"][0], [0.5, 1])


def test_differences_are_in_points_to_the_same_networks_strokes() -> None:
    measured = {(6, 150): {"default": reading("xxx."), f"default{PLAIN}": reading("x...")}}
    found = handwriting.differences(measured, {"default": Proportion(4, 4)})
    assert found == {(6, 150): {"default": -25.0, f"default{PLAIN}": -75.0}}


def test_lines_rise_with_the_brush_one_for_each_height() -> None:
    measured = {
        (20, 60): {"default": reading("x.")},
        (6, 150): {"default": reading("xx")},
        (6, 60): {"default": reading("..")},
        (20, 150): {"default": reading("xx")},
    }
    assert handwriting.lines(measured, "default") == {
        "60 px high": ([6, 20], [0.0, 0.5]),
        "150 px high": ([6, 20], [1.0, 1.0]),
    }


def test_contributions_add_up() -> None:
    shares = {
        "default": Proportion(99, 100),
        "baseline": Proportion(95, 100),
        f"baseline{PLAIN}": Proportion(80, 100),
    }
    found = handwriting.contributions(shares)
    assert found is not None
    assert found["preprocessing"] == pytest.approx(15)
    assert found["network"] == pytest.approx(4)
    assert handwriting.contributions({"default": shares["default"]}) is None


def test_every_canvas_is_swept(networks: dict[str, Recognizer]) -> None:
    alone = {"default": networks["default"]}
    frames = {(14, 150): handwriting.to_frames(pictures.canvas(d.strokes) for d in DRAWN)}
    found = handwriting.predict_canvases(alone, frames, LABELS)
    single = handwriting.predict(alone["default"], frames[14, 150][""], LABELS)
    np.testing.assert_array_equal(found[14, 150]["default"].right, single.right)
