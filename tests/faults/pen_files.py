"""Small files of pen drawings, in the forms of UCI's pendigits and of UNIPEN."""

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
