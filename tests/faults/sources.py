"""What a server of data sets has, in small."""

from __future__ import annotations

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np
from pen_files import pen_text, unipen_folder

from digitlib.datasets import pendigits


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


def write_sources(folder: Path, version: int = 0) -> None:
    """MNIST in small, pendigits' test file, UNIPEN by one donor; those of a version differ."""
    random = np.random.RandomState(version)
    for part in ("train", "t10k"):
        images, labels = random.randint(0, 256, (50, 28, 28)), np.arange(50) % 10
        for kind, head, values in (
            ("images-idx3-ubyte", struct.pack(">4i", 0x803, 50, 28, 28), images),
            ("labels-idx1-ubyte", struct.pack(">2i", 0x801, 50), labels),
        ):
            content = head + values.astype(np.uint8).tobytes()
            (folder / f"{part}-{kind}").write_bytes(content)
            (folder / f"{part}-{kind}.gz").write_bytes(gzip.compress(content))
    said = f".COMMENT version {version}\n"
    (folder / f"{pendigits.TESTING}.Z").write_bytes(compress((said + pen_text()).encode()))
    with unipen_folder(folder).open("a") as ink:
        ink.write(said)
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        archive.add(folder / "unipen", "train_r01_v07-revision")
