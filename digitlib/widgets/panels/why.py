"""The panel "Why?": explains the prediction, updated after each stroke."""

from __future__ import annotations

from typing import Any

import ipywidgets

from digitlib.models.explain import Explainer
from digitlib.widgets.explanation import (
    NOTHING,
    UNKNOWN,
    VIEWS,
    ReadDrawing,
    explanation_html,
    make_explainer,
)
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel


class Why(Panel):
    """Four views, each with a switch; one message to the page updates all open views."""

    title = "Why?"

    def __init__(self, pad: DrawingPad) -> None:
        self._explainer: Explainer | None = None
        self._switches = {name: self._switch(name) for name in VIEWS}
        self._content = ipywidgets.HTML().add_class("dp-content")
        bar = ipywidgets.Box([*self._switches.values()]).add_class("dp-bar")
        super().__init__(pad, [bar, self._content])

    def refresh(self) -> None:
        """Show the drawing in the open views."""
        drawing = ReadDrawing.of(self.pad)
        if drawing is None:
            self._content.value = ""
            return self.say(NOTHING)
        shown = [name for name, switch in self._switches.items() if switch.value]
        recognizer = self.pad.recognizer
        if self._explainer is None or self._explainer.recognizer is not recognizer:
            self._explainer = make_explainer(recognizer)
        explainer = self._explainer
        self._content.value = explanation_html(explainer, drawing, shown)
        return self.say("" if explainer else UNKNOWN)

    def _switch(self, name: str) -> ipywidgets.ToggleButton:
        switch = ipywidgets.ToggleButton(True, description=name, tooltip=f"Hide: {name}")

        def turn(change: Any) -> None:
            switch.tooltip = f"{'Hide' if change.new else 'Show'}: {name}"
            self.refresh()

        switch.observe(self.guarded(turn), "value")
        return switch.add_class("dp-switch")
