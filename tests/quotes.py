"""Numbers that a notebook's sentences quote, and whether its metrics hold them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nbformat import NotebookNode

# Conventions, and facts with a source beside them: not measured here.
CONVENTIONS = {
    28.0: "side of a frame (px)",
    20.0: "side of the digit's box (px)",
    14.0: "row and column of the centre of mass",
    0.1307: "mean of MNIST's training pixels",
    0.3081: "their standard deviation",
    60_000.0: "MNIST's training images",
    10_000.0: "MNIST's test images",
    5_000.0: "MNIST's validation images",
    55_000.0: "MNIST's training images without these",
    95.0: "level of the intervals (%)",
    784.0: "pixels of a frame",
    280.0: "side of a drawing as a picture (px)",
    255.0: "full ink in 8 bits",
    98.0: "share of a writer read right, below which he is hard (writers.HARD, %)",
    100.0: "in a hundred",
}
NOT_PROSE = re.compile(
    r"`[^`]*`"  # code
    r"|\]\([^)]*\)"  # a link's address
    r"|<[^>]*>"  # HTML
    r"|\barXiv [\d.]+|\b(?:19|20)\d\d\b"  # sources
    r"|\b\d+ ?× ?\d+(?: ?× ?\d+)?"  # sizes
)
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?! ?%?\w*\.\w)(?:\s?%)?")
SMALL = 10  # whole numbers below it are digits, or are written as words elsewhere


def unheld_numbers(notebook: NotebookNode, record: Mapping[str, Any]) -> list[str]:
    """Numbers in prose and sentences that are in neither the record, the code nor the conventions.

    Args:
        notebook: with its kept outputs.
        record: of the same run, ``reports/metrics/NAME.json``.
    """
    parts = ("numbers", "times", "parameters")
    held = {value for part in parts for value in _numbers(record.get(part))}
    held |= CONVENTIONS.keys() | {*_literals(notebook)}
    return [
        f"{quoted} in: {sentence.strip()}"
        for sentence in _sentences(notebook)
        for quoted in NUMBER.findall(NOT_PROSE.sub(" ", sentence))
        if not _is_held(quoted, held)
    ]


def _sentences(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        texts = [cell.source] if cell.cell_type == "markdown" else []
        texts += [o.data["text/markdown"] for o in cell.get("outputs", ()) if _is_markdown(o)]
        yield from (line for text in texts for line in text.splitlines())


def _is_markdown(output: NotebookNode) -> bool:
    return "text/markdown" in output.get("data", {})


def _literals(notebook: NotebookNode) -> Iterator[float]:
    """Numbers that stand in the code: limits, counts of examples."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Constant):
                    yield from _numbers(node.value)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def _is_held(quoted: str, held: set[float]) -> bool:
    """Whether a number, or the share that it is in percent or points, rounds to the quoted one."""
    text = quoted.rstrip("% \u00a0").replace(",", "")
    number, places = float(text), len(text.partition(".")[2])
    if "%" not in quoted and not places and number < SMALL:
        return True
    half = 0.5 * 10.0**-places * (1 + 1e-9)
    return any(abs(abs(value) * scale - number) <= half for value in held for scale in (1, 100))
