"""Files made by hand to take time or memory are refused before anything is decoded."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest
from crafted import chunk, encoded, plain, tiff, tiled
from helpers import to_image
from PIL import Image

from digitlib.errors import InputError
from digitlib.preprocessing.tags import MAX_TILES, check_tags


def many_tags(count: int) -> bytes:
    """TIFF content with tags of 60 kB each, all of the same bytes."""
    return tiff([(50_000 + number, 7, 60_000, 8) for number in range(count)], bytes(50_000))


BOMB = many_tags(4000)
OVERLAPPING = tiff([(50_000 + n, 7, 6_000_000, 8) for n in range(60)], bytes(6_000_000))
BIG = b"II\x2b\0\x08\0\0\0" + struct.pack("<QQ", 16, 300_000) + bytes(6_000_000)  # BigTIFF


def segments(content: bytes) -> bytes:
    """A JPEG with EXIF data in as many segments as they need."""
    pieces = [content[start : start + 60_000] for start in range(0, len(content), 60_000)]
    parts = [b"Exif\0\0" + piece for piece in pieces]
    marked = [b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part for part in parts]
    whole = encoded("JPEG")
    return whole[:2] + b"".join(marked) + whole[2:]


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG that repeats its last scan so many times."""
    first, *rest = encoded("JPEG", plain().resize((side, side)), progressive=True).split(
        b"\xff\xda"
    )
    return b"\xff\xda".join([first, *rest[:-1], *[rest[-1][:-2]] * count]) + b"\xff\xd9"


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (BOMB, "more than 1,000 tags"),
        (BIG, "more than 1,000 tags"),
        (segments(BOMB), "more than 1,000 tags"),
        (OVERLAPPING, "tags have more than 256 MB"),
        (encoded("PNG", exif=b"Exif\0\0" + BOMB), "more than 1,000 tags"),
        (encoded("WEBP", exif=b"Exif\0\0" + BOMB), "more than 1,000 tags"),
        (tiled(700, 1), "490,000 strips or tiles"),
        (scans(3000, 400), "40[0-9] scans"),
        (encoded("PNG")[:33] + chunk(b"teXt", b"") * 60_000, "more than 50,000 chunks"),
    ],
    ids=["TIFF", "BigTIFF", "JPEG", "data", "PNG", "WebP", "tiles", "scans", "chunks"],
)
def test_bombs_are_refused_unread(content: bytes, advice: str) -> None:
    tracemalloc.start()
    with pytest.raises(InputError, match=advice):
        to_image(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20e6


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pillow_limits_the_data_of_fewer_tags(kind: str) -> None:
    content = encoded(kind, exif=b"Exif\0\0" + many_tags(900))
    tracemalloc.start()
    to_image(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20e6


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_of_a_whole_file_are_accepted_up_to_the_limit(order: str) -> None:
    check_tags(tiff([(273, 4, MAX_TILES, 99)], bytes(4 * MAX_TILES), order))
    with pytest.raises(InputError, match="20,001 strips"):
        check_tags(tiff([(273, 4, MAX_TILES + 1, 99)], b"", order))
    check_tags(b"II*\0\xff\xff\xff\xff")  # what is none is Pillow's to refuse
    check_tags(b"")


def test_whole_files_are_read_as_before() -> None:
    expected = to_image(plain())
    for content in (tiled_one(), scans(40, 3), segments(tiff([(274, 3, 1, 1)], b""))):
        assert np.abs(to_image(content).astype(int) - expected).mean() < 4


def tiled_one() -> bytes:
    return encoded("TIFF", plain(), compression="tiff_lzw", strip_size=80)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("stored", [0, 1, 9, 77, 6])
def test_how_a_picture_lies_is_believed_where_it_is_1_to_8(kind: str, stored: int) -> None:
    exif = Image.Exif()
    exif[274] = stored
    found = to_image(encoded(kind, plain().convert("RGB"), exif=exif))
    turned = plain().transpose(Image.Transpose.ROTATE_270)
    expected = to_image(turned if stored == 6 else plain())
    assert np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("kind", ["PPM", "DDS", "BLP", "AVIF"])
def test_formats_that_are_not_listed_are_not_opened(kind: str) -> None:
    mode = {"BLP": "P", "DDS": "RGB"}.get(kind, "L")
    content = encoded(kind, plain().convert(mode)) if kind != "AVIF" else b"\0\0\0 ftypavif"
    with pytest.raises(InputError, match="it is not a PNG, JPEG"):
        to_image(content)
