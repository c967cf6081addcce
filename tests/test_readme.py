"""README: its tables hold the numbers of the reports; files, rooms and commands in it exist."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitlib.files import REPOSITORY
from digitlib.models.explain import TRAINING_DIGITS
from digitlib.reports import readme

README = (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("name", readme.TABLES)
def test_the_tables_are_what_the_reports_say(name: str) -> None:
    assert readme.written(README, name) == readme.TABLES[name]()


def share(value: float, **more: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.01, "count": 100, **more}


def numbers(value: float, writers: int, rejected: float) -> dict[str, Any]:
    """Of pen strokes, as in a network's report."""
    return {
        "accuracy": share(value, writers=writers),
        "ece": 0.0123,
        "rejected": rejected,
        "rejected by writer": share(rejected, highest=0.25),
    }


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A copy of the numbers; of pen data only those by writers who set something."""
    for name in ("weights", "metrics"):
        (tmp_path / name).mkdir()
        for path in (REPOSITORY / "reports" / name).glob("*.json"):
            shutil.copy(path, tmp_path / name)
    for name in ("seeds.json", "latency.json", "setup.json", "visitors.json"):
        shutil.copy(REPOSITORY / "reports" / name, tmp_path)
    for name in ("digitnet", "baseline"):
        _set(tmp_path, name, pendigits={"validation": numbers(0.96, 6, 0.01)}, unipen={})
    return tmp_path


def _set(reports: Path, network: str, **measured: dict[str, Any]) -> None:
    """Replace the numbers of data sets in a network's report."""
    path = reports / "weights" / f"{network}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"measured": content["measured"] | measured}))


def test_the_first_rows_are_of_the_reported_writers_as_strokes_and_as_pictures(
    reports: Path,
) -> None:
    test, choosing = numbers(0.91, 47, 0.031), numbers(0.92, 50, 0.01)
    for name in ("digitnet", "baseline"):
        _set(reports, name, unipen={"test": test, "validation": choosing}, letters={"test": test})
    lines = readme.results(reports).splitlines()
    assert "47 writers of the donors cea, ceb, ced, never trained on nor chosen by" in lines[2]
    assert "**91.00% (89.00%–92.00%)**" in lines[2]
    assert "the same drawings as pictures" in lines[3]
    assert "from our frames" in lines[3]
    table = "\n".join(lines)
    assert "| expected calibration error, pen strokes of the first row | 1.23% |" in table
    rejected = "3.10% (1.10%–4.10%)"
    own = (
        f"| digits rejected, pen strokes of the first row | {rejected}; of one writer², up to 25% |"
    )
    assert own in table
    letters = "letters of the donors of the first row, less lookalikes of digits"
    assert f"| rejected: {letters} | {rejected} |" in table


def test_rows_of_writers_who_set_something_say_so(reports: Path) -> None:
    choosing = numbers(0.92, 50, 0.01)
    for name in ("digitnet", "baseline"):
        _set(reports, name, unipen={"validation": choosing})
    rows = [line for line in readme.results(reports).splitlines() if "strokes of" in line]
    own = [row for row in rows if "50 writers" in row or "6 writers" in row]
    assert len(own) == 2
    assert all("(set temperature and threshold)" in row.split(" | ")[0] for row in own)


def test_what_was_not_measured_has_no_row(reports: Path) -> None:
    before = readme.results(reports)
    assert "test writers" not in before  # of UCI pendigits: their file is optional
    assert "cea, ceb, ced" not in before
    for name in ("digitnet", "baseline"):
        _set(reports, name, pendigits={"test": numbers(0.97, 14, 0.01)})
    assert "pen strokes of 14 test writers (UCI pendigits) | **97.00%" in readme.results(reports)


def test_the_seconds_of_training_are_those_of_all_trainings(reports: Path) -> None:
    path = reports / "weights" / "wide.json"
    content = json.loads(path.read_text())
    times = [600.0, 1200.0, 60.0]
    training: dict[str, Any] = {}
    for seconds in times:
        own = content["training"] | {"seconds": seconds}
        own.pop("init", None)
        training = own | ({"init": training} if training else {})
    path.write_text(json.dumps(content | {"training": training}))
    (row,) = [line for line in readme.results(reports).splitlines() if line.startswith("| `wide`")]
    assert " | 31 min | " in row


def test_sizes_and_times_of_set_up_are_as_measured() -> None:
    setup = json.loads((REPOSITORY / "reports" / "setup.json").read_text())
    start = " ".join(README.split("## Start")[1].split("\n## ")[0].split())
    assert "less than a minute and half a gigabyte" in start
    assert setup["seconds"] < 60
    assert setup["megabytes"]["app"] < 500
    assert f"about {setup['megabytes']['all'] / 1000:.0f} GB" in start


def test_the_number_of_frames_from_data_sets_in_the_package_is_theirs() -> None:
    with np.load(TRAINING_DIGITS) as stored:
        assert f"{len(stored['frames']):,} small frames made of two of them" in README


def test_every_file_that_readme_links_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README)
    paths = {link for pair in links for link in pair if link and "://" not in link}
    assert paths, "README links no files"
    missing = [path for path in paths if not (REPOSITORY / path).exists()]
    assert not missing


def test_the_architecture_lists_the_rooms_from_the_first_to_the_last() -> None:
    section = README.split("## Architecture")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    contract, *_ = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"][
        "importlinter"
    ]["contracts"]
    layers = [layer.split(" | ") for layer in reversed(contract["layers"])]
    floors = {room: n for n, layer in enumerate(layers) for room in layer}
    rooms = {path.parent.name for path in (REPOSITORY / "digitlib").glob("*/__init__.py")}
    assert set(listed) == rooms == set(floors) - {"errors", "files", "__main__"}
    heights = [floors[room] for room in listed]
    assert heights == sorted(heights)


def test_every_make_target_in_readme_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", README)) <= targets
