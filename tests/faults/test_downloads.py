"""Downloads from a server of the test's own: one at a time, whole or not at all, after any kill."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from damage import damages
from reliability import LONG, record
from sources import write_sources

from digitlib.datasets import catalog, pendigits
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import REPOSITORY

SETS = ("mnist", "pendigits", "unipen")
PROCESSES = 4
KILLS = 10 if LONG else 2

# What a process of its own runs: the sources are a server's, the files small and of no known digest
# but MNIST's, whose digests are those on the server.
LOAD = """
import hashlib, sys, warnings
from pathlib import Path
from torchvision.datasets import MNIST
from digitlib.datasets import catalog, mnist, pendigits, unipen
warnings.simplefilter("ignore")
name, url, there, here = sys.argv[1:]
MNIST.mirrors, MNIST.resources = [f"{url}/"], [(name, None) for name, _ in MNIST.resources]
for known in mnist.MNIST_FILES:
    mnist.MNIST_FILES[known] = hashlib.sha256(Path(there, known).read_bytes()).hexdigest()
pendigits.PENDIGITS_URL, pendigits.COUNTS[pendigits.TESTING] = f"{url}/", 30
unipen.ARCHIVE_URL, unipen.DIGESTS = f"{url}/archive.tar.gz", {}
split = "validation" if name == "unipen" else "test"
print(catalog.load(name, split, here).digest)
"""


class Server(ThreadingHTTPServer):
    """Counts requests; sends the second half of a file only while ``open`` is set.

    Attributes:
        requests: of each file.
        halfway: set where half a file was sent.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.requests: Counter[str] = Counter()
        self.open, self.halfway = threading.Event(), threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self.server.requests[self.path.strip("/")] += 1
        super().do_GET()

    def copyfile(self, source: object, outputfile: object) -> None:
        content = source.read()  # type: ignore[attr-defined]
        half = len(content) // 2
        outputfile.write(content[:half])  # type: ignore[attr-defined]
        outputfile.flush()  # type: ignore[attr-defined]
        self.server.halfway.set()
        self.server.open.wait(60)
        time.sleep(0.05)  # others come while it is sent
        try:
            outputfile.write(content[half:])  # type: ignore[attr-defined]
        except ConnectionError:
            self.close_connection = True  # the other end was killed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    there = tmp_path / "there"
    there.mkdir()
    write_sources(there)
    with Server(there) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.open.set()
        serving.shutdown()
        thread.join()


def start(name: str, server: Server, folder: Path) -> subprocess.Popen[str]:
    cache = {"DIGITLIB_CACHE": str(folder / "cache"), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, name, server.url, str(folder / "there"), str(folder / "here")],
        env=os.environ | cache,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    """Names in the data folder, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


PLACES = {"mnist": "MNIST", "pendigits": "pendigits-orig", "unipen": "unipen"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_processes_that_first_use_a_set_at_once_fetch_it_once(
    name: str, server: Server, tmp_path: Path
) -> None:
    alone, _ = start(name, server, elsewhere(tmp_path)).communicate()
    by_one = server.requests.copy()
    server.requests.clear()
    running = [start(name, server, tmp_path) for _ in range(PROCESSES)]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, said
    assert {output for output, _ in said} == {alone}
    assert server.requests == by_one
    assert by_one
    assert left(tmp_path / "here") == [PLACES[name]]
    record("first use", {name: {"processes": PROCESSES, "downloads": 1}})


def elsewhere(folder: Path) -> Path:
    """A folder beside it, with the same sources."""
    (folder / "other").mkdir()
    (folder / "other" / "there").symlink_to(folder / "there")
    return folder / "other"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("name", SETS)
def test_a_download_killed_in_the_middle_leaves_nothing_to_be_believed(
    name: str, server: Server, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    for _ in range(KILLS):
        server.open.clear()
        server.halfway.clear()
        killed = start(name, server, tmp_path)
        assert server.halfway.wait(60)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        server.open.set()
        server.halfway.clear()
        assert not (here / PLACES[name]).exists()
    whole = start(name, server, tmp_path)
    output, errors = whole.communicate()
    assert whole.returncode == 0, errors
    assert left(here) == [PLACES[name]]
    assert start(name, server, elsewhere(tmp_path)).communicate()[0] == output
    record("kills in downloads", {name: {"kills": KILLS, "files left short": 0}})


# --- in this process -------------------------------------------------------------------------


@pytest.fixture
def pens(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder; pendigits' test file is on the server."""
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pendigits, "PENDIGITS_URL", f"{server.url}/")
    monkeypatch.setitem(pendigits.COUNTS, pendigits.TESTING, 30)
    return tmp_path / "here"


@pytest.mark.filterwarnings("ignore:.*no digest of it is known")
def test_what_is_damaged_is_fetched_anew_by_the_command_that_the_error_names(
    pens: Path, tmp_path: Path
) -> None:
    undamaged = catalog.load("pendigits", "test", pens).digest
    path = pens / "pendigits-orig" / pendigits.TESTING
    for _, content in damages(path.read_bytes(), 6):
        path.write_bytes(content)
        with pytest.raises(DataDamagedError, match="python -m digitlib data pendigits"):
            catalog.load("pendigits", "test", pens)
        pendigits.fetch_pendigits(pens, [pendigits.TESTING])
        assert catalog.load("pendigits", "test", pens).digest == undamaged
    assert left(pens) == ["pendigits-orig"]


@pytest.mark.filterwarnings("ignore:.*no digest of it is known")
def test_a_damaged_download_leaves_what_was_there(pens: Path, tmp_path: Path) -> None:
    undamaged = catalog.load("pendigits", "test", pens).digest
    source = tmp_path / "there" / f"{pendigits.TESTING}.Z"
    whole = source.read_bytes()
    for content in (b"", whole[:-200], whole[: len(whole) // 2], b"<html>not here</html>"):
        source.write_bytes(content)
        with pytest.raises(DataDamagedError, match=r"pendigits-orig\.tes\.Z"):
            pendigits.fetch_pendigits(pens, [pendigits.TESTING])
        assert catalog.load("pendigits", "test", pens).digest == undamaged
    assert left(pens) == ["pendigits-orig"]


@pytest.mark.parametrize("name", ["letters", "notmnist", "sample"])
def test_what_is_not_downloaded_by_that_name_is_said(name: str) -> None:
    with pytest.raises(ValueError, match="mnist, pendigits, unipen are"):
        catalog.fetch(name)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", SETS)
def test_a_fetch_without_network_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="by hand"):
        catalog.fetch(name, tmp_path)
    assert left(tmp_path) == []
