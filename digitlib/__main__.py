"""The command line: ``python -m digitlib COMMAND``; ``--help`` after a command explains it."""

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

ROOMS = (models, datasets, training, evaluation, reports)


class Program(click.Group):
    """Commands that end with an exit status, an error with a sentence as well."""

    def invoke(self, context: click.Context) -> None:
        """Run the command; what it returns is the status, 0 for nothing."""
        try:
            status = super().invoke(context)
        except KeyboardInterrupt:
            sys.exit("\nStopped. Complete parts are kept: the same command continues from there.")
        except (DigitlibError, ValueError, OSError, ImportError) as error:
            sys.exit(str(error))
        sys.exit(status or 0)


main = Program(
    "digitlib",
    commands={name: each for room in ROOMS for name, each in room.group.commands.items()},
    help="Handwritten digits: read them, train networks, make weights and reports.",
    context_settings={"show_default": True},
)

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # Windows' code pages lack many characters
        sys.stdout.reconfigure(errors="backslashreplace")
    main()
