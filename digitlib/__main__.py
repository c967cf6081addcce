"""The command line: ``digitlib COMMAND``, or ``python -m digitlib COMMAND``."""

from __future__ import annotations

import io
import sys

import click

from digitlib.datasets import commands as datasets
from digitlib.errors import DigitlibError
from digitlib.evaluation import commands as evaluation
from digitlib.models import commands as models
from digitlib.reports import commands as reports
from digitlib.training import commands as training

SUBPACKAGES = (models, datasets, training, evaluation, reports)


class Program(click.Group):
    """Commands that exit with a status; an error prints one sentence."""

    def invoke(self, context: click.Context) -> None:
        """Run the command; the status is the number that it returns, or 0."""
        try:
            status = super().invoke(context)
        except KeyboardInterrupt:
            sys.exit("\nStopped. Finished parts are kept: run the command again to continue.")
        except (DigitlibError, ValueError, OSError, ImportError) as error:
            sys.exit(str(error))
        sys.exit(status or 0)


main = Program(
    "digitlib",
    commands={name: each for part in SUBPACKAGES for name, each in part.group.commands.items()},
    help="Handwritten digits: read them, train networks, make weights and reports.",
    context_settings={"show_default": True},
)


def run() -> None:
    """Run the command line; a character that the console can't show is printed as an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # Windows code pages lack many characters
        sys.stdout.reconfigure(errors="backslashreplace")
    main()


if __name__ == "__main__":
    run()
