"""UNIPEN's files: named components become drawings; the collection itself, whole and in splits."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pooch
import pytest

from digitlib.datasets import catalog, unipen
from digitlib.datasets.base import NO_DIGIT, SPLITS
from digitlib.datasets.pen import PenDrawing
from digitlib.errors import DataDamagedError, DataMissingError
from digitlib.files import REPOSITORY

# Components 0 to 3: one stroke, the pen in the air, two strokes.
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


def read(root: Path | None, name: str = "unipen", split: str = "validation") -> list[PenDrawing]:
    return unipen.read_unipen(name, split, root)


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


def test_included_files_follow_each_other(tmp_path: Path) -> None:
    other = ".WRITER_ID bert\n.PEN_DOWN\n 5 5\n 6 6\n"
    order = ("{donor}/b.dat", "{donor}/lexicon.lex", "{donor}/a.dat")  # the lexicon is missing
    first, second = read(write(tmp_path, '0 ? "1"', '1 ? "2"', include=order, b=other))
    assert first_x(first) == [[5, 6]]
    assert first_x(second) == STROKES[:1]


def test_ink_is_in_millimeters_along_x_and_y(tmp_path: Path) -> None:
    units = ".X_POINTS_PER_INCH 254\n.Y_POINTS_PER_MM 5\n"
    (drawing,) = read(write(tmp_path, '0 ? "5"', ink=units + INK))
    np.testing.assert_allclose(drawing.strokes[0], [[0, 0], [0.1, -2], [0.2, -4]])


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


def test_labels_are_single_characters_some_escaped(tmp_path: Path) -> None:
    segments = [rf'0 ? "{label}"' for label in (r"\"", r"\\", "+", "\\", "é", "²")]
    drawings = read(write(tmp_path, *segments, part="1d"), "signs")
    assert [drawing.character for drawing in drawings] == ['"', "+", "é", "²"]  # "\\" is like a 1
    assert {drawing.label for drawing in drawings} == {NO_DIGIT}


def test_characters_that_a_person_takes_for_digits_are_left_out(tmp_path: Path) -> None:
    letters = "AOlMzq"
    write(tmp_path, *(f'0 ? "{each}"' for each in letters), part="1b")
    assert [drawing.character for drawing in read(tmp_path, "letters")] == ["A", "M"]
    data = catalog.load("letters", "validation", tmp_path)
    assert data.characters.tolist() == [ord("A"), ord("M")]
    assert data.labels.tolist() == [NO_DIGIT] * 2


# --- what is missing or damaged --------------------------------------------------------------


@pytest.mark.parametrize("name", ["unipen", "letters", "signs"])
def test_a_missing_collection_says_where_it_is_from(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError) as caught:
        catalog.load(name, "test", tmp_path, download=False)
    for part in (unipen.DOI, str(tmp_path / "unipen"), "data/README.md", "DIGITLIB_DATA"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "segment",
    [
        '4 ? "5"',  # there are 0 to 3
        'x ? "5"',
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
        (".COORD", ".X_POINTS_PER_MM 0\n.COORD"),
    ],
)
def test_damaged_ink_is_named(old: str, new: str, tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"', ink=INK.replace(old, new, 1))
    with pytest.raises(DataDamagedError, match=r"unipen/include/tos/a\.dat is damaged"):
        read(tmp_path)


# --- the collection --------------------------------------------------------------------------


@pytest.mark.needs_unipen
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("unipen", (5164, 543, 1392)),
        pytest.param("letters", (30557, 1769, 4683), marks=pytest.mark.stress),
        pytest.param("signs", (4711, 1253, 822), marks=pytest.mark.stress),
    ],
)
def test_the_collection_is_complete(name: str, sizes: tuple[int, ...]) -> None:
    found = {split: read(None, name, split) for split in SPLITS}
    assert tuple(map(len, found.values())) == sizes
    writers = [{drawing.writer for drawing in drawings} for drawings in found.values()]
    assert len(set.union(*writers)) == sum(map(len, writers))
    for split, numbers in zip(SPLITS, writers, strict=True):
        donors = {unipen.EVERY_DONOR[number // unipen.WRITERS_PER_DONOR] for number in numbers}
        assert donors <= {*unipen.DONORS[split]}
    if name == "unipen":
        assert sum(map(len, writers)) == 174
        assert {each.character for each in found["test"]} == {*"0123456789"}
        assert all(int(each.character) == each.label for each in found["test"])
    else:
        assert {each.label for each in found["test"]} == {NO_DIGIT}


def test_people_who_may_have_given_twice_are_in_one_split() -> None:
    donors = [set(unipen.DONORS[split]) for split in SPLITS]
    assert sum(map(len, donors)) == len(set.union(*donors))
    for group in ({"apa", "apb", "app"}, {"cea", "ceb", "ced"}):
        assert sum(bool(group & each) for each in donors) == 1


def test_the_page_on_data_has_source_places_and_splits() -> None:
    page = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    for text in (unipen.DOI, "CC BY 4.0", "`unipen/data/`", "`unipen/include/`"):
        assert text in page
    for split, digits in zip(SPLITS, ("5,164", "543", "1,392"), strict=True):
        assert f"| `{split}` | {', '.join(unipen.DONORS[split])} | {digits} |" in page


def test_ink_that_includes_itself_is_damage(tmp_path: Path) -> None:
    write(tmp_path, '0 ? "1"', ink=".INCLUDE tos/a.dat\n" + INK)
    with pytest.raises(DataDamagedError, match="unipen is damaged"):
        read(tmp_path)


# --- downloading -----------------------------------------------------------------------------

WANTED = ("data/1a/tos/tos01/a.dat", "include/tos/data/a.dat")
OTHERS = ("README.md", "data/1a/aga/a.dat", "data/6/tos/a.dat", "include/aga/a.dat")


def archive(folder: Path, names: Sequence[str]) -> Path:
    """An archive with these files below its top folder, and members that go elsewhere."""
    top = folder / "train_r01_v07-revision"
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    top.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as packing:
        packing.add(top, top.name)
        for name in ("train/data/1a/tos/../../../../../up", "/data/1a/tos/tos01/root"):
            packing.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo(f"{top.name}/include/tos/data/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packing.addfile(link)
    return folder / "archive.tar.gz"


def serve(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pooch find the archive where it would download it."""

    def retrieve(url: str, known_hash: None, path: Path) -> str:
        return shutil.copy(source, path)

    source = path
    monkeypatch.setattr(pooch, "retrieve", retrieve)


@pytest.mark.parametrize("has_filters", [True, False])
def test_only_the_donors_files_are_unpacked(
    has_filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By tarfile's filters, and on Python 3.11.2, which has none."""
    if not has_filters:
        trusting = getattr(tarfile, "fully_trusted_filter", None)
        monkeypatch.setattr(tarfile, "data_filter", trusting, raising=False)
    serve(archive(tmp_path / "there", (*WANTED, *OTHERS)), monkeypatch)
    found = unipen.find("unipen", "validation", tmp_path / "here", True)
    folder = tmp_path / "here" / "unipen"
    assert found == [folder / name for name in WANTED]
    assert sorted(path for path in folder.rglob("*") if not path.is_dir()) == sorted(found)
    assert {path.name for path in folder.parent.iterdir()} - {".unipen.lock"} == {"unipen"}
    assert not (tmp_path / "up").exists()
    assert not Path("/data/1a/tos/tos01/root").exists()


@pytest.mark.parametrize("case", ["other donors", "empty", "cut"])
def test_an_incomplete_archive_leaves_no_folder(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "there", {"other donors": OTHERS, "empty": ()}.get(case, WANTED))
    if case == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    serve(path, monkeypatch)
    with pytest.raises(DataMissingError, match=unipen.DOI):
        unipen.find("unipen", "validation", tmp_path / "here", True)
    assert {path.name for path in (tmp_path / "here").iterdir()} <= {".unipen.lock"}
