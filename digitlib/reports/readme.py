"""The table of results in README.md, written from the files under ``reports/``.

``python -m digitlib readme`` rewrites what stands between the two markers; a test holds README and
reports together, so that no number there is typed by hand.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitlib.evaluation import handwriting
from digitlib.files import REPORTS, REPOSITORY

START, END = "<!-- results: python -m digitlib readme -->", "<!-- end of results -->"

# Row title, then where its numbers lie in a network's report: data set and split.
READ = (
    ("MNIST test set", "mnist", "test"),
    (
        "pen strokes of the 6 validation writers, never trained on (UCI pendigits)",
        "pendigits",
        "validation",
    ),
    ("digit styles from rules: slashed 0, crossed 7, sail-like 4 …", "styles", "validation"),
)
# Of pictures; the numbers are the notebook's.
PICTURES = (
    ("scans at 8×8 px by 13 other writers (UCI optdigits, in scikit-learn)", handwriting.SCANS),
    ("phone photos, made from the pen strokes", "phone photos"),
    (f"{handwriting.SCENES} of pictures: spray, chalk, squared paper, 16 px …", handwriting.SCENES),
)
REJECTED = (
    ("symbols (stars, hearts, arrows …), a kind never trained on", "no_digits", "validation"),
    ("typeset letters A to J (notMNIST), never trained on", "notmnist", "test"),
)


def results(reports: Path = REPORTS) -> str:
    """The tables as Markdown, from the files below ``reports``."""
    digitnet = json.loads((reports / "weights" / "digitnet.json").read_text())
    baseline = json.loads((reports / "weights" / "baseline.json").read_text())
    tables = (
        _read_right(digitnet, baseline, reports),
        _others(digitnet, reports),
        _presets(reports),
    )
    return "\n\n".join("\n".join(table) for table in tables)


def _read_right(digitnet: dict[str, Any], baseline: dict[str, Any], reports: Path) -> Iterator[str]:
    yield (
        f"| read right, with the 95 % interval | `DigitNet` ({digitnet['parameters']:,} parameters)"
        f" | `BaselineCNN` ({baseline['parameters']:,}) |"
    )
    yield "|---|---|---|"
    for title, name, split in READ:
        cells = [_share(card["measured"][name][split]["accuracy"]) for card in (digitnet, baseline)]
        yield f"| {title} | **{cells[0]}** | {cells[1]} |"
    told = json.loads((reports / "metrics" / "07_handwriting.json").read_text())
    made = told["numbers"]["accuracy"]
    for title, name in PICTURES:
        mine, framed, plain = (
            _share(made[name][way]) for way in ("default", "baseline", "baseline, plain path")
        )
        yield f"| {title} | **{mine}** | {plain}; from our frames {framed} |"
    yield (
        "| from | [`reports/weights/digitnet.json`](reports/weights/digitnet.json) "
        "| [`reports/weights/baseline.json`](reports/weights/baseline.json); pictures: "
        "[`reports/metrics/07_handwriting.json`](reports/metrics/07_handwriting.json) |"
    )


def _others(digitnet: dict[str, Any], reports: Path) -> Iterator[str]:
    measured = digitnet["measured"]
    latency = json.loads((reports / "latency.json").read_text())
    yield "| `DigitNet`, also | measured | from |"
    yield "|---|---|---|"
    seeds = [
        1 - run["test"]["errors"] / run["test"]["accuracy"]["count"]
        for run in json.loads((reports / "seeds.json").read_text())["runs"]
    ]
    yield (
        f"| MNIST test, mean ± standard deviation of {len(seeds)} seeds "
        f"| {statistics.mean(seeds):.2%} ± {statistics.stdev(seeds):.2%} "
        "| [`reports/seeds.json`](reports/seeds.json) |"
    )
    origin = "[`reports/weights/digitnet.json`](reports/weights/digitnet.json)"
    for name, split in (("mnist", "test"), ("pendigits", "validation")):
        yield (
            f"| expected calibration error, {name} {split} "
            f"| {measured[name][split]['ece']:.2%} | {origin} |"
        )
        yield (
            f"| real digits called no digit, {name} {split} "
            f"| {measured[name][split]['rejected']:.1%} | {origin} |"
        )
    for title, name, split in REJECTED:
        yield f"| rejected: {title} | {measured[name][split]['rejected']:.1%} | {origin} |"
    yield (
        "| pen up to new bars on the screen, JupyterLab in Chromium on "
        f"{latency['machine']['cpus']} cores, median of {len(latency['samples_ms'])} "
        f"| {latency['median_ms']:.0f} ms | [`reports/latency.json`](reports/latency.json) |"
    )


def _presets(reports: Path) -> Iterator[str]:
    yield "| preset | parameters | training on 2 cores | MNIST test set | pen strokes | from |"
    yield "|---|---|---|---|---|---|"
    speed = json.loads((reports / "metrics" / "08_speed.json").read_text())
    size, quick = speed["numbers"]["parameters"]["quick"], speed["times"]["race"]["quick"]
    yield (
        f"| `quick` | {size:,} | {quick['0.99']['seconds']:.1f} s "
        f"| {quick['median_test']:.2%}, median of {quick['runs']} seeds | not trained on them "
        "| [`reports/metrics/08_speed.json`](reports/metrics/08_speed.json) |"
    )
    for preset, name in (("`default`, refined", "digitnet"), ("`wide`", "wide")):
        card = json.loads((reports / "weights" / f"{name}.json").read_text())
        training = card["training"]
        seconds = training["seconds"] + training.get("start", {}).get("seconds", 0)
        right = {key: card["measured"][key] for key in ("mnist", "pendigits")}
        yield (
            f"| {preset} | {card['parameters']:,} | {seconds / 60:.0f} min "
            f"| {right['mnist']['test']['accuracy']['value']:.2%} "
            f"| {right['pendigits']['validation']['accuracy']['value']:.2%} "
            f"| [`reports/weights/{name}.json`](reports/weights/{name}.json) |"
        )


def _share(share: dict[str, float]) -> str:
    return f"{share['value']:.2%} ({share['low']:.2%}–{share['high']:.2%})"


def update(readme: Path = REPOSITORY / "README.md") -> None:
    """Rewrite the tables between the markers of a README.

    Raises:
        ValueError: a marker is missing.
    """
    text = readme.read_text()
    if START not in text or END not in text:
        raise ValueError(f"{readme} has no markers {START} and {END}.")
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    readme.write_text(f"{head}{START}\n{results(readme.parent / 'reports')}\n{END}{tail}")
