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


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


PYPROJECT = tomllib.loads(read("pyproject.toml"))
PROJECT = PYPROJECT["project"]
ENVIRONMENT = yaml.safe_load(read("environment.yml"))
CONDA_NAMES = {"pytorch": "torch"}  # conda's name → ours
MAX_BYTES = 3 * 2**19  # 1.5 MiB
PYTHONS = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["ci"]["strategy"]["matrix"][
    "python"
]
OLDEST = PROJECT["requires-python"].removeprefix(">=")


def requirements() -> dict[str, Requirement]:
    """pyproject's dependencies, with those of all extras, by name."""
    layers = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(line) for layer in layers for line in layer]
    assert len({requirement.name for requirement in found}) == len(found), "listed twice"
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pins() -> dict[str, str]:
    lines = [line.split("==") for line in read("constraints.txt").split()]
    return {canonicalize_name(name): version for name, version in lines}


# --- dependencies ----------------------------------------------------------------------------


def test_environment_yml_lists_the_dependencies_of_pyproject() -> None:
    *lines, pip = ENVIRONMENT["dependencies"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert {f"python={OLDEST}", "pip"} <= set(lines)
    extras = ",".join(PROJECT["optional-dependencies"])
    assert f"-e .[{extras}]" in pip["pip"]
    listed = {}
    for line in lines + pip["pip"]:
        if not line.startswith(("-e ", "python=")) and line != "pip":
            name = canonicalize_name(Requirement(line).name)
            listed[CONDA_NAMES.get(name, name)] = Requirement(line).specifier
    assert listed == {name: wanted.specifier for name, wanted in requirements().items()}


def test_constraints_are_names_and_versions_of_every_dependency() -> None:
    lines = read("constraints.txt").splitlines()
    for line in lines:
        # no URL, no path, and no local version such as +cpu, which no index has for everybody
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*", line), line
    assert len(pins()) == len(lines), "a name is pinned twice"
    assert "digitlib" not in pins()
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(pins()[name]), f"{requirement} against the pin"


def test_every_pin_supports_the_oldest_python() -> None:
    """Debian 12 has Python 3.11.2: a package that needs 3.11.5 would end its set-up."""
    for name, version in pins().items():
        with suppress(PackageNotFoundError):  # of another system
            if distribution(name).version == version:
                needed = SpecifierSet(distribution(name).metadata["Requires-Python"] or "")
                assert needed.contains(f"{OLDEST}.0"), f"{name}=={version} needs Python {needed}"


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
    listed = [classifier.rpartition(" :: ")[2] for classifier in PROJECT["classifiers"]]
    assert [version for version in listed if version[0].isdigit()] == PYTHONS
    assert PYTHONS[0] == OLDEST


def test_binder_installs_the_layer_of_the_drawing_pad() -> None:
    assert read(".binder/requirements.txt").split() == ["-e", ".[lab]"]
    assert read(".binder/runtime.txt").strip() == f"python-{OLDEST}"


WORKFLOWS = {path.name: path for path in (REPOSITORY / ".github" / "workflows").glob("*.yml")}


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_names_versions_and_gets_few_permissions(name: str) -> None:
    workflow = yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))
    granted = [workflow["permissions"]]
    for job in workflow["jobs"].values():
        granted.append(job.get("permissions", {}))
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used), used
        assert job["timeout-minutes"]
    writes = {right for rights in granted for right, kind in rights.items() if kind != "read"}
    assert writes == ({"pages", "id-token"} if name == "pages.yml" else set())


def test_the_published_page_is_the_drawing_pad() -> None:
    build = yaml.safe_load(read(".github/workflows/pages.yml"))["jobs"]["build"]
    (command,) = [step["run"] for step in build["steps"] if "run" in step]
    (upload,) = [step for step in build["steps"] if "upload-pages" in step.get("uses", "")]
    *_, source, target = command.split()
    assert (REPOSITORY / source).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert target == f"{upload['with']['path']}/index.html"


# --- imports between folders -----------------------------------------------------------------


def test_the_contracts_of_imports_hold() -> None:
    lint = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache"],
        cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_no_folder_imports_the_public_names() -> None:
    """They are for users; a folder that used them would depend on all others."""
    for path in (REPOSITORY / "digitlib").glob("*/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "digitlib"), path
            assert not (isinstance(node, ast.Import) and node.names[0].name == "digitlib"), path


# --- files -----------------------------------------------------------------------------------


def test_no_file_is_data_is_large_or_names_a_machine_or_a_registry() -> None:
    # In pieces, so that this file doesn't contain the names that it forbids.
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org"]
    hosts += ["conda." + "anaconda.org", "registry." + "yarnpkg.com", "proxy." + "golang.org"]
    machine_path = rb"(?<![\w.~-])/(?:work|root)/"
    forbidden = re.compile(machine_path + b"|" + "|".join(map(re.escape, hosts)).encode())
    for path in repository_files():
        content = path.read_bytes()
        found = forbidden.search(content)
        assert not found, f"{path.relative_to(REPOSITORY)} holds {found and found.group().decode()}"
        assert len(content) <= MAX_BYTES, f"{path} has {len(content) / 2**20:.1f} MiB"
        assert REPOSITORY / "data" not in path.parents or path.name == "README.md"


# --- commands --------------------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    return subprocess.run(
        ["make", *arguments],
        cwd=REPOSITORY, env=shell_environment(), capture_output=True, text=True,
    )  # fmt: skip


def test_make_help_lists_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", read("Makefile"), flags=re.MULTILINE)
    answer = make()
    assert answer.returncode == 0, answer.stderr
    listed = {line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")}
    assert listed == set(phony.split()) - {"force"}


def test_jupyterlab_stays_on_loopback() -> None:
    done = "--old-file=.venv/.lab"  # the set-up
    answer = make("-n", "lab", done, "PORT=8123", "BROWSER=no")  # -n: the commands alone
    assert answer.returncode == 0, answer.stderr
    for part in ("ip=127.0.0.1", "port=8123", "--no-browser", "notebooks/01_draw.ipynb"):
        assert part in answer.stdout
    assert "token" not in answer.stdout  # Jupyter keeps the one it makes


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """What set-up needs of a checkout, in a folder without an environment."""
    copy = tmp_path / "digitlib"
    copy.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


@pytest.mark.parametrize(
    ("target", "layers"), [("lab", "lab"), ("train", "lab,train"), ("check", "lab,train,dev")]
)
def test_a_command_installs_its_layers_at_once(bare: Path, target: str, layers: str) -> None:
    answer = make("-n", "-C", str(bare), target)
    assert re.findall(r"-e '\.\[(.*)\]'", answer.stdout) == [layers]


def test_layers_that_are_there_are_not_installed_again(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for layer in ("lab", "train"):
        (bare / ".venv" / f".{layer}").write_text(str(bare))
    assert "pip install" not in make("-n", "-C", str(bare), "lab").stdout
    assert "pip install" in make("-n", "-C", str(bare), "check").stdout
    (bare / ".venv" / ".lab").write_text("another folder, from which this one was copied")
    assert "pip install" in make("-n", "-C", str(bare), "lab").stdout


def test_an_old_python_is_refused_in_one_sentence(bare: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.8.20" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = make("-C", str(bare), "test", f"PYTHON={old}")
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stderr
    assert "Python 3.8.20" in answer.stderr
    assert not (bare / ".venv").exists()
