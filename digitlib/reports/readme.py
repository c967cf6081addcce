"""The tables of results in README.md, from the files under ``reports/``.

``python -m digitlib readme`` rewrites the text between the two markers; a test holds README and
reports together, so that no number there is typed by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from digitlib.evaluation import handwriting
from digitlib.files import REPORTS, REPOSITORY, write_text
from digitlib.reports.render import render

START, END = "<!-- results: python -m digitlib readme -->", "<!-- end of results -->"

# Row title, then where its numbers lie in a network's report: data set and split.
READ = (
    ("pen strokes of people never trained on nor chosen by (UNIPEN)", "unipen", "test"),
    ("MNIST test set", "mnist", "test"),
    ("pen strokes of another donor's writers, who set the threshold", "unipen", "validation"),
    (
        "pen strokes of 6 writers, who set temperature and threshold (UCI pendigits)",
        "pendigits",
        "validation",
    ),
    ("digit styles from rules: slashed 0, crossed 7, sail-like 4 …", "styles", "validation"),
)
# Of pictures; the numbers are the notebook's.
PICTURES = (
    ("the drawings of the first row as pictures, 280×280 px", "canvas"),
    ("scans at 8×8 px by 13 other writers (UCI optdigits, in scikit-learn)", handwriting.SCANS),
    ("phone photos, simulated from the pen strokes", "phone photos"),
    (
        f"{handwriting.MORE_KINDS} of pictures: spray, chalk, squared paper, 16 px …",
        handwriting.MORE_KINDS,
    ),
)
REJECTED = (
    ("letters by the people of the first row, less lookalikes", "letters", "test"),
    ("signs by them, less lookalikes", "signs", "test"),
    ("symbols (stars, hearts, arrows …), a kind never trained on", "no_digits", "validation"),
    ("typeset letters A to J (notMNIST), never trained on", "notmnist", "test"),
)
PRESETS = (("`default`, with pen branch", "digitnet"), ("`wide`", "wide"))


def results(reports: Path = REPORTS) -> str:
    """The tables as Markdown, from the files below ``reports``."""

    def read(file: str) -> dict[str, Any]:
        return json.loads((reports / file).read_text(encoding="utf-8"))

    speed = read("metrics/08_speed.json")
    networks = {title: read(f"weights/{name}.json") for title, name in PRESETS}
    return render(
        "results.md.j2",
        digitnet=read("weights/digitnet.json"),
        baseline=read("weights/baseline.json"),
        rows=READ,
        pictures=PICTURES,
        baseline_path=str(handwriting.Reader("baseline", "baseline")),
        accuracy=read("metrics/07_handwriting.json")["numbers"]["accuracy"],
        rejected=REJECTED,
        seeds=[
            1 - run["test"]["errors"] / run["test"]["accuracy"]["count"]
            for run in read("seeds.json")["runs"]
        ],
        latency=read("latency.json"),
        quick=speed["times"]["race"]["quick"] | {"size": speed["numbers"]["parameters"]["quick"]},
        presets=[
            (title, name, networks[title], _training_seconds(networks[title]["training"]))
            for title, name in PRESETS
        ],
    ).strip()


def _training_seconds(training: dict[str, Any]) -> float:
    """Of a network, and of the initial one where it was fine-tuned."""
    return training["seconds"] + training.get("init", {}).get("seconds", 0)


def update(readme: Path = REPOSITORY / "README.md") -> None:
    """Rewrite the tables between the markers of a README.

    Raises:
        ValueError: a marker is missing.
    """
    text = readme.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise ValueError(f"{readme} has no markers {START} and {END}.")
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    write_text(readme, f"{head}{START}\n{results(readme.parent / 'reports')}\n{END}{tail}")
