"""Files: atomic writes, locks, folders, digests, and where a result comes from."""

from __future__ import annotations

import glob
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digitlib.errors import WriteError

REPOSITORY = Path(__file__).resolve().parent.parent
REPORTS = REPOSITORY / "reports"
NOTEBOOK_FOLDER = REPOSITORY / "notebooks"
LOCK_PATIENCE = 2.0  # s of waiting for another process before a message says so
ABANDONED = 3600.0  # s after which a partial file has no writer anymore
# Libraries that results depend on.
PACKAGES = ("digitlib", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow",
            "onnxruntime", "matplotlib", "pandas")  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the ``PACKAGES``."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found


def provenance() -> dict[str, Any]:
    """The origin of a result: code revision, library versions, machine, and time in UTC.

    ``modified`` is True if the package differs from the revision. Outside git, both are None.
    """
    head = modified = None
    git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
    with suppress(OSError, subprocess.CalledProcessError):
        head, status = (
            subprocess.check_output([*git, *command], stderr=subprocess.DEVNULL, text=True).strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "digitlib"])
        )
        modified = bool(status)
    return {
        "revision": head,
        "modified": modified,
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def default_folder() -> Path:
    """``data/`` in a checkout of the repository, else ``digitlib`` in the user's data folder."""
    if (REPOSITORY / "pyproject.toml").is_file():
        return REPOSITORY / "data"
    user = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")  # Linux, Windows
    return Path(user or Path.home() / ".local" / "share") / "digitlib"


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: ``root``, else ``$DIGITLIB_DATA``, else :func:`default_folder`."""
    return Path(root or os.environ.get("DIGITLIB_DATA") or default_folder())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file atomically: it is complete and on the disk, or it is unchanged.

    The last of several simultaneous writes wins. Partial files of killed processes are removed
    after an hour.

    Raises:
        WriteError: the file can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.partial")
    with wrap_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            with suppress(OSError):  # another process may have removed it
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(OSError):  # report the first error, not this one
                partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys; see :func:`write_bytes`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


@contextmanager
def wrap_errors(path: Path) -> Iterator[None]:
    """Turn an OSError in this block into a WriteError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold the lock file ``path``; after two seconds of waiting, print a message to stderr.

    Raises:
        WriteError: the lock file can't be created.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    with wrap_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(LOCK_PATIENCE)
        except Timeout:
            print(waiting, file=sys.stderr, flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def to_jsonable(value: Any) -> Any:
    """Convert a value for JSON: NaN becomes null, keys become strings, arrays become lists."""
    if hasattr(value, "tolist"):  # NumPy and torch, scalars too
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(to_jsonable(key)): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    raise TypeError(f"A report takes numbers, strings, lists and dicts, not {type(value)}.")


def digest(*parts: bytes | memoryview) -> str:
    """First 12 hex digits of the SHA-256 of the concatenated parts."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
