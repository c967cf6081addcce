"""Files: atomic writes, JSON, digests, paths of the repository, versions of the libraries."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
REPORTS = REPOSITORY / "reports"
NOTEBOOK_FOLDER = REPOSITORY / "notebooks"
PACKAGES = (
    "digitlib", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow",
    "onnxruntime", "matplotlib", "pandas",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the argument, else ``$DIGITLIB_DATA``, else ``data/`` in the repository."""
    if root is not None:
        return Path(root)
    return Path(os.environ.get("DIGITLIB_DATA") or REPOSITORY / "data")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; the file written there replaces ``path`` at the end.

    Where the block raises, ``path`` stays as it was and the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def to_jsonable(value: Any) -> Any:
    """``value`` as JSON has it: NaN is null, keys are strings, arrays are lists."""
    if hasattr(value, "tolist"):  # NumPy and torch, scalars too
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(to_jsonable(key)): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"A report takes numbers, strings, lists and dicts, not {type(value)}.")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; the file is whole or as it was."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, keys sorted; the file is whole or as it was."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def digest(*parts: bytes | memoryview) -> str:
    """First 12 hex digits of the SHA-256 over the parts, one after the other."""
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()[:12]


def syntax_digest(*sources: Path) -> str:
    """Digest of Python files by their syntax trees: docstrings and comments do not count."""
    return digest(*(_syntax(source.read_text(encoding="utf-8")).encode() for source in sources))


@cache
def _syntax(code: str) -> str:
    """The syntax tree without docstrings, as text."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
