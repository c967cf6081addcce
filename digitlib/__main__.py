"""The command line: ``digitlib COMMAND``, or ``python -m digitlib COMMAND``.

Each command imports what it needs itself, so that ``--help`` is fast.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digitlib.errors import DigitlibError

if TYPE_CHECKING:
    from digitlib.training.config import TrainConfig

PATH = click.Path(path_type=Path)


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


@click.group("digitlib", cls=Program, context_settings={"show_default": True})
def main() -> None:
    """Handwritten digits: read them, train networks, make weights and reports."""


# --- reading ---------------------------------------------------------------------------------


_weights = click.option("--weights", type=PATH, help="Weights to use instead of the bundled ones.")


@main.command()
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


@main.command()
@click.argument("output", type=PATH, metavar="FILE.onnx")
@_weights
def export(output: Path, weights: Path | None) -> None:
    """Write a network with its calibration as an ONNX file."""
    from digitlib.models.recognizer import Recognizer

    Recognizer.load(weights).export_onnx(output)


@main.command()
def onnx() -> None:
    """Make the bundled network's ONNX file from its weights, and the page with it."""
    from digitlib.models.export import export_bundled
    from digitlib.page import build

    export_bundled()
    build.update()


# --- data ------------------------------------------------------------------------------------


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="[mnist|pendigits|unipen]...")
def data(names: tuple[str, ...]) -> None:
    """Download data sets and replace their files, such as damaged ones.

    Loading a data set downloads missing files by itself. The files are in the data folder, which
    the environment variable DIGITLIB_DATA sets.
    """
    from digitlib.datasets.catalog import fetch

    for name in names:
        print(f"{name}: {fetch(name)}", flush=True)


# --- training --------------------------------------------------------------------------------


COUNT = click.IntRange(min=1)
PRESET = click.Choice(["baseline", "quick", "default", "digitnet"])
WEIGHTS = "FILE.safetensors"

_set = click.option(
    "--set", "changes", default="{}", metavar="JSON",
    help="Fields of TrainConfig to change, such as '{\"epochs\": 3}'.",
)  # fmt: skip


_teacher = click.option(
    "--teacher", "teachers", type=PATH, multiple=True,
    help="Weights of a teacher, for `digitnet`; repeatable.",
)  # fmt: skip


def _config(preset: str, changes: str, **others: Any) -> TrainConfig:
    """The configuration of a preset, with fields changed by JSON text."""
    from pydantic import ValidationError

    from digitlib.training.config import PRESETS

    try:
        return replace(PRESETS[preset], **json.loads(changes), **others)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise ValueError(f"--set does not fit TrainConfig: {'; '.join(wrong)}.") from error


@main.command()
@click.argument("preset", type=PRESET)
@click.argument("output", type=PATH, metavar=WEIGHTS)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of random numbers.")
@_set
@_teacher
@click.option("--report", type=PATH, help="Folder for NAME.json with all measurements.")
def train(
    preset: str,
    output: Path,
    seed: int,
    changes: str,
    teachers: tuple[Path, ...],
    report: Path | None,
) -> None:
    """Train a network, calibrate it and write its weights.

    If you stop it, the same command continues from the last complete epoch.
    """
    from digitlib.evaluation.compare import measure_weights
    from digitlib.files import write_json
    from digitlib.training import recipe

    recipe.train(_config(preset, changes, seed=seed), output, teachers)
    card = measure_weights(output)
    if report:
        write_json(report / f"{output.stem}.json", card)
    for name, splits in card["measured"].items():
        for split, numbers in splits.items():
            share = numbers.get("accuracy", {}).get("value")
            right = f"accuracy {share:.2%}, ECE {numbers['ece']:.2%}, " if share else ""
            print(f"{name} {split}: {right}{numbers['rejected']:.1%} rejected")


@main.command()
@click.option("--folder", type=PATH, default="build/weights", help="Folder of all outputs.")
@click.option("--list", "listed", is_flag=True, help="Show the outputs with their state.")
@click.option("--install", is_flag=True, help="Then copy weights and numbers into the repository.")
def weights(folder: Path, listed: bool, install: bool) -> None:
    """Make the bundled weights: teachers, the student and the baseline.

    It takes two hours on 2 cores, and minutes on a GPU. Current outputs are skipped. If you stop
    it, the same command continues. Installing them also makes the page, reports/pad.html.
    """
    from digitlib.page import build
    from digitlib.training import recipe

    if listed:
        for output, state in recipe.states(folder):
            teachers = f" from {', '.join(output.teachers)}" if output.teachers else ""
            print(f"{state:8} {output.name}{teachers}")
        return
    for output in recipe.run(folder):
        print(f"Wrote {output.path(folder)}.", flush=True)
    if install:
        recipe.install(folder)
        build.update()


def _seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5`` as numbers."""
    first, dash, last = text.partition("-")
    return [*range(int(first), int(last) + 1)] if dash else [int(n) for n in text.split(",")]


@main.command()
@click.argument("presets", type=PRESET, nargs=-1, default=["quick"])
@click.option("--seeds", type=_seeds, default="0-9", metavar="SEEDS", help="Such as 0-9 or 0,3,5.")
@_set
@click.option("--table", type=PATH, help="Finished runs; reports/sweep.jsonl by default.")
@click.option("--workers", type=COUNT, help="Number of processes; one per core by default.")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler, such as tcp://host:8786.")
@_teacher
@click.option("--seeds-report", type=PATH, help="Also write the runs of one preset: seeds.json.")
def sweep(
    presets: tuple[str, ...], seeds: list[int], changes: str, table: Path | None,
    seeds_report: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Train presets with several seeds side by side.

    Each finished run is a row of the table. The same command runs only what is missing.
    """
    from digitlib.training import sweep as runs

    if seeds_report and len(presets) != 1:
        raise ValueError("--seeds-report needs exactly one preset.")
    configs = {name: _config(name, changes) for name in presets}
    found = runs.sweep(configs, seeds, table or runs.TABLE, **options)
    if seeds_report:
        runs.write_seeds(found.to_dict("records"), seeds_report)
    spread = found.groupby("name")[["validation", "test", "ece", "seconds"]]
    print(spread.agg(["median", "mean", "std"]).T.to_string(float_format="{:.5g}".format))


@main.command()
@click.option(
    "--run", "group", type=click.Choice(["recipe", "quick", "additions"]), help="Run these first."
)
@click.option("--seeds", type=COUNT, default=3, help="Runs of each experiment.")
@click.option("--folder", type=PATH, default="build/weights", help="Folder with the teachers.")
def experiments(group: str | None, seeds: int, folder: Path) -> None:
    """Fill the tables of reports/experiments.md."""
    from digitlib.training import experiments as tried

    if group:
        tried.run(group, range(seeds), tried.LOG, folder)
    tried.write_page(tried.LOG)


@main.command()
@click.option("--threshold", is_flag=True, help="Keep the network, fit only its threshold.")
def fit_numbers(threshold: bool) -> None:
    """Train the network that reads whole numbers, in 85 minutes on 2 cores.

    Needs MNIST, UNIPEN and pendigits; writes digitlib/models/rownet.onnx.
    """
    from digitlib.numbers import train as rows

    rows.calibrate() if threshold else rows.write()


@main.command()
def fit_ink() -> None:
    """Train the network that finds the digit's ink in pictures, in an hour on 2 cores.

    Needs MNIST, UNIPEN and pendigits, and uses the real pictures if the data folder has them;
    writes digitlib/models/inknet.onnx.
    """
    from digitlib.training import segment

    segment.write()


# --- measuring -------------------------------------------------------------------------------


@main.command()
def neighbors() -> None:
    """Make the index of training digits for the nearest neighbors.

    It belongs to the bundled network: run this again after `weights --install`.
    """
    from digitlib.evaluation import training_digits

    training_digits.write()


@main.command()
def numbers() -> None:
    """Measure the accuracy on whole numbers.

    Writes reports/numbers.json, in some minutes. The data are simulated rows and pages by UNIPEN's
    test donors, and the odd half of the real pictures, if the data folder has them.
    """
    from digitlib.numbers import evaluate

    evaluate.write()


@main.command()
@click.option(
    "--part", type=click.Choice(["report", "development"]), default="report",
    help="Half of the real pictures and writers; only the report half is stored.",
)  # fmt: skip
def pictures(part: str) -> None:
    """Measure the accuracy on pictures of digits, by kind.

    Prints a table, and writes reports/pictures.json for the report half, in some minutes. The
    pictures are real ones, if the data folder has them, and simulated ones by writers of UNIPEN.
    The last rows are for their pen strokes with a box, an underline or another mark.
    """
    from digitlib.evaluation import benchmark
    from digitlib.files import write_json
    from digitlib.models.recognizer import Recognizer

    found = benchmark.measure(Recognizer.load(), part)
    print(benchmark.describe(found))
    if part == "report":
        write_json(benchmark.PATH, found)


@main.command()
def memory() -> None:
    """Measure what the memory of corrections gains and changes.

    Writes reports/memory.json, in a minute. Needs MNIST and UNIPEN.
    """
    from digitlib.evaluation import corrections

    corrections.write()


# --- reports ---------------------------------------------------------------------------------


@main.command()
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


_check = click.option("--check", is_flag=True, help="Write nothing; fail if a page is out of date.")


@main.command()
@_check
def readme(check: bool) -> int:
    """Fill README.md and the model card from reports/."""
    from digitlib.reports.readme import update

    return _updated("readme", update(check=check), check)


@main.command()
@_check
def page(check: bool) -> int:
    """Make the pad as one HTML file, reports/pad.html."""
    from digitlib.page.build import update

    return _updated("page", update(check=check), check)


def _updated(command: str, old: list[Path], check: bool) -> int:
    """The status of a command that found these pages out of date."""
    if check:
        for path in old:
            click.echo(f"{path} is out of date: run python -m digitlib {command}.", err=True)
    return 1 if check and old else 0


def run() -> None:
    """Run the command line; a character that the console can't show is printed as an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # Windows code pages lack many characters
        sys.stdout.reconfigure(errors="backslashreplace")
    main()


if __name__ == "__main__":
    run()
