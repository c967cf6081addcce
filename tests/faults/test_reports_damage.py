"""Files of the reports that hold something else: one clear error, which names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from damage import damages, judge

from digitlib.errors import DataDamagedError
from digitlib.files import REPORTS
from digitlib.reports import notebook, readme, runner
from digitlib.reports.report import read_object

OTHERS = ["[]", "null", "3", '"text"', "", "{", "[" * 100_000, "\udcff"]


@pytest.mark.parametrize("content", OTHERS, ids=lambda content: repr(content[:8]))
def test_what_is_no_object_is_named_with_a_way_out(content: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "05_evaluate.json"
    path.parent.mkdir()
    path.write_bytes(content.encode(errors="surrogateescape"))
    for read in (read_object, runner._read_record, notebook.seed_runs):
        with pytest.raises(
            DataDamagedError, match="delete it, and python -m digitlib rep"
        ) as found:
            read(path)
        assert str(found.value).startswith(str(path))
        assert "\n" not in str(found.value)


def test_the_readme_is_not_written_from_it(tmp_path: Path) -> None:
    shutil.copytree(REPORTS, tmp_path / "reports", ignore=shutil.ignore_patterns("figures"))
    path = tmp_path / "reports" / "metrics" / "09_pictures.json"
    path.write_text("[]")
    page = tmp_path / "README.md"
    marks = f"{readme.START}\n{readme.END}\n"
    page.write_text(before := "".join(marks.format(name=name) for name in readme.TABLES))
    with pytest.raises(DataDamagedError, match=r"09_pictures\.json holds no JSON object"):
        readme.update(page)
    assert page.read_text() == before


def test_damage_that_is_no_json_is_never_another_error(tmp_path: Path) -> None:
    content = (REPORTS / "setup.json").read_bytes()
    path = tmp_path / "setup.json"

    def read() -> bool:
        return isinstance(read_object(path), dict)

    judge(path, damages(content, 200), read, undamaged=True)
