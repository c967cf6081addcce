"""The numbered notebooks as a set: run with parameters for the reports, refreshed where they lie.

``python -m digitlib reports`` is ``make reports``, ``python -m digitlib notebooks`` is
``make notebooks``.
A notebook is run in a kernel of its own, in its own folder, in the order of the numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from digitlib.datasets import catalog
from digitlib.datasets.base import SPLITS
from digitlib.files import REPOSITORY, versions, write_json
from digitlib.models.networks import pick_device
from digitlib.models.weights import BUNDLED_WEIGHTS, load_model
from digitlib.reports import model_card
from digitlib.reports.notebook import SEEDS
from digitlib.reports.parameters import FAST, FULL

FOLDER = REPOSITORY / "notebooks"
KERNEL = "python3"
# What goes wrong in a cell is told by the cell; the kernel's own log would only litter the list.
KERNEL_OPTIONS = ["--IPKernelApp.log_level=50"]
CELL_TIMEOUT = 1800  # seconds; the longest cell trains a network
WIDGET = "application/vnd.jupyter.widget-view+json"
# Parameters that say where to write: they do not change a number.
PLACES = ("reports_folder", "weights_folder")
MACHINE_PATH = re.compile(
    r"(?<![\w./])/(?:home|Users|root|tmp|var|private|usr|opt|mnt|srv|work\w*)/|[A-Z]:\\\\?Users"
)


def find(folder: Path = FOLDER) -> list[Path]:
    """The notebooks ``01_….ipynb`` to ``99_….ipynb``, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def code_digest(notebook: NotebookNode) -> str:
    """First 12 hex digits of the SHA-256 over the code cells, in order."""
    code = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:12]


# --- refresh -------------------------------------------------------------------------------


def refresh(path: Path) -> None:
    """Run a notebook in place with the parameters that stand in it, and keep its outputs.

    Raises:
        CellExecutionError: a cell failed; the file is as it was.
        ValueError: an output names a path of this machine.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL,
        extra_arguments=KERNEL_OPTIONS,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    client.execute()
    clean(notebook)
    if found := machine_paths(notebook):
        raise ValueError(f"{path.name} shows a path of this machine: {found[0]}")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    nbformat.write(notebook, partial)
    partial.replace(path)


def clean(notebook: NotebookNode) -> None:
    """Drop what differs between machines and runs, and note which code the outputs are of."""
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
            cell.outputs = _clean_outputs(cell.outputs)


def _clean_outputs(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
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
    """Lines of source or output that name a path of the machine they were made on."""
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


# --- run -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not come to its end."""

    notebook: str
    cell: int | None  # number of the cell from 1, as one counts in the notebook
    source: str
    error: str

    def __str__(self) -> str:
        place = f", cell {self.cell}" if self.cell else ""
        source = "".join(f"\n      {line}" for line in self.source.splitlines())
        return f"  {self.notebook}{place}: {self.error}{source}"


def declared(path: Path) -> list[str]:
    """Names in the notebook's ``parameters`` cell."""
    import papermill

    with _quiet():
        return list(papermill.inspect_notebook(str(path)))


def check_names(path: Path, parameters: dict[str, Any]) -> None:
    """Refuse a name that the notebook does not have; papermill itself only warns.

    Raises:
        ValueError: with the names that it has.
    """
    names = declared(path)
    for name in parameters:
        if name not in names:
            raise ValueError(f"{path.stem} has no parameter {name!r}; it has {', '.join(names)}.")


def run(path: Path, output: Path, parameters: dict[str, Any]) -> Failure | None:
    """Run a notebook; write ``executed/NAME.ipynb`` and ``.html`` below ``output``.

    Where a cell fails, the notebook is kept as far as it came.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    executed = output / "executed" / path.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    executed.with_suffix(".html").unlink(missing_ok=True)
    failure = None

    def execute() -> None:
        with _quiet():
            papermill.execute_notebook(
                str(path),
                str(executed),
                parameters=parameters,
                cwd=str(path.parent),
                kernel_name=KERNEL,
                execution_timeout=CELL_TIMEOUT,
                progress_bar=False,
                extra_arguments=KERNEL_OPTIONS,
            )

    try:
        try:
            execute()
        except RuntimeError as error:  # kernels that start at the same moment may miss their ports
            if "respond" not in str(error) and "died before" not in str(error):
                raise
            print("the kernel did not start, once more: ", end="", flush=True)
            execute()
    except PapermillExecutionError as error:
        message = f"{error.ename}: {error.evalue}"
        number = _cell_number(executed)
        failure = Failure(path.stem, number, error.source.strip(), message)
    except Exception as error:  # a kernel that died, a time limit: the others still run
        failure = Failure(path.stem, None, "", f"{type(error).__name__}: {error}")
    if executed.exists():
        _write_html(executed)
    return failure


def _cell_number(executed: Path) -> int | None:
    """Which cell failed, counted without what papermill put in."""
    own = [
        cell
        for cell in nbformat.read(executed, as_version=4).cells
        if not any(str(tag).startswith("papermill-error") for tag in cell.metadata.get("tags", []))
        and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for number, cell in enumerate(own, 1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return number
    return None


def _write_html(executed: Path) -> None:
    from nbconvert import HTMLExporter

    with _quiet():
        page, _ = HTMLExporter().from_filename(str(executed))
    executed.with_suffix(".html").write_text(page, encoding="utf-8")


def _quiet() -> warnings.catch_warnings[None]:
    """Without the warnings of papermill's and nbconvert's own dependencies."""
    return warnings.catch_warnings(action="ignore")


# --- reports -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """One run of the notebooks for the reports.

    Attributes:
        output: folder of the reports.
        fast: a small subset, in minutes.
        dataset: ``mnist`` or ``sample``.
        seed: of every notebook that takes one.
    """

    output: Path
    fast: bool = False
    dataset: str = "mnist"
    seed: int = 0

    @property
    def command(self) -> str:
        """What makes these reports, without where they lie."""
        parts = ["python -m digitlib reports"]
        parts += ["--fast"] if self.fast else []
        parts += [f"--dataset {self.dataset}"] if self.dataset != "mnist" else []
        parts += [f"--seed {self.seed}"] if self.seed else []
        return " ".join(parts)

    def parameters(self, path: Path) -> dict[str, Any]:
        """What the notebook is given; ValueError for a name that it does not have."""
        table = FAST if self.fast else FULL
        chosen = dict(table.get(path.stem, {}))
        check_names(path, chosen)
        common = {
            "dataset": self.dataset,
            "seed": self.seed,
            "reports_folder": str(self.output.resolve()),
        }
        names = declared(path)
        return chosen | {name: value for name, value in common.items() if name in names}


def make(plan: Plan, names: Sequence[str] = (), *, folder: Path = FOLDER) -> list[Failure]:
    """Run the notebooks, all or those named, and write the reports.

    What is complete and current is not run again. Each failure is printed at the end.

    Raises:
        ValueError: a name that is no notebook, or a parameter that a notebook does not have.
        DataMissingError: the data set is not there.
    """
    paths = {path.stem: path for path in find(folder)}
    for name in names:
        if name not in paths:
            raise ValueError(f"There is no notebook {name!r}; there are {', '.join(paths)}.")
    parameters = {name: plan.parameters(path) for name, path in paths.items()}
    data = {split: catalog.load(plan.dataset, split).digest for split in SPLITS}
    keys = {name: _key(paths[name], parameters[name], data) for name in paths}
    failures = []
    for name in names or paths:
        if _current(plan.output, name, keys[name]):
            print(f"{name}: current", flush=True)
            continue
        record = plan.output / "metrics" / f"{name}.json"
        record.unlink(missing_ok=True)
        print(f"{name}: ", end="", flush=True)
        start = time.perf_counter()
        failure = run(paths[name], plan.output, parameters[name])
        seconds = time.perf_counter() - start
        print(f"{'failed' if failure else 'done'}, {seconds:.0f} s", flush=True)
        if failure:
            failures.append(failure)
        else:
            _complete(record, keys[name], parameters[name], seconds)
    _collect(plan, keys, data)
    if failures:
        print(f"\n{len(failures)} of {len(names or paths)} notebooks failed:")
        print(*failures, sep="\n")
    return failures


def _key(path: Path, parameters: dict[str, Any], data: dict[str, str]) -> str:
    """Digest of everything that decides the results of a notebook."""
    notebook = nbformat.read(path, as_version=4)
    package = REPOSITORY / "digitlib"
    sources = [
        source
        for source in sorted(package.rglob("*"))
        if source.is_file() and "__pycache__" not in source.parts
    ]
    sources += [SEEDS] if SEEDS.is_file() else []
    decides = [
        [cell.source for cell in notebook.cells],
        {name: value for name, value in parameters.items() if name not in PLACES},
        data,
        versions(),
        [(source.name, hashlib.sha256(source.read_bytes()).hexdigest()) for source in sources],
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _current(output: Path, name: str, key: str) -> bool:
    """Whether everything that a run of the notebook leaves is there and of this key."""
    record = _read(output / "metrics" / f"{name}.json")
    files = [output / "executed" / f"{name}{suffix}" for suffix in (".ipynb", ".html")]
    files += [output / "figures" / figure for figure in record.get("figures", [])]
    return record.get("key") == key and all(file.is_file() for file in files)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _complete(record: Path, key: str, parameters: dict[str, Any], seconds: float) -> None:
    """Add to what the notebook saved that and how it came to its end."""
    made = _read(record) or {"numbers": {}, "times": {}, "figures": []}
    made["times"] = made["times"] | {"notebook_seconds": round(seconds, 1)}
    chosen = {name: value for name, value in parameters.items() if name not in PLACES}
    write_json(record, made | {"key": key, "parameters": chosen})


def _collect(plan: Plan, keys: dict[str, str], data: dict[str, str]) -> None:
    """Write ``metrics.json`` from the notebooks that are complete, and the model card from it.

    Only ``run`` and ``times`` differ between two runs with the same seed on the same machine.
    """
    records = {name: _read(plan.output / "metrics" / f"{name}.json") for name in keys}
    done = {name: record for name, record in records.items() if record.get("key") == keys[name]}
    parts = ("parameters", "numbers", "figures")
    metrics = {
        "command": plan.command,
        "seed": plan.seed,
        "data": {plan.dataset: data},
        "weights": hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest(),
        "versions": versions(),
        "device": str(pick_device()),
        "notebooks": {n: {part: record[part] for part in parts} for n, record in done.items()},
        "missing": [name for name in keys if name not in done],
        "times": {name: record["times"] for name, record in done.items()},
        "run": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            **_revision(),
        },
    }
    write_json(plan.output / "metrics.json", metrics)
    text = model_card.render(metrics, load_model()[1])
    (plan.output / "README.md").write_text(text, encoding="utf-8")


def _revision() -> dict[str, Any]:
    """The commit that this is, and whether files differ from it; None outside of git."""
    git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
    try:
        head, status = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return {"revision": None, "modified": None}
    return {"revision": head.strip(), "modified": bool(status.strip())}


def refresh_one(path: Path) -> int:
    """Refresh, saying so; 1 where it failed."""
    from nbclient.exceptions import CellExecutionError

    print(f"{path.stem}: ", end="", flush=True)
    start = time.perf_counter()
    try:
        refresh(path)
    except CellExecutionError as error:
        print(f"failed, and is as it was: {error}", flush=True)
        return 1
    print(f"refreshed, {time.perf_counter() - start:.0f} s", flush=True)
    return 0
