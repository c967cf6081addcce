"""The base class of the panels below the pad."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from importlib import resources
from typing import ClassVar

import ipywidgets

from digitlib.widgets.callbacks import guarded
from digitlib.widgets.pad import DrawingPad

SHEETS = resources.files("digitlib.widgets.panels")


class Panel(ipywidgets.Box):
    """A panel below the pad, made when it is first opened.

    Its style sheet is next to its module and has the same name.

    Args:
        pad: the pad with the drawing.
        children: widgets of the panel from top to bottom; a line for messages follows them.

    Attributes:
        title: title of the panel and of its switch.
    """

    title: ClassVar[str]

    def __init__(self, pad: DrawingPad, children: Sequence[ipywidgets.Widget]) -> None:
        self.pad = pad
        name = type(self).__module__.rpartition(".")[2]
        sheet = SHEETS.joinpath(f"{name}.css").read_text(encoding="utf-8")
        style = f"<style>{sheet}</style>"
        heading = f"<h3>{html.escape(self.title)}</h3>"
        self._message = ipywidgets.HTML().add_class("dp-message")
        super().__init__(
            [ipywidgets.HTML(style + heading).add_class("dp-heading"), *children, self._message]
        )
        self.add_class("dp-panel").add_class(f"dp-{name}")

    def refresh(self) -> None:
        """Show the pad's drawing; called after each answer with the pen up."""

    def say(self, sentence: str, *, failed: bool = False) -> None:
        """Show a sentence below the panel's widgets, also to screen readers; "" removes it."""
        state = "failed" if failed else "said"
        text = f'<p role="status" data-state="{state}">{html.escape(sentence)}</p>'
        self._message.value = text if sentence else ""

    def guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """A callback that holds the lock and shows a failure in the panel."""
        return guarded(action, lambda problem: self.say(str(problem), failed=True))
