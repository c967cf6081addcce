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

    if listing:
        runner.list_changes()
        return 0
    failures = runner.make_reports([name for names in only for name in names.split()], fast=fast)
    if not fast and not failures:
        write_pages()
    return 1 if failures else 0


@group.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is out of date.")
def readme(check: bool) -> int:
    """Fill README.md and the model card from reports/."""
    return write_pages(check)


def write_pages(check: bool = False) -> int:
    """Write the generated pages; with ``check`` only list those that differ, and return 1."""
    from digitlib.files import REPOSITORY, write_text
    from digitlib.reports.readme import pages

    old = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in old.items():
        if check:
            name = path.relative_to(REPOSITORY)
            click.echo(f"{name} is out of date: run python -m digitlib readme.", err=True)
        else:
            write_text(path, text)
    return 1 if check and old else 0
