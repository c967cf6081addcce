"""Many training runs: seeds × configurations, side by side here or on a cluster, in one table.

``python -m digitlib.sweep quick --seeds 0-9`` is ``make sweep``. Runs go through joblib: to this
machine's cores, or to a Dask cluster (``--cluster``), where a run whose worker dies is done again.
Each finished run is a line of the table at once; started again, the sweep does what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import torch

from digitlib import datasets, models, release, reports, studies, training
from digitlib.evaluation import Proportion
from digitlib.recognizer import Recognizer
from digitlib.training import TrainConfig

if TYPE_CHECKING:
    import pandas as pd

TABLE = studies.SEEDS.with_name("sweep.jsonl")
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run of a sweep: a configuration under its name, with its seed set."""

    name: str
    config: TrainConfig

    @property
    def key(self) -> str:
        """First 12 hex digits of the SHA-256 of name and configuration."""
        content = json.dumps([self.name, self.config.as_dict()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def jobs(configs: Mapping[str, TrainConfig], seeds: Sequence[int]) -> list[Job]:
    """Every configuration with every seed, seeds outermost, so that all have early results."""
    return [
        Job(name, replace(config, seed=seed)) for seed in seeds for name, config in configs.items()
    ]


def train(job: Job, root: str | None = None, threads: int = 1) -> Row:
    """Train, calibrate, and measure on the test split: one row of the table.

    Args:
        job: what to train.
        root: data folder; see :func:`digitlib.datasets.data_root`.
        threads: of PyTorch in this run; results depend on it in the last bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        data = training.Splits.load(job.config, root)
        result = training.fit(job.config, data, progress=False)
        parameters = models.count_parameters(result.model)
        recognizer = Recognizer(result.model, release.make_card(result, data))
        measured = release.measure(recognizer, datasets.load(data.train[0].name, "test", root))
    finally:
        torch.set_num_threads(before)
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
    """Rows of ``function(job, **options)``, each as soon as it is there, in no order.

    Args:
        function: importable or picklable.
        tasks: the jobs.
        workers: processes on this machine, -1 for one per core.
        cluster: address of a Dask scheduler, or a Dask cluster or client: run there instead.
        options: further arguments of ``function``.

    Raises:
        ImportError: a cluster is given and Dask is missing; the message says how to get it.
    """
    with ExitStack() as stack:
        if cluster is not None:
            stack.enter_context(_on_cluster(cluster, stack))
        engine = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        yield from engine(joblib.delayed(function)(task, **options) for task in tasks)


def _on_cluster(cluster: str | Any, stack: ExitStack) -> AbstractContextManager[Any]:
    """joblib's Dask backend, for the jobs that are started within."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("A cluster needs Dask: pip install 'digitlib[scale]' has it.") from error
    if not isinstance(cluster, Client):
        # The client that is made here is closed with the sweep; the cluster goes on.
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
    progress: bool = True,
) -> pd.DataFrame:
    """Train every configuration with every seed; what the table already has is not done again.

    Args:
        configs: by name.
        seeds: of each.
        table: a JSON Lines file, one run a line, appended to as runs finish.
        workers: as :func:`fan_out`.
        cluster: as :func:`fan_out`; workers there find data by ``DIGITLIB_DATA`` or ``root``.
        root: data folder.
        threads: of PyTorch in each run.
        progress: show a bar.

    Returns:
        The rows of these runs, by name and seed.
    """
    from tqdm.auto import tqdm

    path = Path(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")  # after a line that was cut short
    wanted = {job.key: job for job in jobs(configs, seeds)}
    missing = [job for key, job in wanted.items() if key not in {row["key"] for row in read(path)}]
    found = fan_out(train, missing, workers=workers, cluster=cluster, root=root, threads=threads)
    for row in tqdm(found, total=len(missing), disable=not progress, unit="run"):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return frame([row for row in read(path) if row["key"] in wanted])


def read(table: str | os.PathLike[str]) -> list[Row]:
    """The rows of a table; none where there is no file. A line cut short is left out."""
    path = Path(table)
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:  # the sweep was stopped while it wrote
            continue
    return rows


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table, by name and seed."""
    import pandas as pd

    table = pd.DataFrame(rows)
    return table if table.empty else table.sort_values(["name", "seed"], ignore_index=True)


def write_seeds(rows: Sequence[Row], path: Path = studies.SEEDS) -> None:
    """Write the runs of one configuration as :func:`digitlib.studies.seed_runs` reads them."""
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
    reports.write_json(path, {"runs": runs})


def _seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5`` as numbers."""
    if "-" in text:
        first, last = map(int, text.split("-"))
        return [*range(first, last + 1)]
    return [int(part) for part in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; ``--help`` tells."""
    parser = argparse.ArgumentParser(prog="python -m digitlib.sweep", description=__doc__)
    parser.add_argument("presets", nargs="*", default=["quick"], metavar="preset")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-9"), help="0-9 or 0,3,5")
    parser.add_argument("--set", default="{}", help="JSON of TrainConfig fields to change")
    parser.add_argument("--table", type=Path, default=TABLE, help="JSON Lines file of the results")
    parser.add_argument("--workers", type=int, default=-1, help="processes; -1 is one per core")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch in each run")
    parser.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, tcp://…:8786")
    parser.add_argument(
        "--seeds-report", type=Path, metavar="FILE", help="also write reports/seeds.json's format"
    )
    chosen = parser.parse_args(arguments)
    changes = json.loads(chosen.set)
    for name in {"datasets", "shares"} & set(changes):
        changes[name] = tuple(changes[name])
    try:
        configs = {name: replace(training.PRESETS[name], **changes) for name in chosen.presets}
    except KeyError as error:
        parser.error(f"there is no preset {error}; there are {', '.join(training.PRESETS)}")
    if chosen.seeds_report and len(configs) != 1:
        parser.error("--seeds-report is of one preset")
    found = sweep(
        configs, chosen.seeds, chosen.table,
        workers=chosen.workers, cluster=chosen.cluster, threads=chosen.threads,
    )  # fmt: skip
    if chosen.seeds_report:
        write_seeds(found.to_dict("records"), chosen.seeds_report)
    spread = found.groupby("name")[["validation", "test", "ece", "seconds"]]
    print(spread.agg(["median", "mean", "std"]).T.to_string(float_format="{:.5g}".format))


if __name__ == "__main__":
    main()
