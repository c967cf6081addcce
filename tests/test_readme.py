"""README tells what the reports say, and what it names exists."""

import re
from pathlib import Path

from digitlib.evaluation import speed
from digitlib.reports import readme

README = (readme.REPOSITORY / "README.md").read_text()


def test_the_tables_are_what_the_reports_say() -> None:
    written = README.split(speed.START)[1].split(readme.END)[0].strip()
    assert written == readme.results().strip()


def test_every_file_that_readme_links_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README)
    paths = {link for pair in links for link in pair if link and "://" not in link}
    assert paths, "README links no files"
    missing = [path for path in paths if not (readme.REPOSITORY / path).exists()]
    assert not missing


def test_every_module_stands_in_the_architecture_table() -> None:
    named = set(re.findall(r"^\| `digitlib/(\w+)\.py`", README, flags=re.MULTILINE))
    modules = {path.stem for path in Path(readme.__file__).parent.glob("[a-z]*.py")}
    assert named == modules


def test_every_make_target_in_readme_exists() -> None:
    makefile = (readme.REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets
