"""The constants of preprocessing: all found, each replaced and restored, the report current."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import bundled, page

from digitlib.evaluation import sensitivity
from digitlib.evaluation.sensitivity import Constant, find_constants, replaced
from digitlib.preprocessing import frame, paper, photo, read, ruling

MODULES = ("read", "paper", "photo", "ruling", "components", "frame")
CONSTANTS = {constant.name: constant for constant in find_constants()}


def source(module: str) -> ast.Module:
    return ast.parse(Path(frame.__file__).with_name(f"{module}.py").read_text())


@pytest.mark.parametrize("module", MODULES)
def test_every_number_that_a_module_defines_is_found(module: str) -> None:
    assigned = {
        name.id
        for statement in source(module).body
        if isinstance(statement, ast.Assign)
        for name in ast.walk(statement)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.id.isupper()
    }
    others = {"LUMINANCE", "NEIGHBOURS_8"}  # not single numbers
    found = {one.name for one in CONSTANTS.values() if one.module == module}
    assert found == assigned - sensitivity.FIXED - others


def test_fixed_numbers_exist() -> None:
    names = {name for module in sensitivity.MODULES for name in vars(module)}
    assert names >= sensitivity.FIXED


@pytest.mark.parametrize("module", MODULES)
def test_no_number_in_the_ink_code_is_without_a_name(module: str) -> None:
    functions = [n for n in source(module).body if isinstance(n, ast.FunctionDef)]
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
    ("name", "value", "expected"),
    [
        ("ANY", 10, [7, 14]),
        ("ANY", 1, [0, 2]),
        ("ANY", 5, [3, 7]),
        ("ANY", 1.3, [0.91, 1.82]),
        ("SHARE", 0.1, [0.07, 0.14]),
        ("SHARE", 0.9, [0.63, 0.95]),
        ("INK_BLUR", 0.8, [0.56, 1.12]),  # px, no share
    ],
)
def test_variants_are_smaller_and_larger(name: str, value: float, expected: list[float]) -> None:
    found = Constant("frame", name, value).variants()
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


@pytest.mark.parametrize("name", ["MIN_STROKE", "MIN_INK", "CHANNEL_GAIN"])
def test_frames_are_those_of_both_variants(name: str) -> None:
    images = [page(3, brush=3), np.zeros((9, 9), np.uint8)]  # the second one is blank
    inks = [paper.find_ink(read.read_grey(images[0])), np.zeros((9, 9), np.float32)]
    found = sensitivity._varied_frames(CONSTANTS[name], images, inks)
    assert not found[:, 1].any()
    for value, frames in zip(CONSTANTS[name].variants(), found, strict=True):
        with replaced(name, value):
            np.testing.assert_array_equal(frames[0], frame.to_frame(images[0]))


def test_a_blank_frame_is_not_read_right() -> None:
    blank = np.zeros((10, 28, 28), np.uint8)
    assert not sensitivity._is_right(bundled(), blank, np.arange(10)).any()


@pytest.mark.needs_pendigits
def test_frames_changed_and_pictures_read_right_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = [CONSTANTS["MIN_STROKE"], Constant("frame", "MAX_STROKE", 1000.0)]
    monkeypatch.setattr(sensitivity, "find_constants", lambda: tried)
    result = sensitivity.measure(per_kind=1, workers=1)
    assert result["pictures"] == 2 + len(sensitivity.picture_kinds.KINDS)
    assert result["pictures"] - 3 <= result["right"] <= result["pictures"]
    stroke, harmless = result["constants"]
    assert all(3 < one["frames_changed"] < result["pictures"] for one in stroke["variants"])
    assert [one["value"] for one in harmless["variants"]] == [700, 1400]
    assert sensitivity.table(result).count("\n| `frame.") == 2


def test_the_report_is_of_these_constants() -> None:
    result = json.loads(sensitivity.RESULT.read_text())
    found = {row["name"]: (row["module"], row["value"]) for row in result["constants"]}
    assert found == {name: (one.module, one.value) for name, one in CONSTANTS.items()}
    assert sensitivity.RESULT.with_suffix(".md").read_text() == sensitivity.table(result)
