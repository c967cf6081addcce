"""Full disk and read-only folder in each writer: one sentence, the old file whole, no part left."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from faults import FAULTS, files, full_disk, may_mount
from reliability import record
from writers import WRITERS

from digitlib.datasets.cache import cached
from digitlib.datasets.drawing_file import DrawingFileError
from digitlib.errors import DataMissingError, WriteError

REASONS = (errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EROFS)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter; those of tmp_path are their owner's alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        (Path(made) / "written").mkdir()
        yield Path(made) / "written"


ALL = {**FAULTS, **({"full disk": full_disk} if may_mount() else {})}


@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_that_cannot_write(name: str, fault: str, folder: Path) -> None:
    write = WRITERS[name]
    write(folder, 0)
    before = files(folder)
    assert before
    with tempfile.TemporaryDirectory() as elsewhere:  # what is read is there then
        write(Path(elsewhere), 0)
        write(Path(elsewhere), 1)
    with ALL[fault](folder):
        with pytest.raises((WriteError, DrawingFileError, DataMissingError)) as found:
            write(folder, 1)
        assert files(folder) == before
    message = str(found.value)
    assert str(folder) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert any(os.strerror(number) in message for number in REASONS)
    assert files(folder) == before
    write(folder, 1)
    after = files(folder)
    assert after != before or name == "digests of weights"
    assert not [name for name in after if name.startswith(".") or "/." in name]
    record("full disk and read-only folder", {name: len(ALL)})


@pytest.mark.parametrize("fault", ALL)
def test_built_data_that_cannot_be_kept_are_given(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_CACHE", str(folder))
    (source := folder.parent / "source").write_text("0")

    def load(number: int) -> int:
        return int(cached("set", [source], lambda: {"all": torch.full((99,), number)})["all"][0])

    assert load(0) == 0
    before = files(folder)
    source.write_text("1")
    with ALL[fault](folder):
        with pytest.warns(UserWarning, match=f"cannot be kept in {folder} .*DIGITLIB_CACHE names"):
            assert load(1) == 1
        assert files(folder) == before
    record("full disk and read-only folder", {"built data": len(ALL)})
