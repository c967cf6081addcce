"""Sweeps: seeds × configurations, side by side on this machine or a cluster, in one table.

Runs go through joblib to this machine's cores, or to a Dask cluster (``--cluster``), where a run
whose worker dies is repeated. Each finished run is a line of the table at once; a sweep that is
started again makes the missing runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from digitlib.datasets import catalog
from digitlib.evaluation import compare
from digitlib.evaluation.metrics import Proportion
from digitlib.evaluation.speed import limit_threads
from digitlib.files import REPORTS, digest, write_json
from digitlib.models.networks import count_parameters
from digitlib.models.recognizer import Recognizer
from digitlib.training.calibration import make_card
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import SoftLabels
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit

if TYPE_CHECKING:
    import pandas as pd

TABLE = REPORTS / "sweep.jsonl"
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run of a sweep: a configuration with its seed, and its name."""

    name: str
    config: TrainConfig

    @property
    def key(self) -> str:
        """Digest of name and configuration."""
        content = json.dumps([self.name, self.config.as_dict()], sort_keys=True)
        return digest(content.encode())


def jobs(configs: Mapping[str, TrainConfig], seeds: Sequence[int]) -> list[Job]:
    """Every configuration with every seed; seeds outermost, so that all have early results."""
    return [
        Job(name, replace(config, seed=seed)) for seed in seeds for name, config in configs.items()
    ]


def train(
    job: Job, root: str | None = None, threads: int = 1, soft_labels: str | None = None
) -> Row:
    """Train, calibrate, and measure on the test split: one row of the table.

    Args:
        job: name and configuration.
        root: data folder; see :func:`base.data_root`.
        threads: of this run; results depend on the number in the last bits.
        soft_labels: file of :class:`distillation.SoftLabels`, for ``distill_weight`` > 0.
    """
    with limit_threads(threads):
        data = Splits.load(job.config, root)
        labels = None if soft_labels is None else SoftLabels.load(soft_labels)
        result = fit(job.config, data, soft_labels=labels, progress=False)
        parameters = count_parameters(result.model)
        recognizer = Recognizer(result.model, make_card(result, data))
        measured = compare.measure(recognizer, catalog.load(data.train[0].name, "test", root))
    last = result.history[-1]
    return {
        "key": job.key,
        "name": job.name,
        "seed": job.config.seed,
        "dataset": data.train[0].name,
        "validation": last[f"accuracy/{data.train[0].name}"],
        "test": measured["accuracy"]["value"],
        "count": measured["accuracy"]["count"],
        "errors": measured["errors"],
        "nll": measured["nll"],
        "ece": measured["ece"],
        "parameters": parameters,
        "seconds": result.seconds,
        "device": result.device,
        "threads": threads,
    }


def fan_out(
    function: Callable[..., Row],
    tasks: Sequence[Job],
    *,
    workers: int = -1,
    cluster: str | Any | None = None,
    **options: Any,
) -> Iterator[Row]:
    """Rows of ``function(job, **options)``, each as soon as it is finished, in any order.

    Args:
        function: importable or picklable.
        tasks: the jobs.
        workers: processes on this machine, -1 for one per core.
        cluster: address of a Dask scheduler, or a Dask cluster or client, to run on instead.
        options: further arguments of ``function``.

    Raises:
        ImportError: a cluster is given and Dask is missing; the message names the extra.
    """
    with ExitStack() as stack:
        if cluster is not None:
            stack.enter_context(_on_cluster(cluster, stack))
        engine = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        yield from engine(joblib.delayed(function)(task, **options) for task in tasks)


def _on_cluster(cluster: str | Any, stack: ExitStack) -> AbstractContextManager[Any]:
    """joblib's Dask backend, for the jobs started in its block."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("A cluster needs Dask: pip install 'digitlib[scale]'.") from error
    if not isinstance(cluster, Client):
        # This client is closed with the sweep; the cluster continues.
        cluster = stack.enter_context(Client(cluster))
    return joblib.parallel_config(backend="dask", client=cluster)


def sweep(
    configs: Mapping[str, TrainConfig],
    seeds: Sequence[int],
    table: str | os.PathLike[str],
    *,
    workers: int = -1,
    cluster: str | Any | None = None,
    root: str | None = None,
    threads: int = 1,
    soft_labels: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train every configuration with every seed; rows that the table has are not run again.

    Args:
        configs: by name.
        seeds: of each.
        table: a JSON Lines file, one run a line, appended to as runs finish.
        workers: as :func:`fan_out`.
        cluster: as :func:`fan_out`; workers there find data by ``DIGITLIB_DATA`` or ``root``.
        root: data folder.
        threads: of each run.
        soft_labels: file of :class:`distillation.SoftLabels`, for ``distill_weight`` > 0.
        progress: show a bar.

    Returns:
        The rows of these runs, by name and seed.
    """
    from tqdm.auto import tqdm

    path = Path(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")  # after an incomplete line
    wanted = {job.key: job for job in jobs(configs, seeds)}
    missing = [job for key, job in wanted.items() if key not in {row["key"] for row in read(path)}]
    options = {"root": root, "threads": threads, "soft_labels": soft_labels}
    found = fan_out(train, missing, workers=workers, cluster=cluster, **options)
    for row in tqdm(found, total=len(missing), disable=not progress, unit="run"):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return frame([row for row in read(path) if row["key"] in wanted])


def read(table: str | os.PathLike[str]) -> list[Row]:
    """The rows of a table, none where there is no file; an incomplete line is left out."""
    path = Path(table)
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:  # the sweep was stopped during a write
            continue
    return rows


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table, by name and seed."""
    import pandas as pd

    table = pd.DataFrame(rows)
    return table if table.empty else table.sort_values(["name", "seed"], ignore_index=True)


def write_seeds(rows: Sequence[Row], path: Path = REPORTS / "seeds.json") -> None:
    """Write the runs of one configuration as :func:`notebook.seed_runs` reads them."""
    runs = [
        {
            "seed": row["seed"],
            "test": {
                "accuracy": Proportion(row["count"] - row["errors"], row["count"]).as_dict(),
                **{name: row[name] for name in ("errors", "nll", "ece")},
            },
        }
        for row in sorted(rows, key=lambda row: row["seed"])
    ]
    write_json(path, {"runs": runs})
