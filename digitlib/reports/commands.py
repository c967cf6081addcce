"""Commands that write figures, metrics and tables."""

from __future__ import annotations

from pathlib import Path

import click

from digitlib.reports.parameters import DATASETS

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()
PATH = click.Path(path_type=Path)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, help="Of random numbers.")


@group.command()
@click.option("--fast", is_flag=True, help="On a small subset, into reports/fast/.")
@click.option("--only", multiple=True, metavar="NOTEBOOK", help="This one alone; repeatable.")
@click.option("--output", type=PATH, help="In place of reports/.")
@click.option("--dataset", type=click.Choice(DATASETS), default="mnist", help="Main data set.")
@_seed
def reports(fast: bool, only: tuple[str, ...], output: Path | None, dataset: str, seed: int) -> int:
    """Run the notebooks, write figures and metrics to reports/.

    At full length on MNIST the notebooks keep the outputs. A notebook whose results are current
    is skipped. The data set `sample` needs no download.
    """
    from digitlib.files import REPORTS
    from digitlib.reports import runner

    output = output or REPORTS / ("fast" if fast else "")
    failed = runner.make_reports(runner.ReportPlan(output, fast, dataset, seed), only)
    return 1 if failed else 0


@group.command()
def readme() -> None:
    """Write the tables of results in README.md."""
    from digitlib.reports import readme as tables

    tables.update()
