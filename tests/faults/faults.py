"""A disk that is full and a folder that may not be written, for the time of a block."""

from __future__ import annotations

import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path

from modes import bound_by_modes

FILLING = ".filling"


@contextmanager
def room(bytes_: int) -> Iterator[None]:
    """No file of this process and its children may end beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def half_the_room(folder: Path) -> Iterator[None]:
    """Every file ends in the middle, at half of the smallest one in the folder."""
    with room(min(len(content) for content in files(folder).values()) // 2):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in the folder may be written: by its modes."""
    inside = [folder, *folder.rglob("*")]
    before = {path: path.stat().st_mode for path in inside}
    for path in inside:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with bound_by_modes():
            yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A disk of the folder's own, with its files and no room: a tmpfs, filled up."""
    content = files(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    try:
        for name, each in content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(each)
        with suppress(OSError), folder.joinpath(f"a{FILLING}").open("wb", buffering=0) as file:
            while file.write(bytes(2**16)):
                continue
        yield
        assert files(folder) == content
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@cache
def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        with suppress(OSError, subprocess.CalledProcessError), full_disk(Path(folder)):
            return True
        return False


def files(folder: Path) -> dict[str, bytes]:
    """Content of all files by name, but for locks, which stay, and what fills the disk."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".lock", FILLING)
    }


FAULTS: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "no room": half_the_room,
    "read-only": read_only,
}
