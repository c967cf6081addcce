"""Link JavaScript modules into one script, with constants of Python modules.

A module of the page imports from other modules by relative path, and from Python by module name::

    import {render} from "./strokes.js";
    import {PEN_WIDTH} from "digitlib.preprocessing.strokes";
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

from digitlib.files import to_jsonable

IMPORT = re.compile(r'^import (?:\{([\w, ]+)\}|(\w+)) from "([^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)
DEFAULT = re.compile(r"^export default ", re.MULTILINE)


def bundle(*entries: Path) -> str:
    """A script that runs modules, each after all that it imports.

    Each module is a block, so that names can't clash. ``modules`` has their exports by the name of
    the file.

    Args:
        entries: JavaScript files.

    Raises:
        ValueError: modules import each other in a circle, or two files have one name.
        AttributeError: a Python module has no such name.
        TypeError: a constant is not of a kind that JSON has.
    """
    linked: dict[str, str] = {}  # by name of the module, in an order in which they can run
    started: list[Path] = []

    def link(path: Path) -> None:
        if path in started and path.stem in linked:
            return
        if path.stem in {each.stem for each in started}:
            raise ValueError(f"{path.name} imports itself, or another file has its name.")
        started.append(path)

        def imported(found: re.Match[str]) -> str:
            names, default, origin = found.groups()
            if not origin.startswith("."):
                return f"const {{{names}}} = {_constants(origin, names.split(', '))};"
            link(target := (path.parent / origin).resolve())
            return f"const {{{names or f'default: {default}'}}} = modules.{target.stem};"

        text = IMPORT.sub(imported, path.read_text(encoding="utf-8"))
        exports = "".join(f"exports.{name} = {name};\n" for name in EXPORT.findall(text))
        text = DEFAULT.sub("exports.default = ", EXPORT.sub("", text))
        start = f"{{\nconst exports = (modules.{path.stem} = {{}});\n"
        linked[path.stem] = f"{start}{text}{exports}}}\n"

    for entry in entries:
        link(entry.resolve())
    return f'"use strict";\nconst modules = {{}};\n{"".join(linked.values())}'


def _constants(module: str, names: list[str]) -> str:
    """Constants of a Python module as JSON for a script; arrays are lists, functions are called."""
    values = {name: getattr(import_module(module), name) for name in names}
    called = {name: each() if callable(each) else each for name, each in values.items()}
    return json.dumps(to_jsonable(called), allow_nan=False).replace("</", "<\\/")
