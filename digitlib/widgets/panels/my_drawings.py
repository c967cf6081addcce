"""The panel "My drawings": look at stored drawings, relabel, delete, export and import them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget

from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile, DrawingFileError, drawings_folder
from digitlib.models.display import frame_url
from digitlib.models.labels import label_name
from digitlib.preprocessing.frame import frames_to_images
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.correction import recall
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel

PAGE = 60  # drawings per page
MAX_IMPORT = 8_000_000  # bytes; servers close the connection at 10 MB per message


class Gallery(anywidget.AnyWidget):
    """Shows drawings in the page and sends back the user's commands.

    Args:
        do: called with each message of a page and its buffers.
        guard: wraps the message handler.
    """

    _esm = Path(__file__).with_name("my_drawings.js")

    def __init__(self, do: Callable[[dict[str, Any], Sequence[Any]], None], guard: Guard) -> None:
        super().__init__()
        self.on_msg(guard(lambda _, message, buffers: do(message, buffers)))

    def show(self, view: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send to all pages; anywidget's own model may drop messages (see ink.js)."""
        self.layout.send(view, [*buffers])


class MyDrawings(Panel):
    """The gallery of stored drawings, newest first, in pages."""

    title = "My drawings"

    def __init__(self, pad: DrawingPad) -> None:
        self._page = 0
        self._state: Any = None  # of the file when it was shown
        self._shown: dict[str, Drawing] = {}  # the current page, by id
        self._pictures: dict[str, str] = {}  # URLs of thumbnails, by id
        self._undo: Callable[[], Any] | None = None
        self._gallery = Gallery(self._do, self.guarded)
        super().__init__(pad, [self._gallery])
        if drawings_folder() is None:
            self._gallery.layout.display = "none"

    def refresh(self) -> None:
        """Show the drawings if the file has changed."""
        if self._state != _state(DrawingFile()):
            self._show()

    def _do(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Carry out a command from the page."""
        self.say("")
        match message:
            case {"do": "show", "page": int() as page}:
                self._page = page
                self._show()
            case {"do": "relabel", "id": str() as identity, "label": int() as label}:
                self._relabel(identity, label)
            case {"do": "delete", "id": str() as identity}:
                self._delete(identity)
            case {"do": "undo"} if self._undo:
                self._undo()
                self._show("Undone.")
            case {"do": "export", "client": str() as client}:
                self._gallery.show({"client": client}, [DrawingFile().export()])
            case {"do": "import"}:
                added, known = DrawingFile().import_file(bytes(buffers[0]))
                here = f" You already had {known:,}." if known else ""
                count = "1 drawing" if added == 1 else f"{added:,} drawings"
                self._show(f"Added {count}.{here}")

    def _relabel(self, identity: str, label: int) -> None:
        if identity not in self._shown:
            raise DrawingFileError("This drawing is no longer in the list. Choose another one.")
        before = self._shown[identity].label
        DrawingFile().relabel(identity, label)
        undo = functools.partial(DrawingFile().relabel, identity, before)
        self._show(f"Changed from {label_name(before)} to {label_name(label)}.", undo)

    def _delete(self, identity: str) -> None:
        removed = DrawingFile().delete([identity])
        undo = functools.partial(DrawingFile().append, *removed)
        self._show("Deleted." if removed else "Already deleted.", undo if removed else None)

    def _show(self, said: str = "", undo: Callable[[], Any] | None = None) -> None:
        """Send a page of the gallery with a sentence about the last change and how to undo it."""
        store, self._undo = DrawingFile(), undo
        self._state = _state(store)
        stored = store.read()
        recall(self.pad, stored)
        newest = sorted(stored, key=lambda each: each.time, reverse=True)
        self._page = min(max(self._page, 0), max(len(newest) - 1, 0) // PAGE)
        start = self._page * PAGE
        self._shown = {each.id: each for each in newest[start : start + PAGE]}
        for each in self._shown.values():
            self._pictures[each.id] = self._pictures.get(each.id) or _thumbnail(each)
        names = "id", "label", "predicted", "time"
        self._gallery.show({
            "items": [
                {name: getattr(each, name) for name in names} | {"picture": self._pictures[each.id]}
                for each in self._shown.values()
            ],
            "page": self._page, "start": start, "all": len(newest), "said": said,
            "undo": undo is not None, "remark": store.remark, "limit": MAX_IMPORT,
            "folder": str(store.folder),
        })  # fmt: skip


def _state(store: DrawingFile) -> Any:
    """A value that changes with the file or its folder."""
    try:
        found = store.path.stat()
    except OSError:
        return store.path
    return store.path, found.st_mtime_ns, found.st_size, found.st_ino


def _thumbnail(drawing: Drawing) -> str:
    """The frame of a drawing as a ``data:`` URL; empty if its picture is damaged."""
    try:
        return frame_url(frames_to_images(drawing.frame()))
    except ValueError:
        return ""
