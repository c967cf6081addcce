"""One notebook in a kernel of its own, and the outputs that are kept in it."""

from __future__ import annotations

import base64
import io
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from digitlib.files import NOTEBOOK_FOLDER, REPORTS, REPOSITORY, digest, wrap_errors, write_text
from digitlib.reports.dependencies import code_cells
from digitlib.reports.parameters import standing_parameters
from digitlib.widgets.saving import LIVE

SCREENSHOTS = REPORTS / "screenshots"  # written by the browser tests
KERNEL = "python3"
# Errors are shown by the cell; the kernel's own log would only litter the list.
KERNEL_OPTIONS = ["--IPKernelApp.log_level=50"]
CELL_TIMEOUT = 1800  # seconds; the longest cell trains a network
WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE_PATH = re.compile(
    r"(?<![\w./])/(?:home|Users|root|tmp|var|private|usr|opt|mnt|srv|work\w*)/|[A-Z]:\\\\?Users"
)


def find_notebooks(folder: Path = NOTEBOOK_FOLDER) -> list[Path]:
    """The notebooks ``01_….ipynb`` to ``99_….ipynb``, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def read_notebook(path: Path) -> NotebookNode:
    """A notebook in the current format."""
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, whole or not at all."""
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def code_digest(notebook: NotebookNode) -> str:
    """Digest of the code cells, in order; kept in the metadata beside their outputs."""
    return digest("\0".join(code_cells(notebook)).encode())


# --- run with parameters -------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """Error of a notebook that stopped before its end.

    Attributes:
        notebook: its name.
        cell: number of the cell, from 1, without the one that papermill adds; None where no cell
            failed (a kernel that died, a time limit).
        source: of the cell.
        error: type and message.
    """

    notebook: str
    cell: int | None
    source: str
    error: str

    def __str__(self) -> str:
        place = f", cell {self.cell}" if self.cell else ""
        source = "".join(f"\n      {line}" for line in self.source.splitlines())
        return f"  {self.notebook}{place}: {self.error}{source}"


def check_names(path: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse a name that the notebook does not have; papermill itself only warns.

    Raises:
        ValueError: with the names that it has.
    """
    names = standing_parameters(path)
    for name in parameters:
        if name not in names:
            raise ValueError(f"{path.stem} has no parameter {name!r}; it has {', '.join(names)}.")


def execute(
    path: Path, output: Path, parameters: Mapping[str, Any], *, keep: bool = False
) -> Failure | None:
    """Run a notebook; write ``executed/NAME.ipynb`` and ``.html`` below ``output``.

    Where a cell fails, the executed notebook ends there. One process runs a notebook for the same
    folder at a time: see :func:`runner.make_reports`.

    Args:
        path: of the notebook.
        output: folder of the reports.
        parameters: to change.
        keep: write the outputs into the notebook itself, too; see :func:`keep_outputs`.

    Raises:
        WriteError: a file cannot be written.
    """
    from papermill.exceptions import PapermillExecutionError

    executed = output / "executed" / path.name
    failure = None
    with _running(executed) as running:
        try:
            _run_papermill(path, running, parameters)
            if keep:
                keep_outputs(path, running)
        except PapermillExecutionError as error:
            message = f"{error.ename}: {error.evalue}"
            failure = Failure(path.stem, _failed_cell(running), error.source.strip(), message)
        except OSError:  # the next notebook would find the disk as full
            raise
        except Exception as error:  # a kernel that died, a time limit: the others still run
            failure = Failure(path.stem, None, "", f"{type(error).__name__}: {error}")
        if running.exists():
            running.replace(executed)
            _write_html(executed)
    return failure


@contextmanager
def _running(executed: Path) -> Iterator[Path]:
    """The file that papermill writes after each cell; gone at the end, or with the next run."""
    running = executed.with_name(f".{executed.name}")
    with wrap_errors(executed):
        executed.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield running
        finally:
            running.unlink(missing_ok=True)


def _run_papermill(
    path: Path, executed: Path, parameters: Mapping[str, Any], attempts: int = 2
) -> None:
    """Run a notebook, once more where its kernel did not start."""
    import papermill

    try:
        with _without_warnings():
            papermill.execute_notebook(
                str(path),
                str(executed),
                parameters=dict(parameters),
                cwd=str(path.parent),
                kernel_name=KERNEL,
                execution_timeout=CELL_TIMEOUT,
                progress_bar=False,
                extra_arguments=KERNEL_OPTIONS,
            )
    except RuntimeError as error:  # kernels that start at the same moment may miss their ports
        not_started = "respond" in str(error) or "died before" in str(error)
        if not not_started or attempts == 1:
            raise
        print("the kernel did not start, once more: ", end="", flush=True)
        _run_papermill(path, executed, parameters, attempts - 1)


def _failed_cell(executed: Path) -> int | None:
    """Number of the cell that failed, counted without those that papermill added."""
    own = own_cells(read_notebook(executed))
    for number, cell in enumerate(own, 1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return number
    return None


def _write_html(executed: Path) -> None:
    from nbconvert import HTMLExporter

    with _without_warnings():
        page, _ = HTMLExporter().from_filename(str(executed))
    write_text(executed.with_suffix(".html"), page)


def _without_warnings() -> warnings.catch_warnings[None]:
    """Without the warnings of papermill's and nbconvert's own dependencies."""
    return warnings.catch_warnings(action="ignore")


# --- kept outputs --------------------------------------------------------------------------


def keep_outputs(path: Path, executed: Path) -> None:
    """Write the outputs of an executed copy of a notebook into the notebook itself.

    Raises:
        ValueError: the code was edited meanwhile, or an output names a path of this machine.
    """
    notebook, copy = read_notebook(path), read_notebook(executed)
    copy.cells = own_cells(copy)
    if code_digest(copy) != code_digest(notebook):
        raise ValueError(f"{path.name} was edited while it ran: its outputs are not kept.")
    pairs = [(c, done) for c, done in zip(notebook.cells, copy.cells, strict=True) if _is_code(c)]
    for count, (cell, done) in enumerate(pairs, 1):
        cell.execution_count, cell.outputs = count, done.outputs
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    remove_machine_traces(notebook)
    if found := machine_paths(notebook):
        raise ValueError(f"{path.name} shows a path of this machine: {found[0]}")
    write_notebook(path, notebook)


def outputs_are_current(notebook: NotebookNode) -> bool:
    """Whether the kept outputs are those of the code beside them."""
    kept = notebook.metadata.get("digitlib", {}).get("code")
    run = all(cell.execution_count for cell in notebook.cells if _is_code(cell))
    return run and kept == code_digest(notebook)


def own_cells(executed: NotebookNode) -> list[NotebookNode]:
    """The cells of an executed copy, without those that papermill added."""
    added = ("injected-parameters", "papermill-error-cell-tag")
    return [cell for cell in executed.cells if not set(cell.metadata.get("tags", [])) & {*added}]


def _is_code(cell: NotebookNode) -> bool:
    return cell.cell_type == "code"


def remove_machine_traces(notebook: NotebookNode) -> None:
    """Drop metadata and outputs that differ between machines; add the digest of the code run."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": KERNEL}
    notebook.metadata = nbformat.from_dict(
        {name: value for name, value in notebook.metadata.items() if name == "title"}
        | {"kernelspec": kernel, "language_info": {"name": "python"}}
        | {"digitlib": {"code": code_digest(notebook)}}
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {name: value for name, value in cell.metadata.items() if name in ("tags", "jupyter")}
        )
        if cell.cell_type == "code":
            cell.outputs = _picture(cell) or _static_outputs(cell.outputs)


def _picture(cell: NotebookNode) -> list[NotebookNode]:
    """The screenshot of a live cell, by its id, for pages where no kernel runs."""
    if LIVE not in cell.metadata.get("tags", ()):
        return []
    content = (SCREENSHOTS / f"{cell.id}.png").read_bytes()
    (width, height), data = _size_on_screen(content), base64.b64encode(content).decode()
    return [
        nbformat.v4.new_output(
            "display_data",
            {"image/png": data, "text/plain": "A picture: run the cells to draw."},
            metadata={"image/png": {"width": width, "height": height}},
        )
    ]


def _size_on_screen(png: bytes) -> tuple[int, int]:
    """Width and height in px of a screenshot, which has two pixels per px."""
    from PIL import Image

    width, height = Image.open(io.BytesIO(png)).size
    return width // 2, height // 2


def _static_outputs(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Outputs that a page without a kernel can show: no live widgets, streams in one piece."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if WIDGET in output.get("data", {}):
            if output.output_type == "display_data":
                continue  # a progress bar, or a pad that is nothing without its kernel
            del output.data[WIDGET]
        same = kept and output.output_type == "stream" and kept[-1].get("name") == output.name
        if same:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def machine_paths(notebook: NotebookNode) -> list[str]:
    """Lines of source or output with a path of this machine."""
    texts: list[str] = []
    for cell in notebook.cells:
        texts.append(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts += [str(part) for kind, part in data.items() if not kind.startswith("image/")]
            texts += [output.get("text", ""), *output.get("traceback", [])]
    own = [str(REPOSITORY), str(Path.home()), tempfile.gettempdir(), sys.prefix]
    here = re.compile(r"(?<![\w./])(?:" + "|".join(map(re.escape, own)) + r")[/\\]")
    lines = [line for text in texts for line in text.splitlines()]
    return [line[:200] for line in lines if MACHINE_PATH.search(line) or here.search(line)]
