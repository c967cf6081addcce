"""The panel "Why?": explains the prediction, updated after each stroke."""

from __future__ import annotations

import ipywidgets

from digitlib.models.explain import Explainer
from digitlib.models.prediction import Prediction
from digitlib.widgets.explanation import (
    NOTHING,
    ONE_DIGIT,
    UNKNOWN,
    details_html,
    make_explainer,
    summary_html,
)
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel


class Why(Panel):
    """Sentences and a map, and below a switch the steps and maps, computed while it's on."""

    title = "Why?"

    def __init__(self, pad: DrawingPad) -> None:
        self._explainer: Explainer | None = None
        self._content = ipywidgets.HTML().add_class("dp-content")
        self._details = ipywidgets.HTML().add_class("dp-more")
        self._more = ipywidgets.ToggleButton(
            description="More", tooltip="Show each step, and what the network computes"
        ).add_class("dp-switch")
        self._more.observe(self.guarded(lambda _: self.refresh()), "value")
        super().__init__(pad, [self._content, self._more, self._details])

    def refresh(self) -> None:
        """Explain the drawing."""
        found, recognizer = self.pad.prediction, self.pad.recognizer
        summary = details = ""
        if not isinstance(found, Prediction):
            self.say(ONE_DIGIT if self.pad.number else NOTHING)
        else:
            if self._explainer is None or self._explainer.recognizer is not recognizer:
                self._explainer = make_explainer(recognizer)
            if self._explainer is not None:
                summary = summary_html(self._explainer, found)
            if self._more.value or self._explainer is None:
                details = details_html(self._explainer, found, self.pad.image)
            self.say("" if self._explainer else UNKNOWN)
        self._content.value, self._details.value = summary, details
        self._more.layout.display = None if summary else "none"
