"""Stored drawings: one file of JSON lines that several notebooks can use at once. No PyTorch.

Every line is a :class:`Drawing`. Each change replaces the file atomically, under a lock that
other processes respect. A line that isn't a drawing is left out, and stays in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from digitlib.datasets.drawing import Drawing, describe
from digitlib.errors import DigitlibError
from digitlib.files import data_root, write_bytes

FILE, LOCK = "drawings.jsonl", "drawings.lock"
PATIENCE = 10.0  # s to wait for the lock: writing takes milliseconds
POLL = 0.005  # s between looks at the lock
MAX_IMPORT = 64 * 2**20  # bytes
SWITCHED_OFF = "Storing drawings is switched off here (DIGITLIB_DRAWINGS is empty)."


class DrawingFileError(DigitlibError):
    """Drawings couldn't be read or stored; the message is a sentence."""


def drawings_folder(root: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder of stored drawings; None if storing is switched off.

    ``$DIGITLIB_DRAWINGS`` names it, and switches storing off if it is empty. Without the
    variable, the folder is ``drawings`` in the data folder (:func:`files.data_root`).
    """
    named = os.environ.get("DIGITLIB_DRAWINGS")
    if named is None:
        return data_root(root) / "drawings"
    return Path(named) if named else None


class DrawingFile:
    """The drawings of a folder.

    Args:
        folder: created when the first drawing is stored; :func:`drawings_folder` by default.

    Attributes:
        folder, path: the folder, and the file in it.
        remark: a sentence on damaged lines, if the last :meth:`read` found some, else empty.

    Raises:
        DrawingFileError: no folder is given, and storing is switched off. All methods raise it
            if a file can't be read or written; the message says why.
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
        # Windows doesn't replace a file while another process reads it.
        lockable = self.path.exists() and os.access(self.folder, os.W_OK)
        with self._wrap_errors("read"), self._locked() if lockable else nullcontext():
            drawings, damaged = self._parse()
        lines = "line is" if len(damaged) == 1 else "lines are"
        remark = f"{len(damaged)} damaged {lines} left out of {self.path}."
        self.remark = remark if damaged else ""
        return drawings

    def append(self, *drawings: Drawing) -> int:
        """Store all of the drawings at the end, or none; return the new number of drawings."""
        with self._wrap_errors("stored"), self._locked():
            content = self._content()
            if content and not content.endswith(b"\n"):
                content += b"\n"
            content += b"".join(drawing.to_line() for drawing in drawings)
            write_bytes(self.path, content)
            return content.count(b"\n")

    def relabel(self, identity: str, label: int) -> Drawing:
        """Give the drawing with this id another label, and return the changed drawing."""
        with self._changing() as drawings:
            for row, drawing in enumerate(drawings):
                if drawing.id == identity:
                    drawings[row] = replace(drawing, label=label)
                    return drawings[row]
        raise DrawingFileError("This drawing is no longer stored: it has been deleted.")

    def delete(self, identities: Iterable[str]) -> list[Drawing]:
        """Remove the drawings with these ids; return those that were stored."""
        gone = {*identities}
        with self._changing() as drawings:
            removed = [drawing for drawing in drawings if drawing.id in gone]
            drawings[:] = [drawing for drawing in drawings if drawing.id not in gone]
        return removed

    def export(self) -> bytes:
        """All drawings as a file that :meth:`import_file` reads."""
        return b"".join(drawing.to_line() for drawing in self.read())

    def import_file(self, content: bytes) -> tuple[int, int]:
        """Add the drawings of an exported file; return the numbers of new and of known ones.

        A drawing with a stored id is known, and stays unchanged.

        Raises:
            DrawingFileError: a line isn't a drawing or has no ink, or the file is too large or
                empty. Nothing is imported then.
        """
        if len(content) > MAX_IMPORT:
            size = f"{len(content) / 2**20:.0f} MiB"
            raise DrawingFileError(
                f"A file has at most {MAX_IMPORT // 2**20} MiB, this one {size}."
            )
        given = []
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip():
                try:
                    given.append(drawing := Drawing.from_line(line))
                    drawing.frame()  # it has ink, and a picture is complete
                except ValueError as error:
                    raise DrawingFileError(
                        f"Line {number} cannot be imported: {error} Nothing was imported."
                    ) from error
        if not given:
            raise DrawingFileError("The file has no drawings.")
        with self._changing() as drawings:
            new = {drawing.id: drawing for drawing in given}
            for drawing in drawings:
                new.pop(drawing.id, None)
            drawings.extend(new.values())
        return len(new), len(given) - len(new)

    @contextmanager
    def _changing(self) -> Iterator[list[Drawing]]:
        """Yield the stored drawings to be changed in place, and write them after the block."""
        with self._wrap_errors("stored"), self._locked():
            drawings, damaged = self._parse()
            yield drawings
            lines = (drawing.to_line() for drawing in drawings)
            write_bytes(self.path, b"".join([*damaged, *lines]))

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _parse(self) -> tuple[list[Drawing], list[bytes]]:
        """The drawings, and the damaged lines."""
        drawings, damaged = [], []
        for line in filter(None, self._content().split(b"\n")):
            try:
                drawings.append(Drawing.from_line(line))
            except ValueError:
                damaged.append(line + b"\n")
        return drawings, damaged

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock: other processes and threads wait."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK).acquire(PATIENCE, POLL):
            yield

    @contextmanager
    def _wrap_errors(self, done: str) -> Iterator[None]:
        """Errors become one sentence with the folder, the reason and a remedy."""
        try:
            yield
        except TimeoutError as error:
            raise DrawingFileError(
                f"Drawings cannot be {done}: another notebook has used {self.folder} for "
                f"{PATIENCE:.0f} seconds. Try again."
            ) from error
        except OSError as error:
            raise DrawingFileError(
                f"Drawings cannot be {done} in {self.folder}: {error.strerror or error}. To use "
                "another folder, set the environment variable DIGITLIB_DRAWINGS."
            ) from error
        except ValueError as error:
            raise DrawingFileError(f"This drawing cannot be {done}: {describe(error)}") from error
