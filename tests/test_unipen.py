"""UNIPEN's files: named components become drawings; the collection itself, whole and in splits."""

from __future__ import annotations

import tarfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from digitlib.datasets import catalog, unipen
from digitlib.datasets.base import NO_DIGIT, SPLITS
from digitlib.datasets.pen import PenDrawing
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import REPOSITORY

# Components 0 to 3: one stroke, the way of the pen in the air, two strokes.
INK = """\
.VERSION 1.0
.COORD X Y
.WRITER_ID anna
.PEN_DOWN
 0 0
 1 10
 2 20
.PEN_UP
 50 50
.PEN_DOWN
 30 1
 31 2
 32 3
 33 4
.PEN_DOWN
 60 7
 61 8
 62 9
"""


pytestmark = pytest.mark.filterwarnings("ignore:.*no digest of it is known")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITLIB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def digests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files made by a test are of no known content; those of the collection are."""
    if not request.node.get_closest_marker("needs_unipen"):
        monkeypatch.setattr(unipen, "DIGESTS", {})


def write(
    root: Path,
    *segments: str,
    ink: str = INK,
    donor: str = "tos",
    part: str = "1a",
    include: tuple[str, ...] = ("{donor}/a.dat",),
    **further: str,
) -> Path:
    """One file of characters and its ink; ``further`` are other files of ink, by name."""
    named = root / "unipen" / "data" / part / donor / "page"
    inks = root / "unipen" / "include" / donor
    named.parent.mkdir(parents=True, exist_ok=True)
    inks.mkdir(parents=True, exist_ok=True)
    for name, text in {"a": ink, **further}.items():
        (inks / f"{name}.dat").write_text(text, encoding="latin-1")
    lines = [f".INCLUDE {name.format(donor=donor)}" for name in include]
    lines += [f".SEGMENT CHARACTER {segment}" for segment in segments]
    named.write_text("\n".join([".VERSION 1.0", *lines, ""]), encoding="latin-1")
    return root


def read(root: Path, name: str = "unipen", split: str = "validation") -> list[PenDrawing]:
    return catalog.read_unipen(name, split, root)


def first_x(drawing: PenDrawing) -> list[list[float]]:
    """The x of each stroke's points."""
    return [stroke[:, 0].tolist() for stroke in drawing.strokes]


STROKES = [[0, 1, 2], [30, 31, 32, 33], [60, 61, 62]]


# --- components ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ("0", STROKES[:1]),
        ("2", STROKES[1:2]),  # the part with the pen up is counted
        ("0-3", STROKES),  # and is no ink
        ("2-3", STROKES[1:]),
        ("0,3", [STROKES[0], STROKES[2]]),
        ("3,0", [STROKES[2], STROKES[0]]),  # in the order of the list
        ("0,2-3", STROKES),
        ("2:2-2:3", [[32, 33]]),
        ("2:1-3:0", [[31, 32, 33], [60]]),
        ("0:1-3", [[1, 2], *STROKES[1:]]),
        ("0-3:1", [*STROKES[:2], [60, 61]]),
    ],
)
def test_components_are_selected(
    components: str, expected: list[list[float]], tmp_path: Path
) -> None:
    (drawing,) = read(write(tmp_path, f'{components} ? "5"'))
    assert first_x(drawing) == expected


def test_a_segment_is_a_labelled_drawing_with_y_down(tmp_path: Path) -> None:
    first, second = read(write(tmp_path, '0 ? "5"', '2-3 OK "7"'))
    assert (first.label, first.character, len(first.strokes)) == (5, "5", 1)
    assert (second.label, second.character, len(second.strokes)) == (7, "7", 2)
    np.testing.assert_array_equal(first.strokes[0], [[0, 0], [1, -10], [2, -20]])


def test_empty_components_are_not_counted(tmp_path: Path) -> None:
    ink = INK.replace(".PEN_UP\n 50 50\n", ".PEN_UP\n.PEN_DOWN\n.PEN_UP\n")
    (drawing,) = read(write(tmp_path, '1 ? "5"', ink=ink))
    assert first_x(drawing) == [STROKES[1]]


def test_times_and_comments_do_not_end_a_component_and_other_words_do(tmp_path: Path) -> None:
    for line, count in ((".DT 100", 1), (".COMMENT slow", 1), (".SEGMENT PAGE 0", 0)):
        ink = INK.replace(" 1 10\n", f" 1 10\n{line}\n")
        (drawing,) = read(write(tmp_path, '0 ? "5"', ink=ink))
        assert (first_x(drawing) == STROKES[:1]) == bool(count), line


def test_included_files_follow_each_other(tmp_path: Path) -> None:
    other = ".WRITER_ID bert\n.PEN_DOWN\n 5 5\n 6 6\n"
    order = ("{donor}/b.dat", "{donor}/lexicon.lex", "{donor}/a.dat")  # the lexicon is missing
    first, second = read(write(tmp_path, '0 ? "1"', '1 ? "2"', include=order, b=other))
    assert first_x(first) == [[5, 6]]
    assert first_x(second) == STROKES[:1]
    first, second = read(write(tmp_path, '0 ? "1"', '4 ? "2"', include=order[::-1], b=other))
    assert first_x(first) == STROKES[:1]
    assert first_x(second) == [[5, 6]]


def test_ink_includes_more_ink_where_it_says_so(tmp_path: Path) -> None:
    other = ".PEN_DOWN\n 5 5\n 6 6\n"
    ink = INK.replace(".PEN_UP", ".INCLUDE tos/b.dat\n.PEN_UP")
    first, second, third = read(write(tmp_path, '0 ? "1"', '1 ? "2"', '3 ? "3"', ink=ink, b=other))
    assert first_x(first) == STROKES[:1]
    assert first_x(second) == [[5, 6]]
    assert first_x(third) == STROKES[1:2]


def test_ink_is_in_millimetres_along_x_and_y(tmp_path: Path) -> None:
    units = ".X_POINTS_PER_INCH 254\n.Y_POINTS_PER_MM 5\n"
    (drawing,) = read(write(tmp_path, '0 ? "5"', ink=units + INK))
    np.testing.assert_allclose(drawing.strokes[0], [[0, 0], [0.1, -2], [0.2, -4]])
    units = ".X_POINTS_PER_MM 2\n.Y_POINTS_PER_INCH 25.4\n"
    (drawing,) = read(write(tmp_path, '0 ? "5"', ink=units + INK))
    np.testing.assert_allclose(drawing.strokes[0], [[0, 0], [0.5, -10], [1, -20]])


# --- writers, labels, splits ----------------------------------------------------------------


def test_writers_are_numbered_within_their_donor(tmp_path: Path) -> None:
    two = INK.replace(".PEN_DOWN\n 60", ".WRITER_ID bert\n.PEN_DOWN\n 60")
    write(tmp_path, '0 ? "1"', '2 ? "2"', '3 ? "3"', ink=two, donor="apb")
    write(tmp_path, '0 ? "4"', donor="gmd")
    drawings = read(tmp_path, split="train")
    place = unipen.EVERY_DONOR.index
    assert [drawing.label for drawing in drawings] == [1, 2, 3, 4]
    assert [drawing.writer for drawing in drawings] == [
        1000 * place("apb"), 1000 * place("apb"), 1000 * place("apb") + 1, 1000 * place("gmd"),
    ]  # fmt: skip
    data = catalog.load("unipen", "train", tmp_path)
    assert data.writers is not None
    assert data.writers.tolist() == [drawing.writer for drawing in drawings]


def test_labels_are_single_characters_some_escaped(tmp_path: Path) -> None:
    segments = [rf'0 ? "{label}"' for label in (r"\"", r"\\", "+", "\\", "é", "²")]
    files = unipen.find_unipen(
        [unipen.SIGNS], "validation", write(tmp_path, *segments, part=unipen.SIGNS)
    )
    drawings = unipen.read_unipen("signs", files)
    assert [drawing.character for drawing in drawings] == ['"', "\\", "+", "\\", "é", "²"]
    assert {drawing.label for drawing in drawings} == {NO_DIGIT}


def test_characters_that_a_person_takes_for_digits_are_left_out(tmp_path: Path) -> None:
    letters = "AOlMzq"
    write(tmp_path, *(f'0 ? "{each}"' for each in letters), part=unipen.CAPITALS)
    assert [drawing.character for drawing in read(tmp_path, "letters")] == ["A", "M"]
    data = catalog.load("letters", "validation", tmp_path)
    assert data.characters is not None
    assert data.characters.tolist() == [ord("A"), ord("M")]
    assert data.labels.tolist() == [NO_DIGIT] * 2
    assert not set(unipen.LOOKALIKES) & set("0123456789")


def test_letters_are_capitals_then_small_ones_and_other_parts_stay_out(tmp_path: Path) -> None:
    for part, label in (("1a", "3"), ("1b", "R"), ("1c", "r"), ("1d", "+")):
        write(tmp_path, f'0 ? "{label}"', part=part)
    found = {name: read(tmp_path, name) for name in ("unipen", "letters", "signs")}
    assert {name: [each.character for each in drawings] for name, drawings in found.items()} == {
        "unipen": ["3"],
        "letters": ["R", "r"],
        "signs": ["+"],
    }


def test_a_set_is_in_the_order_of_its_strokes(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "5"', '2-3 ? "7"', '3 ? "1"')
    data, drawings = catalog.load("unipen", "validation", tmp_path), read(tmp_path)
    assert data.labels.tolist() == [drawing.label for drawing in drawings] == [5, 7, 1]
    assert data.stroke_numbers is not None
    assert data.stroke_numbers.amax(dim=1).tolist() == [0, 1, 0]
    with pytest.raises(DataMissingError):
        catalog.load("unipen", "test", tmp_path)  # other donors


def test_other_folders_named_as_those_of_the_archive_do_not_confuse(tmp_path: Path) -> None:
    root = tmp_path / "unipen" / "include" / "data"
    (drawing,) = read(write(root, '0 ? "5"'))
    assert first_x(drawing) == STROKES[:1]


# --- what is missing or damaged --------------------------------------------------------------


@pytest.mark.parametrize("name", ["unipen", "letters", "signs"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_missing_collection_says_where_it_is_from(name: str, split: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError) as caught:
        catalog.load(name, split, tmp_path, download=False)
    for part in (unipen.DOI, str(tmp_path / "unipen"), "data/README.md", "DIGITLIB_DATA"):
        assert part in str(caught.value)


def test_missing_ink_of_a_donor_is_missing_data(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "5"')
    (tmp_path / "unipen" / "include" / "tos" / "a.dat").unlink()
    with pytest.raises(DataMissingError, match=unipen.DOI):
        read(tmp_path)


@pytest.mark.parametrize(
    "segment",
    [
        '4 ? "5"',  # there are 0 to 3
        '2-9 ? "5"',
        'x ? "5"',
        '-1 ? "5"',
        '3-2 ? "5"',  # nothing
        '1 ? "5"',  # the pen is up
        '0:7-0:9 ? "5"',
        '0 ? "15"',
    ],
)
def test_a_segment_that_names_no_ink_or_character_is_damage(segment: str, tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"', segment)
    with pytest.raises(DataDamagedError, match=r"unipen/data/1a/tos/page: "):
        read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" 1 10", " 1 1o"),
        (" 1 10", " 1"),
        (".COORD", ".X_POINTS_PER_MM\n.COORD"),
        (".COORD", ".X_POINTS_PER_MM none\n.COORD"),
        (".COORD", ".X_POINTS_PER_MM 0\n.COORD"),
    ],
)
def test_damaged_ink_is_named(old: str, new: str, tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"', ink=INK.replace(old, new, 1))
    with pytest.raises(DataDamagedError, match=r"unipen/include/tos/a\.dat is damaged"):
        read(tmp_path)


def test_changed_ink_is_read_anew(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"')
    assert first_x(read(tmp_path)[0]) == STROKES[:1]
    write(tmp_path, '0 ? "1"', ink=INK.replace(" 1 10", " 9 10"))
    assert first_x(read(tmp_path)[0]) == [[0, 9, 2]]


# --- the collection --------------------------------------------------------------------------

# Samples of each donor: digits, capitals, small letters, signs.
SAMPLES = {
    "apa": (692, 2236, 7414, 1921),
    "apb": (2033, 3450, 8869, 946),
    "app": (1046, 3010, 10370, 2842),
    "art": (170, 1042, 2301, 202),
    "cea": (7, 57, 1402, 35),
    "ceb": (16, 30, 488, 8),
    "ced": (1369, 2691, 2619, 1077),
    "gmd": (1145, 0, 2921, 832),
    "lav": (0, 0, 1324, 0),
    "mot": (0, 0, 2701, 0),
    "pri": (78, 212, 191, 221),
    "sie": (0, 0, 377, 0),
    "tos": (543, 1432, 1390, 1660),
}
# Backslashes among the signs. The counts above, made by another reader, are without them: their
# label is "\\", which that reader took for two characters.
BACKSLASHES = {"apa": 32, "app": 44, "pri": 9}
DIGIT_WRITERS = {
    "apa": 9, "apb": 38, "app": 14, "art": 3, "cea": 3, "ceb": 2, "ced": 42, "gmd": 3, "pri": 3,
    "tos": 57,
}  # fmt: skip


def donor(drawing: PenDrawing) -> str:
    return unipen.EVERY_DONOR[drawing.writer // unipen.WRITERS_PER_DONOR]


@pytest.mark.parametrize(
    "part", [unipen.DIGITS, unipen.CAPITALS, unipen.SMALL_LETTERS, unipen.SIGNS]
)
@pytest.mark.needs_unipen
def test_the_collection_is_whole(part: str) -> None:
    column = ("1a", "1b", "1c", "1d").index(part)
    samples: Counter[str] = Counter()
    writers: dict[str, set[int]] = defaultdict(set)
    splits: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        for drawing in unipen.read_unipen("part", unipen.find_unipen([part], split)):
            samples[donor(drawing)] += 1
            writers[donor(drawing)].add(drawing.writer)
            splits[donor(drawing)].add(split)
            assert (drawing.label == NO_DIGIT) == (part != unipen.DIGITS)
    expected = Counter({name: counts[column] for name, counts in SAMPLES.items()})
    assert samples == +expected + Counter(BACKSLASHES if part == unipen.SIGNS else {})
    assert samples.total() == {"1a": 7099, "1b": 14160, "1c": 42367, "1d": 9744 + 85}[part]
    assert {name: len(found) for name, found in splits.items()} == dict.fromkeys(samples, 1)
    if part == unipen.DIGITS:
        assert {name: len(found) for name, found in writers.items()} == DIGIT_WRITERS
        assert sum(DIGIT_WRITERS.values()) == 174


@pytest.mark.needs_unipen
def test_splits_share_no_writer_and_no_donor() -> None:
    donors = [set(unipen.DONORS[split]) for split in SPLITS]
    assert sum(map(len, donors)) == len(set.union(*donors)) == len(SAMPLES)
    # The same people may have written for these.
    for alike in ({"apa", "apb", "app"}, {"cea", "ceb", "ced"}):
        assert sum(bool(alike & each) for each in donors) == 1
    found = {split: catalog.load("unipen", split) for split in SPLITS}
    assert {split: len(data) for split, data in found.items()} == {
        "train": 5164, "validation": 543, "test": 1392,
    }  # fmt: skip
    writers = [set(data.writers.tolist()) for data in found.values() if data.writers is not None]
    assert len(set.union(*writers)) == sum(map(len, writers)) == 174


@pytest.mark.needs_unipen
def test_digits_of_the_collection_are_digits() -> None:
    data = catalog.load("unipen", "validation")
    assert data.characters is not None
    assert (data.characters - ord("0")).tolist() == data.labels.tolist()
    assert data.labels.bincount().min() > 20
    assert (data.images.amax(dim=(1, 2)) == 255).all()


# --- data/README.md --------------------------------------------------------------------------


def test_the_page_on_data_has_source_places_and_splits() -> None:
    page = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    for text in (unipen.DOI, "CC BY 4.0", "`unipen/data/`", "`unipen/include/`"):
        assert text in page
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    for split in SPLITS:
        digits = sum(SAMPLES[name][0] for name in unipen.DONORS[split])
        assert [f"`{split}`", ", ".join(unipen.DONORS[split]), f"{digits:,}"] in rows
    totals = [sum(column) for column in zip(*SAMPLES.values(), strict=True)]
    letters, signs = totals[1] + totals[2], totals[3] + sum(BACKSLASHES.values())
    assert f"{totals[0]:,} digits, {letters:,} letters and {signs:,} signs" in page
    assert f"{len(SAMPLES)} donors" in page


# --- what is not as in the archive -------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda ink: ink.replace(" 1 10", " 1 11", 1),
        lambda ink: ink.replace(".PEN_UP", ".PEN_DOWN", 1),
        lambda ink: ink[: ink.index(" 62 9")],
    ],
    ids=["a coordinate", "a part", "a point"],
)
def test_ink_that_still_reads_as_unipen_is_told_by_its_digest(
    damage: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = unipen.find_unipen(["1a"], "validation", write(tmp_path, '0-3 ? "1"'))
    whole = unipen._checked("strokes-unipen-validation", files)
    monkeypatch.setattr(
        unipen, "DIGESTS", {"strokes-unipen-validation": unipen.content_digest(whole)}
    )
    assert len(read(tmp_path)) == 1
    write(tmp_path, '0-3 ? "1"', ink=damage(INK))
    with pytest.raises(DataDamagedError, match="python -m digitlib data unipen") as caught:
        read(tmp_path)
    assert str(tmp_path / "unipen") in str(caught.value)
    write(tmp_path, '0-3 ? "1"')
    assert len(read(tmp_path)) == 1


def test_ink_that_includes_itself_is_damage(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"', ink=".INCLUDE tos/a.dat\n" + INK)
    with pytest.raises(DataDamagedError, match="unipen is damaged"):
        read(tmp_path)


def test_files_of_unknown_content_are_said_once(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"')
    with pytest.warns(UserWarning, match="unipen is believed as it is"):
        read(tmp_path)
    with warnings.catch_warnings(action="error"):
        read(tmp_path)


# --- downloading -----------------------------------------------------------------------------


def packed(folder: Path, names: Sequence[str]) -> str:
    """The address of an archive with these files below its top folder."""
    for name in names:
        path = folder / "train_r01_v07-revision" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        archive.add(folder / "train_r01_v07-revision", "train_r01_v07-revision")
    return (folder / "archive.tar.gz").as_uri()


WANTED = ("data/1a/tos/tos01/a.dat", "include/tos/data/a.dat")
OTHERS = ("README.md", "data/1a/aga/a.dat", "data/6/tos/a.dat", "include/aga/a.dat")


def test_the_donors_files_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unipen, "ARCHIVE_URL", packed(tmp_path / "there", (*WANTED, *OTHERS)))
    found = unipen.find_unipen([unipen.DIGITS], "validation", tmp_path / "here", True)
    folder = tmp_path / "here" / "unipen"
    assert found == [folder / name for name in WANTED]
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(found)
    assert {path.name for path in folder.parent.iterdir()} - {".unipen.lock"} == {"unipen"}


@pytest.mark.parametrize("names", [OTHERS, ()], ids=["other donors", "empty"])
def test_an_archive_without_the_donors_leaves_no_folder(
    names: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there" / "train_r01_v07-revision").mkdir(parents=True)
    monkeypatch.setattr(unipen, "ARCHIVE_URL", packed(tmp_path / "there", names))
    with pytest.raises(DataMissingError, match=unipen.DOI):
        unipen.find_unipen([unipen.DIGITS], "validation", tmp_path / "here", True)
    assert {path.name for path in (tmp_path / "here").iterdir()} <= {".unipen.lock"}


@pytest.mark.parametrize("has_filters", [True, False])
def test_nothing_is_unpacked_elsewhere(
    has_filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By tarfile's filters, and on Python 3.11.2, which has none."""
    if not has_filters:
        trusting = getattr(tarfile, "fully_trusted_filter", None)
        monkeypatch.setattr(tarfile, "data_filter", trusting, raising=False)
    monkeypatch.setattr(unipen, "ARCHIVE_URL", packed(tmp_path / "there", WANTED))
    archive = tmp_path / "there" / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as packing:
        packing.add(tmp_path / "there" / "train_r01_v07-revision", "train_r01_v07-revision")
        for name in ("train/data/1a/tos/../../../../../up", "/data/1a/tos/tos01/root"):
            packing.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("train_r01_v07-revision/include/tos/data/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packing.addfile(link)
    unipen.find_unipen([unipen.DIGITS], "validation", tmp_path / "here", True)
    found = [path for path in (tmp_path / "here").rglob("*") if not path.is_dir()]
    assert {path.name for path in found} == {"a.dat", ".unipen.lock"}
    assert not any(path.is_symlink() for path in found)
    assert not (tmp_path / "up").exists()
    assert not Path("/data/1a/tos/tos01/root").exists()


def test_a_damaged_archive_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unipen, "ARCHIVE_URL", packed(tmp_path / "there", WANTED))
    archive = tmp_path / "there" / "archive.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DataMissingError, match=unipen.DOI):
        unipen.find_unipen([unipen.DIGITS], "validation", tmp_path / "here", True)
    assert {path.name for path in (tmp_path / "here").iterdir()} <= {".unipen.lock"}
