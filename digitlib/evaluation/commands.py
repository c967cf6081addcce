"""Commands that measure, and write what they find to files."""

from __future__ import annotations

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()


@group.command()
def neighbours() -> None:
    """Make the index of training digits for the nearest neighbors.

    It belongs to the bundled network: run this again after `weights --install`.
    """
    from digitlib.evaluation import training_digits

    training_digits.write()


@group.command()
def numbers() -> None:
    """Measure the accuracy on whole numbers.

    Writes reports/numbers.json, in some minutes. The data are rows of digits by UNIPEN's test donors, as pen strokes and as
    pictures, touching pairs, and pages.
    """
    from digitlib.evaluation import numbers as whole_numbers

    whole_numbers.write()
