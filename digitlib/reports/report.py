"""Output of a notebook: its figures, its numbers, and sentences with numbers in them.

A notebook makes one :class:`Report`, adds figures and numbers, and saves it. Without a folder
nothing is written: running a notebook leaves no files behind.
"""

from __future__ import annotations

import io
import json
import os
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitlib.errors import DataDamagedError
from digitlib.files import to_jsonable, write_bytes, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REMEDY = "delete it, and python -m digitlib reports makes it anew."


class Report:
    """Figures and numbers of one notebook.

    Args:
        name: the notebook's, as ``05_evaluate``.
        folder: where to write; None writes nothing.
        dataset: that the notebook reads, where it reads one.
    """

    def __init__(
        self, name: str, folder: str | os.PathLike[str] | None = None, dataset: str = ""
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.folder = None if folder is None else Path(folder)
        self.numbers: dict[str, Any] = {}
        self.times: dict[str, Any] = {}
        self.figures: list[str] = []

    def __repr__(self) -> str:
        place = "nowhere" if self.folder is None else self.folder.name
        return f"Report({self.name}: {len(self.numbers)} numbers, written to {place})"

    def figure(self, figure: Figure, name: str) -> None:
        """Write ``figures/NOTEBOOK-NAME.png``; resolution and colours are the style's."""
        file = f"{self.name}-{name}.png"
        if file in self.figures:
            raise ValueError(f"{self.name} already has a figure {name!r}: name this one otherwise.")
        self.figures.append(file)
        if self.folder is None:
            return
        content = io.BytesIO()
        # Without matplotlib's version inside, the same picture is the same file.
        figure.savefig(content, format="png", metadata={"Software": None})
        write_bytes(self.folder / "figures" / file, content.getbuffer())

    def add(self, **numbers: Any) -> None:
        """Add numbers, strings, and lists and dicts of them; NumPy and torch are converted."""
        for name, value in numbers.items():
            if name in self.numbers:
                raise ValueError(f"{self.name} already has a number {name!r}.")
            self.numbers[name] = to_jsonable(value)

    def add_times(self, **times: Any) -> None:
        """Add measured times and rates, kept apart: they differ from run to run."""
        for name, value in times.items():
            if name in self.times:
                raise ValueError(f"{self.name} already has a time {name!r}.")
            self.times[name] = to_jsonable(value)

    def save(self) -> None:
        """Write ``metrics/NOTEBOOK.json``; figures that only an earlier run made are removed."""
        if self.folder is None:
            return
        for path in (self.folder / "figures").glob(f"{self.name}-*.png"):
            if path.name not in self.figures:
                path.unlink()
        made = {"numbers": self.numbers, "times": self.times, "figures": self.figures}
        write_json(self.folder / "metrics" / f"{self.name}.json", made)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the reports.

    Raises:
        FileNotFoundError: there is no file.
        DataDamagedError: it is no JSON object; the message names it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataDamagedError(f"{path} cannot be read ({error}): {REMEDY}") from error
    if not isinstance(found, dict):
        raise DataDamagedError(f"{path} holds no JSON object ({reprlib.repr(found)}): {REMEDY}")
    return found


def say(*parts: str) -> None:
    """Show prose with numbers in it as Markdown: the parts, joined by spaces."""
    from IPython.display import Markdown, display

    display(Markdown(" ".join(parts)))
