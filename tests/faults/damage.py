"""Damaged files, and the one judgement on all: refused in a sentence, or exactly as undamaged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from digitlib.errors import DigitlibError

Damage = tuple[str, bytes]  # its kind, and the content of the file


def damages(content: bytes, count: int, seed: int = 0) -> Iterator[Damage]:
    """``count`` contents that differ from this one, of all kinds in turn."""
    chance = random.Random(seed)
    kinds = (flip, truncate, zero, swap, insert, leave_out)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        while (damaged := kind(content, chance)) == content:
            continue
        yield kind.__name__, damaged


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.choice((chance.randrange(len(content)), -chance.randint(1, 40)))]


def _part(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content))
    return start, min(len(content), start + chance.choice((1, 4, 64, 4096)))


def zero(content: bytes, chance: random.Random) -> bytes:
    start, end = _part(content, chance)
    return content[:start] + bytes(end - start) + content[end:]


def swap(content: bytes, chance: random.Random) -> bytes:
    first, second = sorted(chance.randrange(len(content)) for _ in range(2))
    size = min(64, second - first, len(content) - second)
    a, b = content[first : first + size], content[second : second + size]
    return content[:first] + b + content[first + size : second] + a + content[second + size :]


def insert(content: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(content))
    return content[:start] + chance.randbytes(chance.choice((1, 4, 64))) + content[start:]


def leave_out(content: bytes, chance: random.Random) -> bytes:
    start, end = _part(content, chance)
    return content[:start] + content[end:]


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
        read: reads the file; what it gives can be compared.
        undamaged: what it gives of the undamaged file.
        named: that errors name, in place of the file.

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
            raise AssertionError(f"{case}: {type(error).__name__} is no error of ours") from error
        else:
            assert found == undamaged, f"{case}: another result, in silence"
            outcomes["unchanged"] += 1
    return dict(outcomes)
