"""The constants of preprocessing: all found, each replaced and restored, the report current."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import page

from digitlib.evaluation import sensitivity
from digitlib.evaluation.sensitivity import Constant, find_constants, replaced
from digitlib.preprocessing import frame, paper, photo, read, ruling

CONSTANTS = {constant.name: constant for constant in find_constants()}


def test_constants_of_every_module_are_found_once() -> None:
    assert {constant.module for constant in CONSTANTS.values()} == set(sensitivity.MODULES)
    assert len(CONSTANTS) == len(find_constants())
    assert CONSTANTS["MIN_CONTRAST"] == Constant("read", "MIN_CONTRAST", read.MIN_CONTRAST)
    assert not CONSTANTS.keys() & sensitivity.FIXED
    for name in sensitivity.FIXED:  # none of them is out of date
        assert any(name in vars(module) for module in sensitivity._modules())


@pytest.mark.parametrize("module", sensitivity.MODULES)
def test_no_number_in_the_ink_code_is_without_a_name(module: str) -> None:
    path = Path(frame.__file__).with_name(f"{module}.py")
    functions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    numbers = {
        node.value
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }
    # Indices, halves, windows of 3, degrees of polynomials, scales of formats, guards of divisions.
    allowed = {0, 1, 2, 3, 4, 5, 6, 0.5, 100, 255, 65535, 0.001, 1e-6}
    assert numbers <= allowed


@pytest.mark.parametrize(
    ("value", "expected"),
    [(10, [7, 14]), (1, [0, 2]), (5, [3, 7]), (0.1, [0.07, 0.14]), (0.9, [0.63, 0.95])],
)
def test_variants_are_smaller_and_larger(value: float, expected: list[float]) -> None:
    found = Constant("frame", "ANY", value).variants()
    assert found == pytest.approx(expected)
    assert all(type(one) is type(value) for one in found)


def test_a_constant_is_replaced_wherever_it_is_used_and_restored() -> None:
    before = read.MIN_CONTRAST
    with replaced("MIN_CONTRAST", 0.5):
        assert read.MIN_CONTRAST == paper.MIN_CONTRAST == photo.MIN_CONTRAST == 0.5
    assert read.MIN_CONTRAST == paper.MIN_CONTRAST == photo.MIN_CONTRAST == before
    with pytest.raises(ZeroDivisionError), replaced("FAINT", 0.5):
        _ = 1 / 0
    assert CONSTANTS["FAINT"].value == ruling.FAINT


def test_the_constants_used_on_the_way_to_a_frame_are_known() -> None:
    picture = page(3)
    found, used = sensitivity._trace(picture)
    np.testing.assert_array_equal(found, frame.to_frame(picture))
    assert {"MIN_EDGE", "MIN_STROKE", "EVEN_SHADE"} <= used
    assert not {"SHRUNK_SIDE", "MIN_SHEET", "LONE_RULE"} & used  # of photos and ruled paper
    for name in CONSTANTS.keys() - used:  # none of the others changes anything
        with replaced(name, CONSTANTS[name].variants()[0]):
            np.testing.assert_array_equal(frame.to_frame(picture), found)


@pytest.mark.needs_pendigits
def test_frames_changed_and_pictures_read_right_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = [CONSTANTS["MIN_STROKE"], Constant("frame", "MAX_STROKE", 1000.0)]
    monkeypatch.setattr(sensitivity, "find_constants", lambda: tried)
    result = sensitivity.measure(count=1, limit=12)
    assert result["pictures"] == 2 + len(sensitivity.picture_kinds.KINDS)
    stroke, harmless = result["constants"]
    assert stroke["pictures"] == 12
    assert max(variant["frames_changed"] for variant in stroke["variants"]) > 3
    assert harmless["variants"][1]["value"] == 1400
    assert stroke["right"] >= 9
    assert sensitivity.table(result).count("\n| `frame.") == 2


def test_the_report_is_of_these_constants() -> None:
    result = json.loads(sensitivity.RESULT.read_text())
    found = {row["name"]: (row["module"], row["value"]) for row in result["constants"]}
    assert found == {name: (one.module, one.value) for name, one in CONSTANTS.items()}
    assert sensitivity.RESULT.with_suffix(".md").read_text() == sensitivity.table(result)
