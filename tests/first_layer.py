"""Drawing and reading, run where only the first layer of packages is installed.

``.ci/run`` installs the package itself there, as pip would for anybody: its files must be in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from digitlib import DrawingPad, Recognizer
from digitlib.datasets.drawing_file import Drawing, DrawingFile

SEVEN = [[[0, 0], [60, 0], [30, 50], [22, 100]]]

pad = DrawingPad(Recognizer.load())
pad.draw(SEVEN)
assert pad.prediction
assert pad.prediction.digit == 7
assert "torch" not in sys.modules

with tempfile.TemporaryDirectory() as folder:
    picture = Image.new("L", (100, 140), 255)
    ImageDraw.Draw(picture).line([(x + 20, y + 20) for x, y in SEVEN[0]], width=8)
    picture.save(file := Path(folder, "seven.png"))
    assert Recognizer.load().predict(file).digit == 7
    store = DrawingFile(folder)
    assert store.append(Drawing(7, strokes=pad.traces)) == 1
    assert store.read()[0].frame().tolist() == pad.prediction.frame.tolist()
    assert "torch" not in sys.modules
    read = [sys.executable, "-m", "digitlib", "read", file]
    assert "(7:" in subprocess.run(read, capture_output=True, text=True, check=True).stdout
