"""Built data sets on disk: the same as a fresh build, and never an old or damaged one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from digitlib.datasets import cache, catalog
from digitlib.datasets.base import SPLITS, DigitData
from digitlib.datasets.cache import cache_key, cached
from digitlib.datasets.pen import PenDrawing, pack_strokes, unpack_strokes
from digitlib.errors import DataMissingError
from digitlib.files import REPOSITORY

TENSORS = {"images": torch.arange(12, dtype=torch.uint8).view(3, 4), "labels": torch.arange(3)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, empty."""
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"digits")
    return path


class Builder:
    """Builds ``TENSORS`` and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> dict[str, torch.Tensor]:
        self.count += 1
        return {name: tensor.clone() for name, tensor in TENSORS.items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_folder_is_the_variable_then_data_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not cache.cache_root().is_relative_to(REPOSITORY)  # in all tests: conftest.py
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("DIGITLIB_CACHE")
        else:
            monkeypatch.setenv("DIGITLIB_CACHE", value)
        assert cache.cache_root() == REPOSITORY / "data" / "cache"


def test_a_second_call_reads_the_first_ones_file(folder: Path, source: Path) -> None:
    build = Builder()
    for _ in range(3):
        assert_same(cached("made", [source], build), TENSORS)
    assert build.count == 1
    assert [path.name for path in folder.iterdir()] == ["made.safetensors"]


def test_tensors_from_the_cache_can_be_changed(folder: Path, source: Path) -> None:
    for _ in range(2):
        found = cached("made", [source], Builder())
        found["images"] += 1
    assert_same(cached("made", [source], Builder()), TENSORS)


@pytest.mark.parametrize("part", ["source", "name", "code", "library"])
def test_another_source_name_code_or_library_is_another_key(
    part: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache._code_and_libraries.cache_clear()
    before, name = cache_key("made", [source]), "made"
    if part == "source":
        source.write_bytes(b"digitS")
    elif part == "name":
        name = "other"
    elif part == "code":
        monkeypatch.setattr(cache, "syntax_digest", lambda *paths: f"{len(paths)} other files")
    else:
        monkeypatch.setattr(cache.importlib.metadata, "version", lambda _: "0.0.1")
    cache._code_and_libraries.cache_clear()
    after = cache_key(name, [source])
    monkeypatch.undo()
    cache._code_and_libraries.cache_clear()
    assert after != before
    source.write_bytes(b"digits")
    assert cache_key("made", [source]) == before


def test_every_module_that_builds_data_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(cache, "syntax_digest", lambda *paths: seen.extend(paths) or "")
    cache._code_and_libraries.cache_clear()
    cache_key("made", [])
    cache._code_and_libraries.cache_clear()
    for name in ("frame", "read", "strokes", "components", "catalog", "pendigits", "synthetic"):
        assert name in {path.stem for path in seen}


def test_a_changed_source_is_built_anew(folder: Path, source: Path) -> None:
    build = Builder()
    cached("made", [source], build)
    source.write_bytes(b"other digits")
    with warnings.catch_warnings(action="error"):  # out of date is not damaged
        cached("made", [source], build)
        cached("made", [source], build)
    assert build.count == 2


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    save_file({"images": torch.zeros(2)}, path)


@pytest.mark.parametrize("damage", [truncate, flip, empty, replace])
def test_a_damaged_or_foreign_file_is_built_anew_with_a_warning(
    damage: Callable[[Path], None], folder: Path, source: Path
) -> None:
    build = Builder()
    cached("made", [source], build)
    damage(folder / "made.safetensors")
    with pytest.warns(UserWarning, match=r"made\.safetensors is damaged .* built anew"):
        assert_same(cached("made", [source], build), TENSORS)
    with warnings.catch_warnings(action="error"):
        assert_same(cached("made", [source], build), TENSORS)
    assert build.count == 2


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "file"))
    build = Builder()
    with warnings.catch_warnings(record=True, action="always") as caught:
        for _ in range(3):
            assert_same(cached("made", [source], build), TENSORS)
    (warning,) = caught
    assert re.search(r"cannot be kept in .*DIGITLIB_CACHE", str(warning.message))
    assert build.count == 3


@pytest.mark.slow
def test_processes_that_build_the_same_set_at_once_all_get_it(folder: Path) -> None:
    code = (
        "from digitlib.datasets.catalog import load\n"
        "for _ in range(20): print(load('no_digits', 'test').digest)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error:::digitlib"}
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    said = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert {digest for lines in said for digest in lines} == {said[0][0]}
    assert [len(lines) for lines in said] == [20, 20, 20]
    assert [path.name for path in folder.iterdir()] == ["no_digits-test.safetensors"]


# --- the data sets -------------------------------------------------------------------------


def load_twice(name: str, split: str) -> tuple[DigitData, DigitData]:
    return catalog.load(name, split, download=False), catalog.load(name, split, download=False)


SETS = [
    pytest.param("sample", "train"),
    pytest.param("typeset", "test"),
    pytest.param("no_digits", "test"),
    *(
        pytest.param(name, "validation", marks=pytest.mark.needs_pendigits)
        for name in ("pendigits", "styles")
    ),
]


@pytest.mark.parametrize(("name", "split"), SETS)
def test_a_cached_set_is_the_built_one_bit_for_bit(
    name: str, split: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, again = load_twice(name, split)
    assert (folder / f"{name}-{split}.safetensors").exists()
    assert (again.name, again.split, again.digest) == (name, split, fresh.digest)
    assert_same(again.tensors(), fresh.tensors())
    monkeypatch.setattr(catalog, "cached", lambda name, files, build: build())
    assert_same(catalog.load(name, split, download=False).tensors(), again.tensors())


@pytest.mark.needs_mnist
def test_mnist_is_read_not_cached(folder: Path) -> None:
    catalog.load("mnist", "test", download=False)
    assert not folder.exists()


def test_missing_sources_stay_missing(folder: Path, tmp_path: Path) -> None:
    for split in SPLITS:
        with pytest.raises(DataMissingError):
            catalog.load("pendigits", split, tmp_path, download=False)


def test_packed_strokes_are_the_same_strokes() -> None:
    random = np.random.RandomState(0)
    digits = [
        PenDrawing([random.randn(length, 2) for length in lengths], label, 7 * label, character)
        for label, (lengths, character) in enumerate([((3,), ""), ((1, 4), "A"), ((2, 2, 9), "é")])
    ]
    found = unpack_strokes(pack_strokes(digits))
    assert [(d.label, d.writer, d.character) for d in found] == [
        (d.label, d.writer, d.character) for d in digits
    ]
    for ours, theirs in zip(found, digits, strict=True):
        for stroke, expected in zip(ours.strokes, theirs.strokes, strict=True):
            np.testing.assert_array_equal(stroke, expected)
            assert stroke.dtype == expected.dtype
            assert not stroke.flags.writeable
