"""Markdown from the templates of this room, with filters for numbers and their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: Any) -> str:
    """A file of ``templates`` with values; a name without a value is an error."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= {
        "fmt": format,
        "interval": interval,
        "rejected": rejected,
        "caption": caption,
        "mean": statistics.mean,
        "median": statistics.median,
        "stdev": statistics.stdev,
    }
    return environment


def interval(share: Mapping[str, float]) -> str:
    """A share with its interval, as :meth:`metrics.Proportion.as_dict` has them."""
    return f"{share['value']:.2%} ({share['low']:.2%}–{share['high']:.2%})"


def rejected(numbers: Mapping[str, Any]) -> str:
    """The share rejected, with its interval over writers where they are known."""
    by_writer = numbers.get("rejected by writer")
    return interval(by_writer) if by_writer else f"{numbers['rejected']:.1%}"


def caption(figure: str) -> str:
    """Words of a figure's file name, without the notebook's name."""
    return figure.removesuffix(".png").split("-", 1)[-1].replace("-", " ").replace("_", " ")
