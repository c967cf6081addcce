"""One checksum for both formats of weights files, safetensors and ONNX.

Both formats have metadata, pairs of a name and a text. The text of ``checksum`` is a mark and the
SHA-256 of all other bytes of the file, in 64 hexadecimal digits. It is checked before a parser
reads the file, and it needs no package that knows the format.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path

from digitlib.errors import WeightsError

NAME, MARK, DIGITS = "checksum", "digitlib-sha256:", 64
PLACEHOLDER = MARK + DIGITS * "0"  # the text of ``checksum`` before :func:`add_checksum`


def add_checksum(content: bytes) -> bytes:
    """Fill in the checksum of a file's content that has a placeholder or another checksum."""
    place, found = _checksum(content)
    view = memoryview(content)
    return b"".join((view[:place], found, view[place + DIGITS :]))


def verify_checksum(content: bytes | mmap) -> None:
    """Raise WeightsError if the content of a file has no checksum or doesn't match it."""
    place, found = _checksum(content)
    if content[place : place + DIGITS] != found:
        raise WeightsError("The file is damaged: its checksum does not match its content.")


def _checksum(content: bytes | mmap) -> tuple[int, bytes]:
    """Where the digits of the checksum are, and what they must be."""
    place = content.find(MARK.encode())
    if place < 0:
        raise WeightsError(
            "The file has no checksum: it is truncated, from an earlier version, or not a weights "
            "file of digitlib."
        )
    place += len(MARK)
    with memoryview(content) as view:
        digest = hashlib.sha256(view[:place])
        digest.update(view[place + DIGITS :])
    return place, digest.hexdigest().encode()


@contextmanager
def wrap_errors(path: Path) -> Iterator[None]:
    """Turn errors about a weights file into WeightsError with its path; it must be a file."""
    try:
        if not path.is_file():
            raise WeightsError("there is no such weights file.")
        yield
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
