"""Named data sets as whole tensors: MNIST, scikit-learn's digits, pen strokes, non-digits.

Every set is found under one root: the argument, else ``$DIGITLIB_DATA``, else ``data/`` beside
the package. What is missing is downloaded there; where that fails, one error says what was looked
for and where. Choices are made on the ``validation`` split; ``test`` is for reporting.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from digitlib.datasets import synthetic
from digitlib.datasets.base import SPLITS, DataDamagedError, DigitData, data_root, missing_error
from digitlib.datasets.pendigits import pen_data, read_pendigits
from digitlib.preprocessing.frame import ink_to_frame

MNIST_VALIDATION = 5_000  # of the 60,000 training images, drawn once and for all


def load(
    name: str,
    split: str = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
) -> DigitData:
    """Load one split of a data set.

    Args:
        name: a key of ``LOADERS``.
        split: ``train``, ``validation`` or ``test``.
        root: data folder; see :func:`data_root`.
        download: fetch what is missing.

    Raises:
        ValueError: unknown name or split.
        DataMissingError: not there and not downloadable.
        DataDamagedError: a file is truncated or altered; the message names it.
    """
    if name not in LOADERS:
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(LOADERS)}.")
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
    return LOADERS[name](split, data_root(root), download)


# --- MNIST ---------------------------------------------------------------------------------

# SHA-256 of the unpacked files whose gz MD5 torchvision checks.
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def _load_mnist(split: str, root: Path, download: bool) -> DigitData:
    from torchvision.datasets import MNIST

    raw = root / "MNIST" / "raw"
    if not all((raw / name).exists() for name in MNIST_FILES):
        try:
            if not download:
                raise FileNotFoundError("downloads are switched off")
            MNIST(str(root), download=True)
        except (OSError, RuntimeError) as error:
            raise missing_error("MNIST", raw, error) from error
    prefix = "t10k" if split == "test" else "train"
    for name, known in MNIST_FILES.items():
        if name.startswith(prefix):
            with (raw / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != known:
                raise DataDamagedError(
                    f"{raw / name} is damaged (SHA-256 {found[:12]}…, not {known[:12]}…): "
                    "delete it, and it is downloaded again."
                )
    source = MNIST(str(root), train=split != "test")
    data = DigitData("mnist", split, source.data, source.targets)
    return data if split == "test" else _hold_out(data, MNIST_VALIDATION)


def _hold_out(data: DigitData, size: int) -> DigitData:
    """Split off ``size`` digits by a permutation that never changes (numpy's frozen generator)."""
    order = torch.from_numpy(np.random.RandomState(1998).permutation(len(data)))
    chosen = order[:size] if data.split == "validation" else order[size:]
    return data.take(chosen.sort().values)


# --- scikit-learn's 8x8 digits -------------------------------------------------------------


def sample_pages() -> tuple[list[Image.Image], NDArray[np.int64]]:
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
    pages = [page.resize((96, 96), Image.Resampling.BICUBIC) for page in small]
    return pages, targets.astype(np.int64)


def _load_sample(split: str, root: Path, download: bool) -> DigitData:
    """Frames of scikit-learn's digits; see :func:`sample_pages`."""
    pages, targets = sample_pages()
    inks = [(255 - np.asarray(page, np.float32)) / 255 for page in pages]
    frames = torch.from_numpy(np.stack([ink_to_frame(ink) for ink in inks]))
    everything = DigitData("sample", split, frames, torch.from_numpy(targets))
    order = np.random.RandomState(1998).permutation(len(targets))
    bounds = {"validation": slice(0, 200), "test": slice(200, 500), "train": slice(500, None)}
    return everything.take(torch.from_numpy(np.sort(order[bounds[split]])))


def _load_pendigits(split: str, root: Path, download: bool) -> DigitData:
    return pen_data("pendigits", split, read_pendigits(split, root, download=download))


# --- made from rules -----------------------------------------------------------------------


def _load_styles(split: str, root: Path, download: bool) -> DigitData:
    """Digit styles that the other sets lack, from rules and from real strokes changed."""
    seed = SPLITS.index(split)
    real = synthetic.restyle(read_pendigits(split, root, download=download), seed)
    return pen_data("styles", split, synthetic.digit_styles(100, seed) + real)


def _load_no_digits(split: str, root: Path, download: bool) -> DigitData:
    """Drawn things that are no digit: letters, shapes, scribbles, pairs of digits for training …

    … and symbols, which training never sees, to judge by.
    """
    seed = SPLITS.index(split)
    if split == "train":
        pens = read_pendigits(split, root, download=download)
        drawings = synthetic.no_digits(synthetic.LETTERS | synthetic.SHAPES, 30, seed, pens)
    else:
        drawings = synthetic.no_digits(synthetic.SYMBOLS, 30, seed)
    return pen_data("no_digits", split, drawings)


# Typeset characters that cannot be taken for a digit in any of the fonts.
TYPESET = "ABCDEFGHJKLMNPRTUVWXYacdefhkmnprtuvwx#%&@?=+*<>ΓΔΛΞΠΣΨΩελμπψωЖЮЯДЙ"
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono",
         "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
         "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic")  # fmt: skip


def _load_typeset(split: str, root: Path, download: bool) -> DigitData:
    """Letters and signs typeset in the fonts that come with matplotlib (DejaVu, STIX)."""
    import matplotlib
    from PIL import ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    held = {"validation": (0,), "test": (1,), "train": range(2, 10)}
    frames = []
    for name in FONTS:
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), 120)
        # A tenth of the characters, other ones in each font, is kept for each later split.
        for position, character in enumerate(TYPESET):
            turn = (position + FONTS.index(name)) % 10
            if turn not in held[split]:
                continue
            page = Image.new("L", (240, 240))
            ImageDraw.Draw(page).text((60, 40), character, fill=255, font=font)
            frames.append(ink_to_frame(np.asarray(page, np.float32) / 255))
    labels = torch.full((len(frames),), synthetic.NO_DIGIT)
    return DigitData("typeset", split, torch.from_numpy(np.stack(frames)), labels)


def _load_notmnist(split: str, root: Path, download: bool) -> DigitData:
    """10,000 typeset letters A to J (Bulatov, 2011), all of them ``test``: never trained on."""
    from torchvision.datasets.mnist import read_image_file

    path = root / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    if split != "test":
        raise ValueError("notmnist has only a test split: nothing is trained or chosen on it.")
    if not path.exists():
        raise missing_error("notMNIST", path, "there is no address to fetch it from")
    try:
        images = _read_gz(path, read_image_file)
    except (OSError, EOFError, ValueError, AssertionError) as error:
        raise DataDamagedError(f"{path} is damaged ({error}): replace it.") from error
    frames = np.stack(
        [ink_to_frame(image / np.float32(255)) for image in images.numpy() if image.any()]
    )
    labels = torch.full((len(frames),), synthetic.NO_DIGIT)
    return DigitData("notmnist", split, torch.from_numpy(frames), labels)


def _read_gz(path: Path, reader: Callable[[str], Tensor]) -> Tensor:
    """Read a gzipped IDX file through torchvision's reader, which takes plain ones."""
    import gzip
    import tempfile
    import zlib

    try:
        content = gzip.decompress(path.read_bytes())
    except zlib.error as error:
        raise ValueError(error) from error
    with tempfile.NamedTemporaryFile() as plain:
        plain.write(content)
        plain.flush()
        return reader(plain.name)


LOADERS: dict[str, Callable[[str, Path, bool], DigitData]] = {
    "mnist": _load_mnist,
    "sample": _load_sample,
    "pendigits": _load_pendigits,
    "styles": _load_styles,
    "no_digits": _load_no_digits,
    "typeset": _load_typeset,
    "notmnist": _load_notmnist,
}
