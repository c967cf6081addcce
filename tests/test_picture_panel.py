"""The panel for pictures: parts of a file in, the pad's answer out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import page
from PIL import Image
from widget_tree import send as tell
from widget_tree import walk

from digitlib import Recognizer, Studio
from digitlib.datasets import picture_kinds, pictures, synthetic
from digitlib.preprocessing.read import read_gray
from digitlib.widgets.panels import picture
from digitlib.widgets.panels.picture import FIRST, SAMPLES, PictureInput

FOLDER = Path(picture.__file__).parent / "samples"
KIBIBYTES = 20


@pytest.fixture
def studio() -> Studio:
    studio = Studio()
    studio.show_panel("Picture")
    return studio


def field(studio: Studio) -> Any:
    return next(each for each in walk(studio) if isinstance(each, PictureInput))


def send(studio: Studio, content: bytes) -> None:
    """Send a file as a page does."""
    tell(field(studio), {"upload": "a"}, memoryview(content))


def answer(studio: Studio) -> dict[str, Any]:
    found: dict[str, Any] = field(studio).answer
    return found


def png(shades: np.ndarray) -> bytes:
    Image.fromarray(shades).save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def test_a_picture_is_read_as_the_recognizer_reads_the_file(studio: Studio) -> None:
    large = png(np.kron(page(7), np.ones((7, 7), np.uint8)))
    send(studio, large)
    assert answer(studio) == {"upload": "a", "problem": "", "remark": ""}
    expected = Recognizer.load().predict(large)
    assert studio.prediction.probabilities == expected.probabilities
    assert studio.prediction.digit == 7


def test_a_picture_that_is_dropped_opens_the_panel() -> None:
    studio = Studio()
    panel = studio.panels["Picture"]
    assert (panel.layout.display, field(studio).samples) == ("none", [])
    tell(field(studio), {"arrives": True})
    assert panel.layout.display is None
    assert [each["name"] for each in field(studio).samples] == [*SAMPLES.values()]


@pytest.mark.parametrize(("kind", "said"), [("GIF", FIRST), ("WEBP", FIRST), ("JPEG", "")])
def test_the_panel_says_that_only_the_first_picture_is_read(
    studio: Studio, kind: str, said: str
) -> None:
    first, second = (Image.fromarray(page(digit)) for digit in (4, 2))
    several = {"save_all": True, "append_images": [second]} if said else {}
    first.save(buffer := io.BytesIO(), kind, **several)
    send(studio, buffer.getvalue())
    assert (studio.prediction.digit, answer(studio)["remark"]) == (4, said)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is not a PNG, JPEG"),
        (b"no picture", "it is not a PNG, JPEG"),
        (png(page(4))[:200], "The file cannot be read as a picture"),
        (png(np.zeros((1, 12_001), np.uint8)), "12001 x 1 px; the limit is 12000 px a side"),
    ],
)
def test_what_is_no_picture_leaves_the_drawing(
    studio: Studio, content: bytes, problem: str
) -> None:
    send(studio, png(page(4)))
    send(studio, content)
    assert problem in answer(studio)["problem"]
    assert studio.prediction.digit == 4
    assert studio.error == ""


# --- the samples ---------------------------------------------------------------------------


def made() -> dict[str, Image.Image]:
    """The samples as they were made, before they were compressed."""
    strokes = {each.label: each.strokes for each in reversed(synthetic.draw_digits(3, 7))}
    return {
        "paper.jpg": pictures.photo(strokes[5], 6, side=360),
        "spray.png": picture_kinds.make("spray", strokes[3], 4),
        "chalk.jpg": picture_kinds.make("chalk", strokes[2], 0),
    }


def test_the_samples_are_those_that_are_shown() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*SAMPLES} == {*made()}


@pytest.mark.parametrize(("name", "digit"), [("paper.jpg", 5), ("spray.png", 3), ("chalk.jpg", 2)])
def test_samples_are_simulated_small_and_read(name: str, digit: int) -> None:
    path = FOLDER / name
    assert path.stat().st_size <= 1024 * KIBIBYTES
    assert np.abs(read_gray(path) - read_gray(made()[name])).mean() < 0.02  # JPEG
    prediction = Recognizer.load().predict(path)
    assert (prediction.digit, prediction.rejected) == (digit, False)
