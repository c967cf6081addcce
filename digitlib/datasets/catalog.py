"""Named data sets as whole tensors: MNIST, scikit-learn's digits, pen strokes, non-digits, yours.

Every set is found under one root: the argument, else ``$DIGITLIB_DATA``, else ``data/`` in the
repository. Missing files are downloaded there; where that fails, one error names the file and the
folder. Networks are selected on the ``validation`` split; ``test`` is for reporting.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import non_digits, synthetic, unipen
from digitlib.datasets.base import (
    NO_DIGIT,
    SPLITS,
    DigitData,
    missing_error,
)
from digitlib.datasets.cache import cached
from digitlib.datasets.downloads import check_file
from digitlib.datasets.drawings import build_drawings, build_no_digit_drawings, find_drawings
from digitlib.datasets.mnist import SPLIT_SEED, build_mnist, fetch_mnist, find_mnist
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.datasets.pendigits import fetch_pendigits, find_pendigits, read_pen_file
from digitlib.files import data_root
from digitlib.preprocessing.frame import FRAME_SIZE, ink_to_frame


def load(
    name: str,
    split: str = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
) -> DigitData:
    """Load one split of a data set, from the cache where it was built before.

    Args:
        name: a key of ``SOURCES``.
        split: ``train``, ``validation`` or ``test``.
        root: data folder; see :func:`data_root`.
        download: fetch missing files.

    Raises:
        ValueError: unknown name or split.
        DataMissingError: not there and not downloadable.
        DataDamagedError: a file is truncated or altered; the message names it.
    """
    if name not in SOURCES:
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(SOURCES)}.")
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
    source = SOURCES[name]
    files = source.find(split, data_root(root), download)
    if not source.cached:
        return source.build(split, files)
    tensors = cached(f"{name}-{split}", files, lambda: source.build(split, files).tensors())
    return DigitData(name, split, **tensors)


def fetch(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Download the files of a data set, in place of those that are there; the data folder.

    Raises:
        ValueError: it is none of ``DOWNLOADS``.
        DataMissingError: not downloadable.
    """
    if name not in DOWNLOADS:
        raise ValueError(f"{name!r} is not downloaded; {', '.join(DOWNLOADS)} are.")
    DOWNLOADS[name](data_root(root))
    return data_root(root)


def _no_files(split: str, root: Path, download: bool) -> list[Path]:
    return []


@dataclass(frozen=True)
class Source:
    """A data set's origin: its files and the way to build a split of them."""

    build: Callable[[str, list[Path]], DigitData]  # from split and files
    find: Callable[[str, Path, bool], list[Path]] = _no_files  # from split, root and download
    cached: bool = True  # False where reading the files is as fast


# --- scikit-learn's 8x8 digits -------------------------------------------------------------


def sample_pictures() -> tuple[list[Image.Image], NDArray[np.int64]]:
    """The 1,797 digits inside scikit-learn as pictures, and their labels ``[1797]``.

    They are the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and
    Kaynak, CC BY 4.0): forms filled in by 13 writers, scanned and reduced to 8x8. Here they are
    enlarged smoothly to 96x96 px, dark ink on light paper.
    """
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)  # [1797, 64], 0-16
    small = [
        Image.fromarray(255 - np.pad(np.rint(image * 255 / 16), 2).astype(np.uint8))
        for image in images.reshape(-1, 8, 8)
    ]
    pictures = [page.resize((96, 96), Image.Resampling.BICUBIC) for page in small]
    return pictures, targets.astype(np.int64)


def _build_sample(split: str, files: list[Path]) -> DigitData:
    pictures, targets = sample_pictures()
    inks = [(255 - np.asarray(picture, np.float32)) / 255 for picture in pictures]
    frames = torch.from_numpy(np.stack([ink_to_frame(ink) for ink in inks]))
    whole = DigitData("sample", split, frames, torch.from_numpy(targets))
    order = np.random.RandomState(SPLIT_SEED).permutation(len(targets))
    bounds = {"validation": slice(0, 200), "test": slice(200, 500), "train": slice(500, None)}
    return whole.select(torch.from_numpy(np.sort(order[bounds[split]])))


# --- pen strokes, real and synthetic -------------------------------------------------------


def _build_pendigits(split: str, files: list[Path]) -> DigitData:
    return pen_data("pendigits", split, read_pen_file(split, files))


def _find_unipen(*parts: str) -> Callable[[str, Path, bool], list[Path]]:
    """The search for the files of these parts of UNIPEN."""
    return lambda split, root, download: unipen.find_unipen(parts, split, root, download)


def read_unipen(
    name: str, split: str, root: str | os.PathLike[str] | None = None
) -> list[PenDrawing]:
    """The strokes of ``unipen``, ``letters`` or ``signs``, in the order of :func:`load`.

    Raises:
        DataMissingError, DataDamagedError: see :func:`load`.
    """
    return _select_unipen(name, split, SOURCES[name].find(split, data_root(root), False))


def _select_unipen(name: str, split: str, files: list[Path]) -> list[PenDrawing]:
    drawings = unipen.read_unipen(f"strokes-{name}-{split}", files)
    return [each for each in drawings if each.character not in unipen.LOOKALIKES]


def _build_unipen(name: str) -> Callable[[str, list[Path]], DigitData]:
    return lambda split, files: pen_data(name, split, _select_unipen(name, split, files))


def _build_styles(split: str, files: list[Path]) -> DigitData:
    """Digit styles that the other sets lack: synthetic strokes, and real ones modified."""
    seed = SPLITS.index(split)
    real = synthetic.modify_digits(read_pen_file(split, files), seed)
    return pen_data("styles", split, synthetic.draw_digits(100, seed) + real)


def _find_no_digits(split: str, root: Path, download: bool) -> list[Path]:
    return find_pendigits(split, root, download) if split == "train" else []


def _build_no_digits(split: str, files: list[Path]) -> DigitData:
    """Drawings of no digit: letters, shapes, scribbles and pairs of digits in ``train``.

    The later splits have symbols and scribbles; no symbol is in ``train``.
    """
    seed = SPLITS.index(split)
    outlines = non_digits.SYMBOLS
    if split == "train":
        outlines = non_digits.LETTERS | non_digits.SHAPES
    pairs = read_pen_file(split, files) if files else ()
    return pen_data("no_digits", split, non_digits.draw_non_digits(outlines, 30, seed, pairs))


# --- typeset characters --------------------------------------------------------------------

# Characters that resemble no digit in any of the fonts.
TYPESET = "ABCDEFGHJKLMNPRTUVWXYacdefhkmnprtuvwx#%&@?=+*<>ΓΔΛΞΠΣΨΩελμπψωЖЮЯДЙ"
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono",
         "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
         "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic")  # fmt: skip


def _find_fonts(split: str, root: Path, download: bool) -> list[Path]:
    """The fonts that come with matplotlib (DejaVu, STIX)."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [folder / f"{name}.ttf" for name in FONTS]


def _build_typeset(split: str, files: list[Path]) -> DigitData:
    """Letters and signs, typeset."""
    from PIL import ImageDraw, ImageFont

    # A tenth of the characters, other ones in each font, is held out for each later split.
    residues = {"validation": (0,), "test": (1,), "train": range(2, 10)}[split]
    frames = []
    for number, path in enumerate(files):
        font = ImageFont.truetype(str(path), 120)
        for position, character in enumerate(TYPESET):
            if (position + number) % 10 in residues:
                page = Image.new("L", (240, 240))
                ImageDraw.Draw(page).text((60, 40), character, fill=255, font=font)
                frames.append(ink_to_frame(np.asarray(page, np.float32) / 255))
    return _non_digits("typeset", split, frames)


# SHA-256 of the packed pictures.
NOTMNIST = "70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7"
IDX_HEADER = 16  # bytes before the pixels: what it is, number, rows, columns


def _find_notmnist(split: str, root: Path, download: bool) -> list[Path]:
    if split != "test":
        raise ValueError("notmnist has only a test split: nothing is trained or selected on it.")
    path = root / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    if not path.exists():
        raise missing_error("notMNIST", path, "there is no address to fetch it from")
    check_file(path, NOTMNIST, "replace it, data/README.md says where it is from.")
    return [path]


def _build_notmnist(split: str, files: list[Path]) -> DigitData:
    """10,000 typeset letters A to J (Bulatov, 2011), all of them ``test``: never trained on."""
    (path,) = files
    content = gzip.decompress(path.read_bytes())
    images = np.frombuffer(content, np.uint8, offset=IDX_HEADER).reshape(-1, FRAME_SIZE, FRAME_SIZE)
    inks = (image / np.float32(255) for image in images if image.any())
    return _non_digits("notmnist", split, [ink_to_frame(ink) for ink in inks])


def _non_digits(name: str, split: str, frames: list[NDArray[np.uint8]]) -> DigitData:
    labels = torch.full((len(frames),), NO_DIGIT)
    return DigitData(name, split, torch.from_numpy(np.stack(frames)), labels)


SOURCES: dict[str, Source] = {
    "mnist": Source(build_mnist, find_mnist, cached=False),
    "sample": Source(_build_sample),
    "pendigits": Source(_build_pendigits, find_pendigits),
    "unipen": Source(_build_unipen("unipen"), _find_unipen(unipen.DIGITS)),
    "letters": Source(
        _build_unipen("letters"), _find_unipen(unipen.CAPITALS, unipen.SMALL_LETTERS)
    ),
    "signs": Source(_build_unipen("signs"), _find_unipen(unipen.SIGNS)),
    "styles": Source(_build_styles, find_pendigits),
    "no_digits": Source(_build_no_digits, _find_no_digits),
    "typeset": Source(_build_typeset, _find_fonts),
    "notmnist": Source(_build_notmnist, _find_notmnist),
    # Not cached: what is deleted there is gone.
    "drawings": Source(build_drawings, find_drawings, cached=False),
    "no_digit_drawings": Source(build_no_digit_drawings, find_drawings, cached=False),
}

# Downloads of the files of a data folder, in place of those that are there.
DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "mnist": fetch_mnist,
    "pendigits": fetch_pendigits,
    "unipen": unipen.fetch_unipen,
}
