"""Files: the one way to write them, locks, digests, paths, versions of the libraries."""

from __future__ import annotations

import ast
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from digitlib.errors import WriteError

REPOSITORY = Path(__file__).resolve().parent.parent
REPORTS = REPOSITORY / "reports"
NOTEBOOK_FOLDER = REPOSITORY / "notebooks"
WAITING_IS_SAID = 2.0  # s that a process waits for another one before it says so
PACKAGES = (
    "digitlib", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow",
    "onnxruntime", "matplotlib", "pandas",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found


def provenance() -> dict[str, Any]:
    """Where a result comes from: revision of the code, library versions, machine, time (UTC).

    ``modified`` says whether the package differs from the revision. Outside of git, both are None.
    """
    git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
    try:
        head, status = (
            subprocess.run([*git, *command], capture_output=True, check=True).stdout.decode()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "digitlib"])
        )
        code: dict[str, Any] = {"revision": head.strip(), "modified": bool(status.strip())}
    except (OSError, subprocess.CalledProcessError):
        code = {"revision": None, "modified": None}
    return code | {
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the argument, else ``$DIGITLIB_DATA``, else ``data/`` in the repository."""
    if root is not None:
        return Path(root)
    return Path(os.environ.get("DIGITLIB_DATA") or REPOSITORY / "data")


# --- writing -------------------------------------------------------------------------------


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file: it is whole and on the disk, or as it was.

    Processes and threads may write the same file at once: the last one's stays. What a killed
    process left of an earlier write is removed.

    Raises:
        WriteError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.partial")
    with telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(OSError):  # the first error is the one to tell
                partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON, keys sorted; see :func:`write_bytes`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """An OSError in this block is told as a WriteError of ``path``."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


def _remove_left(path: Path) -> None:
    """Remove partial files of processes that are no more."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.suffixes[-2][1:].partition("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):  # Windows does not remove what is being written
                left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether a process with this id runs; never on Windows, where asking would end it."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Alone among all that lock this file, which stays; the lock ends with its process.

    Args:
        path: of the lock's own file.
        waiting: said on stderr, once, where another process has had it for two seconds.

    Raises:
        WriteError: the file cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    with telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(WAITING_IS_SAID)
        except Timeout:
            print(waiting, file=sys.stderr, flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


# --- content -------------------------------------------------------------------------------


def to_jsonable(value: Any) -> Any:
    """``value`` as JSON has it: NaN is null, keys are strings, arrays are lists."""
    if hasattr(value, "tolist"):  # NumPy and torch, scalars too
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(to_jsonable(key)): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"A report takes numbers, strings, lists and dicts, not {type(value)}.")


def digest(*parts: bytes | memoryview) -> str:
    """First 12 hex digits of the SHA-256 over the parts, one after the other."""
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()[:12]


def syntax_digest(*sources: Path) -> str:
    """Digest of Python files by their syntax trees: docstrings and comments do not count."""
    return digest(*(_syntax(source.read_text(encoding="utf-8")).encode() for source in sources))


@cache
def _syntax(code: str) -> str:
    """The syntax tree without docstrings, as text."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
