"""The check of language finds what it should, at its place, and leaves code alone."""

from pathlib import Path

import prose
import pytest


def passage(text: str, name: str = "a.md") -> list[str]:
    reader = prose.READERS[Path(name).suffix]
    found = [prose.Passage(Path(name), *each) for each in reader(text)]
    return [*prose.faults(iter(found))]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("What is probably no digit is called so.", "What is probably no digit is called so."),
        ("It works. Whoever leaves frees it.", "Whoever"),
        ("It is large, for it has many parts.", ", for it"),
        ("Of 50 digits, 40 are correct.", "Of 50 digits, 40 are correct."),
        ("A network whose weights are small.", "whose"),
        ("The drawing is refused.", "refused"),
    ],
)
def test_a_phrase_is_found_with_its_line(text: str, phrase: str) -> None:
    assert passage(f"First.\n\n{text}\n")[0].startswith(f"a.md:3: “{phrase}”")


@pytest.mark.parametrize(
    "text",
    [
        "What is a frame? It is a picture.",
        "It is made for it and for you.",
        "```\nwhose\n```\n\nUse `whose`, or [this](whose.md).",
        "Half of 50 digits are correct. There is no digit in the picture.",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert passage(text) == []


def test_comments_docstrings_and_messages_are_read() -> None:
    code = '"""One.\n\nA thing whose name is long.\n"""\nx = 1  # whose it is\nwhose = "whose"\n'
    found = [line.split(":")[1] for line in passage(code, "a.py")]
    assert sorted(found) == ["3", "5"]
    assert passage("// whose line it is\nconst whose = 1;", "a.js")[0].startswith("a.js:1")
    cells = '{"cells": [{"cell_type": "markdown", "source": ["whose"]}]}'
    assert passage(cells, "a.ipynb")[0].startswith("a.ipynb:0")


def test_the_length_of_sentences_is_counted_in_prose_alone() -> None:
    text = "# A long heading\n\nOne two three. Four, 5.5 % five!\n\n| a | b c d e. |\n"
    passages = (prose.Passage(Path("a.md"), *each) for each in prose._markdown(text))
    assert prose.lengths(passages) == {Path("a.md"): [3, 3]}
