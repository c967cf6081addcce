"""Named data sets as whole tensors: MNIST, scikit-learn's digits, pen strokes, non-digits.

Every set is found under one root: the argument, else ``$DIGITLIB_DATA``, else ``data/`` beside
the package. What is missing is downloaded there; where that fails, one error says what was looked
for and where. Choices are made on the ``validation`` split; ``test`` is for reporting.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from digitlib import glyphs, preprocess, strokes

SPLITS = ("train", "validation", "test")
MNIST_VALIDATION = 5_000  # of the 60,000 training images, drawn once and for all
PENDIGITS_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"
# SHA-256 of the unpacked training file (UCI's .Z, 2026-11).
PENDIGITS_DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"
PEN_SAMPLES = 128  # points kept of a drawing; most digits need fewer at strokes.SPACING


class DataMissingError(FileNotFoundError):
    """A data set is not where it was looked for and could not be downloaded."""


class DataDamagedError(ValueError):
    """A data file is there, but not what it should be."""


@dataclass(frozen=True)
class DigitData:
    """Frames of one split of a data set.

    Attributes:
        name: ``mnist``, ``sample``, ``pendigits``, ``notmnist`` …
        split: ``train``, ``validation`` or ``test``.
        images: uint8 ``[N, 28, 28]``, white ink on black.
        labels: int64 ``[N]``; 10 stands for "no digit".
        writers: int64 ``[N]`` or None where unknown.
        points: float ``[N, PEN_SAMPLES, 2]`` for pen data: evenly sampled strokes, to be rendered
            anew at any pen width with :func:`digitlib.strokes.render_batch`; else None.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    writers: Tensor | None = None
    points: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"DigitData({self.name} {self.split}: {len(self):,} digits, sha256 {self.digest})"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 over images and labels."""
        content = hashlib.sha256(self.images.numpy().tobytes())
        content.update(self.labels.numpy().tobytes())
        return content.hexdigest()[:12]

    def take(self, index: Tensor | slice) -> DigitData:
        """The digits at ``index``, in its order."""
        parts = {
            name: value[index]
            for name in ("images", "labels", "writers", "points")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **parts)

    def chosen(self, size: int, seed: int = 0) -> Tensor:
        """Indices of ``size`` digits, or of all, drawn at random by ``seed``; rising, int64."""
        if size < 1:
            raise ValueError(f"A subset has at least one digit, not {size}.")
        drawn = np.random.RandomState(seed).permutation(len(self))[:size]
        return torch.from_numpy(np.sort(drawn))

    def subset(self, size: int | None, seed: int = 0) -> DigitData:
        """``size`` digits drawn at random by ``seed``; everything for None."""
        if size is None or size >= len(self):
            return self
        return self.take(self.chosen(size, seed))


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Where data lies: the argument, else ``$DIGITLIB_DATA``, else ``data/`` in the repository."""
    if root is not None:
        return Path(root)
    here = Path(__file__).resolve().parent.parent / "data"
    return Path(os.environ.get("DIGITLIB_DATA") or here)


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


def _missing(what: str, path: Path, reason: object) -> DataMissingError:
    reason = " ".join(str(reason).split())[:120]
    return DataMissingError(
        f"{what} is not at {path}, and downloading it failed ({reason}). Either go online once, "
        "or put the files there by hand (data/README.md says which); the environment variable "
        "DIGITLIB_DATA names another folder."
    )


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
            raise _missing("MNIST", raw, error) from error
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
    frames = torch.from_numpy(np.stack([preprocess.ink_to_frame(ink) for ink in inks]))
    everything = DigitData("sample", split, frames, torch.from_numpy(targets))
    order = np.random.RandomState(1998).permutation(len(targets))
    bounds = {"validation": slice(0, 200), "test": slice(200, 500), "train": slice(500, None)}
    return everything.take(torch.from_numpy(np.sort(order[bounds[split]])))


# --- UCI pendigits -------------------------------------------------------------------------

PEN_VALIDATION_WRITERS = (2, 7, 13, 19, 24, 29)  # of the 30 in pendigits-orig.tra


def _load_pendigits(split: str, root: Path, download: bool) -> DigitData:
    return pen_data("pendigits", split, read_pendigits(split, root, download=download))


def read_pendigits(
    split: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[strokes.PenDigit]:
    """The pen strokes themselves; no writer is in both ``train`` and ``validation``.

    Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI, CC BY 4.0.
    ``test`` is the file of other writers, ``pendigits-orig.tes``.
    """
    name = "pendigits-orig.tes" if split == "test" else "pendigits-orig.tra"
    digits = strokes.read_unipen(
        _pendigits_file(data_root(root) / "pendigits-orig", name, download)
    )
    if split == "test":
        return digits
    held_out = split == "validation"
    return [digit for digit in digits if (digit.writer in PEN_VALIDATION_WRITERS) == held_out]


def _pendigits_file(folder: Path, name: str, download: bool) -> Path:
    """The unpacked file, from its ``.Z`` or from UCI where need be."""
    path = folder / name
    packed = path.with_name(name + ".Z")
    if path.exists():
        _check_pendigits(path)
        return path
    if not packed.exists():
        import urllib.request

        try:
            if not download:
                raise FileNotFoundError("downloads are switched off")
            folder.mkdir(parents=True, exist_ok=True)
            urllib.request.urlretrieve(PENDIGITS_URL + packed.name, packed)
        except OSError as error:
            raise _missing(f"UCI pendigits ({name})", path, error) from error
    from unlzw3 import unlzw

    try:
        path.write_bytes(unlzw(packed))
    except ValueError as error:
        raise DataDamagedError(f"{packed} is damaged ({error}): delete it.") from error
    _check_pendigits(path)
    return path


def _check_pendigits(path: Path) -> None:
    if path.suffix == ".tra" and hashlib.sha256(path.read_bytes()).hexdigest() != PENDIGITS_DIGEST:
        raise DataDamagedError(f"{path} is truncated or altered: delete it, or fetch it anew.")


def pen_data(name: str, split: str, digits: list[strokes.PenDigit]) -> DigitData:
    """Render pen digits as frames at the default pen width, and keep their samples."""
    points = np.zeros((len(digits), PEN_SAMPLES, 2), np.float32)
    kept = [strokes.without_taps(digit.strokes) for digit in digits]
    for row, drawing in enumerate(kept):
        samples = strokes.sample(drawing)
        rest = PEN_SAMPLES - len(samples)
        if rest < 0:
            samples = samples[np.linspace(0, len(samples) - 1, PEN_SAMPLES).round().astype(int)]
        points[row] = np.concatenate([samples, np.repeat(samples[-1:], max(rest, 0), axis=0)])
    frames = np.stack([strokes.render(drawing) for drawing in kept])
    return DigitData(
        name,
        split,
        torch.from_numpy(frames),
        torch.tensor([digit.label for digit in digits]),
        torch.tensor([digit.writer for digit in digits]),
        torch.from_numpy(points),
    )


# --- made from rules -----------------------------------------------------------------------


def _load_styles(split: str, root: Path, download: bool) -> DigitData:
    """Digit styles that the other sets lack, from rules and from real strokes changed."""
    seed = SPLITS.index(split)
    real = glyphs.restyle(read_pendigits(split, root, download=download), seed)
    return pen_data("styles", split, glyphs.digit_styles(100, seed) + real)


def _load_no_digits(split: str, root: Path, download: bool) -> DigitData:
    """Drawn things that are no digit: letters, shapes, scribbles, pairs of digits for training …

    … and symbols, which training never sees, to judge by.
    """
    seed = SPLITS.index(split)
    if split == "train":
        pens = read_pendigits(split, root, download=download)
        drawings = glyphs.no_digits(glyphs.LETTERS | glyphs.SHAPES, 30, seed, pens)
    else:
        drawings = glyphs.no_digits(glyphs.SYMBOLS, 30, seed)
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
            frames.append(preprocess.ink_to_frame(np.asarray(page, np.float32) / 255))
    labels = torch.full((len(frames),), glyphs.NO_DIGIT)
    return DigitData("typeset", split, torch.from_numpy(np.stack(frames)), labels)


def _load_notmnist(split: str, root: Path, download: bool) -> DigitData:
    """10,000 typeset letters A to J (Bulatov, 2011), all of them ``test``: never trained on."""
    from torchvision.datasets.mnist import read_image_file

    path = root / "notMNIST" / "t10k-images-idx3-ubyte.gz"
    if split != "test":
        raise ValueError("notmnist has only a test split: nothing is trained or chosen on it.")
    if not path.exists():
        raise _missing("notMNIST", path, "there is no address to fetch it from")
    try:
        images = _read_gz(path, read_image_file)
    except (OSError, EOFError, ValueError, AssertionError) as error:
        raise DataDamagedError(f"{path} is damaged ({error}): replace it.") from error
    frames = np.stack(
        [
            preprocess.ink_to_frame(image / np.float32(255))
            for image in images.numpy()
            if image.any()
        ]
    )
    labels = torch.full((len(frames),), glyphs.NO_DIGIT)
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
