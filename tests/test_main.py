"""The command line: its help, its errors, and the prediction of pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from helpers import page
from PIL import Image

from digitlib.__main__ import PRESET, main
from digitlib.training.config import PRESETS


def status(*arguments: str) -> object:
    """The exit status: a number, or the message of an error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_the_commands_are_listed_with_their_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"read", "train", "weights", "reports", "readme", "export"} <= set(main.commands)
    assert status("--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, command in main.commands.items():
        assert f"{name} {command.get_short_help_str(60).rstrip('.')}" in text


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(name, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in main.commands[name].params:
        if isinstance(option, click.Option):
            assert option.help, f"{name}: {option.name} has no help"
            assert option.opts[-1] in text
            if isinstance(option.default, (int, str)) and not option.is_flag:
                assert f"[default: {option.default}" in text


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import atexit, sys; from digitlib.__main__ import PRESET, main\n"
        "heavy = {'torch', 'numpy', 'pandas'}\n"
        "atexit.register(lambda: print(*heavy & set(sys.modules), 'loaded'))\n"
        "main(['--help'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0
    assert "readme" in run.stdout
    assert run.stdout.splitlines()[-1] == "loaded"


def test_the_presets_are_those_of_training() -> None:
    assert [*PRESET.choices] == [*PRESETS]


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_an_unknown_preset_ends_with_the_list_of_presets(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["net.safetensors"] if command == "train" else []
    assert status(command, "largest", *output) == 2
    message = capsys.readouterr().err
    assert "'largest' is not one of 'baseline', 'quick', 'default', 'digitnet'." in message


def test_an_unknown_field_ends_with_one_sentence() -> None:
    message = status("train", "quick", "net.safetensors", "--set", '{"epoch": 3}')
    assert isinstance(message, str)
    assert message.startswith("--set does not fit TrainConfig")
    assert "epoch" in message
    assert "\n" not in message


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("0,3,5", [0, 3, 5])])
def test_seeds_are_a_range_or_a_list(
    text: str, seeds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(_configs: object, found: list[int], *_: object, **__: object) -> None:
        raise ValueError(found)

    monkeypatch.setattr("digitlib.training.sweep.sweep", sweep)
    assert status("sweep", "--seeds", text) == str(seeds)
    assert status("sweep", "--seeds", "some") == 2


def test_pictures_are_read_and_errors_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, blank, absent = (tmp_path / f"{name}.png" for name in ("three", "blank", "absent"))
    Image.fromarray(page(3)).save(picture)
    Image.new("L", (100, 100), 255).save(blank)
    assert status("read", str(blank), str(picture), str(absent)) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{picture}: Prediction(3: ")
    assert [line.split(": ")[0] for line in printed.err.splitlines()] == [str(blank), str(absent)]


def test_a_stopped_command_says_how_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digitlib.models.recognizer.Recognizer.load", stop)
    assert "run the command again to continue" in str(status("read", "x.png"))
