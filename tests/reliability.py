"""Length of the tests of faults, and the file of their figures, ``reports/reliability.json``."""

from __future__ import annotations

import json
import os
from typing import Any

from digitlib.files import REPORTS, locked, write_json

PATH = REPORTS / "reliability.json"
LONG = os.environ.get("DIGITLIB_WRITE_REPORTS") == "1"  # the long form, which writes the file


def record(key: str, figures: dict[str, Any]) -> None:
    """Keep the figures of one kind of test; the others stay. In the short form nothing is kept."""
    if LONG:
        with locked(PATH.with_suffix(".lock"), f"Another test is writing {PATH}: waiting for it."):
            found = read()
            write_json(PATH, found | {key: found.get(key, {}) | figures})


def read() -> dict[str, Any]:
    """All figures, by kind of test."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def show() -> None:
    """Print all figures, a line for each test."""
    for key, tests in read().items():
        print(f"\n{key}")
        for name, figures in tests.items():
            several = isinstance(figures, dict)
            text = ", ".join(f"{k} {v}" for k, v in figures.items()) if several else figures
            print(f"  {name}: {text}")


if __name__ == "__main__":
    show()
