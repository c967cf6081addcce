"""Stored drawings: appended, changed and imported whole or not at all, by several at once."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, page
from modes import bound_by_modes

from digitlib.datasets import base, drawing_file, labels
from digitlib.datasets.drawing import (
    MAX_BYTES,
    MAX_POINTS,
    MAX_SIDE,
    Drawing,
    decode_picture,
    encode_picture,
)
from digitlib.datasets.drawing_file import (
    DAMAGED,
    DrawingFile,
    DrawingFileError,
    drawings_folder,
)
from digitlib.datasets.drawing_file import (
    Drawing as SameDrawing,
)
from digitlib.preprocessing.frame import to_frame

PREDICTION = {"probabilities": [0.05] * 9 + [0.55], "score": 3.25, "rejected": False}
PEN = [np.column_stack([100 * stroke, np.arange(len(stroke)) * 8.1, np.full(len(stroke), 0.5)])
       for stroke in DIGITS[4]]  # fmt: skip


def drawn(label: int = 4, **changes: Any) -> Drawing:
    values: dict[str, Any] = {"strokes": PEN, "prediction": PREDICTION, "weights": "0f" * 6}
    return Drawing(label, **values | changes)


def pictured(label: int = 3) -> Drawing:
    return Drawing(label, picture=encode_picture(page(3)))


def lines(drawings: list[Drawing]) -> list[bytes]:
    return [drawing.to_line() for drawing in drawings]


# --- one drawing -----------------------------------------------------------------------------


def test_a_line_has_the_whole_drawing() -> None:
    first = drawn()
    record = json.loads(first.to_line())
    assert [*record] == ["id", "time", "label", "strokes", "prediction", "weights"]
    assert record["prediction"] == PREDICTION
    np.testing.assert_allclose(record["strokes"][0], PEN[0], atol=5e-4)
    second = Drawing.from_line(first.to_line())
    assert second.to_line() == first.to_line()
    assert (second.predicted, second.label) == (9, 4)
    assert [points.shape for points in second.points] == [(len(s), 2) for s in PEN]


def test_the_frame_is_that_of_the_strokes_or_the_picture() -> None:
    from digitlib.preprocessing import strokes

    difference = drawn().frame().astype(int) - strokes.render([s[:, :2] for s in PEN])
    assert abs(difference).max() <= 1  # coordinates are rounded
    np.testing.assert_array_equal(pictured().frame(), to_frame(page(3)))


def test_a_large_picture_is_reduced() -> None:
    photo = np.repeat(np.repeat(page(3), 7, axis=0), 7, axis=1)  # 1400x1400
    kept = decode_picture(encode_picture(np.stack([photo] * 3, axis=2)))
    assert max(kept.shape) <= MAX_SIDE
    difference = to_frame(kept).astype(float) - to_frame(photo)
    assert abs(difference).mean() < 3


def test_what_was_predicted() -> None:
    assert drawn(prediction=None).predicted is None
    assert drawn(prediction=PREDICTION | {"rejected": True}).predicted == base.NO_DIGIT
    assert labels.label_name(base.NO_DIGIT) == "no digit"
    assert labels.label_name(7) == "7"
    assert SameDrawing is Drawing


def test_a_drawing_has_an_id_of_its_own() -> None:
    assert len({drawn().id for _ in range(50)}) == 50


BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"label": 11}, "label is 0 to 10, not 11"),
    ({"label": True}, "label is 0 to 10"),
    ({"strokes": []}, "either strokes or a picture"),
    ({"strokes": [[[1, 2], [3]]]}, "list of points"),
    ({"strokes": [[[1, 2, 3]]]}, "list of points"),
    ({"strokes": [[["1", "2"]]]}, "list of points"),
    ({"strokes": [[]]}, "list of points"),
    ({"strokes": {"a": 1}}, "list of lists"),
    ({"strokes": [[[float("nan"), 0]]]}, "not within"),
    ({"strokes": [[[1e300, 0]]]}, "not within"),
    ({"strokes": [[[10**30, 0]]]}, "list of points"),
    ({"strokes": [[[0, 0]] * (MAX_POINTS + 1)]}, "at most 10,000 points"),
    ({"prediction": {"probabilities": [1]}}, "probabilities, score and rejected"),
    ({"prediction": PREDICTION | {"probabilities": [0.1] * 9}}, "ten numbers"),
    ({"prediction": PREDICTION | {"probabilities": [2.0] * 10}}, "ten numbers"),
    ({"prediction": PREDICTION | {"score": float("inf")}}, "finite"),
    ({"prediction": PREDICTION | {"rejected": 1}}, "true or false"),
    ({"id": "../../etc"}, "id is hex digits"),
    ({"weights": "<b>"}, "weights is hex digits"),
    ({"time": "<script>"}, "ISO 8601"),
    ({"time": 5}, "ISO 8601"),
]


@pytest.mark.parametrize(("values", "reason"), BAD_VALUES)
def test_a_value_that_does_not_fit_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Drawing(**{"label": 4, "strokes": PEN} | values)
    record = json.loads(drawn().to_line()) | values
    with pytest.raises(ValueError, match=reason):
        Drawing.from_line(json.dumps(record).encode())


def bomb() -> bytes:
    """A PNG of 9000x9000 px, small as a file."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (9000, 9000)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("picture", "reason"),
    [(b"GIF89a", "no PNG"), (bomb(), "of at most 640 px"), (b"\x89PNG\r\n\x1a\n", "no PNG")],
    ids=["gif", "bomb", "head"],
)
def test_a_picture_that_does_not_fit_is_refused(picture: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Drawing(3, picture=picture)


def test_a_damaged_picture_is_refused_where_it_is_read() -> None:
    whole = encode_picture(page(3))
    cut = Drawing(3, picture=whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="picture is damaged"):
        cut.frame()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"label":1}', "Its fields are 'label'"),
        (json.dumps(json.loads(drawn().to_line()) | {"path": "/"}).encode(), "Its fields are"),
        (b" " * (MAX_BYTES + 1), "at most 2 MiB"),
    ],
)
def test_a_line_that_is_no_drawing_is_refused(line: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Drawing.from_line(line)


# --- the file --------------------------------------------------------------------------------


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path))
    monkeypatch.delenv("DIGITLIB_DRAWINGS", raising=False)
    assert drawings_folder() == tmp_path / "drawings" == DrawingFile().folder
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path / "mine"))
    assert drawings_folder() == tmp_path / "mine"
    assert drawings_folder(tmp_path / "root") == tmp_path / "mine"
    monkeypatch.setenv("DIGITLIB_DRAWINGS", "")
    assert drawings_folder() is None
    with pytest.raises(DrawingFileError, match="switched off"):
        DrawingFile()


def test_nothing_is_made_before_the_first_drawing(store: DrawingFile) -> None:
    assert store.read() == []
    assert store.export() == b""
    assert not store.folder.exists()


def test_drawings_are_appended(store: DrawingFile) -> None:
    first, second, third = drawn(), pictured(), drawn(base.NO_DIGIT)
    assert store.append(first) == 1
    assert store.append(second, third) == 3
    assert lines(store.read()) == lines([first, second, third])
    assert store.remark == ""


def test_a_drawing_gets_another_label(store: DrawingFile) -> None:
    first, second = drawn(), drawn(9)
    store.append(first, second)
    assert store.relabel(first.id, 7).label == 7
    assert lines(store.read()) == lines([replace(first, label=7), second])
    with pytest.raises(DrawingFileError, match="no longer stored"):
        store.relabel("0" * 32, 3)
    with pytest.raises(DrawingFileError, match="label is 0 to 10"):
        store.relabel(first.id, 12)
    assert [drawing.label for drawing in store.read()] == [7, 9]


def test_drawings_are_deleted_and_brought_back(store: DrawingFile) -> None:
    first, second, third = drawn(1), drawn(2), drawn(3)
    store.append(first, second, third)
    removed = store.delete([first.id, third.id, "0" * 32])
    assert lines(removed) == lines([first, third])
    assert lines(store.read()) == lines([second])
    assert store.append(*removed) == 3


def test_an_export_is_imported(store: DrawingFile, tmp_path: Path) -> None:
    store.append(drawn(), pictured())
    other = DrawingFile(tmp_path / "other")
    assert other.import_file(store.export()) == (2, 0)
    assert other.export() == store.export()
    store.append(drawn(8))
    assert other.import_file(store.export() * 2) == (1, 5)
    assert other.export() == store.export()
    assert other.import_file(store.export().replace(b"\n", b"\r\n\r\n")) == (0, 3)


BLANK = Drawing(3, picture=encode_picture(np.full((50, 50), 255, np.uint8)))
CUT = Drawing(3, picture=encode_picture(page(3))[:120])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no json\n", "Line 2 cannot be imported: It is no JSON. Nothing was imported."),
        (drawn().to_line()[:-20] + b"\n", "Line 2 .* no JSON"),
        (BLANK.to_line(), "Line 2 .* one color"),
        (CUT.to_line(), "Line 2 .* picture is damaged"),
    ],
)
def test_nothing_is_imported_where_one_line_does_not_fit(
    store: DrawingFile, line: bytes, reason: str
) -> None:
    store.append(drawn())
    before = store.export()
    with pytest.raises(DrawingFileError, match=reason):
        store.import_file(drawn().to_line() + line + drawn().to_line())
    assert store.export() == before


def test_an_import_has_a_limit(store: DrawingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DrawingFileError, match="no drawings"):
        store.import_file(b"\n\n")
    monkeypatch.setattr(drawing_file, "MAX_IMPORT", 2**20)
    with pytest.raises(DrawingFileError, match="at most 1 MiB, this one 2 MiB"):
        store.import_file(b" " * 2**21)
    assert not store.folder.exists()


# --- damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [1, 2, 40, -30, -2])
def test_a_torn_line_is_kept_aside(store: DrawingFile, end: int) -> None:
    whole, torn, later = drawn(1), drawn(2), drawn(3)
    store.append(whole, torn)
    left = torn.to_line()[:end]
    store.path.write_bytes(whole.to_line() + left)
    assert lines(store.read()) == lines([whole])
    assert store.remark == f"1 damaged line is kept aside in {store.folder / DAMAGED}."
    assert (store.folder / DAMAGED).read_bytes() == left + b"\n"
    assert store.append(later) == 2
    assert lines(store.read()) == lines([whole, later])
    assert store.remark.startswith("1 damaged line is")


def test_a_torn_line_does_not_spoil_the_next(store: DrawingFile) -> None:
    whole, torn, later = drawn(1), drawn(2), drawn(3)
    store.append(whole)
    store.path.write_bytes(whole.to_line() + torn.to_line()[:50])
    assert store.append(later) == 2  # without a look at the file before
    assert lines(store.read()) == lines([whole, later])
    assert (store.folder / DAMAGED).read_bytes() == torn.to_line()[:50] + b"\n"


def test_a_line_without_its_end_is_whole(store: DrawingFile) -> None:
    first, second = drawn(1), drawn(2)
    store.append(first)
    store.path.write_bytes(store.path.read_bytes().rstrip())
    assert store.append(second) == 2
    assert lines(store.read()) == lines([first, second])
    assert not (store.folder / DAMAGED).exists()


def test_damaged_lines_stay_until_somebody_deletes_them(store: DrawingFile) -> None:
    first, second = drawn(1), drawn(2)
    store.append(first, second)
    content = b"\x00\x00\n" + first.to_line() + b'{"label":5}\n' + second.to_line()
    store.path.write_bytes(content)
    store.relabel(second.id, 5)
    assert [drawing.label for drawing in store.read()] == [1, 5]
    assert store.remark.startswith("2 damaged lines are kept aside")
    assert (store.folder / DAMAGED).read_bytes() == b'\x00\x00\n{"label":5}\n'
    (store.folder / DAMAGED).unlink()
    store.read()
    assert store.remark == ""


# --- several at once, and kills --------------------------------------------------------------

APPEND = """
import sys
from digitlib.datasets.drawing_file import Drawing, DrawingFile
store = DrawingFile(sys.argv[1])
for number in range(int(sys.argv[2])):
    drawing = Drawing(number % 10, strokes=[[[number, point] for point in range(200)]])
    store.append(drawing)
    print(drawing.id, flush=True)
"""


def start(store: DrawingFile, count: int, code: str = APPEND) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(store.folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_and_a_reader_at_once(store: DrawingFile) -> None:
    processes = [start(store, 150) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        drawings = store.read()
        if drawings:  # as the gallery does, in the midst of it
            store.relabel(drawings[0].id, len(drawings) % 10)
        time.sleep(0.02)
    outputs = [process.communicate() for process in processes]
    assert [errors for _, errors in outputs] == ["", ""]
    stored = [drawing.id for drawing in store.read()]
    for output, _ in outputs:  # all are there, in their order
        ids = output.split()
        assert [identity for identity in stored if identity in {*ids}] == ids
    assert len(stored) == 300
    assert store.remark == ""


def test_threads_take_turns(store: DrawingFile) -> None:
    def work() -> None:
        for _ in range(20):
            store.append(drawn())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read()) == 80


def test_what_was_stored_survives_kills(store: DrawingFile) -> None:
    known: list[str] = []
    for round_ in range(3):
        process = start(store, 10_000)
        assert process.stdout is not None
        known += [process.stdout.readline().strip() for _ in range(5 + 7 * round_)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        known += [line for line in rest.split("\n") if len(line) == 32]
    stored = {drawing.id for drawing in store.read()}
    assert {*known} <= stored
    assert len(stored) - len({*known}) <= 3  # stored, but killed before it could say so


CHANGE = (
    APPEND
    + """
for label in range(10**6):
    store.relabel(drawing.id, label % 10)
"""
)


def test_a_kill_while_the_file_is_replaced_loses_nothing(store: DrawingFile) -> None:
    process = start(store, 50, CHANGE)
    assert process.stdout is not None
    ids = [process.stdout.readline().strip() for _ in range(50)]
    while store.read()[-1].label == 9:  # 49 % 10, until it is changed
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (store.folder / ".drawings.jsonl.9999999-1.partial").write_bytes(b"left over")
    assert [drawing.id for drawing in store.read()] == ids
    store.relabel(ids[0], 3)
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "drawings.jsonl", "drawings.lock",
    ]  # fmt: skip


def test_a_lock_that_is_held_for_long_is_told(
    store: DrawingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(drawing_file, "PATIENCE", 0.05)
    store.append(drawn())
    with (
        FileLock(store.folder / "drawings.lock"),
        pytest.raises(DrawingFileError, match="another notebook has been at"),
    ):
        store.append(drawn())
    assert store.append(drawn()) == 2


# --- folders that cannot be written ----------------------------------------------------------


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], None]:
    """Runs a check in a forked process, which may give up rights."""

    def run(check: Callable[[], None]) -> None:
        child = os.fork()
        if child == 0:
            try:
                check()
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0

    return run


def test_a_read_only_folder_is_told(
    in_child: Callable[[Callable[[], None]], None],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, first = DrawingFile(folder), drawn()
        store.append(first)
        with store.path.open("ab") as file:
            file.write(b"torn")
        for path in (*store.folder.iterdir(), store.folder):
            path.chmod(0o555 if path.is_dir() else 0o444)

        @bound_by_modes(for_good=True)
        def check() -> None:
            assert lines(store.read()) == lines([first])
            assert store.remark == f"1 damaged line is left out of {store.path}."
            for action in (
                lambda: store.append(drawn()),
                lambda: store.relabel(first.id, 1),
                lambda: store.delete([first.id]),
                lambda: store.import_file(drawn().to_line()),
                lambda: DrawingFile(store.folder / "below").append(drawn()),
            ):
                with pytest.raises(DrawingFileError) as caught:
                    action()
                assert str(caught.value).startswith(f"Drawings cannot be stored in {folder}")
                assert "Permission denied. The environment variable DIGITLIB_DRAWINGS" in str(
                    caught.value
                )

        in_child(check)
        store.folder.chmod(0o755)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for store in (DrawingFile(tmp_path / "file"), DrawingFile(tmp_path / "file" / "below")):
        with pytest.raises(DrawingFileError, match="cannot be stored in"):
            store.append(drawn())


def test_a_full_disk_is_told_and_leaves_the_file_as_it_was(
    store: DrawingFile, in_child: Callable[[Callable[[], None]], None]
) -> None:
    store.append(drawn(1), drawn(2))
    before = store.path.read_bytes()
    limit = len(before) + 100

    def check() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for action in (
            lambda: store.append(drawn()),
            lambda: store.import_file(drawn().to_line()),
        ):
            with pytest.raises(
                DrawingFileError, match=r"cannot be stored in .*: (No space|File too)"
            ):
                action()
        assert store.path.read_bytes() == before

    in_child(check)
    assert [drawing.label for drawing in store.read()] == [1, 2]
    assert not [*store.folder.glob(".drawings.jsonl.*")]
