"""What a page may say to its kernel: events of the widgets that it shows, and nothing else."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.iostream import StreamBufferFullError
from voila.tornado.kernel_websocket_handler import (
    VoilaKernelWebsocketHandler,
    read_header_from_binary_message,
)

PROTOCOL = "v1.kernel.websocket.jupyter.org"
KINDS = {"kernel_info_request", "comm_info_request", "comm_open", "comm_msg", "comm_close"}
# A page asks by it for the widgets that are there. By other targets it could make widgets.
TARGET = "jupyter.widget.control"
FEWEST, MOST = 6, 38  # places: channel, header, parent, metadata and content, buffers, the end
LONGEST = 10_000  # bytes of a header, and of the content of what opens a comm
# A page that sends more than it draws or uploads waits; as does one that leaves answers unread.
BYTES, MESSAGES = 16e6, 500.0  # a second
UNREAD = 100_000_000  # bytes: more than the largest export


class RefusedMessageError(ValueError):
    """A page of ours does not send this."""


class CheckedMessages(ZMQChannelsWebsocketConnection):
    """The way from a page to its kernel: whoever sends what no page of ours sends is cut off."""

    def connect(self) -> Any:
        """The page is there."""
        self.websocket_handler.ws_connection.stream.max_write_buffer_size = UNREAD
        return super().connect()

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """From the page, to the kernel."""
        try:
            self._check(incoming_msg)
        except (ValueError, TypeError, AttributeError, RecursionError) as problem:
            self.log.warning("A message from a page is refused: %s", problem)
            self.websocket_handler.close()
        else:
            super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """From the kernel, to the page."""
        try:
            super().handle_outgoing_message(stream, outgoing_msg)
        except StreamBufferFullError:
            self.log.warning("A page that reads no answers is cut off.")
            self.websocket_handler.ws_connection.stream.close()

    def _check(self, message: str | bytes) -> None:
        if self.subprotocol != PROTOCOL or not isinstance(message, bytes):
            raise RefusedMessageError(f"it is not of the protocol {PROTOCOL}")
        channel, header, _, _, content = split(message)[:5]
        if len(header) > LONGEST:
            raise RefusedMessageError(f"its header has {len(header)} bytes")
        kind = self.session.unpack(header)["msg_type"]  # the kernel's parser, too
        if channel != b"shell" or kind not in KINDS:
            raise RefusedMessageError("of this kind none is allowed")
        if kind == "comm_open" and (
            len(content) > LONGEST or self.session.unpack(content)["target_name"] != TARGET
        ):
            raise RefusedMessageError("it would make a widget")


def split(message: bytes) -> list[bytes]:
    """Channel, header, parent, metadata and content of a message, and its buffers.

    A message begins with the number of its parts and the place of each. One of eight bytes could
    say that it has 2**63 parts, and parts that lie over each other could fill the server's memory.

    Raises:
        RefusedMessageError: the parts are not one behind the other, or there are too many.
    """
    count = int.from_bytes(message[:8], "little")
    start = 8 * (1 + count)
    if not FEWEST <= count <= MOST or start > len(message):
        raise RefusedMessageError(f"it cannot have {count} parts")
    places = struct.unpack_from(f"<{count}Q", message, 8)
    if [*places] != sorted(places) or places[0] != start or places[-1] > len(message):
        raise RefusedMessageError("its parts are not one behind the other")
    return [message[a:b] for a, b in pairwise(places)]


class Socket(VoilaKernelWebsocketHandler):
    """Reads a page's messages no faster than a page sends them: none piles up in the server.

    What fails is told in the pad, in a sentence; tracebacks with paths of this machine stay here.
    """

    async def on_message(self, ws_message: str | bytes) -> None:
        """The next one is read when this is done."""
        super().on_message(ws_message)
        await asyncio.sleep(max(len(ws_message) / BYTES, 1 / MESSAGES))

    def write_message(self, message: bytes, binary: bool = False) -> Any:
        """From the kernel."""
        header = read_header_from_binary_message(message) or {}
        return None if header.get("msg_type") == "error" else super().write_message(message, binary)
