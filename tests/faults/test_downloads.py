"""Downloads from a server of the test's own: one at a time, complete or not at all, after kills."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pen_files import compress, pen_text, unipen_folder

from digitlib.datasets import catalog, mnist, pendigits
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import REPOSITORY

SETS = {"mnist": "MNIST", "pendigits": "pendigits-orig", "unipen": "unipen"}  # and their folders

PENS = "pendigits-orig.tra"

# A process loads a set from the server. The files are small; UNIPEN's digests are unknown.
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
pendigits.URL = f"{url}/pendigits-orig.tra.Z"
pendigits.SHA256 = hashlib.sha256(Path(there, "pendigits-orig.tra").read_bytes()).hexdigest()
unipen.ARCHIVE_URL, unipen.DIGESTS = f"{url}/archive.tar.gz", {}
print(catalog.load(name, "test" if name == "mnist" else "validation", here).digest)
"""


def write_sources(folder: Path) -> None:
    """Small files of MNIST and pendigits, and UNIPEN by one donor."""
    for part in ("train", "t10k"):
        images, labels = np.random.RandomState(0).randint(0, 256, (50, 28, 28)), np.arange(50) % 10
        for kind, head, values in (
            ("images-idx3-ubyte", struct.pack(">4i", 0x803, 50, 28, 28), images),
            ("labels-idx1-ubyte", struct.pack(">2i", 0x801, 50), labels),
        ):
            content = head + values.astype(np.uint8).tobytes()
            (folder / f"{part}-{kind}").write_bytes(content)
            (folder / f"{part}-{kind}.gz").write_bytes(gzip.compress(content))
    (folder / PENS).write_text(pen_text(), encoding="ascii")
    (folder / f"{PENS}.Z").write_bytes(compress(pen_text().encode()))
    unipen_folder(folder)
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        archive.add(folder / "unipen", "train_r01_v07-revision")


class Server(ThreadingHTTPServer):
    """Counts requests; sends the second half of a file only while ``open`` is set.

    Attributes:
        requests: number of requests of each file.
        halfway: set when half a file was sent.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.requests: Counter[str] = Counter()
        self.open, self.halfway = threading.Event(), threading.Event()
        self.open.set()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.server.requests[self.path.strip("/")] += 1
        super().do_GET()

    def copyfile(self, source: object, outputfile: object) -> None:
        content = source.read()  # type: ignore[attr-defined]
        half = len(content) // 2
        try:
            outputfile.write(content[:half])  # type: ignore[attr-defined]
            outputfile.flush()  # type: ignore[attr-defined]
            self.server.halfway.set()
            self.server.open.wait(60)
            time.sleep(0.05)  # other processes ask meanwhile
            outputfile.write(content[half:])  # type: ignore[attr-defined]
        except ConnectionError:
            self.close_connection = True  # the other end was killed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "there").mkdir()
    write_sources(tmp_path / "there")
    with Server(tmp_path / "there") as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.open.set()
        serving.shutdown()
        thread.join()


def start(name: str, server: Server, folder: Path) -> subprocess.Popen[str]:
    environment = {"DIGITLIB_CACHE": str(folder / "cache"), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", LOAD, name, server.url, folder / "there", folder / "here"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | environment, text=True, **pipes)


def left(folder: Path) -> list[str]:
    """Names in the data folder, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.mark.stress
@pytest.mark.parametrize("name", SETS)
def test_a_killed_download_is_repeated_once_by_those_who_wait(
    name: str, server: Server, tmp_path: Path
) -> None:
    server.open.clear()
    killed = start(name, server, tmp_path)
    assert server.halfway.wait(120)
    waiting = [start(name, server, tmp_path) for _ in range(3)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "here" / SETS[name]).exists()
    server.open.set()
    outputs = [process.communicate() for process in waiting]
    assert [process.returncode for process in waiting] == [0] * 3, outputs
    assert len({output for output, _ in outputs}) == 1
    assert max(server.requests.values()) <= 4  # two downloads; torchvision asks twice
    assert left(tmp_path / "here") == [SETS[name]]


# --- in this process -------------------------------------------------------------------------


@pytest.fixture
def pens(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder; pendigits' file is on the server."""
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pendigits, "URL", f"{server.url}/{PENS}.Z")
    known = hashlib.sha256((tmp_path / "there" / PENS).read_bytes()).hexdigest()
    monkeypatch.setattr(pendigits, "SHA256", known)
    return tmp_path / "here"


def test_a_damaged_file_is_replaced_by_the_command_in_the_error(pens: Path) -> None:
    undamaged = catalog.load("pendigits", "validation", pens).digest
    path = pens / "pendigits-orig" / PENS
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataDamagedError, match="python -m digitlib data pendigits"):
        catalog.load("pendigits", "validation", pens)
    catalog.fetch("pendigits", pens)
    assert catalog.load("pendigits", "validation", pens).digest == undamaged
    assert left(pens) == ["pendigits-orig"]


def test_a_damaged_download_leaves_the_old_file(pens: Path, tmp_path: Path) -> None:
    undamaged = catalog.load("pendigits", "validation", pens).digest
    source = tmp_path / "there" / f"{PENS}.Z"
    whole = source.read_bytes()
    for content in (whole[:-200], whole[: len(whole) // 2], b"<html>not here</html>"):
        source.write_bytes(content)
        with pytest.raises((DataDamagedError, DataMissingError), match=r"pendigits-orig\.tra"):
            catalog.fetch("pendigits", pens)
        assert catalog.load("pendigits", "validation", pens).digest == undamaged
    assert left(pens) == ["pendigits-orig"]


def test_mnist_of_another_content_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(MNIST, "resources", [(name, None) for name, _ in MNIST.resources])
    with pytest.raises(DataDamagedError, match="train-images-idx3-ubyte is truncated or altered"):
        catalog.fetch("mnist", tmp_path / "here")
    assert left(tmp_path / "here") == []
    for name in mnist.MNIST_FILES:
        known = hashlib.sha256((tmp_path / "there" / name).read_bytes()).hexdigest()
        monkeypatch.setitem(mnist.MNIST_FILES, name, known)
    catalog.fetch("mnist", tmp_path / "here")
    assert left(tmp_path / "here") == ["MNIST"]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", SETS)
def test_a_download_without_network_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="by hand"):
        catalog.fetch(name, tmp_path)
    assert left(tmp_path) == []
