"""The command that downloads data sets."""

from __future__ import annotations

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()


@group.command()
@click.argument("names", nargs=-1, required=True, metavar="[mnist|pendigits|unipen]...")
def data(names: tuple[str, ...]) -> None:
    """Download data sets, in place of what is missing or damaged.

    Loading downloads what is missing by itself. The folder is data/, or what DIGITLIB_DATA names.
    """
    from digitlib.datasets.catalog import fetch

    for name in names:
        print(f"{name}: {fetch(name)}", flush=True)
