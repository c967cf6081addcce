"""Data files: complete downloads, one process at a time, and checks by SHA-256."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import locked


@contextmanager
def download_folder(name: str, place: Path, root: Path) -> Iterator[Path]:
    """Yield an empty folder below ``root`` to download into, while other processes wait.

    The block checks the files and moves them to their ``place``. The folder of a killed process
    is removed. A failed block becomes a :func:`missing_error` of the data set ``name``.
    """
    prefix = f".{place.relative_to(root).parts[0]}"
    try:
        with locked(
            root / f"{prefix}.lock", f"Another process is downloading {name}. Waiting for it."
        ):
            for left in root.glob(f"{prefix}-*"):
                shutil.rmtree(left)
            with TemporaryDirectory(dir=root, prefix=f"{prefix}-") as folder:
                yield Path(folder)
    except DataDamagedError:
        raise
    except Exception as error:  # of the network, archive or file system
        raise missing_error(name, place, error) from error


def missing_error(name: str, path: Path, reason: object) -> DataMissingError:
    """The error for a missing data set: its name, its place, and two remedies."""
    reason = " ".join(str(reason).split())
    return DataMissingError(
        f"{name} is not at {path}, and downloading it failed ({reason}). Either go online once, "
        "or put the files there by hand (data/README.md says which). To use another folder, set "
        "the environment variable DIGITLIB_DATA."
    )


def check_file(path: Path, known: str, remedy: str) -> None:
    """Check a file by its SHA-256.

    Args:
        path: of the file.
        known: its digest.
        remedy: the end of the error's message.

    Raises:
        DataDamagedError: the digest differs.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known:
        reason = f"SHA-256 {found[:12]}…, not {known[:12]}…"
        raise DataDamagedError(f"{path} is truncated or altered ({reason}): {remedy}")


def refetch(name: str) -> str:
    """The remedy for a damaged file that can be downloaded."""
    return f"python -m digitlib data {name} downloads it again."
