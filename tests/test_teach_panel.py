"""The panel "Learn my handwriting": a lesson in another process, and the network in use."""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from helpers import DIGITS, bundled

from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.widgets.panels import handwriting as module
from digitlib.widgets.panels.handwriting import Teach
from digitlib.widgets.panels.lesson import MISSING, LessonProcess
from digitlib.widgets.studio import Studio

COUNTS = {"before": 8, "after": 10, "total": 11}
RESULT = {
    "kept": True, "verdict": "Learned: <all>.", "places": ["MNIST's <digits>", "letters"],
    "drawings": COUNTS, "digits": COUNTS, "others": COUNTS, "seconds": 3.0,
}  # fmt: skip
STEP = {"stage": "varying <the> drawings", "step": 3, "steps": 9}


def script(*lines: Any, then: str = "") -> list[str]:
    """A process that prints lines as a lesson does."""
    code = "import json, sys, time\n"
    code += "".join(f"print(json.dumps({line!r}), flush=True)\n" for line in lines)
    return [sys.executable, "-c", code + then]


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def personal_file(folder: Path) -> None:
    """The bundled network with a card that says it is personal."""
    from digitlib.models.export import to_onnx
    from digitlib.models.weights import load_model

    model, card = load_model(BUNDLED_WEIGHTS)
    card = replace(card, training={"personal": {"drawings": {"total": 20}}})
    (folder / "personal.onnx").write_bytes(to_onnx(model, card))


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(bundled())


@pytest.fixture
def panel(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Teach:
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path))
    studio.recognizer = bundled()
    return Teach(studio)


def teach_by(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setattr(module, "LessonProcess", functools.partial(LessonProcess, command=command))


def text(widget: Any) -> str:
    return " ".join(re.sub("<.*?>", " ", widget.value).split())


def test_it_counts_the_stored_drawings(panel: Teach) -> None:
    assert "No drawing is stored yet" in text(panel._counts)
    DrawingFile().append(*(Drawing(3, [np.array([[0.0, 0], [9, 9]])]) for _ in range(12)))
    panel.refresh()
    assert "12 drawings are stored" in text(panel._counts)
    assert "3 12" in text(panel._counts)
    assert "not a digit 0" in text(panel._counts)


def test_a_lesson_shows_its_steps_and_its_result(
    panel: Teach, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach_by(monkeypatch, script(STEP, {"result": RESULT}))
    seen: list[str] = []
    panel._progress.observe(lambda change: seen.append(change.new), "value")
    panel._learn.click()
    assert panel._learn.description == "Cancel"
    wait(lambda: panel._lesson is None)
    assert panel._learn.description == "Learn"
    assert any('value="3"' in each and "varying &lt;the&gt; drawings" in each for each in seen)
    assert "Learned: &lt;all&gt;." in panel._result.value
    assert "MNIST&#x27;s &lt;digits&gt;" in panel._result.value
    assert text(panel._result).endswith("8 10 of 11")
    assert panel._progress.value == ""


def test_a_lesson_is_cancelled(panel: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    teach_by(monkeypatch, script(STEP, then="time.sleep(60)"))
    panel._learn.click()
    wait(lambda: "varying" in panel._progress.value)
    panel._learn.click()
    wait(lambda: panel._lesson is None)
    assert "nothing has changed" in panel._message.value
    assert panel._result.value == ""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (script({"failed": "There are no drawings yet."}), "There are no drawings yet."),
        (script(STEP, then="sys.exit('no memory left')"), "broke off: no memory left"),
        (script(STEP, then="import os; os.kill(os.getpid(), 9)"), "broke off: exit status -9"),
    ],
)
def test_a_failure_is_a_sentence(
    panel: Teach, monkeypatch: pytest.MonkeyPatch, command: list[str], words: str
) -> None:
    teach_by(monkeypatch, command)
    panel._learn.click()
    wait(lambda: panel._lesson is None)
    assert words in text(panel._message)
    assert 'data-state="failed"' in panel._message.value


def test_the_personal_network_is_offered_used_and_left(
    panel: Teach, studio: Studio, tmp_path: Path
) -> None:
    assert panel._use.layout.display == "none"
    personal_file(tmp_path)
    panel.refresh()
    assert panel._use.layout.display is None
    assert "Your own is ready." in text(panel._use_state)
    bundled_network = studio.recognizer
    studio.draw([400 * stroke for stroke in DIGITS[4]])
    panel._use.click()
    assert "personal" in cast("Any", studio.recognizer).card.training
    assert text(panel._use_state) == "Your network reads the pad, taught 20 drawings."
    assert studio.prediction is not None
    assert studio.prediction.digit == 4
    panel._use.click()
    assert studio.recognizer is bundled_network
    studio.clear()


def test_a_damaged_personal_network_is_said(panel: Teach, studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "personal.onnx").write_bytes(b"damaged")
    before = studio.recognizer
    panel.refresh()
    panel._use.click()
    assert studio.recognizer is before
    assert "Your network cannot be used" in text(panel._message)


def test_without_pytorch_it_says_what_to_install(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path))
    monkeypatch.setattr(module, "can_learn", lambda: False)
    shown = Teach(studio)
    assert shown._learn.disabled
    assert text(shown._message) == MISSING.replace("'", "&#x27;")


def test_where_storing_is_switched_off_a_sentence_says_so(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITLIB_DRAWINGS", "")
    shown = Teach(studio)
    assert "switched off" in text(shown._message)
    assert shown._learn.disabled
