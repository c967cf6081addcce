"""Commands that train, and repeat what training rests on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digitlib.errors import DigitlibError

if TYPE_CHECKING:
    from digitlib.training.config import TrainConfig

# Libraries are imported in the commands that need them: --help needs none.
group = click.Group()
PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)
PRESET = click.Choice(["baseline", "quick", "default", "wide"])

_seed = click.option("--seed", type=click.IntRange(min=0), default=0, help="Of random numbers.")
_set = click.option(
    "--set", "changes", default="{}", metavar="JSON",
    help="Fields of TrainConfig to change, as '{\"epochs\": 3}'.",
)  # fmt: skip


def _config(preset: str, changes: str, **others: Any) -> TrainConfig:
    """The configuration of a preset, with fields changed by JSON text."""
    from digitlib.training.config import PRESETS

    values = json.loads(changes)
    lists = {field: tuple(value) for field, value in values.items() if isinstance(value, list)}
    try:
        return replace(PRESETS[preset], **(values | lists | others))
    except TypeError as error:
        raise ValueError(f"--set does not fit TrainConfig: {error}") from error


@group.command()
@click.argument("preset", type=PRESET)
@click.argument("output", type=PATH, metavar="FILE.safetensors")
@_seed
@_set
@click.option("--soft-labels", type=PATH, multiple=True, help="File of `distil`; repeatable.")
@click.option("--init", type=PATH, help="Weights of the initial network.")
@click.option("--half", is_flag=True, help="Store weights in half precision.")
@click.option("--report", type=PATH, help="Folder for NAME.json with all measured numbers.")
def train(
    preset: str, output: Path, seed: int, changes: str, report: Path | None, **options: Any
) -> None:
    """Train a network, calibrate it, write its weights.

    Stopped, the same command resumes from the last complete epoch.
    """
    from digitlib.evaluation.compare import measure_weights
    from digitlib.files import write_json
    from digitlib.training import build

    build.train(_config(preset, changes, seed=seed), output, **options)
    card = measure_weights(output)
    if report:
        write_json(report / f"{output.stem}.json", card)
    for name, splits in card["measured"].items():
        for split, numbers in splits.items():
            share = numbers.get("accuracy", {}).get("value")
            right = f"{share:.2%} right, ECE {numbers['ece']:.2%}, " if share else ""
            print(f"{name} {split}: {right}{numbers['rejected']:.1%} rejected")


@group.command()
@click.option("--drawings", type=PATH, help="Their folder, in place of the data folder's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")
def teach(drawings: Path | None, as_json: bool) -> int:
    """Teach the bundled network your stored drawings.

    Writes personal.safetensors and personal.onnx beside them where that makes it better; the
    status is 1 where it does not.
    """
    from digitlib.training import teach as lessons

    def show(step: dict[str, Any]) -> None:
        text = f"[{step['step'] + 1}/{step['steps']}] {step['stage']}"
        print(json.dumps(step) if as_json else text, flush=True)

    try:
        result = lessons.run(drawings, show)
    except (DigitlibError, OSError) as error:
        if as_json:
            print(json.dumps({"failed": str(error)}), flush=True)
            return 1
        raise
    print(json.dumps({"result": result}) if as_json else lessons.describe(result), flush=True)
    return 0 if result["kept"] else 1


@group.command()
@click.argument("output", type=PATH, metavar="FILE.safetensors")
@click.argument("teachers", type=PATH, nargs=-1, required=True, metavar="TEACHER...")
@click.option("--passes", type=COUNT, default=16, help="Over the training data.")
@click.option("--preset", type=PRESET, default="default", help="Of data sets and augmentation.")
@_set
def distil(
    output: Path, teachers: tuple[Path, ...], passes: int, preset: str, changes: str
) -> None:
    """Write soft labels for the training of other networks.

    These are varied frames with the logits of the teachers, given as weights files. Each data set
    is labelled by its most specialised teachers.
    """
    from digitlib.training.distillation import SOFT_LABELS_SEED, Teacher, make_soft_labels
    from digitlib.training.loader import Splits

    config = _config(preset, changes, seed=SOFT_LABELS_SEED)
    networks = [Teacher.load(path) for path in teachers]
    labels = make_soft_labels(config, Splits.load(config), networks, passes)
    labels.save(output)
    print(f"{len(labels):,} frames with the logits of {len(networks)} networks: {output}")


@group.command()
@click.option("--folder", type=PATH, default="build/weights", help="Of all outputs.")
@click.option("--only", metavar="STEP", help="This step alone; its inputs must be current.")
@click.option("--list", "listed", is_flag=True, help="Show the steps with their state.")
@click.option("--install", is_flag=True, help="Then copy weights and numbers into the repository.")
def weights(folder: Path, only: str | None, listed: bool, install: bool) -> None:
    """Make the bundled weights, step by step.

    Teachers, specialists, soft labels, distillation, refinement: hours of training. A step whose
    output is current is skipped; stopped, the same command continues.
    """
    from digitlib.training import stages
    from digitlib.training.steps import Build

    steps = Build(folder, stages.STEPS)
    if listed:
        for step, state in steps.states():
            inputs = f" from {', '.join(step.inputs)}" if step.inputs else ""
            print(f"{state:8} {step.stage:18} {step.name}{inputs}")
        return
    for step in steps.run(only):
        print(f"{step.stage}: {steps.path(step.name)} is made.", flush=True)
    if install:
        stages.install(folder)


def _seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5`` as numbers."""
    if "-" in text:
        first, last = map(int, text.split("-"))
        return [*range(first, last + 1)]
    return [int(part) for part in text.split(",")]


@group.command()
@click.argument("presets", type=PRESET, nargs=-1, default=["quick"])
@click.option("--seeds", type=_seeds, default="0-9", metavar="SEEDS", help="As 0-9 or 0,3,5.")
@_set
@click.option("--table", type=PATH, help="Finished runs, in place of reports/sweep.jsonl.")
@click.option("--workers", type=int, default=-1, help="Processes; -1 is one per core.")
@click.option("--threads", type=COUNT, default=1, help="Of each run.")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler, as tcp://host:8786.")
@click.option("--soft-labels", help="File of `distil`.")
@click.option("--seeds-report", type=PATH, help="Also write one preset's runs, as seeds.json.")
def sweep(
    presets: tuple[str, ...], seeds: list[int], changes: str, table: Path | None,
    seeds_report: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Train presets with several seeds side by side.

    Each finished run is a row of the table; rows that are there are not run again.
    """
    from digitlib.training import sweep as runs

    if seeds_report and len(presets) != 1:
        raise ValueError("--seeds-report is for one preset.")
    configs = {name: _config(name, changes) for name in presets}
    found = runs.sweep(configs, seeds, table or runs.TABLE, **options)
    if seeds_report:
        runs.write_seeds(found.to_dict("records"), seeds_report)
    spread = found.groupby("name")[["validation", "test", "ece", "seconds"]]
    print(spread.agg(["median", "mean", "std"]).T.to_string(float_format="{:.5g}".format))


@group.command()
@click.option("--run", "group", help="Run the experiments of this group first.")
@click.option("--seeds", type=COUNT, default=3, help="Number of runs of each experiment.")
@click.option("--subset", type=COUNT, help="Number of digits of each data set, in place of all.")
@click.option("--log", type=PATH, help="In place of reports/experiments.json.")
def experiments(group: str | None, seeds: int, subset: int | None, log: Path | None) -> None:
    """Write reports/experiments.md from its log."""
    from digitlib.training import experiment_log as log_file
    from digitlib.training import experiments as tried

    log = log or log_file.LOG
    lines: list[dict[str, Any]] = []
    for line in tried.run(group, range(seeds), subset) if group else ():
        lines.append(line)
        log_file.record(lines, log)  # a stopped run keeps its finished lines
        print(log_file.row(line, lines[0]), flush=True)
    log_file.write(log)


@group.command()
def fit_numbers() -> None:
    """Fit the weights that divide numbers.

    On rows of UNIPEN's training and validation writers; about ten minutes; writes
    digitlib/models/numbers.json.
    """
    from digitlib.training import number_fit

    number_fit.write()
