"""The panel that reads a picture: a file, a photo, the clipboard, or a sample."""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from digitlib.preprocessing.read import read_colors
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import Panel

MAX_BYTES = 20_000_000  # per file; the page reduces photos if its browser can
SAMPLES = {  # made by digitlib.datasets; see tests/test_picture_panel.py
    "chalk.jpg": "chalk on a board",
    "spray.png": "spray paint",
    "paper.jpg": "a photo of ruled paper",
}


class PictureInput(anywidget.AnyWidget):
    """Receives pictures from the page in parts and joins them. File names stay in the page.

    Args:
        take: called with the content of each file; the page shows the message of a ValueError.
        guard: wraps the message handler.
    """

    _esm = Path(__file__).with_name("picture.js")

    limit = traitlets.Int(MAX_BYTES).tag(sync=True)
    samples: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)  # name, url
    answer = traitlets.Dict().tag(sync=True)  # the upload, and the problem with it

    def __init__(self, take: Callable[[bytes], None], guard: Guard) -> None:
        samples = [{"name": name, "url": _url(file)} for file, name in SAMPLES.items()]
        super().__init__(samples=samples)
        self._take = take
        self._arriving: dict[str, dict[int, bytes]] = {}  # parts by upload
        self.on_msg(guard(self._receive))

    def _receive(self, _: Any, message: dict[str, Any], buffers: list[Any]) -> None:
        """A part of a picture; parts may arrive in any order."""
        upload = message["upload"]
        parts = self._arriving.setdefault(upload, {})
        parts[message["part"]] = bytes(buffers[0])
        if len(parts) == message["parts"]:
            del self._arriving[upload]
            content = b"".join(parts[number] for number in range(len(parts)))
            self.answer = {"upload": upload, "problem": self._read(content)}
        while (
            sum(len(each) for some in self._arriving.values() for each in some.values()) > MAX_BYTES
        ):
            del self._arriving[next(iter(self._arriving))]  # from a closed page, or too large

    def _read(self, content: bytes) -> str:
        """Pass the picture on; returns the problem with it, or \"\"."""
        try:
            self._take(content)
        except ValueError as error:
            return str(error)
        except Exception as error:
            return f"The picture could not be read: {type(error).__name__}: {error}"
        return ""


class Picture(Panel):
    """Reads a picture instead of a drawing."""

    title = "Picture"

    def __init__(self, pad: DrawingPad) -> None:
        self._field = PictureInput(self._show, self.guarded)
        super().__init__(pad, [self._field])

    def refresh(self) -> None:
        """Remove the message about a picture that is gone."""
        if self.pad.image is None:
            self._field.answer = {}

    def _show(self, content: bytes) -> None:
        self.pad.show_image(read_colors(content))


def _url(file: str) -> str:
    content = resources.files(__package__).joinpath("samples", file).read_bytes()
    kind = "png" if file.endswith(".png") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
