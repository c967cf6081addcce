"""The targets of speed and memory, and whether they are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from digitlib.training.race import ACCURACY_TARGETS

# Lower or upper limits, for two cores and a race at full length.
TARGETS: dict[str, tuple[str, float]] = {
    "quick: speed to 99 %, times the textbook's (interval's lower end)": ("at least", 30),
    "quick: median test accuracy": ("at least", 0.99),
    "strokes: time, part of the baseline's": ("at most", 0.5),
    "280x280 picture: time, part of the baseline's": ("at most", 1.0),
    "import digitlib, s": ("at most", 0.3),
    "load to first prediction, s": ("at most", 0.5),
    "interpreter's start to the pad, s": ("at most", 0.7),
    "kernel with the pad, MB": ("at most", 130),
    "memory for many frames, MiB": ("at most", 300),
}


def check_targets(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``measured``, ``target`` and ``met`` (None: not measured) of each of ``TARGETS``.

    Args:
        found: ``race`` (:func:`race_results.race_table`), ``latency`` (:func:`speed.latency`),
            ``start_up`` and ``growth`` (of :mod:`resources`).
    """
    quick = found["race"].get("quick", {})
    interval = quick.get(str(ACCURACY_TARGETS[-1]), {}).get("interval")
    values = (
        interval[0] if interval else None,
        quick.get("median_test"),
        found["latency"]["ratio"]["strokes"],
        found["latency"]["ratio"]["picture"],
        found["start_up"]["import"],
        found["start_up"]["first_prediction"],
        found["start_up"]["pad"],
        found["start_up"]["pad_memory"],
        found["growth"][-1]["memory"],
    )
    rows = {}
    for (name, (side, limit)), value in zip(TARGETS.items(), values, strict=True):
        value = None if value is None or np.isnan(value) else float(value)
        met = None if value is None else value >= limit if side == "at least" else value <= limit
        rows[name] = {"measured": value, "target": f"{side} {limit:g}", "met": met}
    return rows
