"""The studio: the drawing pad, and views of what was drawn, opened by switches below it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, resources
from typing import Any

import ipywidgets

from digitlib.datasets.drawing_file import drawings_folder
from digitlib.widgets.correction import Correction
from digitlib.widgets.pad import DrawingPad, Reader
from digitlib.widgets.panels.base import Panel


def _panel(module: str, name: str) -> Callable[[DrawingPad], Panel]:
    """What makes the panel of this name, whose module is imported then."""

    def make(pad: DrawingPad) -> Panel:
        made: Panel = getattr(import_module(f"digitlib.widgets.panels.{module}"), name)(pad)
        return made

    return make


# By the title of their switch.
PANELS: dict[str, Callable[[DrawingPad], Panel]] = {
    "Picture": _panel("picture", "Picture"),
    "Why?": _panel("why", "Why"),
    "My drawings": _panel("drawings", "Drawings"),
    "Learn my handwriting": _panel("teach", "Teach"),
    "Play": _panel("play", "Play"),
}
OF_STORED = {"My drawings", "Learn my handwriting"}  # of no use where storing is switched off


class Studio(DrawingPad):
    """A drawing pad with a row below it that tells what the drawing is, and switches of views.

    Where storing drawings is switched off, neither the row nor the views of stored drawings are
    there.

    Args:
        recognizer: as for :class:`DrawingPad`.
        options: further arguments of :class:`DrawingPad`, but ``wide``.

    Attributes:
        panels: the panels that were shown so far, by title.
    """

    def __init__(self, recognizer: Reader | None = None, **options: Any) -> None:
        if options.get("wide"):
            raise ValueError("The views are of one digit: use DrawingPad(wide=True).")
        super().__init__(recognizer, **options)
        self.panels: dict[str, Panel] = {}
        off = OF_STORED if drawings_folder() is None else set()
        self._switches = {title: self._switch(title) for title in PANELS if title not in off}
        bar = ipywidgets.Box([*self._switches.values()]).add_class("dp-switches")
        self._opened = ipywidgets.Box().add_class("dp-panels")
        sheet = resources.files("digitlib.widgets").joinpath("studio.css")
        style = ipywidgets.HTML(
            f"<style>{sheet.read_text(encoding='utf-8')}</style>",
            layout=ipywidgets.Layout(display="none"),
        )
        self._correction = Correction(self, self._refresh)
        below = (style, self._correction, bar, self._opened)
        self.children: tuple[ipywidgets.Widget, ...] = (*self.children, *below)
        self.on_answer(self._correction.refresh)
        self.on_answer(self._refresh)

    def show_panel(self, *titles: str) -> None:
        """Show the panels with these titles; others stay as they are.

        Raises:
            KeyError: there is no such panel.
        """
        for title in titles:
            self._switches[title].value = True

    def hide_panel(self, title: str) -> None:
        """Hide the panel with this title; what it holds is kept."""
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
        panel = self.panels[title]
        panel.guarded(panel.refresh if on else panel.closed)()

    def _refresh(self) -> None:
        if not self.pen_down:
            for panel in self._opened.children:
                panel.guarded(panel.refresh)()  # what fails keeps no other from its turn
