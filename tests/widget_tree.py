"""Widgets found and operated as a page does: by CSS class, by label, by message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets


def walk(widget: Any) -> Iterator[Any]:
    """A widget and everything inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def find(widget: Any, name: str) -> Any:
    """The first widget with this CSS class."""
    return next(each for each in walk(widget) if name in classes(each))


def classes(widget: Any) -> tuple[str, ...]:
    """The CSS classes of a widget."""
    if not isinstance(widget, ipywidgets.DOMWidget):
        return ()
    found: tuple[str, ...] = tuple(widget.get_state(["_dom_classes"])["_dom_classes"])
    return found


def button(widget: Any, description: str) -> Any:
    """The button, or switch, with this text."""
    return next(each for each in walk(widget) if getattr(each, "description", None) == description)


def html(widget: Any) -> str:
    """All HTML in a widget."""
    return "".join(each.value for each in walk(widget) if isinstance(each, ipywidgets.HTML))


def send(widget: Any, content: Any, *buffers: Any) -> None:
    """A message from the page to a widget."""
    widget._handle_custom_msg(content, [*buffers])
