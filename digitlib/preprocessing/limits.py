"""What is too busy to be read is refused before it takes time and memory, in one sentence."""

from __future__ import annotations

from digitlib.errors import InputError

ADVICE = {
    "picture": "Crop it to what is to be read, or write on plain paper.",
    "drawing": "Clear it, and draw less.",
}


def check_busy(kind: str, found: int, most: int, parts: str) -> None:
    """InputError where a picture or drawing has more parts than are looked at.

    Args:
        kind: of ``ADVICE``.
        found: number of those parts.
        most: the limit.
        parts: their name.
    """
    if found > most:
        raise InputError(
            f"The {kind} is too busy to find a digit in: it has {found:,} {parts}, at most "
            f"{most:,} are looked at. {ADVICE[kind]}"
        )
