"""Run the notebooks and keep their outputs: ``python -m digitlib reports``, or ``make reports``.

Each notebook writes its own figures and numbers, into the folder that it gets as the parameter
``reports_folder`` (see ``notebooks/shared.py``). The runner keeps the outputs of the full run in
the notebook.
"""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbformat import NotebookNode

from digitlib.files import NOTEBOOK_FOLDER, REPORTS, REPOSITORY, digest, write_text
from digitlib.reports.readme import read_json

# Parameters of `--fast`: enough to see that everything runs.
FAST: dict[str, dict[str, Any]] = {
    "02_explore": {"subset": 1000},
    "03_first_network": {"subset": 1000, "epochs": 2},
    "04_train": {"subset": 1000, "epochs": 1},
    "05_evaluate": {"subset": 1000},
    "06_confusion": {"subset": 1000},
    "07_what_it_sees": {"subset": 500},
    "08_robustness": {"subset": 500, "count": 500},
    "09_your_handwriting": {"count": 2},
    "10_pictures": {"subset": 500, "count": 10},
    "11_writers": {"subset": 500},
    "12_speed": {"subset": 1000, "rounds": 1, "seconds": 2, "count": 20, "frames": 2000},
    "13_numbers": {"count": 10, "compare": False},
}
CELL_TIMEOUT = 1800  # seconds; the longest cell trains a network
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE_PATH = re.compile(
    r"(?<![\w./])/(?:home|Users|root|tmp|var|private|usr|opt|mnt|srv|work\w*)/|[A-Z]:\\\\?Users"
    rf"|{re.escape(str(REPOSITORY))}"
)


def find_notebooks(folder: Path = NOTEBOOK_FOLDER, only: Sequence[str] = ()) -> list[Path]:
    """The notebooks of the course and of ``research``, by number, or those that ``only`` names.

    Raises:
        ValueError: ``only`` has a name or number that no notebook has.
    """
    paths = sorted(
        (path for part in (folder, folder / "research") for path in part.glob("??_*.ipynb")),
        key=lambda path: path.name,
    )
    for name in only:
        if not any(name in (path.stem, path.stem[:2]) for path in paths):
            names = ", ".join(path.stem for path in paths)
            raise ValueError(f"There is no notebook {name!r}. Choose from {names}.")
    return [path for path in paths if not only or {path.stem, path.stem[:2]} & {*only}]


def make_reports(
    only: Sequence[str] = (),
    *,
    fast: bool = False,
    folder: Path = NOTEBOOK_FOLDER,
    reports: Path = REPORTS,
) -> list[str]:
    """Run notebooks in order and keep their outputs; print and return the failures.

    Args:
        only: names or numbers of notebooks; all without.
        fast: run with small parameters, write to ``reports/fast``, and keep no outputs.
        folder: of the notebooks.
        reports: folder for figures and numbers.

    Raises:
        ValueError: a notebook doesn't exist, or it lacks a parameter that it would get.
    """
    output = reports / "fast" if fast else reports
    chosen = {}
    for path in find_notebooks(folder, only):
        with warnings.catch_warnings(action="ignore"):
            names = papermill.inspect_notebook(str(path)).keys()
        chosen[path] = dict(FAST.get(path.stem, {})) if fast else {}
        if unknown := chosen[path].keys() - names:  # papermill itself only warns of them
            raise ValueError(f"{path.stem} has no parameter {unknown.pop()!r}, only {[*names]}.")
        if "reports_folder" in names:
            chosen[path]["reports_folder"] = str(output.resolve())
    failures: list[str] = []
    for path, parameters in chosen.items():
        print(f"{path.stem}: ", end="", flush=True)
        start, before = time.perf_counter(), len(failures)
        try:
            executed = execute(path, parameters)
            if not fast:
                keep_outputs(path, executed)
        except papermill.PapermillExecutionError as error:
            print(error)  # with its traceback
            cell = (error.exec_count or 0) - bool(parameters)  # without papermill's own cell
            failures.append(f"{path.stem}, cell [{cell}]: {error.ename}: {error.evalue}")
        except Exception as error:  # for example a kernel that died, or a time limit
            failures.append(f"{path.stem}: {type(error).__name__}: {error}")
        word = "failed" if len(failures) > before else "done"
        print(f"{word}, {time.perf_counter() - start:.0f} s", flush=True)
    if failures:
        print(f"\n{len(failures)} of {len(chosen)} notebooks failed:", *failures, sep="\n  ")
    return failures


def execute(path: Path, parameters: Mapping[str, Any], attempts: int = 2) -> NotebookNode:
    """Run a notebook in its folder, in a new kernel; return it with its outputs.

    Raises:
        PapermillExecutionError: a cell failed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return papermill.execute_notebook(
                str(path),
                None,
                parameters=dict(parameters),
                cwd=str(path.parent),
                kernel_name=KERNEL["name"],
                execution_timeout=CELL_TIMEOUT,
                progress_bar=False,
                extra_arguments=["--IPKernelApp.log_level=50"],  # the cell shows its error
                coalesce_streams=True,
            )
    except RuntimeError as error:  # kernels that start at the same moment may miss their ports
        if attempts == 1 or not re.search("didn't respond|died before", str(error)):
            raise
        print("the kernel didn't start, trying again: ", end="", flush=True)
        return execute(path, parameters, attempts - 1)


# --- kept outputs ----------------------------------------------------------------------------


def keep_outputs(path: Path, executed: NotebookNode) -> None:
    """Write the outputs of a run into the notebook, without anything that depends on the machine.

    Raises:
        ValueError: the code was edited in the meantime, or an output shows a path of this machine.
    """
    notebook = nbformat.read(path, as_version=4)
    if code_digest(executed) != code_digest(notebook):
        raise ValueError(f"{path.name} was edited while it ran. Its outputs are not kept.")
    for cell, done in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell.outputs = done.outputs
    clean(notebook)
    if found := machine_paths(notebook):
        raise ValueError(f"{path.name} shows a path of this machine: {found[0]}")
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The notebook's own code cells, without the one that papermill adds for its parameters."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def code_digest(notebook: NotebookNode) -> str:
    """Digest of the code, kept in the metadata: it shows whether the outputs belong to the code."""
    return digest("\0".join(cell.source.strip() for cell in code_cells(notebook)).encode())


def clean(notebook: NotebookNode) -> None:
    """Count the cells 1 to n; drop tools' metadata and outputs that need a live kernel."""
    metadata = {key: value for key, value in notebook.metadata.items() if key == "title"}
    metadata |= {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(metadata | {"digitlib": {"code": code_digest(notebook)}})
    for cell in notebook.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in ("tags", "jupyter")}
        cell.metadata = nbformat.from_dict(kept)
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        cell.outputs = [out for out in cell.outputs if WIDGET not in out.get("data", {})]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def machine_paths(notebook: NotebookNode) -> list[str]:
    """Lines of cells and outputs that name a path of a machine."""
    texts: list[str] = []
    for cell in notebook.cells:
        texts.append(cell.source)
        for out in cell.get("outputs", []):
            data = out.get("data", {})
            texts += [str(value) for kind, value in data.items() if not kind.startswith("image/")]
            texts += [out.get("text", ""), *out.get("traceback", [])]
    lines = [line for text in texts for line in text.splitlines()]
    return [line[:200] for line in lines if MACHINE_PATH.search(line)]


# --- which results are old -------------------------------------------------------------------


def list_changes(folder: Path = NOTEBOOK_FOLDER, reports: Path = REPORTS) -> None:
    """Print for each notebook which of the files that it uses have changed since its last run."""
    for path in find_notebooks(folder):
        notebook = nbformat.read(path, as_version=4)
        kept = notebook.metadata.get("digitlib", {}).get("code")
        changed = [] if kept == code_digest(notebook) else [path.name]
        record = reports / "metrics" / f"{path.stem}.json"
        if record.exists():
            run = read_json(record)["run"]
            code = "\n".join(cell.source for cell in code_cells(notebook))
            files = _changed(imported_files(code, folder), run["revision"], record)
            changed += sorted(file.relative_to(REPOSITORY).as_posix() for file in files)
            changed += ["code that is in no commit"] if run["modified"] else []
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        state = f"changed: {', '.join(changed[:5])}{more}" if changed else "up to date"
        print(f"{path.stem}: {state}")


def _changed(files: set[Path], revision: str | None, record: Path) -> set[Path]:
    """Those of the files that differ from a revision; without git, those newer than the record."""
    git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), "diff", "--name-only"]
    try:
        done = subprocess.run([*git, f"{revision}", "--"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        made = record.stat().st_mtime
        return {file for file in files if file.stat().st_mtime > made}
    return files & {REPOSITORY / line for line in done.stdout.decode().splitlines()}


def imported_files(code: str, folder: Path = NOTEBOOK_FOLDER) -> set[Path]:
    """Files of digitlib, and ``shared.py`` in ``folder``, that code imports, directly or not."""
    found: set[Path] = set()
    waiting = [code]
    while waiting:
        for name in _imported_names(waiting.pop()):
            home = REPOSITORY if name.startswith("digitlib.") else folder
            file = (home / name.replace(".", "/")).with_suffix(".py")
            if file.is_file() and file not in found:
                found.add(file)
                waiting.append(file.read_text(encoding="utf-8"))
    return found


def _imported_names(code: str) -> Iterator[str]:
    """Names in import statements, with their modules."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "digitlib":  # its public names
            things = (pkgutil.resolve_name(f"digitlib:{alias.name}") for alias in node.names)
            yield from (getattr(thing, "__module__", "") for thing in things)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
