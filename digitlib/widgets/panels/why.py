"""The panel "Why?": explains the prediction, updated after each stroke."""

from __future__ import annotations

import ipywidgets

from digitlib.models.explain import Explainer
from digitlib.models.prediction import Prediction
from digitlib.widgets.explanation import (
    NOTHING,
    ONE_DIGIT,
    UNKNOWN,
    explanation_html,
    make_explainer,
)
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel


class Why(Panel):
    """Sentences and a map, and more behind a switch; one message to the page updates all."""

    title = "Why?"

    def __init__(self, pad: DrawingPad) -> None:
        self._explainer: Explainer | None = None
        self._content = ipywidgets.HTML().add_class("dp-content")
        self._more = ipywidgets.ToggleButton(
            description="More", tooltip="Show each step, and what the network computes"
        ).add_class("dp-switch")
        self._more.observe(self.guarded(lambda _: self.refresh()), "value")
        super().__init__(pad, [self._content, self._more])

    def refresh(self) -> None:
        """Explain the drawing."""
        found, recognizer = self.pad.prediction, self.pad.recognizer
        explained = isinstance(found, Prediction)
        self._more.layout.display = None if explained else "none"
        if not explained:
            self._content.value = ""
            return self.say(ONE_DIGIT if self.pad.number else NOTHING)
        if self._explainer is None or self._explainer.recognizer is not recognizer:
            self._explainer = make_explainer(recognizer)
        self._content.value = explanation_html(
            self._explainer, found, self.pad.image, more=self._more.value
        )
        return self.say("" if self._explainer else UNKNOWN)
