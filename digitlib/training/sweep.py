"""Sweeps: seeds × configurations, side by side on this machine or a cluster, in one table.

Runs go through joblib to this machine's cores, or to a Dask cluster (``--cluster``), where a run
whose worker dies is repeated. Each finished run is a line of the table at once; a sweep that is
started again makes the missing runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from tqdm.auto import tqdm

from digitlib.datasets import catalog
from digitlib.errors import DataDamagedError
from digitlib.evaluation import compare
from digitlib.evaluation.metrics import Proportion
from digitlib.evaluation.speed import limit_threads
from digitlib.files import REPORTS, digest, locked, write_json, write_text
from digitlib.models.networks import count_parameters
from digitlib.models.recognizer import Recognizer
from digitlib.training.calibration import make_card
from digitlib.training.config import TrainConfig
from digitlib.training.distillation import SoftLabels
from digitlib.training.loader import Splits
from digitlib.training.trainer import fit

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
        root: data folder; see :func:`files.data_root`.
        threads: of this run; results depend on the number in the last bits.
        soft_labels: file of :class:`distillation.SoftLabels`, for ``distill_weight`` > 0.
    """
    with limit_threads(threads):
        data = Splits.load(job.config, root)
        labels = None if soft_labels is None else SoftLabels.load(soft_labels)
        result = fit(job.config, data, soft_labels=labels, progress=False)
        parameters = count_parameters(result.model)
        recognizer = Recognizer.from_model(result.model, make_card(result, data.validation))
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
        cluster: a Dask cluster, or the address of its scheduler, to run on instead.
        options: further arguments of ``function``.

    Raises:
        ImportError: a cluster is given and Dask is missing; the message names the extra.
    """
    with _backend(cluster):
        engine = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        yield from engine(joblib.delayed(function)(task, **options) for task in tasks)


@contextmanager
def _backend(cluster: str | Any | None) -> Iterator[None]:
    """The workers of joblib in a block: a cluster's, or processes on this machine."""
    if cluster is None:
        yield
        return
    from distributed import Client

    with Client(cluster) as client, joblib.parallel_config(backend="dask", client=client):
        yield


def sweep(
    configs: Mapping[str, TrainConfig],
    seeds: Sequence[int],
    table: Path,
    *,
    workers: int = -1,
    cluster: str | Any | None = None,
    progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Train every configuration with every seed; rows that the table has are not run again.

    Args:
        configs: by name.
        seeds: of each.
        table: a JSON Lines file, one run a line, added as runs finish.
        workers: as :func:`fan_out`.
        cluster: as :func:`fan_out`; workers there find data by ``DIGITLIB_DATA`` or ``root``.
        progress: show a bar.
        options: of :func:`train`: ``root``, ``threads``, ``soft_labels``.

    Returns:
        The rows of these runs, by name and seed.
    """
    wanted = {job.key: job for job in jobs(configs, seeds)}
    finished = read(table)
    known = {row["key"] for row in finished}
    missing = [job for key, job in wanted.items() if key not in known]
    rows = fan_out(train, missing, workers=workers, cluster=cluster, **options)
    for row in tqdm(rows, total=len(missing), disable=not progress, unit="run"):
        _add(table, row)
    found = pd.DataFrame([row for row in read(table) if row["key"] in wanted])
    return found.sort_values(["name", "seed"], ignore_index=True)


def _add(table: Path, row: Row) -> None:
    """Add a row, where another sweep may do so, too."""
    waiting = f"Another sweep is writing {table}: waiting for it."
    with locked(table.with_name(f".{table.name}.lock"), waiting):
        rows = [*read(table), row]
        write_text(table, "".join(json.dumps(each) + "\n" for each in rows))


def read(table: Path) -> list[Row]:
    """The rows of a table, none where there is no file.

    Raises:
        DataDamagedError: a line is no row.
    """
    text = table.read_text(encoding="utf-8") if table.exists() else ""
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        message = f"{table} is damaged ({error}): remove the line, and its run is made again."
        raise DataDamagedError(message) from error


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
