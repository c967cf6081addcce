"""The command that downloads data sets."""

from __future__ import annotations

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()


@group.command()
@click.argument("names", nargs=-1, required=True, metavar="[mnist|pendigits|unipen]...")
def data(names: tuple[str, ...]) -> None:
    """Download data sets and replace their files, such as damaged ones.

    Loading a data set downloads missing files by itself. The files are in the data folder, which
    the environment variable DIGITLIB_DATA sets.
    """
    from digitlib.datasets.catalog import fetch

    for name in names:
        print(f"{name}: {fetch(name)}", flush=True)
