"""Atomic writes and locks, the only way that the package writes files, and the data folder."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from modes import bound_by_modes

from digitlib import files
from digitlib.errors import WriteError
from digitlib.files import REPOSITORY, data_root, locked, to_jsonable, write_bytes

BEFORE, AFTER = b"before " * 1000, b"after " * 9000

# --- the atomic write ------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter; those of tmp_path belong to their owner alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file may grow beyond the old one, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BEFORE), hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        with bound_by_modes():
            yield
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("fault", [full_disk, read_only])
def test_a_failed_write_leaves_the_old_file_and_says_why(
    fault: Callable[[Path], AbstractContextManager[None]], folder: Path
) -> None:
    path = folder / "file"
    write_bytes(path, BEFORE)
    with fault(folder), pytest.raises(WriteError) as found:
        write_bytes(path, AFTER)
    assert re.fullmatch(rf"{path} cannot be written \(.+\): .*folder can be .*\.", str(found.value))
    assert [*folder.iterdir()] == [path]
    assert path.read_bytes() == BEFORE
    write_bytes(path, AFTER)
    assert path.read_bytes() == AFTER


WRITE = """
import sys
from pathlib import Path
from digitlib.files import write_bytes
number = 0
while True:
    write_bytes(Path(sys.argv[1]), bytes([number]) * 2_000_000)
    number = (number + 1) % 256
    print(number, flush=True)
"""


def test_killed_and_simultaneous_writers_leave_a_complete_file(folder: Path) -> None:
    path = folder / "file"
    command = [sys.executable, "-c", WRITE, str(path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
        content = path.read_bytes()
        assert len(content) == 2_000_000
        assert len({*content}) == 1
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    content = path.read_bytes()
    assert (len(content), len({*content})) == (2_000_000, 1)


def test_abandoned_partial_files_are_removed_and_others_stay(folder: Path) -> None:
    abandoned, recent = (folder / f".file.{number}-1.partial" for number in (1, 2))
    abandoned.touch()
    recent.touch()
    os.utime(abandoned, (0, 0))
    write_bytes(folder / "file", b"whole")
    assert {*folder.iterdir()} == {recent, folder / "file"}


def test_a_lock_is_held_by_one_and_says_that_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "LOCK_PATIENCE", 0.01)
    held, released, order = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        with locked(tmp_path / "below" / "lock", "waiting for the first"):
            held.set()
            released.wait()
            order.append("first")

    first = threading.Thread(target=work)
    first.start()
    held.wait()
    threading.Timer(0.2, released.set).start()
    with locked(tmp_path / "below" / "lock", "waiting for the first"):
        order.append("second")
    first.join()
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "waiting for the first\n"


# --- the only way ----------------------------------------------------------------------------

WRITING = re.compile(
    r"write_bytes|write_text|save|savez|savez_compressed|savefig|save_file|tofile|dump|rename|move"
    r"|to_(csv|parquet|excel|pickle|html|feather)|urlretrieve|extract|extractall|unpack_archive"
    r"|copyfile|copy2|copytree|copyfileobj|mkstemp|NamedTemporaryFile|execute_notebook|retrieve"
)
ALLOWED = {
    "files.py": {"partial.open", "partial.replace"},  # the atomic write itself
    # downloads into a temporary folder, moved when they are checked
    "datasets/fashion.py": {"path.replace"},
    "datasets/mnist.py": {"path.replace"},
    "datasets/pendigits.py": {"pooch.retrieve", "unpacked.replace"},
    "datasets/unipen.py": {"pooch.retrieve", "archive.extract", "folder.rename", "top.rename"},
}
# Calls that write into memory, or end in write_bytes, or write nothing.
HARMLESS = {
    "picture.reduce(-(-max(picture.size) // MAX_SIDE)).save",
    "runs.rename",
    "Image.fromarray(pad.picture()).save",
    "np.savez_compressed",
    "papermill.execute_notebook",
    "self._history.replace",
    "both.to_csv",
    "self.replace",
    "picture.save",
    "figure.savefig",
    "image.save",
    "labels.save",
    "run.save",
}


def may_write(call: ast.Call) -> bool:
    """Whether Python writes files by this call; digitlib's own are functions, not methods."""
    name = ast.unparse(call.func).rpartition(".")[2]
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    if name == "open":
        modes = [text for text in texts if isinstance(text, str) and re.match("[rwaxbt+]+$", text)]
        return ast.unparse(call.func) == "os.open" or any(set("wax+") & {*mode} for mode in modes)
    if name == "replace":  # of a path: one argument
        return isinstance(call.func, ast.Attribute) and len(values) == 1 and not texts
    return isinstance(call.func, ast.Attribute) and bool(WRITING.fullmatch(name))


def test_every_file_is_written_by_the_atomic_write() -> None:
    package = REPOSITORY / "digitlib"
    for path in package.rglob("*.py"):
        calls = (n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Call))
        found = {ast.unparse(call.func) for call in calls if may_write(call)}
        name = path.relative_to(package).as_posix()
        assert found - HARMLESS <= ALLOWED.get(name, set()), f"{name}: use files.write_bytes"


# --- folders and values ----------------------------------------------------------------------


def test_the_data_folder_is_the_argument_then_the_variable_then_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path / "variable"))
    assert data_root(str(tmp_path)) == tmp_path
    assert data_root() == tmp_path / "variable"
    monkeypatch.setenv("DIGITLIB_DATA", "")
    monkeypatch.chdir(tmp_path)  # a notebook's folder doesn't matter
    assert data_root() == REPOSITORY / "data"


def test_an_installed_package_keeps_data_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "REPOSITORY", tmp_path / "site-packages")
    for name in ("DIGITLIB_DATA", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root() == tmp_path / ".local" / "share" / "digitlib"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "mine"))
    assert data_root() == tmp_path / "mine" / "digitlib"


def test_values_become_json(tmp_path: Path) -> None:
    value = {1: np.float32(0.5), "a": np.arange(2), "b": (math.nan, True, None)}
    assert to_jsonable(value) == {"1": 0.5, "a": [0, 1], "b": [None, True, None]}
    files.write_json(tmp_path / "file", {"b": 1, "a": 2})
    assert [*json.loads((tmp_path / "file").read_text(encoding="utf-8"))] == ["a", "b"]
    with pytest.raises(TypeError, match="numbers, strings, lists and dicts"):
        to_jsonable(object())
