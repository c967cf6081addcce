"""Count the tags of TIFF and EXIF and the chunks of PNG before Pillow reads them one by one.

A file may hold millions of tags, or a tile for each pixel. Pillow 13 skips tags that together have
more data than their file. Pillow 11 and 12 read them all, so their data is limited here, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from digitlib.errors import InputError

MAX_TAGS = 1_000  # of a directory; Pillow takes up to 15 µs for each
MAX_DATA = 256_000_000  # bytes of all tags of a directory; each has up to 8 for an element
MAX_TILES = 20_000  # or strips; decoding takes 4 µs for each
MAX_CHUNKS = 50_000  # of a PNG; Pillow takes 2 µs for each
PNG = b"\x89PNG\r\n\x1a\n"
STRIPS, TILES = 273, 324  # tags that list their offsets
EXIF = b"Exif\0\0"
ALONE = (0x01, *range(0xD0, 0xD9))  # JPEG's markers without a length
START_OF_SCAN = 0xDA


def check_file(content: bytes) -> None:
    """Raise InputError if the tags that Pillow reads on opening take too much time."""
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
    data = 0
    for number, (tag, count) in enumerate(_tags(content.removeprefix(EXIF))):
        data += min(8 * count, len(content))
        if number >= MAX_TAGS:
            raise InputError(
                f"The picture has more than {MAX_TAGS:,} tags: save it again as PNG or JPEG."
            )
        if tag in (STRIPS, TILES) and count > MAX_TILES:
            raise InputError(
                f"The picture has {count:,} strips or tiles; the limit is {MAX_TILES:,}. "
                "Save it again as PNG or JPEG."
            )
    if data > MAX_DATA:
        raise InputError(
            f"The picture's tags have more than {MAX_DATA / 1e6:.0f} MB. "
            "Save it again as PNG or JPEG."
        )


def _tags(content: bytes) -> Iterator[tuple[int, int]]:
    """Number and count of each tag of the first directory."""
    order = ">" if content.startswith(b"MM") else "<"
    big = content[2:4] in (b"\x2b\0", b"\0\x2b")  # BigTIFF has numbers of 8 bytes
    where, number, entry = ("Q", "Q", "H2xQ8x") if big else ("I", "H", "H2xI4x")
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
