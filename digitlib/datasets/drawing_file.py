"""Stored drawings: one file of JSON lines for all notebooks, safe with several at once.

Every line is a :class:`Drawing`. Lines are appended, and the file is replaced as a whole where one
of them changes, both under a lock that other processes respect. A line that is no drawing, such as
one that a kill or a full disk cut short, is kept aside in a file of its own. No PyTorch.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from digitlib.datasets.drawing import Drawing
from digitlib.errors import DigitlibError
from digitlib.files import data_root, write_bytes

FILE, LOCK, DAMAGED = "drawings.jsonl", "drawings.lock", "damaged.jsonl"
PATIENCE = 10.0  # s to wait for the lock: writing takes milliseconds
POLL = 0.005  # s between looks at the lock
MAX_IMPORT = 64 * 2**20  # bytes
SWITCHED_OFF = "Storing drawings is switched off here (DIGITLIB_DRAWINGS is empty)."


class DrawingFileError(DigitlibError):
    """Drawings could not be read or stored; the message is a sentence."""


class Imported(NamedTuple):
    """Result of an import.

    Attributes:
        added: number of drawings that are new.
        known: number of those that were there before, which stay as they are.
    """

    added: int
    known: int


def drawings_folder(root: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder of stored drawings; None where storing is switched off.

    ``$DIGITLIB_DRAWINGS`` names it, and switches storing off where it is empty; without it, the
    folder is ``drawings`` in the data folder (:func:`files.data_root`).
    """
    named = os.environ.get("DIGITLIB_DRAWINGS")
    if named is None:
        return data_root(root) / "drawings"
    return Path(named) if named else None


class DrawingFile:
    """The drawings of a folder.

    Args:
        folder: made when the first drawing is stored; :func:`drawings_folder` without one.

    Attributes:
        folder, path: the folder, and the file in it.
        remark: a sentence on damaged lines, if the last :meth:`read` knew of any, else empty.

    Raises:
        DrawingFileError: no folder is given, and storing is switched off. All methods raise it
            where a file cannot be read or written; the message says why.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        found = drawings_folder() if folder is None else Path(folder)
        if found is None:
            raise DrawingFileError(SWITCHED_OFF)
        self.folder, self.path, self.remark = found, found / FILE, ""

    def __repr__(self) -> str:
        return f"DrawingFile({self.path})"

    def read(self) -> list[Drawing]:
        """All drawings, in the order in which they were stored."""
        with self._told("read"):
            if not self.path.exists():
                return []
            if not os.access(self.folder, os.W_OK):  # no lock, and nothing can be set aside
                drawings, damaged = _parse(self.path.read_bytes())
                self.remark = _remark(len(damaged), f"left out of {self.path}")
                return drawings
            with self._locked():
                drawings, aside = self._read(), self.folder / DAMAGED
                count = aside.read_bytes().count(b"\n") if aside.exists() else 0
                self.remark = _remark(count, f"kept aside in {aside}")
                return drawings

    def append(self, *drawings: Drawing) -> int:
        """Store drawings at the end; return how many there are then.

        Either all of them are stored, and on the disk, or none.
        """
        with self._told("stored"):
            lines = b"".join(drawing.to_line() for drawing in drawings)
            with self._locked():
                content = self._content()
                torn = content and not content.endswith(b"\n")
                count = len(self._read()) if torn else content.count(b"\n")
                self._append(self.path, lines)
            return count + len(drawings)

    def relabel(self, identity: str, label: int) -> Drawing:
        """Give the drawing with this id another label; return it as it is then."""
        changed = []

        def change(drawing: Drawing) -> Iterable[Drawing]:
            if drawing.id == identity:
                drawing = replace(drawing, label=label)
                changed.append(drawing)
            return [drawing]

        self._change(change)
        if not changed:
            raise DrawingFileError("This drawing is no longer stored: it has been deleted.")
        return changed[0]

    def delete(self, identities: Iterable[str]) -> list[Drawing]:
        """Remove the drawings with these ids; return those that were there."""
        gone, removed = {*identities}, []

        def change(drawing: Drawing) -> Iterable[Drawing]:
            if drawing.id not in gone:
                return [drawing]
            removed.append(drawing)
            return []

        self._change(change)
        return removed

    def export(self) -> bytes:
        """All drawings as a file that :meth:`import_file` reads."""
        return b"".join(drawing.to_line() for drawing in self.read())

    def import_file(self, content: bytes) -> Imported:
        """Add the drawings of an exported file, but for those whose id is there.

        Raises:
            DrawingFileError: a line is no drawing, or shows no ink, or the file is too large;
                nothing is imported then.
        """
        given = _parse_export(content)
        new = {drawing.id: drawing for drawing in given}
        with self._told("stored"), self._locked():
            stored = self._read()
            for drawing in stored:
                new.pop(drawing.id, None)
            self._write([*stored, *new.values()])
        return Imported(len(new), len(given) - len(new))

    # --- under the lock --------------------------------------------------------------------

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _read(self) -> list[Drawing]:
        """All drawings; what is damaged is set aside."""
        content = self._content()
        drawings, damaged = _parse(content)
        if damaged:
            self._append(self.folder / DAMAGED, b"".join(line + b"\n" for line in damaged))
        if damaged or (content and not content.endswith(b"\n")):
            self._write(drawings)
        return drawings

    def _change(self, change: Callable[[Drawing], Iterable[Drawing]]) -> None:
        """Put others in the place of each drawing."""
        with self._told("stored"), self._locked():
            before = self._read()
            self._write([new for drawing in before for new in change(drawing)])

    def _write(self, drawings: Sequence[Drawing]) -> None:
        """Replace the file."""
        write_bytes(self.path, b"".join(drawing.to_line() for drawing in drawings))

    @staticmethod
    def _append(path: Path, lines: bytes) -> None:
        """Append in one piece; where that fails, the file is as it was."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)  # Windows
        file = os.open(path, flags, 0o666)
        size = os.fstat(file).st_size
        try:
            if os.write(file, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            if not size:  # it was made here
                path.unlink()
            raise
        finally:
            os.close(file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock: other processes and threads wait."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK).acquire(PATIENCE, POLL):
            yield

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Errors become one sentence with the folder, the reason and a remedy."""
        try:
            yield
        except TimeoutError as error:
            raise DrawingFileError(
                f"Drawings cannot be {done}: another notebook has been at {self.folder} for "
                f"{PATIENCE:.0f} seconds."
            ) from error
        except OSError as error:
            raise DrawingFileError(
                f"Drawings cannot be {done} in {self.folder}: {error.strerror or error}. The "
                "environment variable DIGITLIB_DRAWINGS names another folder."
            ) from error
        except ValueError as error:
            raise DrawingFileError(f"This drawing cannot be {done}: {error}") from error


def _parse(content: bytes) -> tuple[list[Drawing], list[bytes]]:
    """The drawings, and the lines that are none."""
    drawings, damaged = [], []
    for line in filter(None, content.split(b"\n")):
        try:
            drawings.append(Drawing.from_line(line))
        except ValueError:
            damaged.append(line)
    return drawings, damaged


def _remark(count: int, place: str) -> str:
    if not count:
        return ""
    return f"{count} damaged {'line is' if count == 1 else 'lines are'} {place}."


def _parse_export(content: bytes) -> list[Drawing]:
    """The drawings of an exported file; DrawingFileError where one of them does not fit."""
    if len(content) > MAX_IMPORT:
        size = f"{len(content) / 2**20:.0f} MiB"
        raise DrawingFileError(f"A file has at most {MAX_IMPORT // 2**20} MiB, this one {size}.")
    drawings = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                drawings.append(drawing := Drawing.from_line(line))
                drawing.frame()  # it has ink, and a picture is whole
            except ValueError as error:
                raise DrawingFileError(
                    f"Line {number} cannot be imported: {error} Nothing was imported."
                ) from error
    if not drawings:
        raise DrawingFileError("The file has no drawings.")
    return drawings
