"""The tables of results and promises in README.md, from the files under ``reports/``.

``python -m digitlib readme`` rewrites the text between the markers; a test holds README and
reports together, so that no number there is typed by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from digitlib.evaluation import handwriting, readers
from digitlib.evaluation.metrics import LARGE_GROUP
from digitlib.files import REPORTS, REPOSITORY, write_text
from digitlib.reports.render import render
from digitlib.reports.report import read_object

Numbers = Mapping[str, Any]

START, END = "<!-- {name}: python -m digitlib readme -->", "<!-- end of {name} -->"


class Row(NamedTuple):
    """A row of the first table, and the origin of its numbers.

    Attributes:
        title: ``{writers}`` is their number.
        name: of a data set in the networks' reports, or of pictures in those of 09_pictures.
        split: of the data set; None for pictures.
    """

    title: str
    name: str
    split: str | None = None


SET = "(set temperature and threshold)"
ROWS = (
    Row(
        "pen strokes of {writers} writers of the donors cea, ceb, ced, never trained on nor chosen "
        "by (UNIPEN)",
        "unipen",
        "test",
    ),
    Row("the same drawings as pictures of 280×280 px", "canvas"),
    Row("pen strokes of {writers} test writers (UCI pendigits)", "pendigits", "test"),
    Row("MNIST test set", "mnist", "test"),
    Row(f"pen strokes of {{writers}} writers of the donor tos {SET}", "unipen", "validation"),
    Row(f"pen strokes of {{writers}} writers of UCI pendigits {SET}", "pendigits", "validation"),
    Row("digit styles from rules: slashed 0, crossed 7, sail-like 4 …", "styles", "validation"),
    Row("scans at 8×8 px by 13 other writers (UCI optdigits, in scikit-learn)", handwriting.SCANS),
    Row("phone photos, simulated from pen strokes of the first row", "phone photos"),
    Row(
        f"{handwriting.MORE_KINDS} of pictures, likewise: spray, chalk, squared paper, 16 px …",
        handwriting.MORE_KINDS,
    ),
)
# Of the second table, each with data set and split.
CALIBRATED = (
    ("pen strokes of the first row", "unipen", "test"),
    ("MNIST test set", "mnist", "test"),
)
REJECTED = (
    ("letters of the donors of the first row, less lookalikes of digits", "letters", "test"),
    ("signs of these donors, likewise", "signs", "test"),
    ("symbols (stars, hearts, arrows …), a kind never trained on", "no_digits", "validation"),
    ("typeset letters A to J (notMNIST), never trained on", "notmnist", "test"),
)
# Of the table of whole numbers: title, and group and name in reports/numbers.json.
NUMBER_ROWS = (
    ("rows of 2 to 8 digits, usual spacing, pen strokes", "rows", "usual"),
    ("… just apart", "rows", "just apart"),
    ("rows of 2 to 8 digits, usual spacing, pictures", "pictures of rows", "usual"),
    ("… just apart", "pictures of rows", "just apart"),
    ("two digits that just touch, pen strokes", "pairs", "just touching, as strokes"),
    ("two digits that just touch, pictures", "pairs", "just touching, as pictures"),
)
PRESETS = (("`default`, with pen branch", "digitnet"), ("`wide`", "wide"))


def results(reports: Path = REPORTS) -> str:
    """The tables as Markdown, from the files below ``reports``; without rows not measured."""

    def read(file: str) -> dict[str, Any]:
        return read_object(reports / file)

    def read_optional(file: str) -> dict[str, Any]:
        return read(file) if (reports / file).exists() else {}

    whole_numbers = read_optional("numbers.json")
    speed = read("metrics/11_speed.json")
    networks = {title: read(f"weights/{name}.json") for title, name in PRESETS}
    digitnet, baseline = (read(f"weights/{name}.json") for name in ("digitnet", "baseline"))
    pictures = read("metrics/09_pictures.json")["numbers"]["accuracy"]
    return render(
        "results.md.j2",
        digitnet=digitnet,
        baseline=baseline,
        rows=[*_rows(digitnet["measured"], baseline["measured"], pictures)],
        calibrated=[*_measured(CALIBRATED, digitnet["measured"])],
        rejected=[*_measured(REJECTED, digitnet["measured"])],
        seeds=[
            1 - run["test"]["errors"] / run["test"]["accuracy"]["count"]
            for run in read("seeds.json")["runs"]
        ],
        large_group=LARGE_GROUP,
        latency=read("latency.json"),
        why=read_optional("why.json"),
        numbers=whole_numbers,
        number_rows=[(title, whole_numbers[group][name]) for title, group, name in NUMBER_ROWS]
        if whole_numbers
        else [],
        taught=read_optional("metrics/12_teach.json").get("numbers"),
        setup=read("setup.json"),
        visitors=read("visitors.json"),
        quick=speed["times"]["race"]["quick"] | {"size": speed["numbers"]["parameters"]["quick"]},
        presets=[
            (title, name, networks[title], _training_seconds(networks[title]["training"]))
            for title, name in PRESETS
        ],
    ).strip()


def _rows(ours: Numbers, theirs: Numbers, pictures: Numbers) -> Iterator[tuple[Any, ...]]:
    """Title, share of our network, of the baseline, and, of pictures, of it from our frames."""
    baseline = readers.Reader("baseline"), readers.Reader("baseline", "baseline")
    framed, alone = map(str, baseline)
    for title, name, split in ROWS:
        if split is None and name in pictures:
            made = pictures[name]
            yield title, made["digitnet"], made[alone], made[framed]
        elif split in ours.get(name, {}) and split in theirs.get(name, {}):
            share = ours[name][split]["accuracy"]
            title = title.format(writers=share.get("writers", ""))
            yield title, share, theirs[name][split]["accuracy"], None


def _measured(
    rows: Iterable[tuple[str, str, str]], measured: Numbers
) -> Iterator[tuple[str, Numbers]]:
    """Titles, and the numbers of those that are measured."""
    for title, name, split in rows:
        if split in measured.get(name, {}):
            yield title, measured[name][split]


def _training_seconds(training: dict[str, Any]) -> float:
    """Of a network, and of the initial ones from which it was trained on."""
    earlier = training.get("init")
    return training["seconds"] + (_training_seconds(earlier) if earlier else 0)


def promises(reports: Path = REPORTS) -> str:
    """The table of promises as Markdown, from the figures of their tests below ``reports``."""
    found, visitors, ink = (
        read_object(reports / f"{name}.json") for name in ("reliability", "visitors", "ink")
    )
    # Edited cards are left out: those that make sense are meant to be read.
    damages = [each for each in found["damage"].values() if "unchanged" in each]
    damaged = {name: sum(each[name] for each in damages) for name in damages[0]}
    return render(
        "promises.md.j2",
        reliability=found,
        damages=damaged,
        accepted=damaged["damages"] - damaged["refused"] - damaged["unchanged"],
        writers=found["full disk and read-only folder"],
        loads=found["pad under load"],
        downloads=found["kills in downloads"],
        tried={place: sum(found["strangers"][place].values()) for place in ("page", "lab")},
        visitors=visitors,
        ports=dict(sorted(read_object(reports / "ports.json")["quick tests"].items())),
        replays=[each for each in ink.values() if "points_sent" in each],
    ).strip()


TABLES = {"results": results, "promises": promises}


def written(text: str, name: str) -> str:
    """What stands between the markers of a table.

    Raises:
        ValueError: a marker is missing.
    """
    return _split(text, name)[1].strip()


def _split(text: str, name: str) -> tuple[str, str, str]:
    """The text before, between and after the markers of a table."""
    start, end = START.format(name=name), END.format(name=name)
    head, found, rest = text.partition(start)
    between, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"The text has no markers {start} and {end}.")
    return head + start, between, end + tail


def update(readme: Path = REPOSITORY / "README.md") -> None:
    """Rewrite the tables between the markers of a README.

    Raises:
        ValueError: a marker is missing.
    """
    text = readme.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        head, _, tail = _split(text, name)
        text = f"{head}\n{table(readme.parent / 'reports')}\n{tail}"
    write_text(readme, text)
