"""The command line: its help, its errors, and reading of pictures."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import page
from PIL import Image

from digitlib.__main__ import COMMANDS, PRESET_HELP, main, make_parser
from digitlib.training.config import PRESETS

NAMES = [run.__name__ for _, run, *_ in COMMANDS]


def status(*arguments: str) -> object:
    """The exit status: a number, or the message of an error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in make_parser()._actions if a.dest == "COMMAND" or a.choices)
    return dict(action.choices)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(name, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m digitlib {name} ")
    for action in commands()[name]._actions:
        assert action.help, f"{name}: {action.dest} has no help"
        assert action.nargs == 0 or action.metavar, f"{name}: {action.dest} has no metavar"
        if isinstance(action.default, (int, str)) and action.nargs != 0 and action.option_strings:
            shown = action.default == "{}" or f"(default: {action.default})"
            assert shown is True or shown in " ".join(text.split())


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for _, run, summary, _ in COMMANDS:
        assert f"{run.__name__} {summary}" in text


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from digitlib.__main__ import make_parser; make_parser();"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_presets_are_named_in_help() -> None:
    assert PRESET_HELP.replace(" or ", ", ").split(", ") == [*PRESETS]


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_an_unknown_preset_ends_with_one_sentence(command: str) -> None:
    output = ["net.safetensors"] if command == "train" else []
    message = status(command, "largest", *output)
    assert message == "There is no preset 'largest'; there are baseline, quick, default, wide."


def test_an_unknown_field_ends_with_one_sentence() -> None:
    message = status("train", "quick", "net.safetensors", "--set", '{"epoch": 3}')
    assert isinstance(message, str)
    assert message.startswith("--set does not fit TrainConfig")
    assert "epoch" in message
    assert "\n" not in message


def test_a_program_without_command_shows_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 2
    assert "usage: python -m digitlib" in capsys.readouterr().err


def test_pictures_are_read_and_errors_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, blank, absent = (tmp_path / f"{name}.png" for name in ("three", "blank", "absent"))
    Image.fromarray(page(3)).save(picture)
    Image.new("L", (100, 100), 255).save(blank)
    assert status("read", str(picture)) == 0
    assert capsys.readouterr().out.startswith(f"{picture}: Prediction(3: ")
    assert status("read", str(blank), str(picture), str(absent)) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{picture}: Prediction(3: ")
    assert [line.split(": ")[0] for line in said.err.splitlines()] == [str(blank), str(absent)]


def test_missing_weights_end_with_one_sentence(tmp_path: Path) -> None:
    message = status("read", "x.png", "--weights", str(tmp_path / "none.safetensors"))
    assert isinstance(message, str)
    assert message.endswith("none.safetensors: there is no such weights file.")


def test_a_network_is_exported(tmp_path: Path) -> None:
    assert status("export", str(tmp_path / "net.onnx")) == 0
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert [output.name for output in model.graph.output] == ["probabilities", "score"]


def test_a_stopped_command_says_how_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digitlib.models.recognizer.Recognizer.load", stop)
    message = status("read", "x.png")
    assert isinstance(message, str)
    assert "the same command continues" in message
