"""Commands that read pictures and write ONNX files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

# The commands import their libraries, so that --help stays fast.
group = click.Group()
PATH = click.Path(path_type=Path)
_weights = click.option("--weights", type=PATH, help="Weights to use instead of the bundled ones.")


@group.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@_weights
def read(pictures: tuple[str, ...], weights: Path | None) -> int:
    """Read the digit in pictures.

    It prints a line for each: digits with their probabilities, and 'rejected' if the picture
    doesn't look like a digit. The exit status is 1 if a picture cannot be read.
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
    """Write a network with its calibration as an ONNX file."""
    from digitlib.models.recognizer import Recognizer

    Recognizer.load(weights).export_onnx(output)


@group.command()
def onnx() -> None:
    """Make the bundled network's ONNX file from its weights."""
    from digitlib.models.export import export_bundled

    export_bundled()
