"""Labels of data sets: the digits, and the label of everything else."""

from __future__ import annotations

NO_DIGIT = 10  # the label of non-digits


def label_name(label: int) -> str:
    """The name of a label: ``7``, or ``not a digit``."""
    return "not a digit" if label == NO_DIGIT else str(label)
