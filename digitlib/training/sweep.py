"""Sweeps: every configuration with every seed, side by side on a Dask cluster.

Each finished run is a row of a table. The next sweep runs only what the table lacks. Dask repeats
a run if its worker dies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from digitlib.datasets import catalog
from digitlib.errors import DataDamagedError
from digitlib.evaluation.compare import measure
from digitlib.evaluation.metrics import Proportion
from digitlib.files import REPORTS, digest, locked, provenance, write_json, write_text
from digitlib.models.networks import count_parameters
from digitlib.models.recognizer import Recognizer
from digitlib.models.weights import load_model
from digitlib.training.calibration import make_card
from digitlib.training.config import TrainConfig
from digitlib.training.examples import Splits
from digitlib.training.trainer import accuracies, fit

TABLE = REPORTS / "sweep.jsonl"
Row = dict[str, Any]


def train(
    key: str, name: str, config: TrainConfig,
    teachers: Sequence[Path] = (), measured: Sequence[str] = (),
) -> Row:  # fmt: skip
    """Train on one thread, calibrate, and measure on the test split: one row of the table."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        data, paths = Splits.load(config), teachers if config.distill_weight else ()
        networks = [load_model(path)[0] for path in paths]
        result = fit(config, data, networks, processes=0, progress=False)
        card = make_card(result, data.validation)
        dataset, parameters = config.datasets[0], count_parameters(result.model)
        tested = measure(Recognizer.from_model(result.model, card), catalog.load(dataset, "test"))
        others: dict[str, float] = {}
        for other in measured:
            found = accuracies(result.model, catalog.load(other, "validation"))
            found = {"pictures": found["accuracy"]} | found  # without channels, they are the same
            others |= {f"{kind}/{other}": value for kind, value in found.items()}
    validated = card.validation[dataset]
    return {
        "key": key, "name": name, "seed": config.seed, "dataset": dataset,
        "validation": validated["accuracy"]["value"],
        "validation_count": validated["accuracy"]["count"],
        "validation_errors": validated["errors"],
        "test": tested["accuracy"]["value"],
        "count": tested["accuracy"]["count"],
        **{number: tested[number] for number in ("errors", "nll", "ece")},
        **others,
        "parameters": parameters, "seconds": result.seconds, "device": result.device,
        "revision": (provenance()["revision"] or "")[:12],
    }  # fmt: skip


def sweep(
    configs: Mapping[str, TrainConfig],
    seeds: Sequence[int],
    table: Path = TABLE,
    *,
    teachers: Sequence[Path] = (),
    measured: Sequence[str] = (),
    cluster: Any = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Train every configuration with every seed; return these runs, by name and seed.

    Runs that the table has aren't repeated.

    Args:
        configs: by name.
        seeds: of each.
        table: a JSON Lines file with one run per line.
        teachers: weights files, for configurations with ``distill_weight`` > 0.
        measured: further data sets to measure on their validation splits.
        cluster: a Dask cluster or the address of its scheduler, instead of processes here. Its
            workers find data by ``DIGITLIB_DATA``.
        workers: number of processes here; by default, one per core.
    """
    from distributed import Client, as_completed

    wanted, taught = {}, digest(*(path.read_bytes() for path in teachers))
    for seed in seeds:
        for name, config in configs.items():
            job = name, replace(config, seed=seed)
            about = [name, job[1].as_dict(), taught if config.distill_weight else ""]
            wanted[digest(json.dumps(about, sort_keys=True).encode())] = job
    known = {row["key"] for row in read(table)}
    missing = [(key, *job) for key, job in wanted.items() if key not in known]
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    if missing:
        with Client(cluster) if cluster else Client(**here) as client:
            jobs = zip(*missing, strict=True)
            runs = client.map(train, *jobs, teachers=teachers, measured=measured)
            finished = as_completed(runs, with_results=True)
            for _, row in tqdm(finished, total=len(missing), unit="run"):
                add_row(table, row)
    found = pd.DataFrame([row for row in read(table) if row["key"] in wanted])
    return found.sort_values(["name", "seed"], ignore_index=True)


def add_row(table: Path, row: Row) -> None:
    """Add a row; several sweeps may write to the same table."""
    waiting = f"Another sweep is writing {table}: waiting for it."
    with locked(table.with_name(f".{table.name}.lock"), waiting):
        rows = [*read(table), row]
        write_text(table, "".join(json.dumps(each) + "\n" for each in rows))


def read(table: Path) -> list[Row]:
    """The rows of a table, if there is one; DataDamagedError if a line isn't a row."""
    text = table.read_text(encoding="utf-8") if table.exists() else ""
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        message = f"{table} is damaged ({error}). Remove the line, and its run is repeated."
        raise DataDamagedError(message) from error


def write_seeds(rows: Sequence[Row], path: Path = REPORTS / "seeds.json") -> None:
    """Write the runs of one configuration for notebook 05 and README, ordered by seed."""
    runs = []
    for row in sorted(rows, key=lambda row: row["seed"]):
        accuracy = Proportion(row["count"] - row["errors"], row["count"]).as_dict()
        numbers = {name: row[name] for name in ("errors", "nll", "ece")}
        runs.append({"seed": row["seed"], "test": {"accuracy": accuracy} | numbers})
    write_json(path, {"runs": runs})
