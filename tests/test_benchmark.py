"""Real and simulated pictures measured by kind, and pen strokes with marks around the digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import DIGITS, bundled
from PIL import Image

from digitlib.__main__ import main
from digitlib.datasets import picture_kinds, pictures, real, unipen
from digitlib.datasets.pen import PenDrawing
from digitlib.errors import BlankDrawingError, InputError
from digitlib.evaluation import benchmark
from digitlib.models.prediction import Prediction

FRAME = np.zeros((4, 28, 28), np.float32)


def answer(digit: int, score: float = 1.0) -> Prediction:
    return Prediction(tuple(np.eye(10)[digit].tolist()), FRAME, score, threshold=0.0)


def test_a_rejected_digit_is_neither_right_nor_an_undetected_error() -> None:
    found = [answer(3), answer(4), answer(0, score=-1.0), answer(9, score=-1.0), None]
    scores = benchmark.score(found, [3, 5, 0, 0, 1])
    assert [scores[name]["value"] for name in benchmark.SHARES] == [0.2, 0.6, 0.2]
    assert scores["refused"] == 1
    assert scores["right"]["low"] < 0.2 < scores["right"]["high"]
    assert benchmark.score(found, [3, 5, 0, 0, 1], [7, 7, 8, 8, 8])["right"]["writers"] == 2


def test_refused_input_has_no_prediction_but_other_errors_are_raised() -> None:
    def read(source: Exception | None) -> Prediction:
        if source:
            raise source
        return answer(1)

    sources = [BlankDrawingError("no ink"), None, InputError("too large")]
    assert [each and each.digit for each in benchmark.predict(read, sources)] == [None, 1, None]
    with pytest.raises(IndexError):
        benchmark.predict(read, [IndexError()])


@pytest.mark.parametrize("shape", [(100, 200), (200, 100, 3)])
def test_a_frame_surrounds_the_picture(shape: tuple[int, ...]) -> None:
    framed = benchmark.add_frame(np.full(shape, 90, np.uint8), 255)
    assert framed.shape == (shape[0] + 6, shape[1] + 6, *shape[2:])
    assert (framed[:3] == 255).all()
    assert (framed[3:-3, 3:-3] == 90).all()


@pytest.mark.parametrize("dark", [False, True])
def test_a_tight_crop_begins_and_ends_with_ink(dark: bool) -> None:
    page = np.asarray(pictures.canvas(DIGITS[3], brush=14, height=180))
    cut = benchmark.crop_to_ink(255 - page if dark else page)
    assert max(cut.shape) == pytest.approx(194, abs=2)
    ink = (cut > 50) if dark else (cut < 205)
    assert all(edge.any() for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))


@pytest.mark.parametrize("mark", picture_kinds.MARKS)
def test_a_mark_is_beside_or_around_the_digit(mark: str) -> None:
    digit = [100 * stroke + 30 for stroke in DIGITS[4]]
    drawn, again = (picture_kinds.add_mark(mark, digit, 5) for _ in range(2))
    kept = drawn[-len(digit) :] if mark in picture_kinds.FRAMES else drawn[: len(digit)]
    assert all(map(np.array_equal, drawn, again))
    assert all(map(np.array_equal, kept, digit))
    inside, outside = (np.ptp(np.concatenate(each), axis=0) for each in (digit, drawn))
    assert len(drawn) - len(digit) == (4 if mark == "four lines" else 1)
    assert (outside >= inside).all()
    assert 1.05 < (outside / inside).max() < 4


def test_all_tables_are_measured_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    for number, kind in enumerate(["photo", "canvas"]):
        path = tmp_path / f"{number}.png"
        pictures.canvas(DIGITS[number + 2]).save(path)
        rows.append(real.RealPicture(path, str(number + 2), kind, number))
    Image.new("L", (90, 90), 255).save(tmp_path / "blank.png")
    rows.append(real.RealPicture(tmp_path / "blank.png", "7", "photo", 2))
    drawings = [PenDrawing(list(DIGITS[n]), n, n // 2) for n in range(10)]
    sources: dict[tuple[Any, ...], Any] = {
        ("digits", real.DEVELOPMENT): rows, ("unipen", "validation"): drawings,
    }  # fmt: skip
    monkeypatch.setattr(real, "read_real_pictures", lambda *part: sources[part])
    monkeypatch.setattr(unipen, "read_unipen", lambda *part: sources[part])
    monkeypatch.setattr(benchmark, "CAMERA", (600, 800))
    monkeypatch.setattr(picture_kinds, "KINDS", {"chalk": picture_kinds.KINDS["chalk"]})
    found = benchmark.measure(bundled(), "development", count=4)
    assert [*found["real pictures"]] == ["all", "canvas", "photo"]
    assert found["real pictures"]["photo"]["rejected"]["value"] == 0.5
    assert found["real pictures"]["all"]["refused"] == 1
    assert found["changed pictures"]["photos in a white frame"]["right"]["count"] == 2
    assert found["simulated pictures"]["chalk"]["right"]["count"] == 4
    assert found["strokes"]["without a mark"]["right"]["value"] == 1
    text = benchmark.describe(found)
    assert [*found["strokes"]] == ["without a mark", *picture_kinds.MARKS]
    assert all(kind in text for table in benchmark.TABLES for kind in found[table])


@pytest.mark.parametrize("part", benchmark.PARTS)
def test_only_the_report_half_is_stored(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "PATH", tmp_path / "pictures.json")
    monkeypatch.setattr(benchmark, "measure", lambda _, part: {"part": part})
    monkeypatch.setattr(benchmark, "describe", lambda result: f"measured {result['part']}")
    done = CliRunner().invoke(main.commands["pictures"], ["--part", part], standalone_mode=False)
    assert done.stdout == f"measured {part}\n"
    assert benchmark.PATH.exists() == (part == "report")
