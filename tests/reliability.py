"""Length of the tests of faults, and the file of their results, ``reports/reliability.json``."""

from __future__ import annotations

import json
import os
from typing import Any

from digitlib.files import REPORTS, locked, write_json

PATH = REPORTS / "reliability.json"
LONG = os.environ.get("DIGITLIB_WRITE_REPORTS") == "1"  # the long form, which writes the file


def record(key: str, results: dict[str, Any]) -> None:
    """Add the results of one kind of test; the short form keeps nothing."""
    if LONG:
        with locked(PATH.with_suffix(".lock"), f"Another test is writing {PATH}: waiting for it."):
            found = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
            write_json(PATH, found | {key: found.get(key, {}) | results})


if __name__ == "__main__":  # `make stress` shows all results at the end
    print(PATH.read_text(encoding="utf-8"))
