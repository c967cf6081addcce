"""The panel that reads a picture: a file, a photo, what is in the clipboard, a sample."""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from digitlib.preprocessing.read import read_colours
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.base import Panel

MAX_BYTES = 20_000_000  # of a file; the page makes photos smaller where its browser can
SAMPLES = {  # made by digitlib.datasets; tests/test_picture_panel.py says how
    "chalk.jpg": "chalk on a board",
    "spray.png": "spray paint",
    "paper.jpg": "a photo of ruled paper",
}


class PictureInput(anywidget.AnyWidget):
    """Takes pictures in the page and puts their parts together; their names stay in the page.

    Args:
        take: called with the content of each file; the page shows the message of its ValueError.
        guard: wraps the handler of messages, whose exceptions nobody would see.
    """

    _esm = Path(__file__).with_name("picture.js")

    limit = traitlets.Int(MAX_BYTES).tag(sync=True)
    # name and url of each
    samples: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    # the upload, and what is wrong with it
    answer = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        take: Callable[[bytes], None],
        guard: Callable[[Callable[..., None]], Callable[..., None]],
    ) -> None:
        samples = [{"name": name, "url": _url(file)} for file, name in SAMPLES.items()]
        super().__init__(samples=samples)
        self._take = take
        self._arriving: dict[str, dict[int, bytes]] = {}  # by upload: its parts
        self.on_msg(guard(self._receive))

    def _receive(self, _: Any, message: dict[str, Any], buffers: list[Any]) -> None:
        """A part of a picture; threads may change their order."""
        upload = message["upload"]
        parts = self._arriving.setdefault(upload, {})
        parts[message["part"]] = bytes(buffers[0])
        if len(parts) == message["parts"]:
            del self._arriving[upload]
            content = b"".join(parts[number] for number in range(len(parts)))
            self.answer = {"upload": upload, "problem": self._read(content)}
        while self._held() > MAX_BYTES:  # by pages that are gone, or ignore the limit
            del self._arriving[next(iter(self._arriving))]

    def _held(self) -> int:
        return sum(len(part) for parts in self._arriving.values() for part in parts.values())

    def _read(self, content: bytes) -> str:
        """Hand the picture on; returns what is wrong with it."""
        try:
            self._take(content)
        except ValueError as error:
            return str(error)
        except Exception as error:
            return f"The picture could not be read: {type(error).__name__}: {error}"
        return ""


class Picture(Panel):
    """Reads a picture in place of a drawing."""

    title = "Picture"

    def __init__(self, pad: DrawingPad) -> None:
        self._field = PictureInput(self._show, self.guarded)
        super().__init__(pad, [self._field])

    def refresh(self) -> None:
        """What was said of a picture goes with it."""
        if self.pad.image is None:
            self._field.answer = {}

    def _show(self, content: bytes) -> None:
        self.pad.show_image(read_colours(content))


def _url(file: str) -> str:
    content = resources.files(__package__).joinpath("samples", file).read_bytes()
    kind = "png" if file.endswith(".png") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
