"""Labels of data sets: the digits, and the label of what is none."""

from __future__ import annotations

NO_DIGIT = 10  # the label of non-digits


def label_name(label: int) -> str:
    """``7``, or ``no digit``."""
    return "no digit" if label == NO_DIGIT else str(label)
