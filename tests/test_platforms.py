"""What differs on Windows and macOS, as far as Linux can show it: files, names, the console."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import pytest
from click.testing import CliRunner
from helpers import page, sample_splits, small_config
from PIL import Image
from repository import REPOSITORY, repository_files
from windows import in_use, like_windows

from digitlib.__main__ import main
from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.errors import WeightsError
from digitlib.files import write_json
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.models.explain import read_training_digits
from digitlib.models.weights import load_model, read_tensors, save_model
from digitlib.training import sweep, trainer

MAX_PATH = 260 - len(r"C:\Users\somebody's long name\Documents\GitHub\digitlib" + "\\")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what is open is read in /proc")


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
def test_what_is_in_use_is_not_replaced(weights: Path, windows: None) -> None:
    """The rules themselves: they can refuse."""
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
def test_a_resumed_training_writes_its_checkpoint(
    tmp_path: Path, windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, config, saved = tmp_path / "run.ckpt", small_config(epochs=2), trainer._Run.save

    def stop(run: trainer._Run, path: Path) -> None:
        saved(run, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer._Run, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(config, sample_splits(), checkpoint=checkpoint, progress=False)
    result = trainer.fit(config, sample_splits(), checkpoint=checkpoint, progress=False)
    assert len(result.history) == len(read_tensors(checkpoint)[1]["history"]) == 2
    checkpoint.unlink()


@LINUX
def test_a_damaged_file_can_be_replaced(tmp_path: Path, windows: None) -> None:
    path = tmp_path / "digits.npz"
    path.write_bytes(b"PK\x03\x04 and no more of a zip file")
    with pytest.raises(WeightsError, match="missing or damaged") as error:
        read_training_digits(path)
    assert not in_use(path), error  # the error and what it holds are alive here
    path.unlink()


@LINUX
def test_stored_drawings_are_the_same_bytes(tmp_path: Path, windows: None) -> None:
    store = DrawingFile(tmp_path)
    first, second = (Drawing(label, strokes=[[[0, 0], [9, 99]]]) for label in (1, 7))
    store.append(first, second)
    store.relabel(first.id, 7)
    store.delete([second.id])
    assert [drawing.label for drawing in store.read()] == [7]
    assert b"\r" not in store.path.read_bytes()


@LINUX
def test_what_is_written_has_the_same_lines(
    tmp_path: Path, windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "numbers.json", {"right": 1})
    assert b"\r" not in (tmp_path / "numbers.json").read_bytes()
    table = tmp_path / "sweep.jsonl"
    sweep.add_row(table, {"name": "quick", "seed": 0})
    assert b"\r" not in table.read_bytes()
    assert len(sweep.read(table)) == 1


# --- the repository --------------------------------------------------------------------------


def test_every_file_can_be_checked_out_anywhere() -> None:
    names = [path.relative_to(REPOSITORY).as_posix() for path in repository_files()]
    lower = [name.lower() for name in names]
    assert len(set(lower)) == len(lower), "two names differ by case alone"
    for name in names:
        assert len(name) < MAX_PATH, name
        for part in name.split("/"):
            assert not PureWindowsPath(part).is_reserved(), name
            assert not set(part) & set('<>:"\\|?*'), name
            assert not part.endswith((".", " ")), name


def test_text_has_the_same_lines_on_every_system() -> None:
    """Digests are taken over some of it: git must not change the ends of its lines."""
    assert "* text=auto eol=lf" in (REPOSITORY / ".gitattributes").read_text(encoding="utf-8")
    for path in repository_files():
        content = path.read_bytes()
        assert b"\0" in content or b"\r\n" not in content, path


# --- the console -----------------------------------------------------------------------------


def test_help_can_be_shown_in_windows_code_pages() -> None:
    for command in ([], *([name] for name in main.commands)):
        shown = CliRunner().invoke(main, [*command, "--help"])
        assert shown.exit_code == 0, shown.output
        shown.output.encode("cp1252")


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
