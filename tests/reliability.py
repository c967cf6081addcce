"""Length of the tests of faults, and the file of their figures, ``reports/reliability.json``."""

from __future__ import annotations

import json
import os
from typing import Any

from digitlib.files import REPORTS, write_json

PATH = REPORTS / "reliability.json"
LONG = os.environ.get("DIGITLIB_WRITE_REPORTS") == "1"  # the long form, which writes the file


def record(key: str, figures: dict[str, Any]) -> None:
    """Keep the figures of one kind of test; the others stay. In the short form nothing is kept."""
    if LONG:
        found = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
        write_json(PATH, found | {key: found.get(key, {}) | figures})
