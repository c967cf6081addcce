"""README and the model card: their numbers are those of the reports; what README names exists."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import coverage, write
from PIL import Image

from digitlib import Recognizer
from digitlib.__main__ import main
from digitlib.errors import DataDamagedError
from digitlib.evaluation import benchmark
from digitlib.files import REPOSITORY
from digitlib.models.explain import TRAINING_DIGITS
from digitlib.reports import readme

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
GUIDE = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
INSTALL = (REPOSITORY / "reports" / "install.md").read_text(encoding="utf-8")
LONGEST = 7000  # characters of README


# --- generated pages -------------------------------------------------------------------------


def test_the_pages_are_up_to_date() -> None:
    assert readme.update(check=True) == [], "run python -m digitlib readme"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """README and the numbers, to be changed."""
    ignored = shutil.ignore_patterns("figures", "screenshots", "*.safetensors")
    shutil.copytree(REPOSITORY / "reports", tmp_path / "reports", ignore=ignored)
    shutil.copy(REPOSITORY / "README.md", tmp_path)
    return tmp_path


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(readme.read_json(path) | changes), encoding="utf-8")


def test_pages_that_are_out_of_date_are_found_and_written(copy: Path) -> None:
    assert readme.update(copy, check=True) == []
    change(copy / "reports" / "weights" / "digitnet.json", parameters=123_456)
    page, card = copy / "README.md", copy / "reports" / "README.md"
    assert readme.update(copy, check=True) == [page, card]
    assert "123,456" not in page.read_text()
    assert readme.update(copy) == [page, card]
    assert "`DigitNet`, 123,456 parameters" in page.read_text()
    assert "`DigitNet`, 123,456 parameters" in card.read_text()
    assert readme.update(copy, check=True) == []


@pytest.mark.parametrize(("check", "status"), [(["--check"], 1), ([], 0)])
def test_the_check_fails_if_a_page_is_out_of_date(
    check: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "update", lambda check: [Path("README.md")])
    done = CliRunner().invoke(main.commands["readme"], check, standalone_mode=False)
    assert (done.return_value, "README.md is out of date" in done.stderr) == (status, bool(check))


def test_real_pictures_are_in_the_card_once_they_are_measured(copy: Path) -> None:
    reports = copy / "reports"
    path = reports / "pictures.json"
    path.unlink(missing_ok=True)
    card = readme.render("model_card", reports)
    assert "No real photos were measured." in card
    assert "## Real pictures" not in card
    scores = benchmark.score([None] * 200, [3] * 200)
    times = {"drawing, 280 px": {"median": 1.23}, "photo, 12 megapixels": {"median": 75.0}}
    tables = {table: {"all": scores, "photo": scores} for table in benchmark.TABLES}
    path.write_text(json.dumps(tables | {"milliseconds": times}), encoding="utf-8")
    card = readme.render("model_card", reports)
    assert "No real photos were measured." not in card
    row = "| phone photos, n = 200 | 0.00% (0.00%–1.88%) | 100.00% (98.12%–100.00%) |"
    assert card.count(row) == len(benchmark.TABLES)
    assert "count as rejected; 200 did" in card
    assert "takes 1.2 ms, a photo of 12 megapixels 75 ms" in card


def test_a_page_without_markers_is_refused(copy: Path) -> None:
    (copy / "README.md").write_text("# digitlib\n")
    with pytest.raises(ValueError, match="has no markers <!-- summary"):
        readme.update(copy)


OTHERS = ["[]", "null", "3", '"text"', "", "{", "[" * 100_000, "\udcff"]


@pytest.mark.parametrize("content", OTHERS, ids=lambda content: repr(content[:8]))
def test_a_damaged_report_is_named_with_a_remedy(content: str, copy: Path) -> None:
    path = copy / "reports" / "metrics" / "10_pictures.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataDamagedError, match=r"Restore or recreate it\.$") as found:
        readme.update(copy)
    assert str(found.value).startswith(str(path))
    assert "\n" not in str(found.value)


# --- the rest of README ----------------------------------------------------------------------


def test_readme_is_short() -> None:
    assert len(README) <= LONGEST


def test_sizes_and_times_of_set_up_are_as_measured() -> None:
    setup = json.loads((REPOSITORY / "reports" / "setup.json").read_text())
    text = " ".join(INSTALL.split())
    assert "`make lab` takes about a minute" in README
    assert "sets up `.venv` in about a minute" in text
    assert setup["lab"]["seconds"] < 75
    assert f"about {setup['megabytes']['all'] / 1000:.0f} GB" in text


def test_the_number_of_frames_from_data_sets_in_the_package_is_theirs() -> None:
    with np.load(TRAINING_DIGITS) as stored:
        assert f"{len(stored['frames']):,} small frames made from two of them" in README


PAGES = (
    "README.md", "CONTRIBUTING.md", "reports/README.md", "reports/install.md", "reports/pad.md",
    "reports/reliability.md", "reports/experiments.md", "data/README.md",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_linked_file_exists(page: str) -> None:
    path = REPOSITORY / page
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    linked = {link for pair in links for link in pair if link and "://" not in link}
    assert linked or page == "reports/experiments.md", "it links no files"
    assert not [link for link in linked if not (path.parent / link).exists()]


def test_the_architecture_lists_the_folders_from_the_first_to_the_last() -> None:
    section = GUIDE.split("## Architecture")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)/?` \|", section, flags=re.MULTILINE)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contract, *_ = project["tool"]["importlinter"]["contracts"]
    layers = [layer.split(" | ") for layer in reversed(contract["layers"])]
    floors = {folder: n for n, layer in enumerate(layers) for folder in layer}
    folders = {path.parent.name for path in (REPOSITORY / "digitlib").glob("*/__init__.py")}
    assert set(listed) == folders == set(floors) - {"errors", "files", "__main__"}
    heights = [floors[folder] for folder in listed]
    assert heights == sorted(heights)


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    ink = coverage(write("4"), page=(200, 200), height=160, brush=8)
    Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8)).save("photo.jpg")
    exec(example, {})
    digit, confidence, rejected, *_ = capsys.readouterr().out.split()
    assert (digit, rejected) == ("4", "False")
    assert float(confidence) > 0.5


def test_every_method_that_readme_names_exists() -> None:
    names = set(re.findall(r"[rR]ecognizer\.(\w+)", README))
    assert {"predict", "read", "remember"} <= names
    assert [name for name in names if not hasattr(Recognizer, name)] == []


def test_every_make_target_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    text = README + GUIDE + INSTALL
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE))
    assert {"lab", "train", "test"} <= named <= targets
