"""The panel "My drawings": browse, draw again, relabel, delete and share stored drawings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
from PIL import Image

from digitlib.datasets.drawing import Drawing, decode_picture
from digitlib.datasets.drawing_file import DrawingFile, DrawingFileError, drawings_folder
from digitlib.models.display import frame_url
from digitlib.models.labels import label_name
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.correction import recall
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel

PAGE = 60  # drawings per page
SIDE = 48  # px of a thumbnail, and the unit of its paths
POINTS = 64  # per stroke of a thumbnail
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
        self._filter: tuple[int | None, bool, int] = None, False, 0  # label, misread only, page
        self._state: Any = None  # of the file when it was shown
        self._shown: dict[str, Drawing] = {}  # the current page, by id
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
            case {"do": "show", "label": int() | None as label, "misread": bool() as misread,
                  "page": int() as page}:  # fmt: skip
                self._filter = label, misread, page
                self._show()
            case {"do": "draw", "id": str() as identity}:
                self._draw(self._find(identity))
            case {"do": "relabel", "id": str() as identity, "label": int() as label}:
                self._relabel(self._find(identity), label)
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

    def _find(self, identity: str) -> Drawing:
        if identity not in self._shown:
            raise DrawingFileError("This drawing is no longer in the list. Choose another one.")
        return self._shown[identity]

    def _draw(self, drawing: Drawing) -> None:
        if drawing.strokes:
            self.pad.draw(drawing.strokes)
        else:
            self.pad.show_image(decode_picture(drawing.picture))

    def _relabel(self, drawing: Drawing, label: int) -> None:
        DrawingFile().relabel(drawing.id, label)
        before = drawing.label
        undo = functools.partial(DrawingFile().relabel, drawing.id, before)
        self._show(f"Changed from {label_name(before)} to {label_name(label)}.", undo)

    def _delete(self, identity: str) -> None:
        removed = DrawingFile().delete([identity])
        undo = functools.partial(DrawingFile().append, *removed)
        self._show("Deleted." if removed else "Already deleted.", undo if removed else None)

    def _show(self, said: str = "", undo: Callable[[], Any] | None = None) -> None:
        """Send a page of the gallery with a sentence about the last change and how to undo it."""
        store, self._undo = DrawingFile(), undo
        self._state = _state(store)
        label, misread, page = self._filter
        stored = store.read()
        recall(self.pad, stored)
        everything = sorted(stored, key=lambda each: each.time)[::-1]
        kept = [
            each
            for each in everything
            if label in (None, each.label) and not (misread and not _misread(each))
        ]
        page = min(max(page, 0), max(len(kept) - 1, 0) // PAGE)
        self._shown = {each.id: each for each in kept[page * PAGE : (page + 1) * PAGE]}
        self._gallery.show({
            "items": [*map(_item, self._shown.values())],
            "page": page, "start": page * PAGE, "kept": len(kept), "all": len(everything),
            "said": said, "undo": undo is not None, "remark": store.remark, "limit": MAX_IMPORT,
            "folder": str(store.folder),
        })  # fmt: skip


def _state(store: DrawingFile) -> Any:
    """A value that changes with the file or its folder."""
    try:
        found = store.path.stat()
    except OSError:
        return store.path
    return store.path, found.st_mtime_ns, found.st_size, found.st_ino


def _misread(drawing: Drawing) -> bool:
    return drawing.predicted not in (None, drawing.label)


def _item(drawing: Drawing) -> dict[str, Any]:
    """A drawing for the page: its thumbnail, label and prediction."""
    thumbnail = {"paths": _paths(drawing.points)} if drawing.strokes else {
        "picture": _thumbnail(drawing.picture)
    }  # fmt: skip
    values = {name: getattr(drawing, name) for name in ("id", "label", "predicted", "time")}
    return values | thumbnail


def _paths(strokes: Sequence[np.ndarray]) -> list[str]:
    """The strokes as points of SVG polylines in a square of ``SIDE`` with a margin."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.8 * SIDE / max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    paths = []
    for stroke in strokes:
        rows = np.unique(np.linspace(0, len(stroke) - 1, POINTS).round().astype(int))
        placed = ((stroke[rows] - middle) * scale + SIDE / 2).round(1)
        paths.append(" ".join(f"{x:g},{y:g}" for x, y in placed))
    return paths


@functools.lru_cache(maxsize=4 * PAGE)
def _thumbnail(picture: bytes) -> str:
    """A small picture as a ``data:`` URL; empty if it is damaged."""
    try:
        image = Image.fromarray(decode_picture(picture)).convert("RGB")
    except ValueError:
        return ""
    image.thumbnail((2 * SIDE, 2 * SIDE))
    return frame_url(np.asarray(image))
