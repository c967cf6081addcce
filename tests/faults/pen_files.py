"""Small files of pen drawings in the formats of UCI's pendigits and UNIPEN, and compression."""

from __future__ import annotations

from pathlib import Path

from helpers import DIGITS


def pen_text(count: int = 30) -> str:
    """A file of UCI's with these many digits."""
    lines = []
    for number in range(count):
        label = number % 10
        lines += [f'.SEGMENT DIGIT {number} ? "{label}"', f".COMMENT {label} {number // 10} 1"]
        for stroke in DIGITS[label]:
            lines += [".PEN_DOWN", *(f" {x:.0f} {-y:.0f}" for x, y in 300 * stroke), ".PEN_UP"]
    return "\n".join([*lines, ""])


def unipen_folder(root: Path) -> Path:
    """Ten digits by tos as UNIPEN; the path of their ink."""
    segments, ink, number = [], [".WRITER_ID w", ".X_POINTS_PER_MM 10", ".Y_POINTS_PER_MM 10"], 0
    for label, strokes in DIGITS.items():
        segments.append(f'.SEGMENT CHARACTER {number}-{number + len(strokes) - 1} ? "{label}"')
        number += len(strokes)
        for stroke in strokes:
            ink += [".PEN_DOWN", *(f"{x:.0f} {-y:.0f} {t}" for t, (x, y) in enumerate(99 * stroke))]
    page, path = (root / "unipen" / part for part in ("data/1a/tos/page", "include/tos/a.dat"))
    for file, lines in ((page, [".INCLUDE tos/a.dat", *segments]), (path, ink)):
        file.parent.mkdir(parents=True)
        file.write_text("\n".join([*lines, ""]), encoding="latin-1")
    return path


def compress(content: bytes) -> bytes:
    """A file as Unix ``compress`` writes it, codes of 9 to 16 bits (LZW, Welch 1984)."""
    codes: dict[bytes, int] = {bytes([value]): value for value in range(256)}
    groups: list[tuple[int, list[int]]] = [(9, [])]
    known, number = b"", 257
    for value in content:
        longer = known + bytes([value])
        if longer in codes:
            known = longer
            continue
        groups[-1][1].append(codes[known])
        if number < 1 << 16:
            codes[longer] = number
            if number == 1 << groups[-1][0] and groups[-1][0] < 16:
                groups.append((groups[-1][0] + 1, []))
            number += 1
        known = bytes([value])
    groups[-1][1].append(codes[known])
    packed = b"\x1f\x9d\x90"
    for width, numbers in groups:  # each width fills whole groups of eight codes
        whole = numbers + [0] * (-len(numbers) % 8 if width != groups[-1][0] else 0)
        bits = sum(code << width * place for place, code in enumerate(whole))
        packed += bits.to_bytes(-(-width * len(whole) // 8), "little")
    return packed
