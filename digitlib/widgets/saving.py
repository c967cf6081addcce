"""An extension of Jupyter's server: a notebook with a live pad is saved with its picture.

A pad is nothing without its kernel: saved as it is, it would be an error message the next day, and
each drawing a change to a file under version control. ``make lab`` switches the extension on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

LIVE = "live"  # tag of a cell that shows what its kernel draws


def keep_pictures(model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Before a notebook with a live cell is saved: unchanged cells become as they are in the file.

    A changed cell is saved with its outputs; a changed live one has none to save.
    """
    file = Path(contents_manager.root_dir, path.strip("/"))
    if model["type"] != "notebook" or not any(map(_is_live, model["content"]["cells"])):
        return
    notebook = model["content"]
    notebook["metadata"].pop("widgets", None)
    before = _cells_of(file, notebook) if file.exists() else {}
    for cell in notebook["cells"]:
        kept = before.get(cell.get("id"))
        if kept is not None and kept["source"] == cell["source"]:
            cell |= kept
        elif _is_live(cell):
            cell["outputs"] = []


def _cells_of(file: Path, notebook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Source, outputs and number of each cell of a file; the language is set as it has it."""
    import nbformat

    saved = nbformat.read(file, as_version=4)
    notebook["metadata"]["language_info"] = saved.metadata.get("language_info", {})
    names = ("source", "outputs", "execution_count")
    return {
        cell.get("id"): {name: cell[name] for name in names if name in cell} for cell in saved.cells
    }


def _is_live(cell: dict[str, Any]) -> bool:
    return LIVE in cell["metadata"].get("tags", ())


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(keep_pictures)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]
