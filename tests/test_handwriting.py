"""``digitlib.handwriting`` and ``digitlib.plain``: the same digits by several ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from digitlib import Recognizer, glyphs, handwriting, pictures, strokes, studies, weights
from digitlib.evaluation import Proportion
from digitlib.plain import plain_frame
from digitlib.preprocess import BlankDrawingError, to_frame

DRAWN = glyphs.digit_styles(1, 3)


@pytest.fixture(scope="module")
def networks() -> dict[str, Recognizer]:
    return {"default": Recognizer.load(), "baseline": Recognizer.load(weights.BASELINE)}


# --- the plain way ---------------------------------------------------------------------------


def test_the_plain_way_pastes_the_ink_into_the_middle() -> None:
    page = np.full((100, 80), 255, np.uint8)
    page[20:80, 30:40] = 0  # 60 high: with the max-filter and at 20 px a third as large
    frame = plain_frame(Image.fromarray(page))
    assert frame.shape == (28, 28)
    rows, columns = np.nonzero(frame > 100)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs((columns.min() + columns.max()) / 2 - 13.5) <= 0.5
    assert frame.max() == 255


def test_the_plain_way_refuses_white_paper() -> None:
    with pytest.raises(BlankDrawingError):
        plain_frame(Image.new("L", (50, 50), 255))


def test_the_baseline_has_a_way_of_its_own(networks: dict[str, Recognizer]) -> None:
    ways = handwriting.ways(networks)
    assert [*ways] == ["default", "baseline", "baseline, plain frames"]
    assert ways["baseline, plain frames"].frame is plain_frame
    assert ways["default"].frame is ways["baseline"].frame is to_frame
    assert [*handwriting.ways({"default": networks["default"]})] == ["default"]


# --- reading ---------------------------------------------------------------------------------


def test_strokes_are_read_as_the_recognizer_reads_them(networks: dict[str, Recognizer]) -> None:
    found = handwriting.read(networks["default"], handwriting.stroke_frames(DRAWN))
    one_by_one = [networks["default"].predict_strokes(d.strokes).digit for d in DRAWN]
    assert found.tolist() == one_by_one


def test_pictures_are_read_as_the_recognizer_reads_them(networks: dict[str, Recognizer]) -> None:
    made = [pictures.canvas(d.strokes) for d in DRAWN]
    found = handwriting.read_pictures(handwriting.ways(networks), made)
    assert found["default"].tolist() == [networks["default"].predict(p).digit for p in made]
    frames = torch.from_numpy(np.stack([plain_frame(p) for p in made]))
    expected = networks["baseline"].probabilities(frames).argmax(dim=1)
    assert found["baseline, plain frames"].tolist() == expected.tolist()


def test_a_refused_picture_counts_as_misread(networks: dict[str, Recognizer]) -> None:
    made = [pictures.canvas(DRAWN[0].strokes), Image.new("L", (60, 60), 255)]
    frames, refused = handwriting.picture_frames(made)
    assert refused.tolist() == [False, True]
    assert not frames[1].any()
    assert handwriting.read(networks["default"], frames, refused)[1] == -1


def test_canvas_shares_are_of_each_brush_and_height(networks: dict[str, Recognizer]) -> None:
    ways = handwriting.ways({"default": networks["default"]})
    found = handwriting.on_canvas(ways, DRAWN, brushes=(8, 20), heights=(90, 220))["default"]
    assert [*found] == [90, 220]
    for height, row in found.items():
        for brush, share in zip((8, 20), row, strict=True):
            right = [
                networks["default"].predict(
                    pictures.canvas(d.strokes, brush=brush, height=height)
                ).digit == d.label
                for d in DRAWN
            ]  # fmt: skip
            assert (share.successes, share.total) == (sum(right), len(DRAWN))


# --- counting --------------------------------------------------------------------------------


def test_groups_are_counted_apart() -> None:
    groups = np.array([3, 1, 3, 3, 1])
    right = np.array([True, False, True, False, True])
    found = handwriting.by(groups, right)
    assert {key: (s.successes, s.total) for key, s in found.items()} == {1: (1, 2), 3: (2, 3)}


def test_the_gap_is_in_points() -> None:
    canvas = {60.0: [Proportion(98, 100), Proportion(90, 100)], 90.0: [Proportion(99, 100)] * 2}
    mean, most = handwriting.gap(Proportion(99, 100), canvas)
    assert mean == pytest.approx((1 + 9 + 0 + 0) / 4)
    assert most == pytest.approx(9)


def test_mistakes_come_in_families_the_largest_first() -> None:
    labels = np.array([9, 9, 1, 4, 9, 4, 7])
    seen = np.array([3, 3, 7, 4, 9, -1, 2])
    found = handwriting.mistakes(labels, seen)
    assert {pair: places.tolist() for pair, places in found.items()} == {
        (9, 3): [0, 1], (1, 7): [2], (7, 2): [6],
    }  # fmt: skip
    assert next(iter(found)) == (9, 3)
    assert [*handwriting.mistakes(labels, seen, most=1)] == [(9, 3)]
    told = handwriting.tell(found)
    assert told.startswith("- **9 read as 3** (2): nines")
    assert told.count("\n") == 2
    assert handwriting.tell({}) == "None of these digits was misread."


def test_shares_become_numbers() -> None:
    share = Proportion(3, 4)
    assert handwriting.plain({"a": {6: [share]}}) == {"a": {6: [share.as_dict()]}}


def test_some_digits_are_the_same_for_the_same_seed() -> None:
    first, second = handwriting.some(DRAWN, 4, 1), handwriting.some(DRAWN, 4, 1)
    assert len(first) == 4
    assert all(a is b for a, b in zip(first, second, strict=True))
    assert len(handwriting.some(DRAWN, 10**6)) == len(DRAWN)


def test_where_pen_strokes_are_missing_rules_stand_in_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(studies, "optional", lambda *_, **__: None)
    monkeypatch.setattr(studies, "say", said.append)
    digits = handwriting.drawn("sample")
    assert "rules" in said[0]
    assert set(handwriting.labels_of(digits)) == set(range(10))


def test_stroke_frames_are_rendered_strokes() -> None:
    frames = handwriting.stroke_frames(DRAWN[:3])
    assert frames.shape == (3, 28, 28)
    np.testing.assert_array_equal(frames[1], strokes.render(DRAWN[1].strokes))
