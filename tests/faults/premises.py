"""The page and JupyterLab as strangers find them: what they may not reach, and what was tried."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import stranger
from reliability import LONG
from repository import REPOSITORY
from servers import Server
from stranger import Channel, Reply, Visit, ask

VISITORS, POOL = 4, 1
REFUSED = {400, 403, 404, 405}
LINES = 8  # requests at once
GROWTH = 400e6  # bytes that a kernel may grow by, and the server by a quarter
TOKEN = "a-token-that-strangers-do-not-know"
WHAT = (
    "tried by strangers, refused or without effect on anybody else; no code ran, no file was read"
)
RAN = "stranger-was-here"
MARK = "<img src=x onerror=alert(1)>"


@dataclass
class Premises:
    """A server under test, what it may not change, and what was tried."""

    server: Server
    folder: Path
    tried: Counter[str] = field(default_factory=Counter)

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)", self.server.url)[0])

    def process(self) -> psutil.Process:
        """Of the server itself, below make."""
        python = [self.server.process, *self.server.process.children(recursive=True)]
        return next(p for p in python if "jupyter.page" in " ".join(p.cmdline()))

    def ask_all(self, kind: str, targets: Sequence[tuple[Any, ...]]) -> list[Reply]:
        """Requests on several lines; each of ``targets`` are arguments of :func:`ask`."""
        self.tried[kind] += len(targets)
        with ThreadPoolExecutor(LINES) as pool:
            return list(pool.map(lambda each: ask(self.port, *each), targets))


def some(things: Sequence[Any] | Iterator[Any], short: int, long: int) -> list[Any]:
    """So many of them, always the same."""
    things = list(things)
    return random.Random(16).sample(things, min(long if LONG else short, len(things)))


def written(folder: Path) -> set[str]:
    """Files where a page of ours might leave some: beside notebooks, code, drawings."""
    places = REPOSITORY / "notebooks", REPOSITORY / "digitlib", folder
    found = {
        path for path in stranger.files_of(*places) if not re.search("/(drawings|config)/", path)
    }
    above = {parent / RAN for place in places for parent in place.parents}
    return found | {str(path) for path in above if path.exists()}


def code(page: Premises) -> str:
    """Python, and a shell's, that would leave a file."""
    return f"__import__('pathlib').Path({str(page.folder / RAN)!r}).touch()"


def is_shut(reply: Reply, target: str = "") -> bool:
    """Refused, or sent to the log-in page; or told which methods there are, as other sites ask."""
    if reply.status == 200 and not reply.body and "Allow-Methods: " in reply.headers:
        return "Access-Control-Allow-Origin" not in reply.headers
    to_login = reply.status == 302 and re.search(
        r"\nLocation: /(login|\S*/?)(\?|\r)", reply.headers
    )
    return reply.status in REFUSED or bool(to_login)


def memory(page: Premises, visit: Visit) -> int:
    return page.server.kernels()[visit.kernel].memory_info().rss


def assert_alive(visit: Visit) -> None:
    """The server and the kernel answer."""
    assert ask(visit.port, "/voila/static/voila.js").status == 200
    with Channel(visit) as channel:
        kinds = [each.kind for each in channel.say("kernel_info_request", {})]
        assert {"status"} <= {*kinds}
        assert len(channel.widgets()) > 50


def draws_a_seven(visit: Visit) -> str:
    """What the pad reads; what was on it before is cleared."""
    line = [(x, 80) for x in range(100, 300, 5)] + [(300 - n / 2, 80 + n) for n in range(0, 240, 5)]
    points = [[x, y, 10 * n, 0.5] for n, (x, y) in enumerate(line)]
    events = [{"do": "clear"}, {"do": "begin", "points": points}, {"do": "end"}]
    with Channel(visit) as channel:
        widgets = channel.widgets()
        (ink,) = [
            k for k, it in widgets.items()
            if it["state"].get("_anywidget_id", "").endswith("InkLayer")
        ]  # fmt: skip
        content = {"client": uuid.uuid4().hex, "first": 0, "events": events}
        channel.tell(ink, {"method": "custom", "content": content})
        texts = [str(it["state"].get("value")) for it in channel.widgets().values()]
    return "".join(found for text in texts for found in re.findall(r'"dp-digit">(\d)', text))
