"""The studio: the drawing pad with corrections, downloads, and panels opened by switches."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from digitlib.datasets.drawing_file import drawings_folder
from digitlib.widgets.answers import PadRecognizer
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.canvas import as_traces
from digitlib.widgets.correction import Correction
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel
from digitlib.widgets.saving import downloads_html, to_lists


def _make(module: str, name: str, studio: Studio) -> Panel:
    """Import the panel's module and make the panel."""
    made: Panel = getattr(import_module(f"digitlib.widgets.panels.{module}"), name)(studio)
    return made


# By the title of the switch.
PANELS: dict[str, Callable[[Studio], Panel]] = {
    "Picture": partial(_make, "picture", "Picture"),
    "Why?": partial(_make, "why", "Why"),
    "My drawings": partial(_make, "my_drawings", "MyDrawings"),
}
TIPS = {
    "Picture": "Read a photo or another picture",
    "Why?": "See why the answer is what it is",
    "My drawings": "Look at the drawings you saved",
}
AT_ONCE = {"Picture"}  # made with the studio, because it takes dropped and pasted pictures
NEED_STORE = {"My drawings"}  # hidden if storing is off


class StudioPage(anywidget.AnyWidget):
    """Keeps the drawing in the notebook, and helps screen readers; see ``studio.js``.

    Args:
        restore: called with the kept drawing of an earlier kernel or page.
        guard: wraps the message handler.

    Attributes:
        pad: model id of the studio, which names its notebook cell.
        kept: the drawing as the page keeps it; empty without one.
    """

    _esm = Path(__file__).with_name("studio.js")

    pad = traitlets.Unicode().tag(sync=True)
    kept = traitlets.Unicode().tag(sync=True)

    def __init__(self, restore: Callable[[str], None], guard: Guard) -> None:
        super().__init__()
        self.on_msg(guard(lambda _, message, __: restore(message["kept"])))


class Studio(DrawingPad):
    """A drawing pad with a row of labels to correct the answer, and switches that open panels.

    The panel of stored drawings is missing if storing is off. A notebook keeps the drawing, without
    pictures, in the metadata of the cell, so it is there again when the cell runs again.

    Args:
        recognizer: as for :class:`DrawingPad`. Its memory gets the stored drawings and the
            corrections.
        options: other arguments of :class:`DrawingPad`.

    Attributes:
        panels: the panels that have been made, by title.
    """

    def __init__(self, recognizer: PadRecognizer | None = None, **options: Any) -> None:
        super().__init__(recognizer, **options)
        self.panels: dict[str, Panel] = {}
        off = NEED_STORE if drawings_folder() is None else set()
        self._switches = {title: self._switch(title) for title in PANELS if title not in off}
        self._files = ipywidgets.HTML().add_class("dp-save")
        bar = ipywidgets.Box([*self._switches.values(), self._files]).add_class("dp-switches")
        self._made = ipywidgets.Box().add_class("dp-panels")
        sheet = resources.files("digitlib.widgets").joinpath("studio.css")
        style = ipywidgets.HTML(
            f"<style>{sheet.read_text(encoding='utf-8')}</style>",
            layout=ipywidgets.Layout(display="none"),
        )
        self._correction = Correction(self, self._refresh)
        self._page = StudioPage(self._restore, self._guarded)
        self._page.pad = self.model_id
        below = (style, self._correction, bar, self._made, self._page)
        self.children: tuple[ipywidgets.Widget, ...] = (*self.children, *below)
        for title in AT_ONCE & {*PANELS}:
            self._turn(title, on=False)
        self.on_answer(self._correction.refresh)
        self.on_answer(self._refresh)

    def show_panel(self, *titles: str) -> None:
        """Show the panels with these titles; the others do not change.

        Raises:
            KeyError: no panel has this title.
        """
        for title in titles:
            self._switches[title].value = True

    def hide_panel(self, title: str) -> None:
        """Hide the panel with this title; its content is kept."""
        self._switches[title].value = False

    def _switch(self, title: str) -> ipywidgets.ToggleButton:
        switch = ipywidgets.ToggleButton(description=title, tooltip=TIPS.get(title, title))
        switch.observe(self._guarded(lambda change: self._turn(title, change.new)), "value")
        return switch.add_class("dp-switch")

    def _turn(self, title: str, on: bool) -> None:
        if title not in self.panels:
            self.panels[title] = PANELS[title](self)
            self._made.children = [self.panels[name] for name in PANELS if name in self.panels]
        panel = self.panels[title]
        panel.layout.display = None if on else "none"
        if on:
            panel.guarded(panel.refresh)()

    def _refresh(self) -> None:
        """Update the links, the kept drawing and the open panels, once the pen is up."""
        if self.pen_down:
            return
        self._files.value = downloads_html(self)
        drawn = {"number": self.number, "strokes": to_lists(self)}
        self._page.kept = json.dumps(drawn) if self.traces else ""
        for title, panel in self.panels.items():
            if self._switches[title].value:
                panel.guarded(panel.refresh)()  # a failure does not stop the others

    def _restore(self, kept: str) -> None:
        """Draw what the page has kept, unless something is drawn already."""
        if self._history.empty and not self._history.can_undo:
            drawn = json.loads(kept)
            self.number = drawn["number"]
            self._history.replace(as_traces(drawn["strokes"]))
            self._redraw()
