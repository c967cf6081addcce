"""The repository as git sees it, and as a new shell in it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# What `make test-all ARGS=…` hands on to every command below it, and so to `make lab`.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS")


def shell_environment() -> dict[str, str]:
    """Environment variables, without those of the make that may have started this test."""
    return {name: value for name, value in os.environ.items() if name not in OF_MAKE}


def repository_files() -> list[Path]:
    """Files that git tracks or would add."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("this is no git checkout: there is no list of the repository's files")
    listing = subprocess.run(
        # safe.directory: a checkout may belong to another user (containers)
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [REPOSITORY / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]
