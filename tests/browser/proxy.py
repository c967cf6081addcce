"""A connection to a server with a delay in each direction, which can be cut and restored."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Line:
    """Forwards connections from its own port to ``port``, each byte ``delay`` seconds later."""

    def __init__(self, port: int, delay: float) -> None:
        self._target, self._delay = port, delay
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.is_cut = False

    def cut(self) -> None:
        """End all connections; new ones end at once."""
        self.is_cut = True
        self._run(self._end_all())

    def restore(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._loop.call_soon_threadsafe(self._server.close)
        self._run(asyncio.sleep(2 * self._delay + 0.1))  # for bytes on the way
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, *client: Any) -> None:
        if self.is_cut:
            client[1].transport.abort()
            return
        server = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {client[1], server[1]}
        await asyncio.gather(self._pass(client[0], server[1]), self._pass(server[0], client[1]))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass each piece on ``delay`` seconds after it came."""

        def deliver(data: bytes) -> None:
            if not target.is_closing():
                target.write(data) if data else target.close()

        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                self._loop.call_later(self._delay, deliver, data)
        self._loop.call_later(self._delay, deliver, b"")


@contextmanager
def line(port: int, delay: float) -> Iterator[Line]:
    """A line that is closed after use."""
    opened = Line(port, delay)
    try:
        yield opened
    finally:
        opened.close()
