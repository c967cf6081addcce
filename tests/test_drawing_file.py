"""Stored drawings: every change is complete or not made, also by several notebooks at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, page, to_image
from modes import bound_by_modes

from digitlib.datasets import drawing_file
from digitlib.datasets.drawing import (
    MAX_BYTES,
    MAX_POINTS,
    MAX_SIDE,
    Drawing,
    decode_picture,
    describe,
    encode_picture,
)
from digitlib.datasets.drawing_file import DrawingFile, DrawingFileError, drawings_folder
from digitlib.models.labels import NO_DIGIT
from digitlib.preprocessing import strokes
from digitlib.preprocessing.frame import frames_to_images

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
    assert drawn(prediction=None).predicted is None
    assert drawn(prediction=PREDICTION | {"rejected": True}).predicted == NO_DIGIT
    assert drawn().id != first.id


def test_the_frame_is_that_of_the_strokes_or_the_picture() -> None:
    difference = drawn().frame()[0] - strokes.render([s[:, :2] for s in PEN])[0]
    assert abs(difference).max() < 1.5 / 255  # coordinates are rounded
    np.testing.assert_array_equal(frames_to_images(pictured().frame()), to_image(page(3)))


def test_a_large_picture_is_reduced() -> None:
    photo = np.repeat(np.repeat(page(3), 7, axis=0), 7, axis=1)  # 1400x1400
    kept = decode_picture(encode_picture(np.stack([photo] * 3, axis=2)))
    assert max(kept.shape) <= MAX_SIDE
    assert abs(to_image(kept).astype(float) - to_image(photo)).mean() < 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"label": 11}, "label"),
        ({"label": True}, "label"),
        ({"strokes": []}, "drawing"),
        ({"strokes": [[[1, 2], [3]]]}, "strokes"),
        ({"strokes": [[[1, 2, 3]]]}, "strokes"),
        ({"strokes": [[["1", "2"]]]}, "strokes"),
        ({"strokes": [[]]}, "strokes"),
        ({"strokes": {"a": 1}}, "strokes"),
        ({"strokes": [[[float("nan"), 0]]]}, "strokes"),
        ({"strokes": [[[1e300, 0]]]}, "strokes"),
        ({"strokes": [[[0, 0]] * (MAX_POINTS + 1)]}, "strokes"),
        ({"prediction": {"probabilities": [1]}}, "prediction.probabilities"),
        ({"prediction": PREDICTION | {"probabilities": [0.1] * 9}}, "prediction.probabilities"),
        ({"prediction": PREDICTION | {"probabilities": [2.0] * 10}}, "prediction.probabilities.0"),
        ({"prediction": PREDICTION | {"score": float("inf")}}, "prediction.score"),
        ({"prediction": PREDICTION | {"rejected": 1}}, "prediction.rejected"),
        ({"id": "../../etc"}, "id"),
        ({"weights": "<b>"}, "weights"),
        ({"time": "<script>"}, "time"),
        ({"time": 5}, "time"),
        ({"path": "/"}, "path"),
        ({"picture": "R0lGODlh", "strokes": []}, "picture"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(values: dict[str, Any], field: str) -> None:
    record = json.loads(drawn().to_line()) | values
    with pytest.raises(ValueError, match=rf"^The field {field} doesn't fit: .*\.$"):
        Drawing.from_line(json.dumps(record).encode())
    with pytest.raises(ValueError, match="validation error") as found:
        Drawing(**{"label": 4, "strokes": PEN} | values)
    assert "\n" not in describe(found.value)


def test_a_damaged_picture_is_refused_when_it_is_read() -> None:
    whole = encode_picture(page(3))
    cut = Drawing(3, picture=whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="picture is damaged"):
        cut.frame()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "JSON"),
        (b"\xff\xfe{}", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "JSON"),
        (b'{"strokes":[[[1,2]]]}', "label"),
        (b" " * (MAX_BYTES + 1), "at most 2 MiB"),
    ],
)
def test_a_line_that_is_not_a_drawing_is_refused(line: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Drawing.from_line(line)


# --- the file --------------------------------------------------------------------------------


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path))
    monkeypatch.delenv("DIGITLIB_DRAWINGS", raising=False)
    assert drawings_folder() == tmp_path / "drawings" == DrawingFile().folder
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path / "mine"))
    assert drawings_folder(tmp_path / "root") == tmp_path / "mine"
    monkeypatch.setenv("DIGITLIB_DRAWINGS", "")
    assert drawings_folder() is None
    with pytest.raises(DrawingFileError, match="switched off"):
        DrawingFile()


def test_drawings_are_appended(store: DrawingFile) -> None:
    assert store.read() == []
    assert not store.folder.exists()
    first, second, third = drawn(), pictured(), drawn(NO_DIGIT)
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
    with pytest.raises(DrawingFileError, match="The field label doesn't fit"):
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
    store.append(drawn(8))
    assert other.import_file(store.export() * 2) == (1, 5)
    assert other.export() == store.export()
    assert other.import_file(store.export().replace(b"\n", b"\r\n\r\n")) == (0, 3)


BLANK = Drawing(3, picture=encode_picture(np.full((50, 50), 255, np.uint8)))
CUT = Drawing(3, picture=encode_picture(page(3))[:120])


@pytest.mark.parametrize("line", [b"no json\n", BLANK.to_line(), CUT.to_line()])
def test_nothing_is_imported_if_one_line_does_not_fit(store: DrawingFile, line: bytes) -> None:
    store.append(drawn())
    before = store.export()
    with pytest.raises(DrawingFileError, match=r"^Line 2 .*\. Nothing was imported\."):
        store.import_file(drawn().to_line() + line + drawn().to_line())
    assert store.export() == before


def test_damaged_lines_are_left_out_and_kept(store: DrawingFile) -> None:
    first, second, torn = drawn(1), drawn(2), drawn(3).to_line()[:50]
    store.append(first, second)
    content = b"\x00\x00\n" + first.to_line() + b'{"label":5}\n' + second.to_line()
    store.path.write_bytes(content + torn)
    assert store.append(drawn(4)) == 6
    store.relabel(second.id, 5)
    assert [drawing.label for drawing in store.read()] == [1, 5, 4]
    assert store.remark == f"3 damaged lines are left out of {store.path}."
    stored = store.path.read_bytes().split(b"\n")
    assert {b"\x00\x00", b'{"label":5}', torn} < {*stored}
    store.path.write_bytes(store.export())
    store.read()
    assert store.remark == ""


# --- several notebooks, and folders that can't be written ------------------------------------

APPEND = """
import sys
from digitlib.datasets.drawing_file import Drawing, DrawingFile
store = DrawingFile(sys.argv[1])
for number in range(int(sys.argv[2])):
    drawing = Drawing(number % 10, strokes=[[[number, point] for point in range(200)]])
    store.append(drawing)
    store.relabel(drawing.id, 9)
    print(drawing.id, flush=True)
"""


def start(store: DrawingFile, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPEND, str(store.folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_and_a_reader_lose_nothing(store: DrawingFile) -> None:
    processes = [start(store, 25) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        if drawings := store.read():  # as the gallery does
            store.relabel(drawings[0].id, len(drawings) % 10)
    outputs = [process.communicate()[0].split() for process in processes]
    stored = [drawing.id for drawing in store.read()]
    for ids in outputs:
        assert [identity for identity in stored if identity in {*ids}] == ids
    assert (len(stored), store.remark) == (50, "")


def test_stored_drawings_survive_a_kill(store: DrawingFile) -> None:
    process = start(store, 10_000)
    assert process.stdout is not None
    known = {process.stdout.readline().strip() for _ in range(8)}
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert known <= {drawing.id for drawing in store.read()}
    assert store.remark == ""


def test_a_lock_that_is_held_for_long_is_reported(
    store: DrawingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(drawing_file, "PATIENCE", 0.05)
    store.append(drawn())
    with (
        FileLock(store.folder / "drawings.lock"),
        pytest.raises(DrawingFileError, match="another notebook has used"),
    ):
        store.append(drawn())
    assert store.append(drawn()) == 2


def test_a_read_only_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, first = DrawingFile(folder), drawn()
        store.append(first)
        with store.path.open("ab") as file:
            file.write(b"torn")
        monkeypatch.setattr(drawing_file.os, "access", lambda *_: False)
        assert lines(store.read()) == lines([first])
        assert store.remark == f"1 damaged line is left out of {store.path}."
        for path in (*store.folder.iterdir(), store.folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with bound_by_modes():
            for action in (
                lambda: store.append(drawn()),
                lambda: store.relabel(first.id, 1),
                lambda: store.import_file(drawn().to_line()),
                lambda: DrawingFile(store.folder / "below").append(drawn()),
            ):
                with pytest.raises(DrawingFileError) as caught:
                    action()
                message = str(caught.value)
                assert message.startswith(f"Drawings cannot be stored in {folder}")
                assert "Permission denied. To use another folder, set" in message
        store.folder.chmod(0o755)
