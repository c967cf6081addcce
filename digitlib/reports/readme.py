"""The generated pages: README's summary, the model card ``reports/README.md``, and reliability.md.

The templates load the JSON files in ``reports/``, so nobody types a number by hand.
``python -m digitlib readme`` writes the pages, and ``--check`` fails if they differ.
"""

from __future__ import annotations

import json
import reprlib
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from digitlib.errors import DataDamagedError
from digitlib.evaluation.metrics import LARGE_GROUP
from digitlib.files import REPOSITORY, write_text

# README.md's summary is between these two lines; each page has a template.
START, END = "<!-- summary: python -m digitlib readme -->", "<!-- end of summary -->"
PAGES = {"README.md": "model_card", "reliability.md": "reliability"}  # in reports/


def update(repository: Path = REPOSITORY, *, check: bool = False) -> list[Path]:
    """Write the pages that are out of date and return their paths; ``check`` writes nothing.

    Raises:
        ValueError: README.md lacks the markers of its summary.
        FileNotFoundError: a JSON file is missing.
        DataDamagedError: a JSON file holds something else.
    """
    reports, path = repository / "reports", repository / "README.md"
    head, found, rest = path.read_text(encoding="utf-8").partition(START)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{path} has no markers {START} and {END}.")
    pages = {path: f"{head}{START}\n{render('summary', reports).strip()}\n{END}{tail}"}
    pages |= {reports / name: render(template, reports) for name, template in PAGES.items()}
    old = [
        page
        for page, text in pages.items()
        if not page.is_file() or page.read_text(encoding="utf-8") != text
    ]
    for page in old:
        if not check:
            write_text(page, pages[page])
    return old


def render(template: str, reports: Path) -> str:
    """A template filled from the files below ``reports``; a missing value is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    filters = (interval, rejected, statistics.mean, statistics.median, statistics.stdev)
    environment.filters |= {each.__name__: each for each in filters} | {"fmt": format}
    notebooks = [path.stem for path in sorted((reports / "metrics").glob("*.json"))]
    return environment.get_template(f"{template}.md.j2").render(
        load=lambda name: read_json(reports / f"{name}.json"),
        has=lambda name: (reports / f"{name}.json").is_file(),
        notebooks=notebooks,
        large_group=LARGE_GROUP,
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        FileNotFoundError: there is no such file.
        DataDamagedError: the file holds something else; the message names it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataDamagedError(
            f"{path} can't be read ({error}). Restore or recreate it."
        ) from error
    if not isinstance(found, dict):
        text = reprlib.repr(found)
        raise DataDamagedError(f"{path} holds no JSON object ({text}). Restore or recreate it.")
    return found


# --- filters of the templates ----------------------------------------------------------------


def interval(share: Mapping[str, float]) -> str:
    """A share with its 95 % interval, as :meth:`metrics.Proportion.as_dict` returns them."""
    return f"{share['value']:.2%} ({share['low']:.2%}–{share['high']:.2%})"


def rejected(numbers: Mapping[str, Any]) -> str:
    """The rejected share, with its interval over writers if they are known."""
    by_writer = numbers.get("rejected by writer")
    return interval(by_writer) if by_writer else f"{numbers['rejected']:.1%}"
