"""The command line: ``python -m digitlib COMMAND``; ``--help`` after a command explains it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
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
    parser = argparse.ArgumentParser(prog="python -m digitlib", description="Handwritten digits.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    _read_options(add("read", read, "Read the digit in pictures."))
    _train_options(add("train", train, "Train a network, calibrate it, write its weights."))
    _distil_options(add("distil", distil, "Write soft labels: frames with teachers' logits."))
    _sweep_options(add("sweep", sweep, "Train presets with several seeds side by side."))
    _experiments_options(add("experiments", experiments, "Write reports/experiments.md."))
    _reports_options(add("reports", reports, "Run the notebooks, write figures and metrics."))
    _notebooks_options(add("notebooks", notebooks, "Run the notebooks in place, keep outputs."))
    _export_options(add("export", export, "Write a network as an ONNX file."))
    add("readme", readme, "Write the tables of results in README.md.")
    return parser


# --- reading -------------------------------------------------------------------------------


def _read_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="FILE")
    parser.add_argument("--weights", type=Path, help="weights file; the bundled one without")


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
    parser.add_argument("output", type=Path, help="ONNX file to write")
    parser.add_argument("--weights", type=Path, help="weights file; the bundled one without")


def export(chosen: Arguments) -> None:
    """Write a network with its preprocessing of frames and its calibration as ONNX."""
    from digitlib.models.recognizer import Recognizer

    Recognizer.load(chosen.weights).export_onnx(chosen.output)


# --- training ------------------------------------------------------------------------------


def _changed(config: TrainConfig, changes: str, **others: Any) -> TrainConfig:
    """A configuration with fields changed by JSON text."""
    values = json.loads(changes)
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return replace(config, **(values | lists | others))


def _preset(name: str) -> TrainConfig:
    from digitlib.training.config import PRESETS

    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset")
    parser.add_argument("output", type=Path, help="weights file to write (.safetensors)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", default="{}", help="JSON of further TrainConfig fields to change")
    parser.add_argument(
        "--soft-labels", type=Path, nargs="+", default=(), help="soft labels, for distillation"
    )
    parser.add_argument("--init", type=Path, help="weights file of the initial network")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    parser.add_argument("--report", type=Path, help="folder for NAME.json with all its numbers")


def train(chosen: Arguments) -> None:
    """Train, calibrate and measure one network."""
    from digitlib.evaluation.compare import measure_weights
    from digitlib.files import write_json
    from digitlib.training import build

    config = _changed(_preset(chosen.preset), chosen.set, seed=chosen.seed)
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
    parser.add_argument("output", type=Path, help="file to write (.safetensors)")
    parser.add_argument("teachers", type=Path, nargs="+", help="weights files")
    parser.add_argument("--passes", type=int, default=16, help="over the training data")
    parser.add_argument("--preset", default="default", help="configuration of the variations")


def distil(chosen: Arguments) -> None:
    """Write soft labels for the training of other networks."""
    from digitlib.training.distillation import SOFT_LABELS_SEED, Teacher, make_soft_labels
    from digitlib.training.loader import Splits

    config = replace(_preset(chosen.preset), seed=SOFT_LABELS_SEED)
    teachers = [Teacher.load(path) for path in chosen.teachers]
    labels = make_soft_labels(config, Splits.load(config), teachers, chosen.passes)
    labels.save(chosen.output)
    print(f"{len(labels):,} frames with the logits of {len(teachers)} networks: {chosen.output}")


def _seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5`` as numbers."""
    if "-" in text:
        first, last = map(int, text.split("-"))
        return [*range(first, last + 1)]
    return [int(part) for part in text.split(",")]


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("presets", nargs="*", default=["quick"], metavar="preset")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-9"), help="0-9 or 0,3,5")
    parser.add_argument("--set", default="{}", help="JSON of TrainConfig fields to change")
    parser.add_argument("--table", type=Path, help="JSON Lines file; reports/sweep.jsonl without")
    parser.add_argument("--workers", type=int, default=-1, help="processes; -1 is one per core")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch in each run")
    parser.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, tcp://…:8786")
    parser.add_argument("--soft-labels", help="soft labels, for distillation")
    parser.add_argument(
        "--seeds-report", type=Path, metavar="FILE", help="also write reports/seeds.json's format"
    )


def sweep(chosen: Arguments) -> None:
    """Train every preset with every seed; rows that the table already has are not run again."""
    from digitlib.training import sweep as runs

    if chosen.seeds_report and len(chosen.presets) != 1:
        raise ValueError("--seeds-report is for one preset.")
    configs = {name: _changed(_preset(name), chosen.set) for name in chosen.presets}
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
    parser.add_argument("--run", metavar="GROUP", dest="group", help="run this group first")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--subset", type=int, help="number of digits of each data set")
    parser.add_argument("--log", type=Path, help="JSON file; reports/experiments.json without")


def experiments(chosen: Arguments) -> None:
    """Write the tables of experiments; run a group of them first where asked."""
    from digitlib.training import experiments as tried

    log = chosen.log or tried.LOG
    if not chosen.group:
        tried.write(log)
        return
    lines: list[dict[str, Any]] = []
    for line in tried.run(chosen.group, range(chosen.seeds), chosen.subset):
        lines.append(line)
        tried.record(lines, log)  # stopped, finished lines are kept
        print(tried.row(line), flush=True)


# --- notebooks and reports -----------------------------------------------------------------


def _reports_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fast", action="store_true", help="a small subset, into reports/fast/")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--output", type=Path, help="folder of the reports")
    parser.add_argument("--dataset", default="mnist", help="mnist or sample")
    parser.add_argument("--seed", type=int, default=0)


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


def _notebooks_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="repeatable")


def notebooks(chosen: Arguments) -> int:
    """Run the notebooks where they lie, with their own parameters; the number that failed."""
    from digitlib.reports import execution

    found = execution.find_notebooks()
    wanted = [path for path in found if not chosen.only or path.stem in chosen.only]
    return sum(not execution.refresh_and_report(path) for path in wanted)


def readme(chosen: Arguments) -> None:
    """Write the tables of results in README.md from the files under ``reports/``."""
    from digitlib.reports import readme as tables

    tables.update()


if __name__ == "__main__":
    main()
