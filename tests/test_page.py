"""The pad as one file: it matches its sources, and it reads, shows and remembers as Python does."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import onnx
import pytest
import torch
from helpers import DIGITS, bundled
from numpy.typing import NDArray
from repository import REPOSITORY, shell_environment

from digitlib.datasets.drawing import Drawing
from digitlib.datasets.non_digits import scribble, side_by_side
from digitlib.datasets.synthetic import draw_digits
from digitlib.datasets.unipen import read_unipen
from digitlib.errors import WeightsError
from digitlib.files import to_jsonable
from digitlib.models.card import BUNDLED_NETWORK, Card
from digitlib.models.display import answer_text
from digitlib.models.labels import NO_DIGIT
from digitlib.models.networks import DigitNet
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.page import build
from digitlib.page.bundle import bundle
from digitlib.page.graph import graph
from digitlib.page.markup import to_html
from digitlib.preprocessing import strokes as pen
from digitlib.widgets.answers import SEVERAL, digit_html
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.history import History

MAX_BYTES = 1.6e6
ONE_AT_A_TIME = "Draw one digit at a time."  # the page reads no numbers
CLOSE = 1e-5  # between probabilities of the page and of Python
MODULES = ("display", "drawing_file", "history", "recognizer", "strokes")  # need no browser
PICTURE = re.compile('src="data:image/(png|bmp);base64,[^"]*"')
Strokes = Sequence[NDArray[np.float64]]
Run = Callable[[Sequence[Sequence[Any]]], list[Any]]

needs_node = pytest.mark.skipif(
    not shutil.which("node"), reason="no node: install Node.js 18 or later (apt install nodejs)."
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run commands of ``js/page.js`` with the page's modules; return their results."""
    script = tmp_path_factory.mktemp("page") / "page.cjs"
    driver = (Path(__file__).with_name("js") / "page.js").read_text(encoding="utf-8")
    modules = bundle(*(build.FOLDER / f"{name}.js" for name in MODULES))
    script.write_text(modules + driver, encoding="utf-8")

    def results(commands: Sequence[Sequence[Any]]) -> list[Any]:
        lines = "".join(json.dumps(command) + "\n" for command in commands)
        done = subprocess.run(
            ["node", str(script)], input=lines, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return [*map(json.loads, done.stdout.splitlines())]

    return results


def to_lists(strokes: Strokes) -> list[Any]:
    return [stroke.tolist() for stroke in strokes]


# --- the file --------------------------------------------------------------------------------


def test_the_page_matches_its_sources() -> None:
    assert build.update(check=True) == [], "run python -m digitlib page"
    assert build.PAGE.stat().st_size <= MAX_BYTES


def test_the_page_asks_for_nothing() -> None:
    page = build.PAGE.read_text(encoding="utf-8")
    (policy,) = re.findall('Content-Security-Policy" content="(.*?)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not re.search(r"https?:|//|\*|blob:|script-src[^;]*unsafe", policy)
    addresses = {*re.findall("https?://[^ '\"`)]+", page)}
    assert addresses <= {"http://www.w3.org/2000/svg"}, "namespaces, not addresses"


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
def test_make_app_opens_the_file_and_installs_nothing(tmp_path: Path) -> None:
    copy, opened = tmp_path / "a checkout", tmp_path / "opened"
    (copy / "reports").mkdir(parents=True)
    shutil.copy(REPOSITORY / "Makefile", copy)
    shutil.copy(build.PAGE, copy / "reports")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    command = ["make", "-C", str(copy), "app", f"BROWSER={browser}"]
    done = subprocess.run(command, capture_output=True, text=True, env=shell_environment())
    assert done.returncode == 0, done.stderr
    assert opened.read_text(encoding="utf-8").strip() == (copy / "reports/pad.html").as_uri()
    assert not (copy / ".venv").exists()


def test_the_page_has_the_notebooks_ink_and_styles() -> None:
    page = build.PAGE.read_text(encoding="utf-8")
    package = build.FOLDER.parent
    for sheet in ("models/answer.css", "widgets/pad.css", "widgets/studio.css"):
        assert (package / sheet).read_text(encoding="utf-8") in page
    ink = (package / "widgets" / "ink.js").read_text(encoding="utf-8")
    kept = re.sub("^export (default )?", "", ink, flags=re.MULTILINE)
    assert kept in re.sub("^exports.default = ", "", page, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda node: setattr(node, "op_type", "Tanh"), "operator Tanh"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("group", 2)), "group"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("pads", [0, 1])), "pads"),
    ],
)
def test_a_network_that_the_page_cannot_run_fails_when_it_is_built(
    change: Callable[[Any], None], reason: str
) -> None:
    model = onnx.load(str(BUNDLED_NETWORK))
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    kept = [each for each in node.attribute if each.name not in ("group", "pads")]
    del node.attribute[:]
    node.attribute.extend(kept)
    change(node)
    with pytest.raises(WeightsError, match=reason):
        graph(model.SerializeToString())


def test_weights_of_another_type_are_refused() -> None:
    model = onnx.load(str(BUNDLED_NETWORK))
    tensor = model.graph.initializer[0]
    half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
    tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    with pytest.raises(WeightsError, match="float16"):
        graph(model.SerializeToString())


def test_a_widget_of_a_new_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="FloatSlider"):
        to_html(ipywidgets.Box([ipywidgets.FloatSlider()]))


def test_modules_in_a_circle_or_with_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import {b} from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import {a} from "./a.js";\nexport const b = 1;\n')
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "c.js").write_text("export const c = 1;\n")
    (tmp_path / "c.js").write_text('import {c} from "./c/c.js";\n')
    for name in ("a.js", "c.js"):
        with pytest.raises(ValueError, match="imports itself, or another file has its name"):
            bundle(tmp_path / name)


# --- the same answers ------------------------------------------------------------------------


def compare(run: Run, drawings: Sequence[Strokes], recognizer: Recognizer) -> int:
    """Compare predictions and their HTML; return how many probabilities are not close.

    The recognizer's memory is stored in the page, too.
    """
    found = 0
    expected = [recognizer.predict_strokes(drawing) for drawing in drawings]
    reads = [["read", to_lists(drawing), "up"] for drawing in drawings]
    stored = [*recognizer.memory]
    commands: list[list[Any]] = []
    for each in stored:
        commands += [["read", to_lists(MEMORIES[each.id]), "up"], ["remember", each.id, each.label]]
    answers = run([*commands, *reads])[len(commands) :]
    for drawing, ours, page in zip(drawings, expected, answers, strict=True):
        frame = np.frombuffer(base64.b64decode(page["frame"]), np.float32).reshape(4, 28, 28)
        np.testing.assert_array_equal(frame, ours.frame)
        assert int(np.argmax(page["probabilities"])) == ours.digit
        assert page["rejected"] == ours.rejected
        assert page["because"] == (ours.because and ours.because.id)
        assert page["spoken"] == answer_text(ours)
        found += np.abs(np.subtract(page["probabilities"], ours.probabilities)).max() > CLOSE
        same = replace(ours, probabilities=tuple(page["probabilities"]), score=page["score"])
        assert show(same, drawing) == PICTURE.sub("src", page["html"])
    return found


def show(prediction: Prediction, drawing: Strokes) -> str:
    """The HTML of the notebook's pad, without the content of pictures."""
    several = prediction.rejected and pen.side_by_side(drawing)
    found = digit_html(prediction, several=several).replace(SEVERAL, ONE_AT_A_TIME)
    return PICTURE.sub("src", found)


def repository_drawings() -> list[Strokes]:
    """Digits and other drawings that need no data."""
    turn = np.random.RandomState(0)
    digits = draw_digits(2, 0)
    pairs = zip(digits[:10], digits[10:20], strict=True)
    dots = [[np.array([[5.0, 5.0]])], [np.array([[5.0, 5.0], [5.0, 5.0]]), np.array([[9.0, 5.0]])]]
    crowded = [turn.uniform(0, 400, (9000, 2))]
    taps = [*DIGITS[3], np.array([[3.0, 3.0]])]
    return [
        *DIGITS.values(), *EXAMPLES.values(), *(each.strokes for each in digits),
        *(scribble(turn) for _ in range(20)), *(side_by_side(*pair, turn) for pair in pairs),
        *dots, crowded, taps,
    ]  # fmt: skip


MEMORIES = {f"{number:032x}": each.strokes for number, each in enumerate(draw_digits(1, 1)[:12])}


@needs_node
@pytest.mark.parametrize("arguments", [{}, {"channels": 1, "width": 7}])
def test_networks_of_each_kind_run_as_in_python(run: Run, arguments: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = DigitNet(outputs=11, **arguments)
    for name, each in model.named_parameters():
        torch.nn.init.normal_(each, 0.0 if each.ndim > 1 or "bias" in name else 1.0, 0.1)
    recognizer = Recognizer.from_model(model, Card("digitnet", {"outputs": 11, **arguments}))
    frame = pen.render(DIGITS[3])
    (found,) = run([["run", to_jsonable(graph(recognizer.network)), frame.ravel().tolist()]])
    for name, value in found.items():
        expected = recognizer.outputs(frame[None], name)[0][0]
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@needs_node
def test_drawings_are_read_as_in_python(run: Run) -> None:
    assert compare(run, repository_drawings(), Recognizer.load()) == 0


@needs_node
def test_corrected_drawings_count_as_in_python(run: Run) -> None:
    recognizer = Recognizer.load()
    labels = [*range(10), NO_DIGIT, NO_DIGIT]
    for (identity, strokes), label in zip(MEMORIES.items(), labels, strict=True):
        frame = recognizer.predict_strokes(strokes).frame
        recognizer.memory.add(frame[None], [label], [identity])
    drawings = [*repository_drawings(), *MEMORIES.values()]
    assert any(recognizer.predict_strokes(each).because for each in drawings)
    assert compare(run, drawings, recognizer) == 0


@needs_node
@pytest.mark.slow
@pytest.mark.needs_unipen
def test_peoples_drawings_are_read_as_in_python(run: Run) -> None:
    digits = read_unipen("unipen", "test") + read_unipen("unipen", "validation")
    drawings = [each.strokes for each in digits + read_unipen("letters", "test")[::4]]
    assert len(drawings) >= 3000
    assert compare(run, drawings, Recognizer.load()) == 0


@needs_node
@pytest.mark.parametrize("pen_state", ["up", "down"])
def test_a_failure_and_an_empty_pad_look_as_in_python(run: Run, pen_state: str) -> None:
    errors = ["", "The drawing could not be read: <b>&\"'"]
    answers = run([["fail", error, pen_state] for error in errors])
    assert answers == [digit_html(None, error, pen=pen_state) for error in errors]


# --- the same drawing ------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("seed", range(3))
def test_undo_and_redo_are_the_same(run: Run, seed: int) -> None:
    """Random changes in both."""
    turn, history = random.Random(seed), History()
    commands: list[list[Any]] = []
    expected = []
    for _ in range(200):
        point = [turn.random(), turn.random(), turn.random(), 0.5]
        action = turn.choice(["begin", "move", "move", "end", "cancel", "undo", "redo", "clear"])
        commands.append(["change", action, [point]])
        if action in ("begin", "move"):
            getattr(history, {"move": "add"}.get(action, action))(point)
        else:
            commands[-1].pop()
            getattr(history, action)()
        expected.append({
            "traces": to_lists(history.content.traces), "penDown": history.pen_down,
            "canUndo": history.can_undo, "canRedo": history.can_redo,
        })  # fmt: skip
    assert run(commands) == expected


@needs_node
def test_a_saved_drawing_can_be_read_by_python(run: Run) -> None:
    trace = [[x / 3, 2.0 * x, 5000 + 8 * x, 0.5] for x in range(30)]
    strokes = [np.array(trace)[:, :2]]
    answers = run([["read", to_lists(strokes), "up"], ["record", [trace], NO_DIGIT]])
    drawing = Drawing.from_line(json.dumps(answers[1]).encode())
    expected = np.array(trace) - [0, 0, 5000, 0]
    np.testing.assert_allclose(drawing.strokes[0], expected.round(3))
    assert (drawing.label, drawing.weights) == (NO_DIGIT, bundled().weights)
    assert drawing.prediction == {
        name: answers[0][name] for name in ("probabilities", "score", "rejected")
    }
