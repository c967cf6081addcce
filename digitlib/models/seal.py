"""ONNX files that end with their own digest, and fields of their format.

An ONNX file is a message of Protocol Buffers: what is appended is merged into it. So the digest of
all bytes before is appended as one more entry of the metadata, the *seal*, and a damaged or edited
file is refused before any parser sees it, without a package that knows the format.
"""

from __future__ import annotations

import hashlib

from digitlib.errors import WeightsError

METADATA, KEY, VALUE = 14, 1, 2  # fields of ModelProto and of its entries
SEAL_NAME = "digest"


def field(number: int, content: bytes) -> bytes:
    """A field of bytes: its number and kind, the length in groups of 7 bits, the content."""
    length, size = b"", len(content)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _seal_of(network: bytes | memoryview) -> bytes:
    found = hashlib.sha256(network).hexdigest()
    return field(METADATA, field(KEY, SEAL_NAME.encode()) + field(VALUE, found.encode()))


SEAL_SIZE = len(_seal_of(b""))


def seal(network: bytes) -> bytes:
    """The content of an ONNX file with its digest at the end."""
    return network + _seal_of(network)


def unseal(content: bytes) -> bytes:
    """The content before the seal, which is checked.

    Raises:
        WeightsError: there is none at the end, or it is another content's.
    """
    network, found = content[:-SEAL_SIZE], content[-SEAL_SIZE:]
    expected = _seal_of(network)
    if found == expected:
        return network
    if found[:-64] == expected[:-64]:
        raise WeightsError("It is damaged: its content is not as it was written.")
    raise WeightsError("It is no ONNX file of digitlib, or truncated: no digest is at its end.")
