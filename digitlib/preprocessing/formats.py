"""Kinds of picture files. HEIC, the photos of phones, is read by pi-heif, which may be missing."""

from __future__ import annotations

from typing import BinaryIO

from digitlib.errors import InputError

KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF or HEIC"
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # Pillow's names; HEIC is "HEIF"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1")  # ISO 23008-12


def teach_pillow(file: BinaryIO) -> bool:
    """Let Pillow read a file, opened at its start, if it is a HEIC picture; whether it is.

    Raises:
        InputError: pi-heif is missing; the message says what to do.
    """
    header = file.read(12)
    file.seek(0)
    if header[4:8] != b"ftyp" or header[8:12] not in HEIC_BRANDS:
        return False
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        raise InputError(
            "HEIC pictures are read by pi-heif, which is not installed here: pip install pi-heif, "
            "or save the picture as JPEG."
        ) from error
    register_heif_opener()
    return True
