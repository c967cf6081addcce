"""A client for requests, sockets and messages that browsers never send."""

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

import websocket

V1 = "v1.kernel.websocket.jupyter.org"
PATIENCE = 20.0  # seconds without an answer


class Reply(NamedTuple):
    """The answer to a request; status 0 without one."""

    status: int
    headers: str
    body: bytes


def ask(
    port: int,
    target: str = "/",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """One request on its own connection; the target is sent as it is."""
    head = {"Host": f"127.0.0.1:{port}", "Connection": "close"} | dict(headers or {})
    if body or method in ("POST", "PUT", "PATCH"):
        head["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    received = b""
    line = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with line, contextlib.suppress(OSError):
        line.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
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
        self, port: int, path: str, protocol: str = V1, headers: Mapping[str, str] | None = None
    ) -> None:
        given = dict(headers or {})
        self.status, self._socket = 101, websocket.WebSocket()
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(
                f"ws://127.0.0.1:{port}{path}",
                host=given.get("Host"),
                origin=given.get("Origin", f"http://127.0.0.1:{port}"),
                subprotocols=[protocol] if protocol else None,
            )
        except websocket.WebSocketBadStatusException as error:
            self.status = error.status_code
        except (websocket.WebSocketException, OSError):
            self.status = 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, payload: bytes | str) -> None:
        """Send one frame; nothing happens if the server has closed the connection."""
        binary = isinstance(payload, bytes)
        with contextlib.suppress(websocket.WebSocketException, OSError):
            kind = websocket.ABNF.OPCODE_BINARY if binary else websocket.ABNF.OPCODE_TEXT
            self._socket.send(payload, kind)

    def receive(self) -> bytes | None:
        """The next binary message; None if the connection was closed or nothing came."""
        try:
            while True:
                kind, data = self._socket.recv_data()
                if kind == websocket.ABNF.OPCODE_BINARY:
                    return bytes(data)
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    return None
        except (websocket.WebSocketException, OSError):
            return None

    def closed(self) -> bool:
        """Whether the server closes the connection in time."""
        end = time.monotonic() + PATIENCE
        while self.receive() is not None:
            pass
        return time.monotonic() < end


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
    kind: str, content: Any, *, channel: str = "shell", head: dict[str, Any] | None = None
) -> bytes:
    """A message to a kernel."""
    version = "1.0.0" if kind == "comm_open" else "2.1.0"  # of the widgets' control protocol
    parts = [head or header(kind), {}, {"version": version}, content]
    return pack(channel, [json.dumps(part).encode() for part in parts])


def old_message(kind: str, content: Any) -> str:
    """The same in the old protocol."""
    return json.dumps({
        "channel": "shell", "header": header(kind), "parent_header": {}, "metadata": {},
        "content": content, "buffers": [],
    })  # fmt: skip


class Channel(Socket):
    """A visitor's socket to the kernel."""

    def __init__(self, page: Visit, protocol: str = V1) -> None:
        path = f"/api/kernels/{page.kernel}/channels?session_id={secrets.token_hex(8)}"
        super().__init__(page.port, path, protocol)

    def say(self, kind: str, content: Any) -> list[tuple[str, Any]]:
        """Send a message; return the kinds and contents of the answers until it is processed."""
        head, found = header(kind), []
        self.send(message(kind, content, head=head))
        while (frame := self.receive()) is not None:
            (count,) = struct.unpack_from("<Q", frame)
            places = struct.unpack_from(f"<{count}Q", frame, 8)
            parts = [frame[a:b] for a, b in pairwise(places)]
            answer, parent, said = (json.loads(parts[number]) for number in (1, 2, 4))
            found.append((answer["msg_type"], said))
            mine = parent.get("msg_id") == head["msg_id"]
            if mine and said.get("execution_state") == "idle":
                return found
        raise AssertionError(f"no answer after {found[-3:]}")

    def tell(self, widget: str, data: Any) -> list[tuple[str, Any]]:
        """A message to a widget, by its id."""
        return self.say("comm_msg", {"comm_id": widget, "data": data})

    def widgets(self) -> dict[str, dict[str, Any]]:
        """The state of each widget by id, requested as a page does."""
        comm = uuid.uuid4().hex
        target = {"comm_id": comm, "target_name": "jupyter.widget.control", "data": {}}
        self.say("comm_open", target)
        said = self.tell(comm, {"method": "request_states"})
        (states,) = [
            content["data"]["states"]
            for kind, content in said
            if kind == "comm_msg" and "states" in content["data"]
        ]
        return states
