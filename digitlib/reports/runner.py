"""The reports: every notebook whose results are not current is run, and its numbers collected.

``python -m digitlib reports`` is ``make reports``. The numbers of each notebook lie in
``metrics/NAME.json`` with the revision of the code and the key of everything they depend on;
``metrics.json`` has them all, and ``README.md``, the model card, is rendered from it. The
notebooks themselves keep the outputs of this run.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digitlib.datasets import catalog
from digitlib.datasets.base import SPLITS
from digitlib.files import (
    NOTEBOOK_FOLDER,
    REPORTS,
    REPOSITORY,
    digest,
    locked,
    versions,
    write_json,
    write_text,
)
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.models.networks import pick_device
from digitlib.models.weights import load_model
from digitlib.reports import execution
from digitlib.reports.dependencies import notebook_key
from digitlib.reports.execution import Failure
from digitlib.reports.model_card import render_model_card
from digitlib.reports.parameters import NOTEBOOKS, PLACES, Notebook, standing_parameters
from digitlib.reports.report import read_object

BUNDLED_NUMBERS = REPORTS / "weights" / f"{BUNDLED_WEIGHTS.stem}.json"


@dataclass(frozen=True)
class ReportPlan:
    """Settings of one run of the notebooks for the reports.

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
        """The command line of these reports, without the folder."""
        parts = ["python -m digitlib reports"]
        parts += ["--fast"] if self.fast else []
        parts += [f"--dataset {self.dataset}"] if self.dataset != "mnist" else []
        parts += [f"--seed {self.seed}"] if self.seed else []
        return " ".join(parts)

    @property
    def keeps(self) -> bool:
        """Whether the notebooks keep the outputs of this run: that of the reports themselves."""
        return self == ReportPlan(REPORTS)

    def parameters(self, path: Path) -> dict[str, Any]:
        """Parameters of a notebook; ValueError for a name that it does not have."""
        notebook = NOTEBOOKS.get(path.stem, Notebook())
        chosen = dict(notebook.fast if self.fast else notebook.full)
        execution.check_names(path, chosen)
        common = {
            "dataset": self.dataset,
            "seed": self.seed,
            "reports_folder": str(self.output.resolve()),
        }
        standing = standing_parameters(path)
        return standing | chosen | {n: value for n, value in common.items() if n in standing}

    def record(self, name: str) -> Path:
        """File with the numbers of one notebook."""
        return self.output / "metrics" / f"{name}.json"


def make_reports(
    plan: ReportPlan, names: Sequence[str] = (), *, folder: Path = NOTEBOOK_FOLDER
) -> list[Failure]:
    """Run the notebooks that are not current, all or those named; write the reports.

    The numbers of the others stay. Failures are printed at the end. Several processes may make the
    reports of one folder: a notebook is run by one of them, the others wait for it.

    Raises:
        ValueError: a name that is no notebook, or a parameter that a notebook does not have.
        DataMissingError: the data set is not there.
        WriteError: a file cannot be written.
    """
    paths = {path.stem: path for path in execution.find_notebooks(folder)}
    for name in names:
        if name not in paths:
            raise ValueError(f"There is no notebook {name!r}; there are {', '.join(paths)}.")
    data = {split: catalog.load(plan.dataset, split).digest for split in SPLITS}
    keys = {name: _key(plan, path) for name, path in paths.items()}
    chosen = {name: paths[name] for name in names or paths}
    failures = [
        f for name, path in chosen.items() if (f := _bring_up_to_date(plan, path, keys[name]))
    ]
    with _locked(plan, "metrics"):
        _collect(plan, keys, data)
    if failures:
        print(f"\n{len(failures)} of {len(chosen)} notebooks failed:")
        print(*failures, sep="\n")
    return failures


def _key(plan: ReportPlan, path: Path) -> str:
    return notebook_key(path.stem, execution.read_notebook(path), plan.parameters(path))


def _locked(plan: ReportPlan, name: str) -> AbstractContextManager[None]:
    """Alone among the processes that make these reports, with one notebook or with all numbers."""
    waiting = f"{name}: another process is at it, waiting for it"
    return locked(plan.output / "executed" / f"{name}.lock", waiting)


def _bring_up_to_date(plan: ReportPlan, path: Path, key: str) -> Failure | None:
    """Run a notebook if its results are not current, once nobody else does."""
    with _locked(plan, path.stem):
        if not _is_current(plan, path, key):
            return _run(plan, path, key)
    print(f"{path.stem}: current", flush=True)
    return None


def _run(plan: ReportPlan, path: Path, key: str) -> Failure | None:
    record = plan.record(path.stem)
    record.unlink(missing_ok=True)
    print(f"{path.stem}: ", end="", flush=True)
    parameters, start = plan.parameters(path), time.perf_counter()
    failure = execution.execute(path, plan.output, parameters, keep=plan.keeps)
    seconds = time.perf_counter() - start
    print(f"{'failed' if failure else 'done'}, {seconds:.0f} s", flush=True)
    if not failure:
        _complete(record, key, parameters, seconds)
    return failure


def _is_current(plan: ReportPlan, path: Path, key: str) -> bool:
    """Whether all that a run of the notebook leaves is there and of this key."""
    record = _read_record(plan.record(path.stem))
    files = [plan.output / "figures" / figure for figure in record.get("figures", [])]
    if not plan.keeps:
        files += [plan.output / "executed" / f"{path.stem}{end}" for end in (".ipynb", ".html")]
    elif not execution.outputs_are_current(execution.read_notebook(path)):
        return False
    return record.get("key") == key and all(file.is_file() for file in files)


def _read_record(path: Path) -> dict[str, Any]:
    """Numbers of a notebook; empty where they are missing.

    Raises:
        DataDamagedError: the file is no record of numbers.
    """
    try:
        return read_object(path)
    except FileNotFoundError:
        return {}


def _complete(record: Path, key: str, parameters: Mapping[str, Any], seconds: float) -> None:
    """Add key, parameters and revision to the numbers that the notebook saved: it is complete."""
    made = _read_record(record) or {"numbers": {}, "times": {}, "figures": []}
    made["times"] = made["times"] | {"notebook_seconds": round(seconds, 1)}
    made["parameters"] = {name: v for name, v in parameters.items() if name not in PLACES}
    write_json(record, made | {"key": key} | _revision())


def _revision() -> dict[str, Any]:
    """The commit of the code, and whether the package differs from it; None outside of git.

    The notebooks' own code is in their keys: they differ as soon as one of them keeps its outputs.
    """
    git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
    changes = ["status", "--porcelain", "--", "digitlib"]
    try:
        head, status = (
            subprocess.run([*git, *command], capture_output=True, check=True).stdout.decode()
            for command in (["rev-parse", "HEAD"], changes)
        )
    except (OSError, subprocess.CalledProcessError):
        return {"revision": None, "modified": None}
    return {"revision": head.strip(), "modified": bool(status.strip())}


# --- everything together -------------------------------------------------------------------


def _collect(plan: ReportPlan, keys: Mapping[str, str], data: Mapping[str, str]) -> None:
    """Write ``metrics.json`` from all complete records, and the model card from it.

    Only ``run`` and ``times`` differ between two runs with the same seed on the same machine.
    """
    records = {name: _read_record(plan.record(name)) for name in keys}
    done = {name: record for name, record in records.items() if "key" in record}
    parts = ("parameters", "numbers", "figures", "key", "revision", "modified")
    metrics = {
        "command": plan.command,
        "seed": plan.seed,
        "data": {plan.dataset: data},
        "weights": digest(BUNDLED_WEIGHTS.read_bytes()),
        "versions": versions(),
        "device": str(pick_device()),
        "notebooks": {n: {part: record.get(part) for part in parts} for n, record in done.items()},
        "missing": [name for name in keys if name not in done],
        "stale": [name for name, record in done.items() if record["key"] != keys[name]],
        "times": {name: record["times"] for name, record in done.items()},
        "run": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            **_revision(),
        },
    }
    write_json(plan.output / "metrics.json", metrics)
    measured = _read_record(BUNDLED_NUMBERS).get("measured", {})
    card = render_model_card(metrics, load_model()[1], measured)
    write_text(plan.output / "README.md", card)
