"""The widgets' JavaScript without a browser: Node runs ``tests/js``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).with_name("js").glob("*.test.mjs"))


@pytest.mark.skipif(
    not shutil.which("node"), reason="no node: install Node.js 18 or later (apt install nodejs)."
)
def test_javascript() -> None:
    assert TESTS
    done = subprocess.run(
        ["node", "--test", *map(str, TESTS)], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
