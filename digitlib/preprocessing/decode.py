"""Decode picture files and PIL images into upright arrays, within limits checked beforehand.

Large pictures are reduced while they are decoded (JPEG) or strip by strip.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import InputError
from digitlib.preprocessing.tags import check_file, check_tags

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF or HEIC"
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # Pillow's names; HEIC is "HEIF"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1")  # ISO 23008-12
MAX_SIDE = 12_000  # px; a larger picture is refused before it fills the memory
WORK_SIDE = 640  # px; larger pictures are reduced to about this size by area averaging
MAX_BYTES = 64 * 2**20  # of a file
MAX_DECODED = 256 * 10**6  # bytes of a decoded picture
BYTES = {"1": 1, "L": 1, "P": 1, "RGB": 4, "RGBA": 4}  # per pixel, by mode
OTHER_BYTES = 16  # per pixel of other modes, with its copies in floating point
# Pixels of pictures that take more time or memory: progressive JPEG, slow formats, Python decoders.
MAX_PROGRESSIVE, MAX_SLOW, MAX_IN_PYTHON = 40_000_000, 16_000_000, 250_000
SLOW = ("WEBP", "HEIF")
STRIP = 2**22  # pixels that are converted at once
MAX_SCANNED = 1.6e9  # pixels of all scans of a JPEG, which may have thousands of a few bytes
SCAN = b"\xff\xda"
ORIENTATION = 0x0112  # number of the EXIF tag
EXIF_SOURCES = ("exif", "Raw profile type exif")  # names in Pillow's ``info``
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")


def read_pixels(source: str | os.PathLike[str] | bytes | Image) -> NDArray[Any]:
    """Read a file of the ``KINDS``, its content or a PIL image as an upright array, reduced.

    Raises:
        InputError: it cannot be read; the message names the file.
    """
    if not isinstance(source, str | os.PathLike | bytes):
        check_size(source.width, source.height)
        with _wrap_errors("The PIL image"):
            return _read(source)
    with opened(source) as image:
        check_size(image.width, image.height)
        if image.format in ("JPEG", "MPO") and not image.info.get("progressive"):
            # Decode at 1/2, 1/4 or 1/8 if that divides the reduction that follows. Decoders keep
            # progressive pictures whole in any case.
            factor = max(image.size) // WORK_SIDE
            scale = next((s for s in (8, 4, 2) if factor >= s and factor % s == 0), 1)
            if scale > 1:
                size = image.width // scale, image.height // scale
                image.draft(None, size)  # type: ignore[arg-type]
        return _read(image)


@contextmanager
def opened(source: str | os.PathLike[str] | bytes) -> Iterator[Image]:
    """The picture in a regular file, not decoded yet; arguments and errors as `read_pixels`."""
    from PIL import Image as PILImage

    name = "The file" if isinstance(source, bytes) else os.fspath(source)
    with _wrap_errors(name):
        if isinstance(source, bytes):
            content = source
        else:
            if not stat.S_ISREG(os.stat(source).st_mode):
                raise InputError(f"{name} cannot be read as a picture: it is not a regular file.")
            with open(source, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(
                f"{name} is too large: the limit is {MAX_BYTES / 1e6:.0f} MB. "
                "Make the picture smaller, or save it as JPEG."
            )
        check_file(content)
        formats: tuple[str, ...] = FORMATS
        if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
            formats = ("HEIF",)
            _register_heif()
        try:
            image = PILImage.open(io.BytesIO(content), formats=formats)
        except PILImage.UnidentifiedImageError as error:
            message = f"{name} cannot be read as a picture: it is not a {KINDS} file."
            raise InputError(message) from error
        with image:
            yield image


def read_open(file: Any) -> bytes:
    """Read an open binary file from its position on, up to one byte over the limit of a file.

    Raises:
        InputError: it is closed, or in text mode.
    """
    with _wrap_errors("The open file"):
        content = None if hasattr(file, "encoding") else file.read(MAX_BYTES + 1)
    if not isinstance(content, bytes):
        raise InputError('The open file has no bytes: open it with mode "rb", or pass its content.')
    return content


def _register_heif() -> None:
    """Let Pillow read HEIC, the photos of phones; InputError if pi-heif is missing."""
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        raise InputError(
            "Reading HEIC pictures needs pi-heif, which isn't installed: pip install pi-heif, or "
            "save the picture as JPEG."
        ) from error
    register_heif_opener()


def check_size(width: int, height: int) -> None:
    """Raise InputError if a picture has too many pixels a side."""
    if max(width, height) > MAX_SIDE:
        raise InputError(
            f"The picture is {width} x {height} px; the limit is {MAX_SIDE} px a side. "
            "Make it smaller, or crop it to the digit."
        )


@contextmanager
def _wrap_errors(name: str) -> Iterator[None]:
    """Turn all errors of a decoder into InputError; decoders raise errors of every class."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name} cannot be read: there is no such file.") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name} cannot be read as a picture: {reason}. Save it again as PNG or JPEG."
        ) from error


def _check_cost(image: Image) -> None:
    """Raise InputError if decoding would take too much time or memory."""
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
    scans, pixels = 1, image.width * image.height
    file = getattr(image, "fp", None)
    if image.format in ("JPEG", "MPO") and file is not None:  # each scan decodes all pixels
        place = file.tell()
        file.seek(0)
        scans = file.read(MAX_BYTES).count(SCAN)
        file.seek(place)
    if pixels * scans > MAX_SCANNED:
        raise InputError(
            f"The picture has {scans:,} scans: decoding it would take too long. "
            "Save it again as PNG or JPEG."
        )
    if pixels > most:
        raise InputError(
            f"The picture has {pixels / 1e6:.1f} megapixels; the limit for its kind is "
            f"{most / 1e6:g}. Make it smaller, or crop it to the digit."
        )


def _read(image: Image) -> NDArray[Any]:
    """The pixels: uint8, or float for deeper modes."""
    from PIL import Image as PILImage

    _check_cost(image)
    if image.mode in DEEP:
        values = np.asarray(_upright(image), np.float32)
        if not np.isfinite(values).all():
            raise InputError("The picture has NaN or infinite values: clean it first.")
        top = float(values.max(initial=0))
        full = 1.0 if top <= 1 else 255.0 if top <= 255 else 65535.0
        return np.maximum(values / full, 0)
    transparent = "A" in image.getbands() or "transparency" in image.info
    mode = "RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB"
    factor = max(image.size) // WORK_SIDE
    if factor < 2:
        upright = _upright(image)
        return np.asarray(upright if upright.mode == mode else upright.convert(mode))
    rows = factor * max(STRIP // (factor * image.width), 1)
    strips = []
    for top_row in range(0, image.height, rows):
        strip = image.crop((0, top_row, image.width, min(top_row + rows, image.height)))
        strip = strip if strip.mode == mode else strip.convert(mode)
        strips.append(np.asarray(strip.reduce(factor)))  # area averaging, in C
    small = PILImage.fromarray(np.concatenate(strips))
    return np.asarray(_upright(small, _orientation(image)))


def _upright(image: Image, orientation: int | None = None) -> Image:
    """The image, decoded and turned by its EXIF orientation, or by the one given."""
    from PIL.Image import Transpose

    image.load()
    turn = TURNS.get(_orientation(image) if orientation is None else orientation)
    return image.transpose(Transpose[turn]) if turn else image


def _orientation(image: Image) -> int:
    """The EXIF orientation; 1, upright, if there is none."""
    for name in EXIF_SOURCES:
        if stored := image.info.get(name):
            if isinstance(stored, str):  # old programs store it in PNG files as hexadecimal text
                stored = bytes.fromhex("".join(stored.split("\n")[3:]))
            check_tags(stored)
    found = image.getexif().get(ORIENTATION, 1)
    return found if isinstance(found, int) else 1
