"""Data files: fetched whole or not at all, by one process at a time, and known by their digests."""

from __future__ import annotations

import functools
import hashlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from digitlib.errors import DataDamagedError, WriteError
from digitlib.files import locked, write_text


def fetch_files(
    name: str, root: Path, fill: Callable[[Path], None], needed: Callable[[], bool]
) -> None:
    """Download the files of a data set, while other processes wait.

    Args:
        name: of the data set.
        root: data folder.
        fill: downloads into an empty folder below ``root``, checks, and moves the files to their
            places. What a killed process left in such a folder is removed.
        needed: asked once nobody else is downloading: another process may have been first.
    """
    waiting = f"Another process is downloading {name}: waiting for it."
    with locked(root / f".{name}.lock", waiting):
        if not needed():
            return
        for left in root.glob(f".{name}-*"):
            shutil.rmtree(left)
        with TemporaryDirectory(dir=root, prefix=f".{name}-") as partial:
            fill(Path(partial))


def check_file(path: Path, known: str | None, remedy: str) -> None:
    """Check a file by its SHA-256.

    Args:
        path: of the file.
        known: its digest. Without one, the digest found is kept beside the file, which is said, and
            counts from then on.
        remedy: the end of the error's message.

    Raises:
        DataDamagedError: the file is another.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = known or _kept_digest(path, found)
    if found != known:
        reason = f"SHA-256 {found[:12]}…, not {known[:12]}…"
        raise DataDamagedError(f"{path} is truncated or altered ({reason}): {remedy}")


def _kept_digest(path: Path, found: str) -> str:
    """The digest beside a file, in the form of ``sha256sum``; this one where there is none."""
    record = path.with_name(f"{path.name}.sha256")
    if record.exists():
        return (record.read_text(encoding="ascii", errors="replace").split() or [""])[0]
    say_unknown(path, found)
    try:
        write_text(record, f"{found}  {path.name}\n")
    except WriteError as error:
        reason = f"{record} cannot be written ({error.strerror})"
        warnings.warn(f"{reason}: damage will not show.", stacklevel=2)
    return found


@functools.cache
def say_unknown(path: Path, found: str) -> None:
    """Say once that nothing is known of a file by which damage would show."""
    warnings.warn(
        f"{path} is believed as it is (SHA-256 {found[:12]}…): no digest of it is known.",
        stacklevel=3,
    )


def refetch(name: str) -> str:
    """The remedy for a damaged file that can be downloaded."""
    return f"python -m digitlib data {name} fetches it anew."
