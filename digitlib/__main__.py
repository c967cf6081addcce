"""The command line: ``python -m digitlib COMMAND``; ``--help`` after a command explains it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digitlib.training.config import TrainConfig

Arguments = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command with its options and run it; ends with the exit status of a program."""
    chosen = make_parser().parse_args(arguments)
    try:
        status = chosen.run(chosen)
    except KeyboardInterrupt:
        sys.exit("\nStopped. Complete parts are kept: the same command continues from there.")
    except (ValueError, OSError, ImportError) as error:
        sys.exit(str(error))
    sys.exit(status or 0)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one sets ``run``, the function that carries it out."""
    parser = argparse.ArgumentParser(
        prog="python -m digitlib",
        description="Handwritten digits: read them, train networks, make weights and reports.",
        epilog="python -m digitlib COMMAND --help explains a command.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for options, run, summary, details in COMMANDS:
        command = commands.add_parser(
            run.__name__,
            help=summary,
            description=f"{summary} {details}".strip(),
            formatter_class=_Formatter,
        )
        options(command)
        command.set_defaults(run=run)
    return parser


class _Formatter(argparse.HelpFormatter):
    """Shows the default of each option that has one, and of no other."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default in (None, argparse.SUPPRESS, (), [], "{}")
        if action.option_strings and not empty and action.default is not False:
            return f"{action.help} (default: %(default)s)"
        return action.help


def _no_options(parser: argparse.ArgumentParser) -> None:
    pass


# --- reading -------------------------------------------------------------------------------


def _read_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="PNG, JPEG or another image")
    _weights_option(parser)


def _weights_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights in place of the bundled ones"
    )


def read(chosen: Arguments) -> int:
    """Print a line for each picture; 1 where one could not be read."""
    from digitlib.models.recognizer import Recognizer

    recognizer, failed = Recognizer.load(chosen.weights), 0
    for picture in chosen.pictures:
        try:
            print(f"{picture}: {recognizer.predict(picture)}")
        except (ValueError, OSError) as error:
            failed = 1
            print(f"{picture}: {error}", file=sys.stderr)
    return failed


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="FILE.onnx", help="file to write")
    _weights_option(parser)


def export(chosen: Arguments) -> None:
    """Write a network with the normalisation of frames and its calibration as ONNX."""
    from digitlib.models.recognizer import Recognizer

    Recognizer.load(chosen.weights).export_onnx(chosen.output)


# --- training ------------------------------------------------------------------------------

PRESET_HELP = "baseline, quick, default or wide"


def _preset(name: str, changes: str = "{}", **others: Any) -> TrainConfig:
    """The configuration of a preset, with fields changed by JSON text."""
    from digitlib.training.config import PRESETS

    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    values = json.loads(changes)
    lists = {field: tuple(value) for field, value in values.items() if isinstance(value, list)}
    try:
        return replace(PRESETS[name], **(values | lists | others))
    except TypeError as error:
        raise ValueError(f"--set does not fit TrainConfig: {error}") from error


def _set_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", default="{}", metavar="JSON",
        help="fields of TrainConfig to change, as '{\"epochs\": 3}'",
    )  # fmt: skip


def _train_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("preset", metavar="PRESET", help=PRESET_HELP)
    add("output", type=Path, metavar="FILE.safetensors", help="weights file to write")
    add("--seed", type=int, default=0, metavar="N", help="of initial weights, order, augmentation")
    _set_option(parser)
    add(
        "--soft-labels", type=Path, nargs="+", default=(), metavar="FILE",
        help="files of `distil`, for configurations with distill_weight > 0",
    )  # fmt: skip
    add("--init", type=Path, metavar="FILE", help="weights of the initial network")
    add("--half", action="store_true", help="store weights in half precision")
    add("--report", type=Path, metavar="FOLDER", help="for NAME.json with all measured numbers")


def train(chosen: Arguments) -> None:
    """Train, calibrate and measure one network."""
    from digitlib.evaluation.compare import measure_weights
    from digitlib.files import write_json
    from digitlib.training import build

    config = _preset(chosen.preset, chosen.set, seed=chosen.seed)
    build.train(
        config, chosen.output, soft_labels=chosen.soft_labels, init=chosen.init, half=chosen.half
    )
    card = measure_weights(chosen.output)
    if chosen.report:
        write_json(chosen.report / f"{chosen.output.stem}.json", card)
    for name, splits in card["measured"].items():
        for split, numbers in splits.items():
            share = numbers.get("accuracy", {}).get("value")
            right = f"{share:.2%} right, ECE {numbers['ece']:.2%}, " if share else ""
            print(f"{name} {split}: {right}{numbers['rejected']:.1%} rejected")


def _distil_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("output", type=Path, metavar="FILE.safetensors", help="soft labels to write")
    add("teachers", type=Path, nargs="+", metavar="TEACHER", help="weights files")
    add("--passes", type=int, default=16, metavar="N", help="over the training data")
    add("--preset", default="default", metavar="PRESET", help="of data sets and augmentation")
    _set_option(parser)


def distil(chosen: Arguments) -> None:
    """Write soft labels for the training of other networks."""
    from digitlib.training.distillation import SOFT_LABELS_SEED, Teacher, make_soft_labels
    from digitlib.training.loader import Splits

    config = _preset(chosen.preset, chosen.set, seed=SOFT_LABELS_SEED)
    teachers = [Teacher.load(path) for path in chosen.teachers]
    labels = make_soft_labels(config, Splits.load(config), teachers, chosen.passes)
    labels.save(chosen.output)
    print(f"{len(labels):,} frames with the logits of {len(teachers)} networks: {chosen.output}")


def _weights_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--folder", type=Path, default=Path("build/weights"), metavar="FOLDER",
        help="of all outputs, the intermediate ones too",
    )  # fmt: skip
    add("--only", metavar="STEP", help="this step alone; its inputs must be current")
    add("--list", action="store_true", help="show the steps with their state, and make nothing")
    add(
        "--install", action="store_true",
        help="then copy the weights into the repository, with their numbers in reports/weights",
    )  # fmt: skip


def weights(chosen: Arguments) -> None:
    """Carry out the steps of the bundled weights whose outputs are not current."""
    from digitlib.training.stages import Build, install

    steps = Build(chosen.folder)
    if chosen.list:
        for step, state in steps.states():
            inputs = f" from {', '.join(step.inputs)}" if step.inputs else ""
            print(f"{state:8} {step.stage:18} {step.name}{inputs}")
        return
    for step in steps.run(chosen.only):
        print(f"{step.stage}: {steps.path(step.name)} is made.", flush=True)
    if chosen.install:
        install(chosen.folder)


def _seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5`` as numbers."""
    if "-" in text:
        first, last = map(int, text.split("-"))
        return [*range(first, last + 1)]
    return [int(part) for part in text.split(",")]


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "presets",
        nargs="*",
        default=["quick"],
        metavar="PRESET",
        help=f"{PRESET_HELP}; quick by default",
    )
    add("--seeds", type=_seeds, default="0-9", metavar="SEEDS", help="as 0-9 or 0,3,5")
    _set_option(parser)
    add(
        "--table", type=Path, metavar="FILE.jsonl",
        help="rows of finished runs; reports/sweep.jsonl by default",
    )  # fmt: skip
    add("--workers", type=int, default=-1, metavar="N", help="processes; -1 is one per core")
    add("--threads", type=int, default=1, metavar="N", help="threads of each run")
    add("--cluster", metavar="ADDRESS", help="Dask scheduler to run on, as tcp://host:8786")
    add("--soft-labels", metavar="FILE", help="file of `distil`, for distill_weight > 0")
    add(
        "--seeds-report", type=Path, metavar="FILE.json",
        help="also write the runs in the format of reports/seeds.json; for one preset",
    )  # fmt: skip


def sweep(chosen: Arguments) -> None:
    """Train every preset with every seed; rows that the table already has are not run again."""
    from digitlib.training import sweep as runs

    if chosen.seeds_report and len(chosen.presets) != 1:
        raise ValueError("--seeds-report is for one preset.")
    configs = {name: _preset(name, chosen.set) for name in chosen.presets}
    found = runs.sweep(
        configs, chosen.seeds, chosen.table or runs.TABLE,
        workers=chosen.workers, cluster=chosen.cluster, threads=chosen.threads,
        soft_labels=chosen.soft_labels,
    )  # fmt: skip
    if chosen.seeds_report:
        runs.write_seeds(found.to_dict("records"), chosen.seeds_report)
    spread = found.groupby("name")[["validation", "test", "ece", "seconds"]]
    print(spread.agg(["median", "mean", "std"]).T.to_string(float_format="{:.5g}".format))


def _experiments_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--run", metavar="GROUP", dest="group", help="run the experiments of a group first")
    add("--seeds", type=int, default=3, metavar="N", help="number of runs of each experiment")
    add("--subset", type=int, metavar="N", help="number of digits of each data set; all by default")
    add("--log", type=Path, metavar="FILE.json", help="reports/experiments.json by default")


def experiments(chosen: Arguments) -> None:
    """Write the tables of experiments, after running a group of them on request."""
    from digitlib.training import experiments as tried

    log = chosen.log or tried.LOG
    if not chosen.group:
        tried.write(log)
        return
    lines: list[dict[str, Any]] = []
    for line in tried.run(chosen.group, range(chosen.seeds), chosen.subset):
        lines.append(line)
        tried.record(lines, log)  # a stopped run keeps its finished lines
        print(tried.row(line), flush=True)


# --- notebooks and reports -----------------------------------------------------------------


def _only_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", action="append", default=[], metavar="NOTEBOOK",
        help="this notebook alone, as 02_train; repeatable",
    )  # fmt: skip


def _reports_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--fast", action="store_true", help="on a small subset, into reports/fast/")
    _only_option(parser)
    add("--output", type=Path, metavar="FOLDER", help="in place of reports/")
    add("--dataset", default="mnist", metavar="NAME", help="mnist, or sample: no download")
    add("--seed", type=int, default=0, metavar="N", help="of the notebooks' random numbers")


def reports(chosen: Arguments) -> int:
    """Run the notebooks whose results are not current; 1 where one failed."""
    from digitlib.files import REPORTS
    from digitlib.reports import runner
    from digitlib.reports.parameters import DATASETS

    if chosen.dataset not in DATASETS:
        raise ValueError(f"The data set is one of {', '.join(DATASETS)}, not {chosen.dataset!r}.")
    output = chosen.output or REPORTS / ("fast" if chosen.fast else "")
    plan = runner.ReportPlan(output, chosen.fast, chosen.dataset, chosen.seed)
    return 1 if runner.make_reports(plan, chosen.only) else 0


def notebooks(chosen: Arguments) -> int:
    """Run the notebooks in place, with their own parameters; the number that failed."""
    from digitlib.reports import execution

    found = execution.find_notebooks()
    wanted = [path for path in found if not chosen.only or path.stem in chosen.only]
    return sum(not execution.refresh_and_report(path) for path in wanted)


def sensitivity(chosen: Arguments) -> None:
    """Measure how much each constant of preprocessing matters on simulated pictures."""
    from digitlib.evaluation import sensitivity as constants

    constants.write(constants.measure())


def readme(chosen: Arguments) -> None:
    """Write the tables of results in README.md from the files under ``reports/``."""
    from digitlib.reports import readme as tables

    tables.update()


Options = Callable[[argparse.ArgumentParser], None]
COMMANDS: tuple[tuple[Options, Callable[[Arguments], int | None], str, str], ...] = (
    (_read_options, read, "Read the digit in pictures.",
     "A line for each: digits with their probabilities, and 'rejected' where there is no digit."),
    (_train_options, train, "Train a network, calibrate it, write its weights.",
     "Stopped, the same command resumes from the last complete epoch."),
    (_distil_options, distil, "Write soft labels: varied frames with the logits of teachers.",
     "Each data set is labelled by its most specialised teachers."),
    (_weights_options, weights, "Make the bundled weights, step by step.",
     "Teachers, specialists, soft labels, distillation, refinement: hours of training. A step "
     "whose output is current is skipped; stopped, the same command continues."),
    (_sweep_options, sweep, "Train presets with several seeds side by side.",
     "Each finished run is a row of the table; rows that are there are not run again."),
    (_experiments_options, experiments, "Write reports/experiments.md from its log.", ""),
    (_reports_options, reports, "Run the notebooks, write figures and metrics to reports/.",
     "A notebook whose results are current is skipped."),
    (_only_option, notebooks, "Run the notebooks in place and keep their outputs.", ""),
    (_export_options, export, "Write a network as an ONNX file.",
     "It takes frames and gives probabilities and scores, calibration included."),
    (_no_options, sensitivity, "Measure how much each constant of preprocessing matters.",
     "Five minutes; writes reports/preprocessing_constants.json and .md."),
    (_no_options, readme, "Write the tables of results in README.md.", ""),
)  # fmt: skip


if __name__ == "__main__":
    main()
