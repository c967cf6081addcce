"""A client for requests, WebSocket frames and messages that browsers never send."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import struct
import time
import uuid
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

V1 = "v1.kernel.websocket.jupyter.org"
PATIENCE = 20.0  # seconds without a byte
TEXT, BINARY, CLOSE = 1, 2, 8


class Reply(NamedTuple):
    """The answer to a request; status 0 without one."""

    status: int
    headers: str
    body: bytes


def ask(
    port: int,
    target: str | bytes = "/",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = PATIENCE,
) -> Reply:
    """One request on its own connection; the target is sent as it is."""
    head = {"Host": f"127.0.0.1:{port}", "Connection": "close"} | dict(headers or {})
    if body or method in ("POST", "PUT", "PATCH"):
        head["Content-Length"] = str(len(body))
    target = target.encode("utf-8", "surrogateescape") if isinstance(target, str) else target
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    request = method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines.encode() + b"\r\n" + body
    received = b""
    line = socket.create_connection(("127.0.0.1", port), seconds)
    with line, contextlib.suppress(OSError):
        line.sendall(request)
        while more := line.recv(1 << 16):
            received += more
    head_bytes, _, content = received.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.1 (\d{3})", head_bytes)
    return Reply(int(found[1]) if found else 0, head_bytes.decode("latin-1"), content)


class Visit(NamedTuple):
    """An open page with its kernel."""

    port: int
    kernel: str

    def leave(self) -> Reply:
        """Free the kernel as the page does."""
        form = {"Cookie": "_xsrf=abc", "Content-Type": "application/x-www-form-urlencoded"}
        return ask(self.port, f"/voila/api/shutdown/{self.kernel}", "POST", form, b"_xsrf=abc")


def visit(port: int) -> Visit:
    """Open the page."""
    reply = ask(port)
    assert reply.status == 200, reply
    return Visit(port, re.findall(r'"kernelId": "([^"]*)', reply.body.decode())[0])


class Socket:
    """The page's end of a WebSocket; ``status`` is 101 if it is open."""

    def __init__(
        self,
        port: int,
        path: str,
        protocol: str = V1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), PATIENCE)
        head = {
            "Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}",
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        if protocol:
            head["Sec-WebSocket-Protocol"] = protocol
        lines = "".join(
            f"{name}: {value}\r\n" for name, value in (head | dict(headers or {})).items()
        )
        self._line.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        self._rest = b""
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in answer and (more := self._line.recv(1 << 16)):
                answer += more
        answer, _, self._rest = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        self.status = int(found[1]) if found else 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def send(self, payload: bytes | str) -> None:
        """Send one frame; nothing happens if the server has closed the connection."""
        data = payload.encode() if isinstance(payload, str) else payload
        first = bytes([0x80 | (BINARY if isinstance(payload, bytes) else TEXT)])
        if len(data) < 126:
            head = first + bytes([0x80 | len(data)])
        elif len(data) < 1 << 16:
            head = first + struct.pack("!BH", 0x80 | 126, len(data))
        else:
            head = first + struct.pack("!BQ", 0x80 | 127, len(data))
        with contextlib.suppress(OSError):
            self._line.sendall(head + bytes(4) + data)  # a mask of zeros

    def receive(self, seconds: float = PATIENCE) -> tuple[int, bytes] | None:
        """The next frame; None if the connection was closed or nothing came."""
        end = time.monotonic() + seconds
        try:
            head = self._read(2, end)
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8, end), "big")
            kind, payload = head[0] & 15, self._read(size, end)
        except OSError:
            return None
        return kind, payload

    def closed(self, seconds: float = PATIENCE) -> bool:
        """Whether the server closes the connection."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = self.receive(end - time.monotonic())
            if frame is None or frame[0] == CLOSE:
                return time.monotonic() < end
        return False

    def _read(self, count: int, end: float) -> bytes:
        while len(self._rest) < count:
            self._line.settimeout(max(end - time.monotonic(), 0.001))
            more = self._line.recv(1 << 16)
            if not more:
                raise ConnectionError
            self._rest += more
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


# --- messages of Jupyter ---------------------------------------------------------------------


def header(kind: str) -> dict[str, Any]:
    return {
        "msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "stranger", "username": "",
        "version": "5.3", "date": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def pack(channel: str, parts: Sequence[bytes]) -> bytes:
    """Parts of a message in the protocol of the page."""
    blocks = [channel.encode(), *parts]
    place = 8 * (2 + len(blocks))
    places = [place]
    for block in blocks:
        places.append(place := place + len(block))
    return b"".join([struct.pack(f"<{1 + len(places)}Q", len(places), *places), *blocks])


def message(
    kind: str,
    content: Any,
    buffers: Sequence[bytes] = (),
    *,
    channel: str = "shell",
    head: dict[str, Any] | None = None,
) -> bytes:
    """A message to a kernel."""
    parts = [head or header(kind), {}, {"version": "2.1.0"}, content]
    return pack(channel, [*(json.dumps(part).encode() for part in parts), *buffers])


def old_message(kind: str, content: Any, channel: str = "shell") -> str:
    """The same in the old protocol."""
    return json.dumps({
        "channel": channel, "header": header(kind), "parent_header": {}, "metadata": {},
        "content": content, "buffers": [],
    })  # fmt: skip


class Received(NamedTuple):
    """A message from a kernel."""

    kind: str
    parent: str  # id of the message that it answers
    content: dict[str, Any]
    buffers: list[bytes]


def unpack(frame: bytes) -> Received:
    (count,) = struct.unpack_from("<Q", frame)
    places = struct.unpack_from(f"<{count}Q", frame, 8)
    parts = [frame[a:b] for a, b in pairwise(places)]
    head, parent, content = (json.loads(parts[number]) for number in (1, 2, 4))
    return Received(head["msg_type"], parent.get("msg_id", ""), content, parts[5:])


class Channel(Socket):
    """A visitor's socket to the kernel."""

    def __init__(self, page: Visit, protocol: str = V1, session: str = "", **more: Any) -> None:
        session = session or secrets.token_hex(8)
        path = f"/api/kernels/{page.kernel}/channels?session_id={session}"
        super().__init__(page.port, path, protocol, **more)

    def wait(self, request: str, seconds: float = PATIENCE) -> list[Received]:
        """All messages until a request is done."""
        end, found = time.monotonic() + seconds, []
        while frame := self.receive(end - time.monotonic()):
            if frame[0] != BINARY:
                continue
            found.append(unpack(frame[1]))
            last = found[-1]
            if last.parent == request and last.content.get("execution_state") == "idle":
                return found
        raise AssertionError(f"no answer within {seconds} s, after {found[-3:]}")

    def say(self, kind: str, content: Any, buffers: Sequence[bytes] = ()) -> list[Received]:
        """Send a message and wait until it is processed."""
        head = header(kind)
        self.send(message(kind, content, buffers, head=head))
        return self.wait(head["msg_id"])

    def tell(self, widget: str, data: Any, buffers: Sequence[bytes] = ()) -> list[Received]:
        """A message to a widget, by its id."""
        return self.say("comm_msg", {"comm_id": widget, "data": data}, buffers)

    def widgets(self) -> dict[str, dict[str, Any]]:
        """The state of each widget by id, requested as a page does."""
        comm = uuid.uuid4().hex
        target = {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}}
        head = header("comm_open")
        parts = [head, {}, {"version": "1.0.0"}, target]
        self.send(pack("shell", [json.dumps(part).encode() for part in parts]))
        self.wait(head["msg_id"])
        said = self.tell(comm, {"method": "request_states"})
        self.say("comm_close", {"comm_id": comm, "data": {}})
        (states,) = [
            each.content["data"]["states"]
            for each in said
            if each.kind == "comm_msg" and "states" in each.content["data"]
        ]
        return states
