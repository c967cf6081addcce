"""The drawing notebook as Jupyter's server saves it: with the picture of its pad."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from needs import REPOSITORY

from digitlib.reports.execution import WIDGET
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.saving import keep_pictures

NAME = "01_draw.ipynb"


@pytest.fixture
def manager(tmp_path: Path) -> LargeFileManager:
    """A server's files: a copy of the drawing notebook."""
    shutil.copy(REPOSITORY / "notebooks" / NAME, tmp_path)
    manager = LargeFileManager(root_dir=str(tmp_path))
    manager.register_pre_save_hook(keep_pictures)
    return manager


def as_run(manager: LargeFileManager) -> dict[str, Any]:
    """The model that JupyterLab saves after all cells were run twice."""
    model = manager.get(NAME)
    notebook = model["content"]
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.99"}
    notebook["metadata"]["widgets"] = {"state": {}}
    for count, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            cell["execution_count"] = 10 + count
            cell["outputs"] = [live_output()]
    return {"type": "notebook", "format": "json", "content": notebook}


def live_output() -> dict[str, Any]:
    data = {WIDGET: {"model_id": "1"}, "text/plain": "a pad"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def read(manager: LargeFileManager) -> nbformat.NotebookNode:
    return nbformat.read(Path(manager.root_dir) / NAME, as_version=4)


def test_running_and_saving_leaves_the_file_as_it_is(manager: LargeFileManager) -> None:
    file = Path(manager.root_dir) / NAME
    before = file.read_bytes()
    manager.save(as_run(manager), NAME)
    assert file.read_bytes() == before


def test_changes_are_saved_and_a_live_pad_is_not(manager: LargeFileManager) -> None:
    model = as_run(manager)
    by_id = {cell["id"]: cell for cell in model["content"]["cells"]}
    by_id["parameters"]["source"] += "\nanswer = 42"
    by_id["pad"]["source"] += "\n# mine"
    by_id["title"]["source"] = "# Mine"
    manager.save(model, NAME)
    saved = {cell["id"]: cell for cell in read(manager).cells}
    assert saved["title"].source == "# Mine"
    assert saved["parameters"].source.endswith("answer = 42")
    assert saved["parameters"].outputs  # not a live cell's: the reader's own
    assert saved["pad"].source.endswith("# mine")
    assert saved["pad"].outputs == []
    assert "image/png" in saved["steps"].outputs[0].data


def test_other_notebooks_are_saved_as_they_are(manager: LargeFileManager) -> None:
    model = as_run(manager)
    for cell in model["content"]["cells"]:
        cell["metadata"]["tags"] = []
    manager.save(model, NAME)
    counts = [cell.execution_count for cell in read(manager).cells if cell.cell_type == "code"]
    assert min(counts) >= 10


def test_a_new_notebook_with_a_pad_is_saved_without_it(manager: LargeFileManager) -> None:
    manager.save(as_run(manager), "copy.ipynb")
    saved = nbformat.read(Path(manager.root_dir) / "copy.ipynb", as_version=4)
    assert [cell.outputs for cell in saved.cells if "live" in cell.metadata.get("tags", [])] == [
        [],
        [],
    ]


def test_a_pad_without_its_kernel_says_what_to_do() -> None:
    class Reader:
        def predict_strokes(self, drawing: Any, /) -> Any:
            raise AssertionError

    data = DrawingPad(Reader())._repr_mimebundle_()
    assert "run the cells" in data["text/plain"]
    assert WIDGET in data
