"""README: its tables hold the numbers of the reports; files, rooms and commands in it exist."""

import re
import tomllib

from digitlib.files import REPOSITORY
from digitlib.reports import readme

README = (REPOSITORY / "README.md").read_text()


def test_the_tables_are_what_the_reports_say() -> None:
    written = README.split(readme.START)[1].split(readme.END)[0].strip()
    assert written == readme.results().strip()


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
    assert set(listed) == rooms == set(floors) - {"files", "__main__"}
    heights = [floors[room] for room in listed]
    assert heights == sorted(heights)


def test_every_make_target_in_readme_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", README)) <= targets
