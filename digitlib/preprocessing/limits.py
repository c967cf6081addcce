"""Refuse pictures and drawings with too many parts before they take time and memory."""

from __future__ import annotations

from digitlib.errors import InputError

ADVICE = {
    "picture": "Crop it to what you want to read, or write on plain paper.",
    "drawing": "Clear it, and draw less.",
}


def check_busy(kind: str, found: int, most: int, parts: str) -> None:
    """Raise InputError if a picture or drawing (``kind``) has more than ``most`` ``parts``."""
    if found > most:
        raise InputError(
            f"The {kind} is too busy to find a digit in: it has {found:,} {parts}; the limit is "
            f"{most:,}. {ADVICE[kind]}"
        )
