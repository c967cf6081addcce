"""Commands that read pictures and write network files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()
PATH = click.Path(path_type=Path)
_weights = click.option("--weights", type=PATH, help="Weights in place of the bundled ones.")


@group.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@_weights
def read(pictures: tuple[str, ...], weights: Path | None) -> int:
    """Read the digit in pictures.

    A line for each: digits with their probabilities, and 'rejected' where there is no digit.
    The status is 1 where one could not be read.
    """
    from digitlib.models.recognizer import Recognizer

    recognizer, failed = Recognizer.load(weights), 0
    for picture in pictures:
        try:
            print(f"{picture}: {recognizer.predict(picture)}")
        except (ValueError, OSError) as error:
            failed = 1
            print(f"{picture}: {error}", file=sys.stderr)
    return failed


@group.command()
@click.argument("output", type=PATH, metavar="FILE.onnx")
@_weights
def export(output: Path, weights: Path | None) -> None:
    """Write a network as an ONNX file.

    It takes frames and gives probabilities and scores, calibration included.
    """
    from digitlib.models.recognizer import Recognizer

    Recognizer.load(weights).export_onnx(output)


@group.command()
def onnx() -> None:
    """Make the bundled network's ONNX file from its weights.

    `weights --install` does it, too. Reading takes the ONNX file, training the weights.
    """
    from digitlib.models.export import export_bundled

    export_bundled()
