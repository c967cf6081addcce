"""Drawing and reading need neither PyTorch nor the other packages of training and reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import DIGITS, page
from PIL import Image

HEAVY = ("torch", "torchvision", "skimage", "sklearn", "pandas", "matplotlib", "onnx")
HIDE = f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"  # None: the import raises


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where none of ``HEAVY`` can be imported."""
    command = [sys.executable, "-c", HIDE + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "three.png"
    Image.fromarray(page(3)).save(path)
    return str(path)


def test_everything_is_read(picture: str, tmp_path: Path) -> None:
    photo = 0.5 + 0.3 * page(7).astype(np.float32) / 255  # gray paper, shaded from side to side
    np.save(tmp_path / "photo.npy", photo * np.linspace(0.7, 1, photo.shape[1]))
    np.savez(tmp_path / "strokes.npz", *DIGITS[5])
    code = """
import numpy as np
from digitlib import BlankDrawingError, Prediction, Recognizer, Studio, WeightsError
from digitlib.models.explain import Explainer
from digitlib.preprocessing.frame import frames_to_images, images_to_frames
_, picture, folder = sys.argv
recognizer = Recognizer.load()
strokes = [*np.load(folder + "/strokes.npz").values()]
found = recognizer.predict_strokes(strokes)
assert found.frame[1:].any() and "<img" in found._repr_html_()
assert recognizer.read(strokes).text == "5" and recognizer.read(picture).text == "3"
assert "<image" in recognizer.read(picture)._repr_html_()
frames = np.stack([found.frame] * 300)
image = frames_to_images(found.frame)
shares = recognizer.probabilities(frames)
assert type(shares) is type(recognizer.logits(image[None])) is np.ndarray
assert (shares.argmax(axis=1) == 5).all() and not recognizer.predict_batch(frames).rejected.any()
photo = recognizer.predict(np.load(folder + "/photo.npy"))
recognizer.export_onnx(folder + "/copy.onnx")
assert repr(Recognizer.load(folder + "/copy.onnx")) == repr(recognizer)
explainer = Explainer(recognizer)
maps = explainer.feature_maps(found.frame)
assert set(explainer.feature_maps(images_to_frames(image))) == set(maps)
assert explainer.occlusion(found.frame).max() > 0
assert explainer.nearest(found.frame)[0].label == 5
pad = Studio(recognizer)
pad.draw(strokes)
pad.show_panel("Why?")
pad.panels["Why?"].children[2].value = True  # More
assert pad.panels["Why?"].children[3].value.count("<section") == 3
print(recognizer.predict(picture).digit, found.digit, photo.digit, pad.prediction.digit)
"""
    done = run(code, picture, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 5 7 5"


def test_the_command_reads(picture: str) -> None:
    code = "sys.argv[0] = 'digitlib'\nfrom digitlib.__main__ import main\nmain()"
    done = run(code, "read", picture)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{picture}: Prediction(3: ")
    copied = run(code, "export", picture + ".onnx")
    assert copied.returncode == 0, copied.stderr


def test_weights_say_what_they_need() -> None:
    code = """
from digitlib import Recognizer, WeightsError
from digitlib.models.card import BASELINE_WEIGHTS
try:
    Recognizer.load("absent.safetensors")
except WeightsError as error:
    print(error)
Recognizer.load(BASELINE_WEIGHTS)
"""
    done = run(code)
    assert done.stdout == "absent.safetensors: there is no such weights file.\n"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "pip install '.[train]'" in last


def test_nothing_of_training_is_imported_where_it_is_there() -> None:
    code = (
        "import sys; from digitlib import DrawingPad\n"
        "pad = DrawingPad()\npad.draw([[[0, 0], [1, 0], [0.4, 2.0]]])\n"
        "print(*sorted(m.split('.')[0] for m in sys.modules), *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    found = set(done.stdout.splitlines()[-1].split())
    assert "onnxruntime" in found
    assert not {*HEAVY, "scipy.ndimage", "safetensors"} & found  # the former is for pictures
    assert not {f"digitlib.{room}" for room in ("training", "datasets", "evaluation")} & found
