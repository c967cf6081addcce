"""The pad's widgets as plain HTML, with the classes that its style sheets know."""

from __future__ import annotations

import html
from typing import Any

import anywidget
import ipywidgets

from digitlib.widgets.canvas import PenCanvas
from digitlib.widgets.ink import InkLayer


def to_html(widget: Any, without: frozenset[str] = frozenset()) -> str:
    """A widget with everything inside it.

    Args:
        widget: of a kind that the pad uses.
        without: CSS classes of parts to leave out.

    Raises:
        TypeError: the page has no HTML for a widget of this kind.
    """
    classes = widget._dom_classes
    if without & {*classes}:
        return ""
    hidden = ' style="display:none"' if widget.layout.display == "none" else ""
    start = f' class="{" ".join(classes)}"{hidden}'
    match widget:
        case PenCanvas():
            return f'<canvas{start} width="{widget.width}" height="{widget.height}"></canvas>'
        case InkLayer():
            return '<div class="dp-ink"></div>'
        case anywidget.AnyWidget():  # it has a script, which talks to a kernel
            return ""
        case ipywidgets.Box():
            inside = (to_html(each, without) for each in widget.children)
            return f"<div{start}>{''.join(inside)}</div>"
        case ipywidgets.HTML():
            return f'<div{start}><div class="widget-html-content">{widget.value}</div></div>'
        case ipywidgets.Button():
            tip, text = html.escape(widget.tooltip), html.escape(widget.description)
            return f'<button type="button"{start} title="{tip}" aria-label="{tip}">{text}</button>'
        case ipywidgets.RadioButtons():
            choices = "".join(
                f'<label title="{html.escape(name)}"><input type="radio" name="{classes[0]}" '
                f'value="{value}"{" checked" * (value == widget.value)} '
                f'aria-label="{html.escape(name)}"></label>'
                for name, value in widget.options
            )
            return f'<div{start}><div class="widget-radio-box">{choices}</div></div>'
    raise TypeError(f"The page has no HTML for {type(widget).__name__} ({' '.join(classes)}).")


def find(widget: Any, name: str) -> Any:
    """The first widget with this CSS class, in a widget that has one."""
    inside = [widget]
    for each in inside:  # grows
        if name in each._dom_classes:
            return each
        inside += getattr(each, "children", ())
    raise LookupError(f"The pad has no part with the class {name}.")
