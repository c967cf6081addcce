"""Commands that measure, and write down what they found."""

from __future__ import annotations

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()


@group.command()
def neighbours() -> None:
    """Make the index of training digits for the nearest ones.

    It is of the bundled network: after `weights --install`, make it anew.
    """
    from digitlib.evaluation import training_digits

    training_digits.write()


@group.command()
def sensitivity() -> None:
    """Measure how much each constant of preprocessing matters.

    Five minutes; writes reports/preprocessing_constants.json and .md.
    """
    from digitlib.evaluation import sensitivity as constants

    constants.write(constants.measure())


@group.command()
def numbers() -> None:
    """Measure how well whole numbers are read.

    Rows of pen strokes of UNIPEN's test donors, as strokes and as pictures, touching pairs, and
    pages; some minutes; writes reports/numbers.json.
    """
    from digitlib.evaluation import numbers as rows_read

    rows_read.write()
