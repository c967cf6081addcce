"""Built data sets on disk: the same as a fresh build, and never an old or damaged one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from modes import bound_by_modes

from digitlib.datasets import cache, catalog
from digitlib.datasets.base import SPLITS, DigitData
from digitlib.datasets.cache import cached
from digitlib.files import REPOSITORY

TENSORS = {"images": torch.arange(12, dtype=torch.uint8).view(3, 4), "labels": torch.arange(3)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
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


def assert_equal(found: DigitData, expected: DigitData) -> None:
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    assert (found.strokes is None) == (expected.strokes is None)
    for ours, theirs in zip(found.strokes or (), expected.strokes or (), strict=True):
        np.testing.assert_array_equal(np.concatenate(ours), np.concatenate(theirs))
        assert [*map(len, ours)] == [*map(len, theirs)]


def test_a_second_call_reads_what_the_first_built(source: Path) -> None:
    build = Builder()
    for _ in range(3):
        found = cached("made", [source], build)
        assert_same(found, TENSORS)
        found["images"] += 1  # of the caller, not of the cache
    assert build.count == 1


@pytest.mark.parametrize("part", ["source", "name", "code", "library"])
def test_another_source_name_code_or_library_is_built_again(
    part: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, name = Builder(), "made"
    cached(name, [source], build)
    if part == "source":
        source.write_bytes(b"digitS")
    elif part == "name":
        name = "other"
    elif part == "code":
        monkeypatch.setattr(cache, "CODE", ("models",))
    else:
        monkeypatch.setattr(cache.importlib.metadata, "version", lambda _: "0.0.1")
    cache.code_and_libraries.cache_clear()
    cached(name, [source], build)
    cached(name, [source], build)
    assert build.count == 2
    monkeypatch.undo()
    cache.code_and_libraries.cache_clear()


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def empty(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_a_damaged_file_is_built_again(
    damage: Callable[[bytes], bytes], folder: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build = Builder()
    cached("made", [source], build)
    (path,) = folder.rglob("output.pkl")
    path.write_bytes(damage(path.read_bytes()))
    assert_same(cached("made", [source], build), TENSORS)
    assert "Exception while loading results" in caplog.text
    assert_same(cached("made", [source], build), TENSORS)
    assert build.count == 2


def test_a_folder_that_cannot_be_written_is_reported(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as locked:
        Path(locked).chmod(0o555)
        monkeypatch.setenv("DIGITLIB_CACHE", locked)
        build = Builder()
        with bound_by_modes(), pytest.warns(UserWarning, match=f"{locked}.* DIGITLIB_CACHE"):
            assert_same(cached("made", [source], build), TENSORS)
    assert build.count == 1


@pytest.mark.stress
def test_processes_that_build_the_same_set_at_once_all_get_it() -> None:
    code = (
        "from digitlib.datasets.catalog import load\n"
        "for _ in range(20): print(load('no_digits', 'test').digest)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error:::digitlib"}
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    outputs = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [len(lines) for lines in outputs] == [20, 20, 20]
    assert len({digest for lines in outputs for digest in lines}) == 1


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("sample", "train"),
        ("no_digits", "test"),
        pytest.param("styles", "validation", marks=pytest.mark.needs_pendigits),
    ],
)
def test_a_cached_set_is_the_built_one_bit_for_bit(
    name: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, again = (catalog.load(name, split, download=False) for _ in range(2))
    assert (again.name, again.split, again.digest) == (name, split, fresh.digest)
    assert_equal(again, fresh)
    monkeypatch.setattr(catalog, "cached", lambda name, files, build: build())
    assert_equal(catalog.load(name, split, download=False), again)


def test_a_set_of_your_own_is_loaded_by_its_name() -> None:
    @catalog.register("mine", find=lambda name, split, root, download: [], cached=False)
    def build(name: str, split: str, files: list[Path]) -> DigitData:
        return DigitData(name, split, torch.zeros(2, 28, 28, dtype=torch.uint8), torch.arange(2))

    assert [len(catalog.load("mine", split)) for split in SPLITS] == [2, 2, 2]
