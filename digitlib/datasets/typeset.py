"""The data sets ``typeset`` and ``notmnist``: characters in print, none of which is a digit."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.catalog import register
from digitlib.datasets.downloads import check_file, missing_error
from digitlib.preprocessing.frame import FRAME_SIZE, Frame, frames_to_images, ink_to_frame

# Characters that do not resemble a digit in any of the fonts.
TYPESET = "ABCDEFGHJKLMNPRTUVWXYacdefhkmnprtuvwx#%&@?=+*<>ΓΔΛΞΠΣΨΩελμπψωЖЮЯДЙ"
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono",
         "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
         "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic")  # fmt: skip
# SHA-256 of the packed pictures.
NOTMNIST = "70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7"
IDX_HEADER = 16  # bytes before the pixels: type, number, rows, columns


def find_fonts(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The fonts that come with matplotlib (DejaVu, STIX)."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [folder / f"{font}.ttf" for font in FONTS]


@register("typeset", find=find_fonts)
def build_typeset(name: str, split: str, files: list[Path]) -> DigitData:
    """Letters and signs in each font."""
    from PIL import Image, ImageDraw, ImageFont

    # Each later split holds out a tenth of the characters, other ones in each font.
    residues = {"validation": (0,), "test": (1,), "train": range(2, 10)}[split]
    frames = []
    for number, path in enumerate(files):
        font = ImageFont.truetype(str(path), 120)
        for position, character in enumerate(TYPESET):
            if (position + number) % 10 in residues:
                page = Image.new("L", (240, 240))
                ImageDraw.Draw(page).text((60, 40), character, fill=255, font=font)
                frames.append(ink_to_frame(np.asarray(page, np.float32) / 255))
    return _non_digits(name, split, frames)


def find_notmnist(name: str, split: str, root: Path, download: bool) -> list[Path]:
    """The packed pictures of notMNIST, checked.

    Raises:
        ValueError: a split other than ``test``.
        DataMissingError, DataDamagedError: see :func:`catalog.load`.
    """
    if split != "test":
        raise ValueError("notmnist has only a test split: nothing is trained or selected on it.")
    path = root / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    if not path.exists():
        raise missing_error("notMNIST", path, "it has no address to download from")
    check_file(path, NOTMNIST, "replace it, data/README.md says where it is from.")
    return [path]


@register("notmnist", find=find_notmnist)
def build_notmnist(name: str, split: str, files: list[Path]) -> DigitData:
    """10,000 typeset letters A to J (Bulatov, 2011)."""
    content = gzip.decompress(files[0].read_bytes())
    images = np.frombuffer(content, np.uint8, offset=IDX_HEADER).reshape(-1, FRAME_SIZE, FRAME_SIZE)
    inks = (image / np.float32(255) for image in images if image.any())
    return _non_digits(name, split, map(ink_to_frame, inks))


def _non_digits(name: str, split: str, frames: Iterable[Frame]) -> DigitData:
    images = np.stack([frames_to_images(frame) for frame in frames])
    return DigitData(name, split, torch.from_numpy(images), torch.full((len(images),), NO_DIGIT))
