"""Damaged files, and one check of them all: refused in a sentence, or read as undamaged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from digitlib.errors import DigitlibError

Damage = tuple[str, bytes]  # its kind, and the content of the file
KINDS = ("flip", "truncate", "zero", "insert", "leave out")


def damages(content: bytes, count: int, seed: int = 0) -> Iterator[Damage]:
    """``count`` contents that differ from this one, of all kinds in turn."""
    chance = random.Random(seed)
    while count:
        kind = KINDS[count % len(KINDS)]
        start = chance.randrange(len(content))
        end = min(len(content), start + chance.choice((1, 4, 64, 4096)))
        damaged = {
            "flip": bytes([content[start] ^ 1 << chance.randrange(8)]) + content[start + 1 : end],
            "truncate": b"",
            "zero": bytes(end - start),
            "insert": chance.randbytes(8) + content[start:end],
            "leave out": b"",
        }[kind]
        damaged = content[:start] + damaged + (content[end:] if kind != "truncate" else b"")
        if damaged != content:
            count -= 1
            yield kind, damaged


def judge(
    path: Path,
    damaged: Iterable[Damage],
    read: Callable[[], object],
    undamaged: object,
    named: str = "",
) -> dict[str, int]:
    """Write each damage to a file, read it, and count the outcomes.

    Args:
        path: of the file.
        damaged: contents to write there.
        read: reads the file; its result can be compared.
        undamaged: the result of the undamaged file.
        named: name in the errors instead of the file.

    Returns:
        Numbers of damages, of those refused, and of those that changed nothing.
    """
    outcomes = Counter(damages=0, refused=0, unchanged=0)
    for kind, content in damaged:
        path.write_bytes(content)
        outcomes["damages"] += 1
        case = f"{kind}, number {outcomes['damages']}"
        try:
            found = read()
        except DigitlibError as error:
            message = str(error)
            assert (named or str(path)) in message, f"{case}: {message}"
            assert "\n" not in message, f"{case}: {message}"
            outcomes["refused"] += 1
        except BaseException as error:
            raise AssertionError(f"{case}: {type(error).__name__} is no DigitlibError") from error
        else:
            assert found == undamaged, f"{case}: another result without an error"
            outcomes["unchanged"] += 1
    return dict(outcomes)
