"""Check the project's English: words that DESIGN rules out, and the length of sentences.

``python tests/prose.py`` prints each passage to change and exits with 1 if there is one; ``--list``
prints the mean sentence of each file. It reads Markdown, templates, the text of notebooks, and
docstrings, comments and messages in Python and JavaScript. Spelling is codespell's job.
"""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MOST_WORDS = 20  # mean length of the sentences of a file
FEW = 5  # sentences; the mean of fewer says nothing
OWN = ("prose", "test_prose")  # files that hold the phrases to avoid

START = r"(?:(?<=[.!?] )|(?<=\n\n)|\A)"  # of a sentence
# A pattern and what to write instead.
PHRASES = {
    # Sentences whose subject is a clause
    rf"{START}What (?:is|was|are|the|a|it|they|you|no)\b[^.?]*[.]": "a noun as the subject",
    r"\b[Ww]hoever\b": "you, or a person who",
    rf"{START}Of [^.?]*[.]": "the number first: 3 of 10 …",
    r"[,;] for (?:it|they|he|she|there|this|these|those|nobody|no one)\b": "because",
    # Old-fashioned or literal words
    r"\bwhose\b": "with, or of which",
    r"\bthere(?:of|by|from|with)\b|\bwhere(?:by|of|upon)\b": "of it, by this",
    r"\blikewise\b": "also, or in the same way",
    r"\balike\b": "similar, or both",
    r"\bat last\b": "finally",
    r"\b(?:stands?|stood) (?!out\b)": "is",
    r"\b(?:lies|lying|lay) ": "is, or are",
    r"\btells\b|\btelling\b": "says, or shows",
    r"\beach (?:his|her) own\b|\bhis own\b": "their own",
    r"\bnobody of us\b": "we haven't",
    r"\bbeside\b": "next to",
    r"\bin short\b|\bat length\b": "quick, full",
    r"\bbeyond chance\b": "significantly",
    # Private terms
    r"\bways? of the pen\b": "stroke direction and order",
    r"\byardsticks?\b": "reference",
    r"\bjudg(?:e|es|ed|ing)\b": "acceptance check, or decide",
    r"\blessons?\b": "memory, corrections",
    r"\bseals?\b|\bsealed\b": "checksum",
    r"\bseams?\b": "cut paths",
    r"\babreast\b": "on the same line",
    r"\bread right\b": "correct",
    r"\bread wrong(?:ly)?\b": "misread",
    r"\bsilently wrong\b": "undetected error",
    r"(?<![Tt]here )\b(?:is|are|was|be|as|called) no digits?\b": "not a digit",
    r"\bdrawn wrong\b|\bpassing for\b|\bpass(?:es)? for\b": "be read as",
}  # fmt: skip
# In Markdown alone; in code, an input is refused with an error, and a drawing is rejected.
PROSE_PHRASES = {
    rf"{START}Where [^.?]*[.]": "if, or a noun as the subject",
    r"\brefus(?:e|es|ed|ing|al)\b": "reject",
}
# Words about which a pattern is wrong.
ALLOWED = re.compile(
    r"lesson plan|connection refused|refused connection|browser refuses|underlies|applies|replies"
)


class Passage(NamedTuple):
    """A text, in which file it is, at which line, and whether it is made of whole sentences."""

    path: Path
    line: int
    text: str
    prose: bool


def passages(root: Path = ROOT) -> Iterator[Passage]:
    """All texts of the repository's files, code taken out."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for path in map(Path, filter(None, listed)):
        reader = READERS.get(path.suffix)
        if reader and path.stem not in OWN:
            for line, text, prose in reader((root / path).read_text(encoding="utf-8")):
                yield Passage(path, line, text, prose)


def _markdown(text: str) -> Iterator[tuple[int, str, bool]]:
    """Paragraphs, without code, tags and the addresses of links; table rows are no sentences."""
    text = re.sub(r"^```.*?^```|\{[%#].*?[%#]\}", _blank, text, flags=re.S | re.M)
    line = 1
    for block in re.split(r"(\n\s*\n)", text):
        items = re.split(r"\n(?=\s*(?:[-*]|\d+\.)\s)", block)
        at = line
        for item in items:
            clean = re.sub(r"`[^`]*`|\{\{.*?\}\}|\$\$?[^$]+\$\$?", "X", item)
            clean = re.sub(r"<[^>]+>", " ", clean)
            clean = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", clean)
            clean = re.sub(r"\s+", " ", re.sub(r"^\s*(?:[-*]|\d+\.|#+)\s", "", clean)).strip()
            table = "|" in item
            heading = item.lstrip().startswith("#")
            if clean:
                yield at, clean, not table and not heading
            at += item.count("\n") + 1
        line += block.count("\n")


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "", match[0])


def _notebook(text: str) -> Iterator[tuple[int, str, bool]]:
    """Markdown cells; and comments and strings of code cells. The line is the cell's number."""
    for number, cell in enumerate(json.loads(text)["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from ((number, passage, prose) for _, passage, prose in _markdown(source))
        else:
            source = re.sub(r"^[%!].*$", "", source, flags=re.M)
            yield from ((number, passage, prose) for _, passage, prose in _python(source))


def _python(text: str) -> Iterator[tuple[int, str, bool]]:
    """Docstrings, comments, and strings of several words."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and " " in token.string.strip("# "):
            yield token.start[0], token.string.lstrip("# "), False
    for node in ast.walk(ast.parse(text)):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and text.count(" ") > 1:
            yield node.lineno, re.sub(r"``[^`]*``|:\w+:`[^`]*`", "X", text), False


def _javascript(text: str) -> Iterator[tuple[int, str, bool]]:
    """Comments, and strings of several words."""
    for match in re.finditer(r"//(.*)|/\*(.*?)\*/|\"([^\"\n]+)\"|`([^`]+)`", text, re.S):
        found = next(filter(None, match.groups()), "")
        if found.count(" ") > 1:
            yield text[: match.start()].count("\n") + 1, found, False


MARKDOWN = (".md", ".j2", ".ipynb")
READERS = {
    ".md": _markdown, ".j2": _markdown, ".ipynb": _notebook,
    ".py": _python, ".js": _javascript, ".css": _javascript,
}  # fmt: skip


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; a colon before a list doesn't end one."""
    return [each for each in re.split(r"(?<=[.!?])[\"”)*]*\s+(?=[A-Z\"“(*])", text) if each]


def count_words(sentence: str) -> int:
    """Words; numbers and formulas count as one each."""
    return len(re.findall(r"[\w'’%.,–-]*\w[\w'’%.,–-]*", sentence))


def lengths(found: Iterator[Passage]) -> dict[Path, list[int]]:
    """The words of each sentence, by file."""
    result = defaultdict[Path, list[int]](list)
    for passage in found:
        if passage.prose and passage.text.rstrip("*_ ").endswith((".", "!", "?", ":")):
            result[passage.path] += map(count_words, sentences(passage.text))
    return result


def faults(found: Iterator[Passage]) -> Iterator[str]:
    """One line for each phrase to change."""
    for passage in found:
        text = ALLOWED.sub(_blank, re.sub(r"[ \t]+", " ", passage.text))
        wanted = PHRASES | (PROSE_PHRASES if passage.path.suffix in MARKDOWN else {})
        for pattern, instead in wanted.items():
            for match in re.finditer(pattern, text):
                at = passage.line + text[: match.start()].count("\n")
                phrase = " ".join(match[0].split())[:60]
                yield f"{passage.path}:{at}: “{phrase}”: {instead}"


def main() -> int:
    """Print what is to be changed; the result is the exit status."""
    found = list(passages())
    lines = [*faults(iter(found))]
    for path, words in sorted(lengths(iter(found)).items()):
        mean = sum(words) / len(words)
        if len(words) >= FEW and mean > MOST_WORDS:
            lines.append(f"{path}: {mean:.1f} words per sentence, more than {MOST_WORDS}")
        if "--list" in sys.argv:
            print(f"{path}: {len(words)} sentences, {mean:.1f} words, longest {max(words)}")
    print(*lines, sep="\n" if lines else "")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
