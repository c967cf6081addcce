"""What notebooks hand back, figures and numbers, and how their parameters are checked.

A notebook makes one :class:`Report`, gives it figures and numbers, and saves it. Without a folder
nothing is written, so that reading and running a notebook leaves no files behind.
``python -m digitlib reports`` runs all notebooks at full length.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Markdown
    from matplotlib.figure import Figure
from digitlib.files import to_jsonable, write_json


class Report:
    """Figures and numbers of one notebook.

    Args:
        name: the notebook's, as ``03_evaluate``.
        folder: where to write; None writes nothing.
    """

    def __init__(self, name: str, folder: str | os.PathLike[str] | None = None) -> None:
        self.name = name
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
        path = self.folder / "figures" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without matplotlib's version inside, the same picture is the same file.
        figure.savefig(path, metadata={"Software": None})

    def add(self, **numbers: Any) -> None:
        """Take numbers, strings, and lists and dicts of them; NumPy and torch are converted."""
        for name, value in numbers.items():
            if name in self.numbers:
                raise ValueError(f"{self.name} already has a number {name!r}.")
            self.numbers[name] = to_jsonable(value)

    def add_times(self, **times: Any) -> None:
        """Take what differs from run to run, in seconds or per second: kept apart."""
        for name, value in times.items():
            if name in self.times:
                raise ValueError(f"{self.name} already has a time {name!r}.")
            self.times[name] = to_jsonable(value)

    def save(self) -> None:
        """Write ``metrics/NOTEBOOK.json``, whole or not at all, keys sorted.

        Figures of an earlier run that this one did not make are removed.
        """
        if self.folder is None:
            return
        for path in (self.folder / "figures").glob(f"{self.name}-*.png"):
            if path.name not in self.figures:
                path.unlink()
        made = {"numbers": self.numbers, "times": self.times, "figures": self.figures}
        write_json(self.folder / "metrics" / f"{self.name}.json", made)


def sentence(*parts: str) -> Markdown:
    """Prose with numbers in it, as the output of a cell: the parts, joined by spaces."""
    from IPython.display import Markdown

    return Markdown(" ".join(parts))
