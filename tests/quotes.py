"""Numbers that the prose of a notebook quotes, and whether code or a report holds them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from nbformat import NotebookNode

from digitlib.files import REPORTS

# Conventions, and facts with a source next to them.
KNOWN = {28, 20, 14, 784, 255, 280, 95, 100, 0.1307, 0.3081, 5_000, 10_000, 55_000, 60_000}
NOT_PROSE = re.compile(
    r"`[^`]*`"  # code
    r"|\$[^$]*\$"  # formulas
    r"|\]\([^)]*\)|<[^>]*>"  # addresses, HTML
    r"|\barXiv [\d.]+|\b(?:19|20)\d\d\b"  # sources
    r"|\b\d+ ?× ?\d+(?: ?× ?\d+)?"  # sizes
)
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?! ?%?\w*\.\w)(?:\s?%)?")
SMALL = 10  # smaller whole numbers are digits or counts of things on the page


def unheld_numbers(notebook: NotebookNode) -> list[str]:
    """Numbers in Markdown cells that are in no report, in no code cell, and no convention."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    literals = [node for each in code for node in ast.walk(ast.parse(each))]
    held = KNOWN | reported() | {*_numbers([getattr(node, "value", None) for node in literals])}
    return [
        f"{quoted} in: {line.strip()}"
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        for quoted in NUMBER.findall(NOT_PROSE.sub(" ", line))
        if not _is_held(quoted, held)
    ]


@cache
def reported() -> frozenset[float]:
    """All numbers in the JSON files of the reports."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in REPORTS.rglob("*.json")]
    return frozenset(_numbers(files))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def _is_held(quoted: str, held: set[float]) -> bool:
    """Whether a number, or the share that it is in percent, rounds to the quoted one."""
    text = quoted.rstrip("% \u00a0").replace(",", "")
    number, places = float(text), len(text.partition(".")[2])
    if "%" not in quoted and not places and number < SMALL:
        return True
    half = 0.5 * 10.0**-places * (1 + 1e-9)
    return any(abs(abs(value) * scale - number) <= half for value in held for scale in (1, 100))
