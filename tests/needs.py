"""What tests need besides Python: data sets and a browser, and the reason of a skip."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

# marker → (name, folder below the data root, files)
DATA_SETS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "needs_mnist": ("MNIST", "MNIST/raw", (
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
    )),
    "needs_pendigits": ("UCI pendigits", "pendigits-orig", ("pendigits-orig.tra",)),
    # One of its thousands of files per split, and the ink of the first.
    "needs_unipen": ("UNIPEN", "unipen", (
        "data/1a/apa/apa19/app1989.dat", "data/1a/tos/f1/f1002058.dat",
        "data/1a/ced/aaaa9018_s_2h.dat", "include/apa/data/apa19/app1989.dat",
    )),
    "needs_notmnist": ("notMNIST", "notMNIST", ("t10k-images-idx3-ubyte.gz",)),
}  # fmt: skip
CHROMIUM_NAMES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")


def data_root() -> Path:
    """Where digitlib looks when it is given no folder."""
    return Path(os.environ.get("DIGITLIB_DATA") or REPOSITORY / "data")


def missing_data(marker: str) -> str | None:
    """The sentence for the skip, or None where the data set is there."""
    name, folder, files = DATA_SETS[marker]
    place = data_root() / folder
    absent = [file for file in files if not (place / file).is_file()]
    if not absent:
        return None
    return (
        f"{name} is missing: no {', '.join(absent)} in {place}. Put it there as data/README.md "
        "says, or set DIGITLIB_DATA to a folder that has it."
    )


def find_chromium() -> str | None:
    for name in (os.environ.get("CHROMIUM"), *CHROMIUM_NAMES):
        if name and (path := shutil.which(name)):
            return path
    return None


def missing_chromium() -> str | None:
    if find_chromium():
        return None
    return (
        "no Chromium: install it (Debian: apt install chromium) or set CHROMIUM to its path "
        "to run the browser tests."
    )
