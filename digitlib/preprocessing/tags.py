"""Count the tags of TIFF and EXIF and the chunks of PNG before Pillow reads them one by one.

A few kB may hold thousands of tags that all point to the same bytes, or a tile for each pixel.
Pillow copies the bytes for every tag.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from digitlib.errors import InputError

MAX_TILES = 20_000  # or strips; decoding takes 4 µs for each
MAX_CHUNKS = 50_000  # of a PNG; Pillow takes 2 µs for each
PNG = b"\x89PNG\r\n\x1a\n"
MAX_BEYOND = 2**24  # bytes that tags may claim beyond their file; some programs write such tags
STRIPS, TILES = 273, 324  # tags that list their offsets
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
EXIF = b"Exif\0\0"
ALONE = (0x01, *range(0xD0, 0xD9))  # JPEG's markers without a length
START_OF_SCAN = 0xDA


def check_file(content: bytes) -> None:
    """Raise InputError if the tags that Pillow reads on opening take too much memory or time."""
    if content.startswith((b"II", b"MM")):
        check_tags(content)
    elif content.startswith(b"\xff\xd8"):
        check_tags(b"".join(_exif_segments(content)))
    elif content.startswith(PNG):
        place = len(PNG)
        for _ in range(MAX_CHUNKS + 1):
            if place + 12 > len(content):
                return
            place += 12 + int.from_bytes(content[place : place + 4], "big")
        raise InputError(
            f"The picture has more than {MAX_CHUNKS:,} chunks: save it again as PNG or JPEG."
        )


def check_tags(content: bytes) -> None:
    """Check TIFF content as :func:`check_file`; other content is accepted."""
    sizes = 0
    for tag, kind, count in _tags(content.removeprefix(EXIF)):
        sizes += count * SIZES.get(kind, 0)
        if tag in (STRIPS, TILES) and count > MAX_TILES:
            raise InputError(
                f"The picture has {count:,} strips or tiles; the limit is {MAX_TILES:,}. "
                "Save it again as PNG or JPEG."
            )
    if sizes > 2 * len(content) + MAX_BEYOND:
        raise InputError(
            "The picture is damaged: its tags are larger than its file. Save it again as PNG or "
            "JPEG."
        )


def _tags(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, type and count of each tag of the first directory."""
    order = ">" if content.startswith(b"MM") else "<"
    big = content[2:4] in (b"\x2b\0", b"\0\x2b")  # BigTIFF has numbers of 8 bytes
    where, number, entry = ("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x")
    try:
        (start,) = struct.unpack_from(order + where, content, 8 if big else 4)
        (count,) = struct.unpack_from(order + number, content, start)
        start += struct.calcsize(order + number)
        size = struct.calcsize(order + entry)
        whole = content[start : start + count * size]
        yield from struct.iter_unpack(order + entry, whole[: len(whole) // size * size])
    except (struct.error, OverflowError):
        return


def _exif_segments(content: bytes) -> Iterator[bytes]:
    """The EXIF data before a JPEG's first scan, part by part."""
    place = 2
    while place + 4 <= len(content):
        mark, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if content[place] != 0xFF or mark == 0xFF or mark in ALONE:
            place += 1  # Pillow looks for the next marker in the same way
            continue
        if mark == START_OF_SCAN:
            return
        segment = content[place + 4 : place + 2 + length]
        if segment.startswith(EXIF):
            yield segment.removeprefix(EXIF)
        place += 2 + max(length, 2)
