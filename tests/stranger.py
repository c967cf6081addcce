"""A client for requests and sockets that browsers never send."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from typing import NamedTuple

import websocket

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


def open_socket(port: int, path: str, headers: Mapping[str, str]) -> int:
    """The status of a request for a WebSocket: 101 if the server opens it, 0 without an answer.

    Args:
        port: of the server on 127.0.0.1.
        path: of the socket.
        headers: of the request; without ``Origin``, the server's own is sent.
    """
    asked = websocket.WebSocket()
    asked.settimeout(PATIENCE)
    try:
        asked.connect(
            f"ws://127.0.0.1:{port}{path}",
            host=headers.get("Host"),
            origin=headers.get("Origin", f"http://127.0.0.1:{port}"),
            cookie=headers.get("Cookie"),
        )
    except websocket.WebSocketBadStatusException as error:
        return int(error.status_code)
    except (websocket.WebSocketException, OSError):
        return 0
    finally:
        asked.close()
    return 101
