"""Where digitlib runs, in ``reports/ports.json``: what passed on which Python, wheels elsewhere.

A run of the quick tests adds itself: ``DIGITLIB_WRITE_PORTS=1 make test``. Run as a program, this
file adds whether the pinned packages have wheels for each system and Python; it needs ``uv``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
PATH = REPOSITORY / "reports" / "ports.json"
SYSTEMS = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, ARM": "aarch64-manylinux_2_28",
    "Windows": "x86_64-pc-windows-msvc",
    "macOS 14, Apple silicon": "aarch64-apple-darwin",
    "macOS 14, Intel": "x86_64-apple-darwin",
}
# onnxruntime has no wheels for an older macOS.
ENVIRONMENT = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}


def pythons() -> list[str]:
    """The versions of the workflow."""
    workflow = REPOSITORY / ".github" / "workflows" / "ci.yml"
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return jobs["ci"]["strategy"]["matrix"]["python"]


def add(part: str, key: str, figures: Any) -> None:
    """Write one entry; the others stay."""
    from digitlib.files import write_json

    found = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    write_json(PATH, found | {part: found.get(part, {}) | {key: figures}})


def system() -> str:
    """This system's own name of itself."""
    if sys.platform == "linux":
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.platform()


def add_tests(counts: dict[str, int]) -> None:
    """Add the numbers of a run of tests: passed, failed, skipped."""
    from digitlib.files import versions

    key = f"{sys.version_info[0]}.{sys.version_info[1]}"
    add("quick tests", key, {**counts, "system": system(), "versions": versions()})


def wheels(target: str, python: str) -> dict[str, Any]:
    """The number of packages with the pinned versions, or why they cannot be installed."""
    command = [
        "uv", "pip", "compile", "--quiet", "--no-config", "--no-annotate", "--no-header",
        "--only-binary=:all:", "--all-extras", "--constraints=constraints.txt",
        f"--python-platform={target}", f"--python-version={python}", "pyproject.toml",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, encoding="utf-8", env=ENVIRONMENT
    )
    if done.returncode:
        return {"packages": 0, "missing": " ".join(done.stderr.split())[:200]}
    return {"packages": len(done.stdout.split())}


if __name__ == "__main__":
    for name, target in SYSTEMS.items():
        # .0: with the first release of each
        add("wheels", name, {one: wheels(target, f"{one}.0") for one in pythons()})
