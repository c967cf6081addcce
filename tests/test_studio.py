"""The studio in Python: switches open panels, panels follow the drawing, failures stay inside."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest
from digitlib.widgets.panels.base import Panel
from test_pad import LINE, FakeRecognizer, event, stroke_by_mouse

from digitlib.widgets import studio as studio_module
from digitlib.widgets.studio import Studio


class Counting(Panel):
    """Counts what it is told."""

    title = "Counting"

    def __init__(self, pad: Any) -> None:
        self.digits: list[int | None] = []
        self.failure: Exception | None = None
        super().__init__(pad, [ipywidgets.HTML("a view")])

    def refresh(self) -> None:
        if self.failure:
            raise self.failure
        self.digits.append(self.pad.prediction and self.pad.prediction.digit)


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Studio:
    (tmp_path / "test_studio.css").write_text(".dp-test { color: red; }")
    monkeypatch.setattr("digitlib.widgets.panels.base.SHEETS", tmp_path)
    monkeypatch.setattr(studio_module, "PANELS", {"Counting": Counting, "Second": Counting})
    return Studio(FakeRecognizer(), size=280)


def test_a_panel_is_made_when_it_is_first_shown(studio: Studio) -> None:
    assert studio.panels == {}
    studio.show_panel("Second")
    assert [*studio.panels] == ["Second"]
    assert studio._opened.children == (studio.panels["Second"],)
    assert studio._switches["Second"].tooltip == "Hide: Second"
    assert studio._switches["Counting"].tooltip == "Show: Counting"
    assert ".dp-test" in studio.panels["Second"].children[0].value


@pytest.mark.parametrize(("folder", "shown"), [("drawings", True), ("", False)])
def test_what_needs_stored_drawings_is_there_where_they_are_stored(
    folder: str, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DRAWINGS", folder)
    titles = {*Studio(FakeRecognizer())._switches}
    assert {"Picture", "Why?", "Play"} <= titles
    assert (titles >= {"My drawings", "Learn my handwriting"}) == shown
    assert len(titles) == (5 if shown else 3)


def test_a_hidden_panel_is_kept_and_not_refreshed(studio: Studio) -> None:
    studio.show_panel("Counting")
    panel = studio.panels["Counting"]
    stroke_by_mouse(studio, LINE)
    studio.hide_panel("Counting")
    stroke_by_mouse(studio, LINE)
    assert panel.digits == [None, 2]
    studio.show_panel("Counting")
    assert studio.panels["Counting"] is panel
    assert panel.digits == [None, 2, 4]


def test_panels_lie_in_the_order_of_their_switches(studio: Studio) -> None:
    studio.show_panel("Second")
    studio.show_panel("Counting")
    assert studio._opened.children == (studio.panels["Counting"], studio.panels["Second"])


def test_panels_wait_until_the_pen_is_up(studio: Studio) -> None:
    studio.show_panel("Counting")
    event(studio, "mouse_down", *LINE[0])
    event(studio, "mouse_move", *LINE[1])
    assert studio.panels["Counting"].digits == [None]
    event(studio, "mouse_up", *LINE[1])
    assert studio.panels["Counting"].digits == [None, 2]


def test_a_failing_panel_says_so_and_the_others_go_on(studio: Studio) -> None:
    studio.show_panel("Counting", "Second")
    studio.panels["Counting"].failure = RuntimeError("no <view> today")
    stroke_by_mouse(studio, LINE)
    message = studio.panels["Counting"]._message.value
    assert 'role="status"' in message
    assert "no &lt;view&gt; today" in message
    assert studio.panels["Second"].digits == [None, 2]
    assert studio.prediction.digit == 2
    assert studio.error == ""


def test_there_is_no_panel_of_another_name(studio: Studio) -> None:
    with pytest.raises(KeyError):
        studio.show_panel("Weather")
