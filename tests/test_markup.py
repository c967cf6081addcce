"""What is read or typed is shown as text: no name, label, file or error becomes a page's markup."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import pytest
from digitlib.widgets.number_html import number_html
from test_pad import LINE, FakeRecognizer, stroke_by_mouse

from digitlib.datasets.drawing_file import DrawingFile
from digitlib.widgets.explanation import maps_html
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.teach import progress_html, result_html, use_html
from digitlib.widgets.studio import PANELS, Studio

MARK = """<img src=x onerror="alert('1')">"""
SAFE = html.escape(MARK)
SCRIPTS = [*Path(__file__).parent.parent.joinpath("digitlib").rglob("*.js")]
MAKES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|Fragment\(|eval\("
)
RESULT = {"before": 1, "after": 2, "total": 3}
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


def shown(widget: ipywidgets.Widget) -> Iterator[str]:
    """What a widget, and those in it, show as HTML."""
    if isinstance(widget, ipywidgets.HTML):
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from shown(child)


def assert_text(widget: ipywidgets.Widget, times: int = 1) -> None:
    """The mark is there so many times, as text."""
    page = "".join(shown(widget))
    assert MARK not in page
    assert page.count(SAFE) >= times


def fail(*_: Any) -> None:
    raise ValueError(MARK)


def test_errors_that_quote_what_was_read(studio: Studio) -> None:
    studio.recognizer.failure = ValueError(MARK)  # type: ignore[attr-defined]
    stroke_by_mouse(studio, LINE)
    assert_text(studio._answer.widget)
    studio._guarded(fail)()
    assert_text(studio._answer.widget)
    studio._correction._guarded(fail)()
    assert_text(studio._correction)
    for panel in studio.panels.values():
        panel.guarded(fail)()
        assert_text(panel)
        panel.say(MARK)
        assert_text(panel)
    assert_text(studio, 2 + len(PANELS))


@pytest.mark.parametrize("wide", [True, False])
def test_errors_of_both_pads(wide: bool) -> None:
    pad = DrawingPad(SimpleNamespace(predict_strokes=fail, predict=fail, read=fail), wide=wide)
    pad.show_image(np.zeros((9, 9), np.uint8))
    assert_text(pad)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of each value in a structure, and of its names."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, (*path, key))
    for key, inner in enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def marked(path: tuple[Any, ...], *, name: bool) -> Any:
    """A line of a file of drawings with the mark in one place, or as a further name there."""
    record = {"x": json.loads(json.dumps(LINE_OF_FILE))}
    at: Any = record
    for key in ("x", *path)[:-1]:
        at = at[key]
    last = ("x", *path)[-1]
    if name and isinstance(at[last], dict):
        at[last][MARK] = MARK
    else:
        at[last] = MARK
    return record["x"]


@pytest.mark.parametrize("name", [True, False])
def test_imported_and_damaged_files(studio: Studio, name: bool) -> None:
    panel = studio.panels["My drawings"]
    receive = panel.guarded(panel._do)
    for path in places(LINE_OF_FILE):
        line = json.dumps(marked(path, name=name)).encode()
        receive({"do": "import"}, [line])
        assert MARK not in "".join(shown(studio)), path
    assert not [each for each in DrawingFile().read() if MARK in repr(vars(each))]
    store = DrawingFile()
    store.folder.mkdir(parents=True, exist_ok=True)
    store.path.write_bytes(f"{json.dumps(LINE_OF_FILE)}\n{MARK}\n".encode())
    for what in ({"do": "show", "label": None, "misread": False, "page": 0}, {"do": "export",
        "client": MARK},
                 {"do": "draw", "id": MARK}, {"do": "delete", "id": MARK},
                 {"do": MARK}):  # fmt: skip
        receive(what, [])
        assert MARK not in "".join(shown(studio)), what


def test_pictures_by_any_name(studio: Studio) -> None:
    field = studio.panels["Picture"]._field
    for content in (MARK.encode(), b"\x89PNG" + MARK.encode(), b"GIF89a" + MARK.encode()):
        field._receive(None, {"upload": MARK, "part": 0, "parts": 1}, [content])
        assert field.answer["problem"]
        assert MARK not in "".join(shown(studio))


def test_what_a_lesson_says(studio: Studio) -> None:
    panel = studio.panels["Learn my handwriting"]
    panel._hear({"failed": MARK})
    assert_text(panel)
    result = dict.fromkeys(("drawings", "digits", "others"), RESULT)
    said = result_html({"verdict": MARK, "kept": False, "places": [MARK, MARK], **result})
    said += progress_html({"stage": MARK, "step": 1, "steps": 2})
    card = SimpleNamespace(training={"personal": {"drawings": {"total": MARK}}})
    said += use_html(SimpleNamespace(card=card), there=True)
    assert MARK not in said
    assert said.count(SAFE) == 5


def test_names_in_a_network() -> None:
    """An ONNX file names its inner values as it likes."""
    maps = {MARK: np.ones((3, 4, 4), np.float32)}
    explainer: Any = SimpleNamespace(feature_maps=lambda *_: maps)
    prediction: Any = SimpleNamespace(frame=None, planes=None)
    _, page = maps_html(explainer, SimpleNamespace(prediction=prediction))  # type: ignore[arg-type]
    assert MARK not in page
    assert SAFE in page


def test_a_number_that_was_not_read() -> None:
    assert MARK not in number_html(None, MARK)
    assert SAFE in number_html(None, MARK)


def test_the_pages_scripts_make_no_markup_of_text() -> None:
    assert len(SCRIPTS) > 3
    for script in SCRIPTS:
        assert not MAKES_MARKUP.search(script.read_text(encoding="utf-8")), script
