"""The repository itself: dependencies, pins, imports, content of the files, commands."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from repository import REPOSITORY, repository_files, shell_environment

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENT = (REPOSITORY / "environment.yml").read_text(encoding="utf-8")

CONDA_NAMES = {"pytorch": "torch"}  # conda's name → ours
MAX_BYTES = 3 * 2**19  # 1.5 MiB
WORKFLOW = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
PYTHONS = WORKFLOW["jobs"]["ci"]["strategy"]["matrix"]["python"]


def requirements() -> dict[str, Requirement]:
    """pyproject's dependencies, with those of all extras, by name."""
    project = PYPROJECT["project"]
    layers = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(line) for layer in layers for line in layer]
    assert len({requirement.name for requirement in found}) == len(found), "listed twice"
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


# --- dependencies ----------------------------------------------------------------------------


def test_environment_yml_lists_the_dependencies_of_pyproject() -> None:
    environment = yaml.safe_load(ENVIRONMENT)
    assert environment["channels"] == ["conda-forge"]
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    (pip_section,) = [line for line in environment["dependencies"] if isinstance(line, dict)]
    assert f"-e .[{','.join(PYPROJECT['project']['optional-dependencies'])}]" in pip_section["pip"]
    lines += [line for line in pip_section["pip"] if not line.startswith("-e ")]

    python = next(line for line in lines if line.startswith("python="))
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert python == f"python={oldest}"
    assert "pip" in lines

    listed = {}
    for line in lines:
        if line not in (python, "pip"):
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            listed[CONDA_NAMES.get(name, name)] = requirement.specifier
    wanted = {name: requirement.specifier for name, requirement in requirements().items()}
    assert listed == wanted


def test_every_dependency_says_what_uses_it() -> None:
    entries = [line for line in ENVIRONMENT.splitlines() if re.match(r"\s+- (?!pip:)", line)]
    toml = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    project = toml[toml.index("\ndependencies = [") : toml.index("\n[tool.")]
    entries += [line for line in project.splitlines() if line.startswith('    "')]
    assert len(entries) > 40
    for entry in entries:
        assert re.search(r"\s# .*\w", entry), f"no comment: {entry.strip()}"


def test_constraints_are_names_and_versions_only() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        # no URL, no path, and no local version such as +cpu, which no index has for everybody
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*", line), line
    assert len(pins()) == len(lines), "a name is pinned twice"
    assert "digitlib" not in pins()


def test_constraints_cover_every_dependency() -> None:
    pinned = pins()
    for name, requirement in requirements().items():
        assert name in pinned, f"{name} is not pinned"
        assert requirement.specifier.contains(pinned[name]), f"{requirement} against the pin"


def test_every_pin_is_for_the_oldest_python() -> None:
    """Debian 12 has Python 3.11.2: a package that needs 3.11.5 would end its set-up."""
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    for name, version in pins().items():
        with suppress(PackageNotFoundError):  # of another system
            if distribution(name).version == version:
                needed = SpecifierSet(distribution(name).metadata["Requires-Python"] or "")
                assert needed.contains(oldest), f"{name}=={version} needs Python {needed}"


@pytest.mark.parametrize("system", [("linux", "posix"), ("darwin", "posix"), ("win32", "nt")])
@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_cover_every_python_and_system(python: str, system: tuple[str, str]) -> None:
    platform, family = system
    names = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    there = {
        "python_version": python, "python_full_version": f"{python}.0",
        "sys_platform": platform, "os_name": family, "platform_system": names[platform],
    }  # fmt: skip
    missing = set(needed(requirements().values(), there, set())) - pins().keys() - {"pip"}
    assert not missing


def needed(wanted: Iterable[Requirement], there: dict[str, str], seen: set[str]) -> Iterator[str]:
    """Names of all packages that the requirements bring, as far as this machine has them."""
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (key := f"{name}[{extra}]") not in seen:
                seen.add(key)
                yield name
                with suppress(PackageNotFoundError):
                    lines = map(Requirement, distribution(name).requires or ())
                    chosen = there | {"extra": extra}
                    yield from needed(
                        [r for r in lines if not r.marker or r.marker.evaluate(chosen)], there, seen
                    )


def test_classifiers_and_workflow_name_the_same_pythons() -> None:
    listed = [c.rpartition(" :: ")[2] for c in PYPROJECT["project"]["classifiers"]]
    assert [version for version in listed if version[0].isdigit()] == PYTHONS
    assert PYTHONS[0] == PYPROJECT["project"]["requires-python"].removeprefix(">=")


# --- imports between rooms -------------------------------------------------------------------


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml on the package in a folder."""
    lint = "from importlinter.cli import lint_imports_command as lint; lint()"
    return subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, to be changed."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(REPOSITORY / "digitlib", tmp_path / "digitlib", ignore=ignored)


def test_the_contracts_of_imports_hold() -> None:
    done = lint_imports(REPOSITORY)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("preprocessing/frame.py", "from digitlib.models import networks", "point one way"),
        ("models/weights.py", "from digitlib.training import config", "point one way"),
        ("evaluation/metrics.py", "from digitlib.widgets import html", "point one way"),
        ("models/networks.py", "from digitlib.models import recognizer", "No circle"),
        ("house.py", "", "point one way"),  # a module that no line of the contract names
    ],
)
def test_an_import_the_wrong_way_breaks_a_contract(
    package: Path, file: str, line: str, contract: str
) -> None:
    with (package / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(package.parent)
    assert done.returncode != 0, done.stdout
    assert contract in done.stdout


def test_no_room_imports_the_public_names() -> None:
    """They are for users; a room that took them would depend on every room."""
    rooms = list((REPOSITORY / "digitlib").glob("*/*.py"))
    assert len(rooms) > 40
    for path in rooms:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "digitlib"), path
            assert not (isinstance(node, ast.Import) and node.names[0].name == "digitlib"), path


# --- files -----------------------------------------------------------------------------------


def test_no_file_names_a_machine_or_a_registry() -> None:
    # In pieces, so that this file does not contain the names it forbids.
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org"]
    hosts += ["conda." + "anaconda.org", "registry." + "yarnpkg.com", "proxy." + "golang.org"]
    machine_path = rb"(?<![\w.~-])/(?:work|root)/"
    forbidden = re.compile(machine_path + b"|" + "|".join(map(re.escape, hosts)).encode())
    for path in repository_files():
        found = forbidden.search(path.read_bytes())
        assert not found, f"{path.relative_to(REPOSITORY)} holds {found and found.group().decode()}"


def test_no_file_is_large() -> None:
    for path in repository_files():
        size = path.stat().st_size
        assert size <= MAX_BYTES, f"{path.relative_to(REPOSITORY)} has {size / 2**20:.1f} MiB"


def test_no_data_is_committed() -> None:
    data = REPOSITORY / "data"
    assert [path for path in repository_files() if data in path.parents] == [data / "README.md"]


# --- commands --------------------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    return subprocess.run(
        ["make", *arguments],
        cwd=REPOSITORY, env=shell_environment(), capture_output=True, text=True,
    )  # fmt: skip


def test_make_help_lists_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    targets = set(phony.split()) - {"force"}
    assert targets >= {"help", "lab", "app", "test", "test-all", "check", "format", "clean"}
    answer = make()
    assert answer.returncode == 0, answer.stderr
    listed = {line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")}
    assert listed == targets


@pytest.mark.parametrize(("target", "port"), [("lab", "8123"), ("app", "8124")])
def test_servers_stay_on_loopback(target: str, port: str) -> None:
    done = ["--old-file=.venv/.app", "--old-file=.venv/.train"]  # the set-up
    answer = make("-n", target, *done, f"PORT={port}", "BROWSER=no")  # -n: the commands alone
    assert answer.returncode == 0, answer.stderr
    assert "ip=127.0.0.1" in answer.stdout
    assert f"port={port}" in answer.stdout
    assert "--no-browser" in answer.stdout
    assert "token" not in answer.stdout  # Jupyter keeps the one it makes
    assert "notebooks/01_draw.ipynb" in answer.stdout


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """What set-up needs of a checkout, in a folder without an environment."""
    copy = tmp_path / "digitlib"
    copy.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


@pytest.mark.parametrize(
    ("target", "layers"), [("app", "app"), ("lab", "app,train"), ("check", "app,train,dev")]
)
def test_a_command_installs_its_layers_at_once(bare: Path, target: str, layers: str) -> None:
    answer = make("-n", "-C", str(bare), target)
    assert re.findall(r"-e '\.\[(.*)\]'", answer.stdout) == [layers]
    assert f"for layer in {layers.replace(',', ' ')}; do" in answer.stdout  # their stamps


def test_layers_that_are_there_are_not_installed_again(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for layer in ("app", "train"):
        (bare / ".venv" / f".{layer}").write_text(str(bare))
    assert "pip install" not in make("-n", "-C", str(bare), "lab").stdout
    assert "pip install" in make("-n", "-C", str(bare), "check").stdout
    (bare / ".venv" / ".train").write_text("another folder, from which this one was copied")
    assert "pip install" in make("-n", "-C", str(bare), "lab").stdout


def test_an_old_python_is_told_in_one_sentence(bare: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.8.20" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = make("-C", str(bare), "test", f"PYTHON={old}")
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stderr
    assert "Python 3.8.20" in answer.stderr
    assert not (bare / ".venv").exists()
