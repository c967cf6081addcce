"""Write the pad as one HTML file. The network, words and styles come from the package."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Any
from unittest import mock

from digitlib.files import REPORTS, write_text
from digitlib.page.bundle import bundle
from digitlib.page.markup import find, to_html
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.saving import downloads_html
from digitlib.widgets.studio import Studio

PAGE = REPORTS / "pad.html"
FOLDER = Path(__file__).parent
DECIMALS = 2  # of the examples, px of the pad
# Parts of the notebook's pad that need Python: panels and their switches, pictures, numbers.
WITHOUT = frozenset({"dp-switch", "dp-panels", "dp-image", "dp-modes", "dp-boxes"})


def update(*, check: bool = False) -> list[Path]:
    """Write the page if it is out of date, and return its path then; ``check`` writes nothing."""
    content = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == content:
        return []
    if not check:
        write_text(PAGE, content)
    return [PAGE]


def page() -> str:
    """The page as HTML, the same on every machine.

    Raises:
        WeightsError: the page can't run the bundled network.
        TypeError: the pad has a widget of a new kind.
        ValueError: the JavaScript modules can't be put in one script.
    """
    script = bundle(FOLDER / "pad.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"digest": f"sha256-{digest}", "pad": _pad_html(), "script": script}
    if re.search("</script|<!--", script, re.IGNORECASE):
        raise ValueError("A script in a page can't contain </script or <!--.")
    template = (FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: parts[found[1]], template)


def _pad_html() -> str:
    """The notebook's pad, without the parts that need Python."""
    with mock.patch.dict(os.environ, DIGITLIB_DRAWINGS=""):  # the page stores drawings itself
        studio = Studio()
        studio.draw(next(iter(EXAMPLES.values())))
        links = re.sub(' (href|download)="[^"]*"', "", downloads_html(studio))  # without files
        studio.clear()
        find(studio, "dp-save").value = links.replace("<a ", '<a href="" ')
        return to_html(studio, WITHOUT)


def examples() -> dict[str, Any]:
    """Strokes of the examples on the canvas, by name: a constant of pad.js."""
    pad, found = DrawingPad(), {}
    for name, strokes in EXAMPLES.items():
        pad.draw(strokes)
        found[name] = [trace.round(DECIMALS) for trace in pad.traces]
    return found
