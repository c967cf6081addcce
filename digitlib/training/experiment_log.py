"""The log of experiments as Markdown: five lessons first, then a table per group.

``python -m digitlib experiments`` writes ``reports/experiments.md`` from ``experiments.json``
beside it. Verdicts are computed from the log; a comparison needs several seeds on both sides.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from digitlib.evaluation.differences import welch_interval
from digitlib.files import REPORTS, write_json, write_text

LOG = REPORTS / "experiments.json"
Line = dict[str, Any]

ABOUT = {
    "quick": "The preset `quick`, with one change at a time: the least time to 99 %. On one "
    "thread; seconds are the processor's, so that other programs do not count.",
    "additions": "What `fit` adds to a loop of a dozen lines (the notebook `03_first_network`): "
    "the network of `quick` for three epochs on one thread, first at a constant rate and with "
    "nothing else; each line adds to all before it. Times were taken on a busy machine.",
    "unseen writers": "A stroke teacher of `digitlib.training.stages`, for five epochs only, with "
    "one part left out: accuracy is of the 2,043 digits of the donor tos and pendigits' validation "
    "writers, read as strokes; rejected is the share of the letters and signs of tos below the "
    "threshold that rejects 1 % of the digits. Times were taken on a busy machine.",
    "default": "Configurations and networks for drawn digits as well as MNIST, trained on labels.",
    "distillation": "Networks trained on the soft labels of several teachers "
    "(`digitlib.training.distillation`): five epochs each, one thread, two runs at a time. "
    "Channels are of the first layer, the 12x12 and the 6x6 maps; NLL is of MNIST's "
    "validation digits.",
    "specialists": "Networks trained on the labels of MNIST alone, as its teachers: one thread, "
    "two runs at a time. The three of least NLL were selected.",
    "thick strokes": "Canvas pictures of the 1,500 drawings of validation writers, with strokes "
    "wider than a fifth of the box thinned before the reduction (`frame.even_strokes`); "
    "accuracy is of a 20 px brush and a digit 60 px high. Under a 28 px brush most loops of such "
    "a digit are filled, and no person can read it.",
    "tremor": "Training on soft labels of drawings with tremor augmentation: trembling, cut and "
    "stretched strokes (the steps `tremor-labels` and `digitnet` of `digitlib.training.stages`); "
    "accuracy is of validation drawings with that augmentation, seed 0.",
    "more writers": "UNIPEN's writers, letters and signs for the refined network (the steps "
    "`writers-labels` and `writers` of `digitlib.training.stages`): accuracy is of MNIST's "
    "validation digits, the others are of the choosing writers as pictures, rejected at the "
    "threshold that rejects 1 % of the digits of each set.",
    "way of the pen": "Planes for direction and time in a branch of the network, on labels, from a "
    "network fine-tuned on UNIPEN without them: accuracy is of the 2,043 drawings of the choosing "
    "writers, read as strokes.",
    "strokes": "The bundled network before and after it was distilled from two stroke teachers "
    "(the steps `stroke-labels` and `digitnet` of `digitlib.training.stages`), eight epochs: "
    "accuracy is of the 2,043 drawings of the choosing writers, read as strokes; rejected at the "
    "thresholds of the cards. Chosen by the mean NLL over MNIST and these writers, as strokes and "
    "as pictures.",
    "techniques": "Known techniques for fast training, on the preset `quick`: one thread, seeds "
    "in turn. None is in the code, since none pays. CUDA graphs need a GPU, and none was "
    "available.",
}


# Groups of an earlier state of the project: "bundled" in them is what was bundled then.
SUPERSEDED = {
    "default": "networks are distilled now (`distillation`), from labels alone no more",
    "distillation": "the network of the preset was refined three times since (`tremor`, `more "
    "writers`, `strokes`)",
    "tremor": "the network was trained on with more writers since (`more writers`)",
    "more writers": "the network was distilled once more since (`strokes`)",
    "techniques": "`quick` deskews its digits and takes larger batches since (`quick`)",
}

BUSY = ("additions", "unseen writers")  # groups whose times were taken on a busy machine


class Lesson(NamedTuple):
    """A difference between two lines of the log, in a sentence.

    Attributes:
        text: with ``{ours}``, ``{theirs}`` (mean, in percent) and ``{difference}`` (in points,
            with its interval).
        ours: group and description of the line.
        theirs: of the line that it is compared with.
        key: of the values, shares 0-1, one per seed.
    """

    text: str
    ours: tuple[str, str]
    theirs: tuple[str, str]
    key: str = "validation"


LESSONS = (
    Lesson(
        "**Teachers give more than labels.** Of MNIST's validation digits, the network that was "
        "distilled from several teachers reads {ours} right, the one trained on labels alone "
        "{theirs}: {difference}.",
        ("distillation", "the preset `default`: the same, MNIST labelled by three specialists"),
        ("default", "the preset: the same for 16 epochs, a smaller share of other sets"),
    ),
    Lesson(
        "**Train on unsteady hands, and keep half of what was there.** Of trembling, cut and "
        "stretched drawings, the mean of the network before and after such training reads {ours} "
        "right, the one before {theirs}: {difference}.",
        ("tremor", "refinement: the mean of before and after"),
        ("tremor", "the preset `default`"),
    ),
    Lesson(
        "**Only real letters teach to refuse letters.** With the letters and signs of other "
        "writers in training, {ours} of the letters and signs of tos are rejected, without them "
        "{theirs}: {difference}.",
        ("unseen writers", "as it is"),
        ("unseen writers", "without letters and signs"),
        "rejected",
    ),
    Lesson(
        "**A small network made for the task beats a larger one from the book.** Trained for one "
        "short epoch alike, the network of `quick` reads {ours} right, `BaselineCNN` {theirs}: "
        "{difference}.",
        ("quick", "as it is"),
        ("quick", "BaselineCNN"),
    ),
    Lesson(
        "**Make the task easier before the network faster.** With its digits deskewed, `quick` "
        "reads {ours} right after one epoch, without {theirs}: {difference}, and its frames have "
        "half as many pixels.",
        ("quick", "as it is"),
        ("quick", "digits not deskewed"),
    ),
)


def read(path: Path = LOG) -> list[Line]:
    """The log's lines; none where there is no log."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def record(lines: Sequence[Line], path: Path = LOG) -> None:
    """Replace the log's lines of the same groups, and write its Markdown.

    A line has ``group``, ``what``, ``validation`` (accuracies 0-1, one per seed) and ``seconds``
    (median of a run); ``verdict``, where there is one, is the description of a choice and takes
    the place of the comparison with the group's first line. Further values are kept.
    """
    groups = {line["group"] for line in lines}
    kept = [line for line in read(path) if line["group"] not in groups]
    write_json(path, [*kept, *lines])
    write(path)


def write(path: Path = LOG) -> None:
    """Write ``experiments.md`` beside the log."""
    write_text(path.with_suffix(".md"), markdown(read(path)))


# --- Markdown ------------------------------------------------------------------------------


def markdown(lines: Sequence[Line]) -> str:
    """The log as Markdown: what was learnt, then a table per group."""
    text = [
        "# What was tried",
        "Written by `python -m digitlib experiments` from [experiments.json](experiments.json); "
        "edit neither by hand. Accuracies are of validation digits, mean ± standard deviation "
        "over the seeds; seconds are the median run, validation included. A verdict of better or "
        "worse needs a 95 % interval (Welch's) without zero; one run has none, and its "
        "line tells what was chosen, not that it is better.",
    ]
    if lessons := [*_lessons(lines)]:
        text += ["## Lessons", "\n".join(f"{n}. {each}" for n, each in enumerate(lessons, 1))]
    for group in dict.fromkeys(line["group"] for line in lines):
        rows = [line for line in lines if line["group"] == group]
        superseded = [f"**Superseded:** {SUPERSEDED[group]}."] if group in SUPERSEDED else []
        table = [
            "| tried | validation accuracy | seeds | seconds | verdict |",
            "|---|---|---|---|---|",
            *(row(line, rows[0]) for line in rows),
        ]
        about = [ABOUT[group]] if group in ABOUT else []
        text += [f"## {group}", *about, *superseded, "\n".join(table)]
    return "\n\n".join(text) + "\n"


def row(line: Line, reference: Line) -> str:
    """A line of the log as a row of a Markdown table; ``reference`` is its group's first."""
    values = [100 * value for value in line["validation"]]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    said = line.get("verdict") or verdict(line, reference)
    if line["group"] in SUPERSEDED:
        said = said.replace("bundled", "bundled then")
    if "rejected" in line:
        said += f"; {100 * statistics.fmean(line['rejected']):.1f} % rejected"
    return (
        f"| {line['what']} | {statistics.fmean(values):.2f}{spread} % | {len(values)} "
        f"| {line['seconds']:.1f} | {said} |"
    )


def verdict(line: Line, reference: Line) -> str:
    """Comparison of a line with its group's reference, in a few words."""
    if line["what"] == reference["what"]:
        return "the reference"
    ours, theirs = line["validation"], reference["validation"]
    ratio = ""
    if line["group"] not in BUSY:
        ratio = f" in {line['seconds'] / reference['seconds']:.2f} times the time"
    if min(len(ours), len(theirs)) < 2:
        points = 100 * (statistics.fmean(ours) - statistics.fmean(theirs))
        return f"no verdict of one run ({points:+.2f} points){ratio}"
    low, high = welch_interval(ours, theirs)
    side = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    return f"{side}, {_points(ours, theirs)}{ratio}"


def effects(group: str, whats: Sequence[str], path: Path = LOG) -> list[dict[str, Any]]:
    """What lines of a group changed, against its first line, in the order of ``whats``.

    Lines of a single run have no interval and are left out.

    Returns:
        ``what``, ``points`` of accuracy, ``interval`` in words, ``times`` the seconds, ``seeds``.
    """
    reference, *lines = (line for line in read(path) if line["group"] == group)
    rows, theirs = [], reference["validation"]
    found = {each["what"]: each for each in lines if len(each["validation"]) > 1}
    for line in (found[what] for what in whats if what in found):
        low, high = (100 * end for end in welch_interval(line["validation"], theirs))
        points = 100 * (statistics.fmean(line["validation"]) - statistics.fmean(theirs))
        rows.append(
            {"what": line["what"], "points": points, "interval": f"{low:+.2f} to {high:+.2f}",
             "times": line["seconds"] / reference["seconds"], "seeds": len(line["validation"])}
        )  # fmt: skip
    return rows


def _points(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """A difference in points with its interval."""
    difference = 100 * (statistics.fmean(ours) - statistics.fmean(theirs))
    low, high = (100 * end for end in welch_interval(ours, theirs))
    return f"{difference:+.2f} points ({low:+.2f} to {high:+.2f})"


def _lessons(lines: Sequence[Line]) -> Iterator[str]:
    """The sentences of those lessons whose lines are in the log and differ clearly."""
    found = {(line["group"], line["what"]): line for line in lines}
    for lesson in LESSONS:
        if lesson.ours in found and lesson.theirs in found:
            ours, theirs = (found[place][lesson.key] for place in (lesson.ours, lesson.theirs))
            low, high = welch_interval(ours, theirs)
            if low > 0 or high < 0:
                yield lesson.text.format(
                    ours=_mean(ours), theirs=_mean(theirs), difference=_points(ours, theirs)
                )


def _mean(values: Sequence[float]) -> str:
    return f"{100 * statistics.fmean(values):.2f} % ({len(values)} runs)"
