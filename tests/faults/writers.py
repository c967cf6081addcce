"""All that writes a file: by name, a function that writes into a folder."""

from __future__ import annotations

import hashlib
import io
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
import torch
import torchvision
from helpers import DIGITS, sample_splits, small_config
from sources import write_sources
from torchvision.datasets import MNIST

from digitlib import Recognizer
from digitlib.datasets import mnist, pendigits, unipen
from digitlib.datasets.drawing import Drawing
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.evaluation import numbers, training_digits
from digitlib.models import export
from digitlib.models.card import Card
from digitlib.models.networks import build_network
from digitlib.models.weights import save_model, stamp
from digitlib.training import experiment_log, number_fit, stages, sweep, teach
from digitlib.training.distillation import SoftLabels
from digitlib.training.trainer import _Run

Write = Callable[[Path, int], object]  # into a folder, the first or the second version
SHARED = tempfile.TemporaryDirectory()


@cache
def shared(version: int) -> Path:
    """What writers read, in a folder that anybody may enter."""
    Path(SHARED.name).chmod(0o755)
    there = Path(SHARED.name, str(version))
    there.mkdir()
    write_sources(there, version)
    return there


# --- the writers -----------------------------------------------------------------------------

WRITERS: dict[str, Write] = {}


def writer(name: str) -> Callable[[Write], Write]:
    return lambda write: WRITERS.setdefault(name, write)


@cache
def network(version: int) -> tuple[torch.nn.Module, Card]:
    torch.manual_seed(version)
    model = build_network("digitnet", width=4)
    card = Card("digitnet", {"width": 4}, 1.25, 0.5, 0.25, 0.01)
    return model.eval(), card


@cache
def recognizer(version: int) -> Recognizer:
    return Recognizer.from_model(*network(version))


@writer("weights")
def _(folder: Path, version: int) -> None:
    save_model(folder / "net.safetensors", *network(version))


@writer("ONNX")
def _(folder: Path, version: int) -> None:
    recognizer(version).export_onnx(folder / "net.onnx")


@writer("the bundled network")
def _(folder: Path, version: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "BUNDLED_NETWORK", folder / "net.onnx")
        patch.setattr(export, "load_model", lambda path: network(version))
        export.export_bundled()


@writer("installed weights")
def _(folder: Path, version: int) -> None:
    made = shared(version)
    if not (made / "digitnet.safetensors").exists():
        save_model(made / "digitnet.safetensors", *network(version))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "INSTALLED", {"digitnet": folder / "digitnet.safetensors"})
        patch.setattr(stages, "REPORTS", folder)
        patch.setattr(stages, "measure_weights", lambda *_: {"version": version})
        patch.setattr(stages, "export_bundled", lambda: None)
        stages.install(made)


@cache
def run() -> _Run:
    return _Run(small_config(), sample_splits(), torch.device("cpu"))


@writer("checkpoints")
def _(folder: Path, version: int) -> None:
    run().history = [{"epoch": version}]
    run().save(folder / "net.ckpt")


@writer("soft labels")
def _(folder: Path, version: int) -> None:
    images = torch.full((64, 28, 28), version, dtype=torch.uint8)
    SoftLabels(images, images[:, 0, 0].long(), images[:, 0].half()).save(folder / "l.safetensors")


@writer("personal weights")
def _(folder: Path, version: int) -> None:
    teach.write_personal(folder, SimpleNamespace(model=network(version)[0], card=network(0)[1]))


@writer("sweeps")
def _(folder: Path, version: int) -> None:
    sweep.add_row(folder / "sweep.jsonl", {"key": f"{version}", "name": "quick" * 99})


@writer("runs of seeds")
def _(folder: Path, version: int) -> None:
    row = {"seed": version, "count": 99, "errors": 1, "nll": 0.1, "ece": 0.1}
    sweep.write_seeds([row], folder / "seeds.json")


@writer("fitted weights of numbers")
def _(folder: Path, version: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_fit, "fit", lambda: {"fitted": [version] * 99})
        number_fit.write(folder / "numbers.json")


@writer("measured numbers")
def _(folder: Path, version: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "measure", lambda *_: {"read": [version] * 99})
        numbers.write(folder / "numbers.json")


@writer("training digits")
def _(folder: Path, version: int) -> None:
    rows = torch.rand(999, generator=torch.manual_seed(version)).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_digits, "training_digits", lambda _: {"rows": rows})
        training_digits.write(folder / "digits.npz")


def drawn(version: int) -> Drawing:
    strokes = 9 * [100 * stroke + version for stroke in DIGITS[3]]  # no room in a block half full
    return Drawing(3, strokes=strokes, id=UUID(int=version).hex)


@writer("drawings appended")
def _(folder: Path, version: int) -> None:
    DrawingFile(folder).append(drawn(version))


@writer("drawings relabelled")
def _(folder: Path, version: int) -> None:
    if not version:
        DrawingFile(folder).append(drawn(0), drawn(1))
    DrawingFile(folder).relabel(drawn(0).id, version)


@writer("drawings deleted")
def _(folder: Path, version: int) -> None:
    if not version:
        DrawingFile(folder).append(*map(drawn, range(9)))
    assert DrawingFile(folder).delete([drawn(version).id])


@writer("drawings imported")
def _(folder: Path, version: int) -> None:
    assert DrawingFile(folder).import_file(drawn(version).to_line()).added


@writer("downloads of pendigits")
def _(folder: Path, version: int) -> None:
    with small_sources(version):
        pendigits.fetch_pendigits(folder, [pendigits.TESTING])


@writer("downloads of UNIPEN")
def _(folder: Path, version: int) -> None:
    with small_sources(version):
        unipen.fetch_unipen(folder)


@writer("downloads of MNIST")
def _(folder: Path, version: int) -> None:
    with small_sources(version), redirect_stdout(io.StringIO()):
        mnist.fetch_mnist(folder)


def copy(url: str, filename: str, *_: object) -> None:
    """In place of torchvision's, which wants the headers of a server."""
    urllib.request.urlretrieve(url, filename)


class small_sources:  # noqa: N801  # a context manager, used as the functions are
    """What is downloaded are files of this machine; those of each version differ."""

    def __init__(self, version: int) -> None:
        self.there, self.patch = shared(version), pytest.MonkeyPatch()

    def __enter__(self) -> None:
        url, patch = self.there.as_uri(), self.patch
        patch.setattr(torchvision.datasets.utils, "_urlretrieve", copy)
        patch.setattr(MNIST, "mirrors", [f"{url}/"])
        patch.setattr(MNIST, "resources", [(name, None) for name, _ in MNIST.resources])
        for name in mnist.MNIST_FILES:
            content = hashlib.sha256((self.there / name).read_bytes())
            patch.setitem(mnist.MNIST_FILES, name, content.hexdigest())
        patch.setattr(pendigits, "PENDIGITS_URL", f"{url}/")
        patch.setitem(pendigits.COUNTS, pendigits.TESTING, 30)
        patch.setattr(unipen, "ARCHIVE_URL", f"{url}/archive.tar.gz")

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
