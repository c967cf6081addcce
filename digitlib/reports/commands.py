"""Commands that run the notebooks and write the generated pages."""

from __future__ import annotations

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()


@group.command()
@click.option("--only", multiple=True, metavar="NAMES", help='Notebooks to run, such as "05 06".')
@click.option("--fast", is_flag=True, help="Use small parameters, write to reports/fast/.")
@click.option("--list", "listing", is_flag=True, help="Show which results are out of date.")
def reports(only: tuple[str, ...], fast: bool, listing: bool) -> int:
    """Run the notebooks; update reports/ and README.md.

    The notebooks keep their outputs and write their figures and numbers to reports/. README.md
    and the model card get the new numbers.
    """
    from digitlib.reports import runner
    from digitlib.reports.readme import update

    if listing:
        runner.list_changes()
        return 0
    failures = runner.make_reports([name for names in only for name in names.split()], fast=fast)
    if not fast and not failures:
        update()
    return 1 if failures else 0


@group.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is out of date.")
def readme(check: bool) -> int:
    """Fill README.md and the model card from reports/."""
    from digitlib.reports.readme import update

    old = update(check=check)
    if check:
        for path in old:
            click.echo(f"{path} is out of date: run python -m digitlib readme.", err=True)
    return 1 if check and old else 0
