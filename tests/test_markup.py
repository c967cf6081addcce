"""Content is shown as text: no name, label, file or error becomes markup of the page."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_pad import LINE, FakeRecognizer, stroke
from widget_tree import find, send, walk
from widget_tree import html as shown

from digitlib.datasets.drawing_file import DrawingFile
from digitlib.widgets.explanation import maps_html
from digitlib.widgets.panels.picture import PictureInput
from digitlib.widgets.studio import PANELS, Studio

MARK = """<img src=x onerror="alert('1')">"""
SAFE = escape(MARK)
SCRIPTS = [*Path(__file__).parent.parent.joinpath("digitlib").rglob("*.js")]
MAKES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|Fragment\(|eval\("
)
LINE_OF_FILE = {
    "id": 32 * "0", "time": "2026-01-01T00:00:00+00:00", "label": 3, "weights": "",
    "prediction": {"probabilities": 10 * [0.1], "score": 0.5, "rejected": False},
    "strokes": [[[10, 10], [60, 90]]],
}  # fmt: skip


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """All panels are open; the folder of drawings has an odd name."""
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path / MARK.replace("/", "")))
    studio = Studio(FakeRecognizer(), size=280)
    studio.show_panel(*PANELS)
    return studio


def assert_text(widget: Any, times: int = 1) -> None:
    """The mark is shown as text, at least so many times."""
    page = shown(widget)
    assert MARK not in page
    assert page.count(SAFE) >= times


def fail(*_: Any) -> None:
    raise ValueError(MARK)


def test_errors_that_quote_what_was_read(studio: Studio) -> None:
    studio.recognizer.failure = ValueError(MARK)  # type: ignore[attr-defined]
    stroke(studio, LINE)
    assert_text(find(studio, "dp-result"))
    for panel in studio.panels.values():
        panel.guarded(fail)()
        assert_text(panel)
        panel.say(MARK)
        assert_text(panel)
    assert_text(studio, 1 + len(PANELS))


@pytest.mark.parametrize("key", [*LINE_OF_FILE, MARK])
def test_imported_and_damaged_files(studio: Studio, key: str) -> None:
    gallery = find(studio, "dp-my_drawings").children[1]
    for value in (MARK, [MARK], {MARK: MARK}):
        line = json.dumps(LINE_OF_FILE | {key: value}).encode()
        send(gallery, {"do": "import"}, line)
        assert MARK not in shown(studio), value
    assert not [each for each in DrawingFile().read() if MARK in repr(vars(each))]
    for message in (
        {"do": "relabel", "id": MARK, "label": 3},
        {"do": "delete", "id": MARK},
        {"do": MARK},
    ):
        send(gallery, message)
        assert MARK not in shown(studio), message


def test_pictures_by_any_name(studio: Studio) -> None:
    field = next(each for each in walk(studio) if isinstance(each, PictureInput))
    for content in (MARK.encode(), b"\x89PNG" + MARK.encode(), b"GIF89a" + MARK.encode()):
        send(field, {"upload": MARK}, content)
        assert field.answer["problem"]
        assert MARK not in shown(studio)


def test_names_in_a_network() -> None:
    """An ONNX file names its inner values as it likes."""
    maps = {MARK: np.ones((3, 4, 4), np.float32)}
    explainer: Any = SimpleNamespace(feature_maps=lambda *_: maps)
    prediction: Any = SimpleNamespace(frame=None)
    _, page = maps_html(explainer, prediction)
    assert MARK not in page
    assert SAFE in page


def test_the_pages_scripts_make_no_markup_of_text() -> None:
    assert len(SCRIPTS) > 3
    for script in SCRIPTS:
        found = MAKES_MARKUP.findall(script.read_text(encoding="utf-8"))
        # The page's answer is HTML; test_page.py compares it with Python's, escaped errors too.
        assert found == (["innerHTML"] if script.name == "display.js" else []), script
