"""Each part of the code needs only the packages of its layer in pyproject.toml, and little code.

All packages are installed here, so the tests hide those outside a layer. ``.ci/run`` also runs
``first_layer.py`` where the others are not installed.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from digitlib.files import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"digitlib", "shared", *(path.stem for path in (REPOSITORY / "tests").rglob("*.py"))}
# Parts of the interface of listed packages: ipywidgets, dask, ipykernel.
PARTS = {"ipython", "traitlets", "distributed", "jupyter-client"}

HIDE = """
import json, sys
from importlib.machinery import PathFinder
class Layer(PathFinder):
    hidden = set(json.loads(sys.argv[1]))
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in cls.hidden
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Layer
"""
IMPORT_ALL = """
import digitlib, pkgutil
from importlib import import_module
for module in pkgutil.walk_packages(digitlib.__path__, "digitlib."):
    import_module(module.name)
"""
DRAW_AND_READ = (REPOSITORY / "tests" / "first_layer.py").read_text(encoding="utf-8")


def layer(*extras: str) -> dict[str, Requirement]:
    """The packages that a layer lists, by name: the first, and those of the extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def installed(requirements: Iterable[Requirement], seen: set[str]) -> Iterator[str]:
    """Names of the packages that pip would install for the requirements."""
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (key := f"{name}[{extra}]") in seen:
                continue
            seen.add(key)
            yield name
            needed = [Requirement(line) for line in _requires(name)]
            wanted = [r for r in needed if not r.marker or r.marker.evaluate({"extra": extra})]
            yield from installed(wanted, seen)


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another platform
        return []


def run(code: str, *extras: str) -> subprocess.CompletedProcess[str]:
    """Run code that can import no packages but those of the first layer and of the extras."""
    allowed = set(installed(layer(*extras).values(), set())) | {"digitlib", "pip"}
    outside = [
        top
        for top, packages in packages_distributions().items()
        if allowed.isdisjoint(map(canonicalize_name, packages))
    ]
    return subprocess.run(
        [sys.executable, "-c", f"{HIDE}exec({code!r})", json.dumps(outside)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


def imports(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder with the top-level packages that it imports."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for top in {name.partition(".")[0] for name in names}:
                if top not in sys.stdlib_module_names and top not in OWN:
                    yield path, top


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("digitlib", ["train"]), ("tests", ["lab", "train", "dev"])],
)
def test_what_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    packages = packages_distributions()
    declared = set(layer(*extras)) | PARTS
    for path, top in imports(REPOSITORY / folder):
        names = {canonicalize_name(name) for name in packages.get(top, [top])}
        assert names & declared, f"{path.name} imports {top}"


@pytest.mark.parametrize(
    ("code", "extras"),
    [
        pytest.param(DRAW_AND_READ, [], id="first"),
        pytest.param(IMPORT_ALL, ["train"], id="train", marks=pytest.mark.slow),
    ],
)
def test_a_layer_needs_no_other(code: str, extras: list[str]) -> None:
    done = run(code, *extras)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "most"), [("Recognizer", 3000), ("fit", 3500)])
def test_an_import_loads_few_lines_of_digitlib(name: str, most: int) -> None:
    code = (
        f"import sys; from digitlib import {name}\n"
        "own = [m for n, m in sys.modules.items() if n.partition('.')[0] == 'digitlib']\n"
        "print(sum(len(open(m.__file__, encoding='utf-8').readlines()) for m in own))"
    )
    done = run(code, "train")
    assert done.returncode == 0, done.stderr
    print(f"from digitlib import {name}: {int(done.stdout):,} lines of digitlib, at most {most:,}")
    assert int(done.stdout) <= most
