"""Rules of Windows and macOS that Linux can check: open files, names, the console."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import pytest
from helpers import page
from PIL import Image
from repository import REPOSITORY, repository_files
from windows import in_use, like_windows

from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.files import write_json
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.models.weights import load_model, read_tensors, save_model

MAX_PATH = 260 - len(r"C:\Users\somebody's long name\Documents\GitHub\digitlib" + "\\")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="open files are read from /proc")


# --- files that are in use -------------------------------------------------------------------


@pytest.fixture
def windows() -> Iterator[None]:
    with like_windows():
        yield


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(BUNDLED_WEIGHTS.read_bytes())
    return path


@LINUX
def test_an_open_file_is_not_replaced(weights: Path, windows: None) -> None:
    """The simulated rules do refuse."""
    views, _ = read_tensors(weights)
    assert in_use(weights)
    with pytest.raises(PermissionError, match="in use"):
        weights.replace(weights.with_suffix(".old"))
    del views
    weights.replace(weights.with_suffix(".old"))
    with weights.open("w", encoding="utf-8") as file:
        file.write("\n")
        with pytest.raises(PermissionError, match="in use"):
            weights.unlink()
    assert weights.read_bytes() == b"\r\n"


@LINUX
def test_weights_are_replaced_while_their_network_is_loaded(weights: Path, windows: None) -> None:
    model, card = load_model(weights)
    save_model(weights, model, card)
    assert load_model(weights)[1] == card


@LINUX
def test_written_files_have_unix_line_ends(tmp_path: Path, windows: None) -> None:
    write_json(tmp_path / "numbers.json", {"right": 1})
    assert b"\r" not in (tmp_path / "numbers.json").read_bytes()
    store = DrawingFile(tmp_path)
    store.append(Drawing(1, strokes=[[[0, 0], [9, 99]]]))
    assert b"\r" not in store.path.read_bytes()


# --- the repository --------------------------------------------------------------------------


def test_every_file_can_be_checked_out_anywhere() -> None:
    names = [path.relative_to(REPOSITORY).as_posix() for path in repository_files()]
    lower = [name.lower() for name in names]
    assert len(set(lower)) == len(lower), "two names differ only by case"
    for name in names:
        assert len(name) < MAX_PATH, name
        for part in name.split("/"):
            assert not PureWindowsPath(part).is_reserved(), name
            assert not set(part) & set('<>:"\\|?*'), name
            assert not part.endswith((".", " ")), name


def test_text_has_the_same_lines_on_every_system() -> None:
    """Checksums depend on it: git must not change line ends."""
    assert "* text=auto eol=lf" in (REPOSITORY / ".gitattributes").read_text(encoding="utf-8")
    for path in repository_files():
        content = path.read_bytes()
        assert b"\0" in content or b"\r\n" not in content, path


# --- the console -----------------------------------------------------------------------------


def test_names_that_a_console_cannot_show_are_read(tmp_path: Path) -> None:
    picture = tmp_path / "sieben π 七.png"
    Image.fromarray(page(7)).save(picture)
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "digitlib", "read", picture, tmp_path / "八.png"],
        cwd=REPOSITORY, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, capture_output=True,
    )  # fmt: skip
    assert b"sieben \\u03c0 \\u4e03.png: Prediction(7:" in done.stdout, done
    assert b"\\u516b.png cannot be read: there is no such file." in done.stderr
    assert done.returncode == 1
