"""Picture files that no program writes: made by hand to take time or memory from who opens them.

All are made of few bytes: tags that overlap, point to themselves or claim gigabytes; tiles of a
pixel; scans without end; texts and profiles that unpack to much; animations of many frames.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image

SIDE = 40  # px of the small pictures
COUNTS = st.sampled_from([0, 1, 2, 3, 1000, 65535, 2**20, 2**31, 2**32 - 1])
Tag = tuple[int, int, int, int]  # number, type, count, value or place


@cache
def plain() -> Image.Image:
    """A one on paper."""
    shades = np.full((SIDE, SIDE), 255, np.uint8)
    shades[8:32, 18:23] = 0
    return Image.fromarray(shades)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    (image or plain()).save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def tiff(tags: list[Tag], data: bytes, order: str = "<", following: int = 0) -> bytes:
    """A TIFF file of one directory and the data after it."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HIH", 42, 8, len(tags))
    body = b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
    return head + body + struct.pack(order + "I", following) + data


@st.composite
def tiffs(draw: st.DrawFn) -> bytes:
    """A small TIFF with tags that are changed, doubled, joined by others, and point anywhere."""
    order, pixels = draw(st.sampled_from("<>")), plain().tobytes()
    tags = {256: SIDE, 257: SIDE, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: SIDE, 279: SIDE**2}
    more = [(tag, 4, 1, value) for tag, value in tags.items()]
    numbers = st.sampled_from([*tags, 254, 266, 274, 282, 317, 320, 322, 323, 324, 325, 330, 338,
                               339, 347, 34665, 34675, 34853, 37500, 40965])  # fmt: skip
    kinds, places = st.integers(0, 18), st.one_of(st.integers(0, 2000), COUNTS)
    changes = draw(st.lists(st.tuples(numbers, kinds, COUNTS, places), max_size=6))
    more = [tag for tag in more if draw(st.integers(0, 12)) or tag[0] in (256, 257)]
    many = draw(st.sampled_from([0, 0, 900, 3000]))
    size = draw(st.sampled_from([100, 10_000, 2**20]))
    more += changes + [(50_000 + number, 7, size, 8) for number in range(many)]
    start = 10 + 12 * len(more) + 4
    more = [(t, k, c, start if t == 273 and not v else v & 0xFFFFFFFF) for t, k, c, v in more]
    return tiff(more, pixels, order, draw(st.sampled_from([0, 8, 4, 2**31])))


def tiled(side: int, tile: int) -> bytes:
    """A TIFF of tiles, all of which are the same bytes."""
    count = (side // tile) ** 2
    start = 10 + 12 * 9 + 4
    lists = struct.pack("<I", start) * count, struct.pack("<I", tile * tile) * count
    tags = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (322, 4, 1, tile), (323, 4, 1, tile), (324, 4, count, start + tile * tile),
        (325, 4, count, start + tile * tile + 4 * count),
    ]  # fmt: skip
    return tiff(tags, bytes(tile * tile) + b"".join(lists))


@st.composite
def exifs(draw: st.DrawFn) -> bytes:
    """A picture that says oddly how it lies."""
    content = draw(
        st.one_of(
            st.builds(
                lambda kind, count, value, following: tiff(
                    [(274, kind, count, value), (34665, 4, 1, 8)], b"", "<", following
                ),
                st.integers(0, 18), COUNTS, st.integers(0, 2**32 - 1), st.sampled_from([0, 8]),
            ),
            tiffs(),
        )
    )  # fmt: skip
    kind = draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    return encoded(kind, exif=(b"Exif\0\0" + content)[:65_000])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


@st.composite
def pngs(draw: st.DrawFn) -> bytes:
    """A PNG with texts and profiles that unpack to much, or more or fewer pixels than it says."""
    size = draw(st.sampled_from([10, 900_000, 2_000_000, 50_000_000]))
    packed = b"a\0\0" + zeros(size)
    extra = {
        b"zTXt": packed, b"iCCP": packed, b"iTXt": b"a\0\1\0\0\0" + zeros(size), b"eXIf": bytes(99),
        b"tEXt": b"a\0" + bytes(min(size, 2_000_000)), b"acTL": struct.pack(">II", size, 0),
        b"PLTE": bytes(768), b"tRNS": bytes(256), b"gAMA": b"\0", b"IHDR": bytes(13),
    }  # fmt: skip
    content = encoded("PNG")
    chosen = draw(st.sampled_from([*extra]))
    between = chunk(chosen, extra[chosen]) * draw(st.sampled_from([1, 2, 70]))
    place = draw(st.sampled_from([33, len(content) - 12]))  # after the header, or before the end
    content = content[:place] + between + content[place:]
    if draw(st.booleans()):
        return content
    wide, high = draw(st.sampled_from([(1, 1), (9000, 9000), (12_000, 300), (2**31 - 1, 1)]))
    depth, color = draw(st.sampled_from([(8, 0), (8, 2), (1, 0), (16, 6), (4, 3), (7, 9)]))
    header = struct.pack(">IIBBBBB", wide, high, depth, color, 0, 0, draw(st.integers(0, 1)))
    return content[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zeros(size)) + chunk(b"IEND", b"")


@st.composite
def gifs(draw: st.DrawFn) -> bytes:
    """A GIF with a screen, frames and comments of any size."""
    sides = st.sampled_from([1, 40, 700, 12_000, 65_535])
    screen, frame = draw(st.tuples(sides, sides)), draw(st.tuples(sides, sides))
    flags = draw(st.sampled_from([0, 0x80, 0x87]))
    content = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, draw(st.integers(0, 255)), 0)
    content += bytes(range(256))[: 3 * 2 ** ((flags & 7) + 1)] if flags & 0x80 else b""
    content += (b"!\xfe" + (b"\xffc" + bytes(254)) * 40 + b"\0") * draw(st.integers(0, 2))
    for _ in range(draw(st.sampled_from([1, 2, 500]))):
        content += b"!\xf9\4\0\0\0\0\0," + struct.pack("<HHHHB", 0, 0, *frame, 0)
        content += b"\2\2\x44\1\0"
    return content + b";"


@st.composite
def scans(draw: st.DrawFn) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    side = draw(st.sampled_from([40, 700, 3000]))
    first, *rest = encoded("JPEG", plain().resize((side, side)), progressive=True).split(
        b"\xff\xda"
    )
    last = rest[-1][:-2]
    again = draw(st.sampled_from([1, 30, 1000, 20_000]))
    return b"\xff\xda".join([first, *rest[:-1], *[last[:200]] * again]) + b"\xff\xd9"


@cache
def animation(kind: str, frames: int) -> bytes:
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (60, 60), np.uint8)) for _ in range(frames)]
    return encoded(kind, images[0], save_all=True, append_images=images[1:])


def files() -> st.SearchStrategy[bytes]:
    """The content of a file."""
    return st.one_of(
        tiffs(), exifs(), pngs(), gifs(), scans(),
        st.builds(tiled, st.sampled_from([64, 256, 700]), st.sampled_from([1, 4, 16])),
        st.builds(animation, st.sampled_from(["GIF", "WEBP", "PNG", "TIFF"]), st.just(200)),
    )  # fmt: skip
