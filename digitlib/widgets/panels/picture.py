"""The panel that reads a picture: a file, a photo, the clipboard, or a sample."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from digitlib.preprocessing.decode import opened
from digitlib.preprocessing.read import read_colors
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.panels.panel import Panel

if TYPE_CHECKING:
    from digitlib.widgets.studio import Studio

MAX_BYTES = 8_000_000  # the page reduces photos; servers close the connection at 10 MB per message
SAMPLES = {  # made by digitlib.datasets; see tests/test_picture_panel.py
    "chalk.jpg": "chalk on a board",
    "spray.png": "spray paint",
    "paper.jpg": "a photo of ruled paper",
}
ANIMATED = ("GIF", "WEBP", "PNG")  # formats that may have several pictures in a row
FIRST = "It is animated, so only the first picture is read."


class PictureInput(anywidget.AnyWidget):
    """Receives pictures from the page. File names stay there.

    It also takes pictures that are dropped or pasted while the panel is closed.

    Args:
        take: called with the content of each file; returns a remark for the page, which also shows
            the message of a ValueError.
        arrives: called when a picture is on its way.
        guard: wraps the message handler.
    """

    _esm = Path(__file__).with_name("picture.js")

    limit = traitlets.Int(MAX_BYTES).tag(sync=True)
    samples: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)  # name, url
    answer = traitlets.Dict().tag(sync=True)  # the upload, and the problem with it or a remark

    def __init__(
        self, take: Callable[[bytes], str], arrives: Callable[[], None], guard: Guard
    ) -> None:
        super().__init__()
        self._take, self._arrives = take, arrives
        self.on_msg(guard(self._receive))

    def _receive(self, _: Any, message: dict[str, Any], buffers: list[Any]) -> None:
        """A picture, or without buffers the news that one is on its way."""
        if buffers:
            self.answer = {"upload": message["upload"], **self._read(bytes(buffers[0]))}
        else:
            self._arrives()

    def _read(self, content: bytes) -> dict[str, str]:
        """Pass the picture on; returns the problem with it, or a remark."""
        try:
            return {"problem": "", "remark": self._take(content)}
        except ValueError as error:
            return {"problem": str(error)}
        except Exception as error:
            return {"problem": f"The picture could not be read: {type(error).__name__}: {error}"}


class Picture(Panel):
    """Reads a picture instead of a drawing."""

    title = "Picture"

    def __init__(self, pad: Studio) -> None:
        arrives = partial(pad.show_panel, self.title)
        self._field = PictureInput(self._show, arrives, self.guarded)
        super().__init__(pad, [self._field])

    def refresh(self) -> None:
        """Show the samples, and remove the message about a picture that is gone."""
        if not self._field.samples:
            self._field.samples = [{"name": SAMPLES[file], "url": _url(file)} for file in SAMPLES]
        if self.pad.image is None:
            self._field.answer = {}

    def _show(self, content: bytes) -> str:
        self.pad.show_image(read_colors(content))
        with opened(content) as picture:
            several = picture.format in ANIMATED and getattr(picture, "is_animated", False)
        return FIRST if several else ""


def _url(file: str) -> str:
    content = resources.files(__package__).joinpath("samples", file).read_bytes()
    kind = "png" if file.endswith(".png") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
