"""Picture files and PIL images become upright arrays, within limits known before decoding.

Large pictures are reduced while they are decoded (JPEG) or strip by strip.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import InputError
from digitlib.preprocessing.formats import FORMATS, KINDS, teach_pillow
from digitlib.preprocessing.tags import check_file, check_tags

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 64 * 2**20  # of a file
MAX_DECODED = 256 * 10**6  # bytes of a decoded picture
BYTES = {"1": 1, "L": 1, "P": 1, "RGB": 4, "RGBA": 4}  # of a pixel, by mode
OTHER_BYTES = 16  # of a pixel of other modes, with its copies in floating point
# Pixels of what takes longer or more memory: progressive JPEG, these formats, decoders in Python.
MAX_PROGRESSIVE, MAX_SLOW, MAX_IN_PYTHON = 40_000_000, 16_000_000, 250_000
SLOW = ("WEBP", "HEIF")
STRIP = 2**22  # pixels that are converted at once
MAX_SCANNED = 1.6e9  # pixels of all scans of a JPEG, which may have thousands of a few bytes
SCAN = b"\xff\xda"
ORIENTATION = 0x0112  # EXIF's number of it
EXIF_SOURCES = ("exif", "Raw profile type exif")  # names in Pillow's ``info``
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")

CheckSize = Callable[[int, int], None]


def read_file(source: str | os.PathLike[str] | bytes, side: int, check: CheckSize) -> NDArray[Any]:
    """A path, or the content of a file, as an upright array, reduced towards ``side``.

    Args:
        source: a regular file of the ``KINDS``, or its content.
        side: px.
        check: raises InputError where width and height are too large.

    Raises:
        InputError: it cannot be read; the message names the file.
    """
    with opened(source) as image:
        check(image.width, image.height)
        if image.format in ("JPEG", "MPO") and not image.info.get("progressive"):
            _draft(image, side)  # progressive ones are kept whole by their decoder, drafted or not
        _limit(image)
        return _read(image, side)


@contextmanager
def opened(source: str | os.PathLike[str] | bytes) -> Iterator[Image]:
    """The picture in a file, not decoded yet; arguments and errors as :func:`read_file`."""
    from PIL import Image as PILImage

    name = "The file" if isinstance(source, bytes) else os.fspath(source)
    with _refusing(name), _opened(source, name) as file:
        kinds = ("HEIF",) if teach_pillow(file) else FORMATS
        check_file(file.read())
        file.seek(0)
        try:
            image = PILImage.open(file, formats=kinds)
        except PILImage.UnidentifiedImageError as error:
            raise InputError(f"{name} cannot be read as a picture: it is no {KINDS}.") from error
        with image:
            yield image


def read_image(image: Image, side: int, check: CheckSize) -> NDArray[Any]:
    """As :func:`read_file`, of a PIL image."""
    check(image.width, image.height)
    with _refusing("The PIL image"):
        _limit(image)
        return _read(image, side)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes an InputError: decoders raise errors of every class."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name} cannot be read: there is no such file.") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name} cannot be read as a picture: {reason}. Save it anew as PNG or JPEG."
        ) from error


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes, name: str) -> Iterator[BinaryIO]:
    """A regular file of at most ``MAX_BYTES``."""
    status = None if isinstance(source, bytes) else os.stat(source)
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise InputError(f"{name} cannot be read as a picture: it is no regular file.")
    size = len(source) if isinstance(source, bytes) else status.st_size if status else 0
    if size > MAX_BYTES:
        raise InputError(
            f"{name} has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read. "
            "Make the picture smaller, or save it as JPEG."
        )
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        yield file


def _limit(image: Image) -> None:
    """InputError where decoding takes too much time or memory."""
    from PIL import Image as PILImage

    if image.format is None:  # it was made in memory, or is decoded already
        return
    most = MAX_DECODED // BYTES.get(image.mode, OTHER_BYTES)
    if image.info.get("progressive"):
        most = MAX_PROGRESSIVE
    if image.format in SLOW:
        most = MAX_SLOW
    if any(tile[0] in PILImage.DECODERS for tile in getattr(image, "tile", ())):
        most = MAX_IN_PYTHON
    if image.width * image.height * _scans(image) > MAX_SCANNED:
        raise InputError(
            f"The picture has {_scans(image):,} scans: decoding it would take too long. "
            "Save it anew as PNG or JPEG."
        )
    if image.width * image.height > most:
        raise InputError(
            f"The picture has {image.width * image.height / 1e6:.1f} megapixels; of its kind at "
            f"most {most / 1e6:g} are read. Make it smaller, or crop it to the digit."
        )


def _scans(image: Image) -> int:
    """How many times a JPEG's pixels are decoded."""
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG", "MPO") or file is None:
        return 1
    place = file.tell()
    file.seek(0)
    count: int = file.read(MAX_BYTES).count(SCAN)
    file.seek(place)
    return count


def _draft(image: Image, side: int) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8 where that divides the reduction to come."""
    factor = max(image.size) // side
    for scale in (8, 4, 2):
        if factor >= scale and factor % scale == 0:
            image.draft(None, (image.width // scale, image.height // scale))  # type: ignore[arg-type]
            return


def _read(image: Image, side: int) -> NDArray[Any]:
    """The pixels: uint8, or float where they are deeper."""
    from PIL import Image as PILImage

    if image.mode in DEEP:
        return _deep(np.asarray(_upright(image), np.float32))
    transparent = "A" in image.getbands() or "transparency" in image.info
    mode = "RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB"
    factor = max(image.size) // side
    if factor < 2:
        upright = _upright(image)
        return np.asarray(upright if upright.mode == mode else upright.convert(mode))
    rows = factor * max(STRIP // (factor * image.width), 1)
    strips = []
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip = strip if strip.mode == mode else strip.convert(mode)
        strips.append(np.asarray(strip.reduce(factor)))  # area averaging, in C
    small = PILImage.fromarray(np.concatenate(strips))
    return np.asarray(_upright(small, _orientation(image)))


def _upright(image: Image, orientation: int | None = None) -> Image:
    """The image, decoded and turned as its EXIF data, or ``orientation``, say."""
    from PIL.Image import Transpose

    image.load()
    turn = TURNS.get(_orientation(image) if orientation is None else orientation)
    return image.transpose(Transpose[turn]) if turn else image


def _orientation(image: Image) -> int:
    """EXIF's number of how a picture lies; 1, upright, where there is none."""
    for name in EXIF_SOURCES:
        if stored := image.info.get(name):
            check_tags(_as_exif(stored))
    found = image.getexif().get(ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def _as_exif(stored: Any) -> bytes:
    """EXIF data, perhaps as hexadecimal text, in which old programs keep it in PNG files."""
    return bytes.fromhex("".join(stored.split("\n")[3:])) if isinstance(stored, str) else stored


def _deep(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Deep greyscale as 0-1."""
    if not np.isfinite(values).all():
        raise InputError("The picture has NaN or infinite values: clean it first.")
    top = float(values.max(initial=0))
    full = 1.0 if top <= 1 else 255.0 if top <= 255 else 65535.0
    return np.maximum(values / full, 0)
