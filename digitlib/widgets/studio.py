"""The studio: the drawing pad with corrections, downloads, and panels opened by switches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module, resources
from typing import Any

import ipywidgets

from digitlib.datasets.drawing_file import drawings_folder
from digitlib.widgets.answers import PadRecognizer
from digitlib.widgets.correction import Correction
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel
from digitlib.widgets.saving import downloads_html


def _make(module: str, name: str, pad: DrawingPad) -> Panel:
    """Import the panel's module and make the panel."""
    made: Panel = getattr(import_module(f"digitlib.widgets.panels.{module}"), name)(pad)
    return made


# By the title of the switch.
PANELS: dict[str, Callable[[DrawingPad], Panel]] = {
    "Picture": partial(_make, "picture", "Picture"),
    "Why?": partial(_make, "why", "Why"),
    "My drawings": partial(_make, "my_drawings", "MyDrawings"),
}
NEED_STORE = {"My drawings"}  # hidden if storing is off


class Studio(DrawingPad):
    """A drawing pad with a row of labels to correct the answer, and switches that open panels.

    The panel of stored drawings is missing if storing is off.

    Args:
        recognizer: as for :class:`DrawingPad`. Its memory gets the stored drawings and the
            corrections.
        options: other arguments of :class:`DrawingPad`, except ``wide``.

    Attributes:
        panels: the panels that have been opened, by title.
    """

    def __init__(self, recognizer: PadRecognizer | None = None, **options: Any) -> None:
        if options.get("wide"):
            raise ValueError("Studio reads one digit. For a number, use DrawingPad(wide=True).")
        super().__init__(recognizer, **options)
        self.panels: dict[str, Panel] = {}
        off = NEED_STORE if drawings_folder() is None else set()
        self._switches = {title: self._switch(title) for title in PANELS if title not in off}
        bar = ipywidgets.Box([*self._switches.values()]).add_class("dp-switches")
        self._opened = ipywidgets.Box().add_class("dp-panels")
        sheet = resources.files("digitlib.widgets").joinpath("studio.css")
        style = ipywidgets.HTML(
            f"<style>{sheet.read_text(encoding='utf-8')}</style>",
            layout=ipywidgets.Layout(display="none"),
        )
        self._correction = Correction(self, self._refresh)
        self._files = ipywidgets.HTML().add_class("dp-save")
        *buttons, brushes = self._tools.children
        self._tools.children = (*buttons, self._files, brushes)
        below = (style, self._correction, bar, self._opened)
        self.children: tuple[ipywidgets.Widget, ...] = (*self.children, *below)
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
        switch = ipywidgets.ToggleButton(description=title, tooltip=f"Show: {title}")
        switch.observe(self._guarded(lambda change: self._turn(title, change.new)), "value")
        return switch.add_class("dp-switch")

    def _turn(self, title: str, on: bool) -> None:
        if on and title not in self.panels:
            self.panels[title] = PANELS[title](self)
        self._opened.children = [
            self.panels[name] for name, switch in self._switches.items() if switch.value
        ]
        self._switches[title].tooltip = f"{'Hide' if on else 'Show'}: {title}"
        if on:
            panel = self.panels[title]
            panel.guarded(panel.refresh)()

    def _refresh(self) -> None:
        if not self.pen_down:
            self._files.value = downloads_html(self)
            for panel in self._opened.children:
                panel.guarded(panel.refresh)()  # a failure does not stop the others
