"""The studio in Python: switches, panels and their failures, downloads, the notebook's game."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import ipywidgets
import nbformat
import pytest
from helpers import DIGITS, bundled, write
from repository import REPOSITORY
from test_pad import LINE, FakeRecognizer, ink, stroke, stroke_events
from widget_tree import find, html, send, walk

from digitlib.widgets import studio as studio_module
from digitlib.widgets.panels.panel import Panel
from digitlib.widgets.studio import Studio, StudioPage


class Counting(Panel):
    """Records the digits it is shown."""

    title = "Counting"

    def __init__(self, pad: Any) -> None:
        self.digits: list[int | None] = []
        self.failure: Exception | None = None
        super().__init__(pad, [ipywidgets.HTML("a view")])

    def refresh(self) -> None:
        if self.failure:
            raise self.failure
        self.digits.append(self.pad.prediction and self.pad.prediction.digit)


def opened(studio: Studio) -> list[Any]:
    """The visible panels."""
    return [each for each in find(studio, "dp-panels").children if each.layout.display is None]


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Studio:
    (tmp_path / "test_studio.css").write_text(".dp-test { color: red; }")
    monkeypatch.setattr("digitlib.widgets.panels.panel.SHEETS", tmp_path)
    monkeypatch.setattr(studio_module, "PANELS", {"Counting": Counting, "Second": Counting})
    return Studio(FakeRecognizer(), size=280)


def test_a_panel_is_made_when_it_is_first_shown(studio: Studio) -> None:
    assert studio.panels == {}
    studio.show_panel("Second")
    assert [*studio.panels] == ["Second"]
    assert opened(studio) == [studio.panels["Second"]]
    assert ".dp-test" in studio.panels["Second"].children[0].value


@pytest.mark.parametrize("folder", ["drawings", ""])
def test_the_gallery_needs_storing_and_the_labels_storing_or_a_memory(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DRAWINGS", folder)
    for recognizer, shown in ((FakeRecognizer(), bool(folder)), (bundled(), True)):
        studio = Studio(recognizer)
        titles = {each.description for each in find(studio, "dp-switches").children[:-1]}
        assert titles == {"Picture", "Why?"} | ({"My drawings"} if folder else set())
        assert (find(studio, "dp-correction").layout.display is None) == shown
        said = "This saves your drawing" if folder else "until its kernel stops"
        assert said in html(find(studio, "dp-correction"))


def test_a_hidden_panel_is_kept_and_not_refreshed(studio: Studio) -> None:
    studio.show_panel("Counting")
    panel = studio.panels["Counting"]
    stroke(studio, LINE)
    studio.hide_panel("Counting")
    stroke(studio, LINE)
    assert (panel.digits, opened(studio)) == ([None, 2], [])
    studio.show_panel("Counting")
    assert studio.panels["Counting"] is panel
    assert panel.digits == [None, 2, 4]


def test_panels_are_in_the_order_of_their_switches(studio: Studio) -> None:
    studio.show_panel("Second")
    studio.show_panel("Counting")
    assert opened(studio) == [studio.panels["Counting"], studio.panels["Second"]]


def test_panels_wait_until_the_pen_is_up(studio: Studio) -> None:
    studio.show_panel("Counting")
    *began, end = stroke_events(LINE)
    ink(studio, *began)
    assert studio.panels["Counting"].digits == [None]
    ink(studio, end)
    assert studio.panels["Counting"].digits == [None, 2]


def test_a_failing_panel_says_so_and_the_others_continue(studio: Studio) -> None:
    studio.show_panel("Counting", "Second")
    studio.panels["Counting"].failure = RuntimeError("no <view> today")
    stroke(studio, LINE)
    message = html(studio.panels["Counting"])
    assert 'role="status"' in message
    assert "no &lt;view&gt; today" in message
    assert studio.panels["Second"].digits == [None, 2]
    assert studio.prediction.digit == 2
    assert studio.error == ""


def test_there_is_no_panel_of_another_name(studio: Studio) -> None:
    with pytest.raises(KeyError):
        studio.show_panel("Weather")


# --- downloads and the game of the notebook ----------------------------------------------------


def files(studio: Studio) -> dict[str, bytes]:
    """The files behind the links, by name."""
    found = re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', html(studio))
    return {name: base64.b64decode(content) for name, content in found}


def test_drawing_and_picture_can_be_saved() -> None:
    studio = Studio(bundled())
    assert files(studio) == {}
    studio.draw([[[10, 10, 5.0, 0.5], [200, 12, 15.0, 0.25], [100, 300, 30.0, 0.5]]])
    png, record = (files(studio)[name] for name in ("digit-7.png", "digit-7.json"))
    saved = json.loads(record)
    assert png.startswith(b"\x89PNG")
    assert [point[2:] for point in saved["strokes"][0]] == [[0, 0.5], [10, 0.25], [25, 0.5]]
    assert saved["prediction"]["probabilities"] == list(studio.prediction.probabilities)
    assert saved["weights"] == bundled().weights
    studio.show_image(studio.picture())
    saved = json.loads(files(studio)["digit-7.json"])
    assert base64.b64decode(saved["picture"]) == files(studio)["digit-7.png"]
    studio.clear()
    assert files(studio) == {}
    studio.number = True
    studio.draw(write("407"))
    assert json.loads(files(studio)["number-407.json"])["prediction"]["text"] == "407"


# --- the drawing that a notebook keeps ---------------------------------------------------------


def kept_page(studio: Studio) -> StudioPage:
    return next(each for each in walk(studio) if isinstance(each, StudioPage))


def test_a_kept_drawing_is_restored_in_another_studio() -> None:
    first, second = Studio(FakeRecognizer()), Studio(FakeRecognizer())
    assert kept_page(first).pad == first.model_id
    assert kept_page(first).kept == ""
    first.number = True
    line = [[-30.0, 40.0], [150.0, 240.0]]  # it leaves the canvas
    ink(first, *stroke_events(line)[:2])
    assert kept_page(first).kept == ""  # the pen is down
    ink(first, {"do": "end"})
    send(kept_page(second), {"kept": kept_page(first).kept})
    assert (second.number, [each.tolist() for each in second.strokes]) == (True, [line])
    assert kept_page(second).kept == kept_page(first).kept
    first.clear()
    assert kept_page(first).kept == ""
    send(kept_page(first), {"kept": kept_page(second).kept})
    assert first.strokes == []  # it has been cleared


def test_a_damaged_kept_drawing_is_reported() -> None:
    studio = Studio(FakeRecognizer())
    for kept in ("[", '{"number": 3, "strokes": []}', '{"number": false, "strokes": [[1, 2, 3]]}'):
        send(kept_page(studio), {"kept": kept})
        assert "The pad failed" in studio.error
        assert studio.strokes == []


def test_the_game_of_the_notebook_counts_right_digits() -> None:
    """The answer of an exercise in 01_draw, which uses ``pad.on_answer``."""
    notebook = nbformat.read(REPOSITORY / "notebooks" / "01_draw.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    pad = Studio(bundled())
    shown: list[Any] = []
    names = {"pad": pad, "display": lambda *widgets: shown.extend(widgets)}
    exec(code, names)
    for _ in range(3):
        asked = int(re.findall(r"Draw a (\d)!", shown[0].value)[0])
        pad.draw(DIGITS[asked])
        assert pad.strokes == []
    assert "3 right" in shown[0].value
