"""Generated pictures and drawings are read in a process of their own; what the worst one took.

Run as ``python inputs.py KIND COUNT``, a kind of ``KINDS``: it prints JSON, or ends with the
traceback of the first input that raised another error than InputError.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from crafted import files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from digitlib import InputError, Recognizer

SIDES = st.one_of(st.integers(1, 64), st.integers(65, 700), st.sampled_from([1279, 1300, 2600]))
MODES = (
    "L", "RGB", "RGBA", "LA", "P", "1", "I;16", "F", "bool", "uint16", "int64", "float64", "list",
    "mask",
)  # fmt: skip
FILES = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
AGAIN = 0.5  # s of CPU; what takes longer is measured twice
ODD = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e155, 1e-320, 0.0)


@st.composite
def patterns(draw: st.DrawFn) -> np.ndarray:
    """Shades ``[H, W]``, uint8: noise, rulings, dots, rings, light, perhaps a stroke."""
    height, width = draw(SIDES), draw(SIDES)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y, x = np.ogrid[:height, :width]
    period = draw(st.one_of(st.integers(2, 60), st.integers(60, 600)))
    ink = draw(st.integers(1, 8))
    away = np.hypot(y - height / 2, x - width / 2)
    base = {
        "noise": lambda: random.random((height, width)) < 1 / period,
        "lines": lambda: np.broadcast_to(y % period < ink, (height, width)),
        "columns": lambda: np.broadcast_to(x % period < ink, (height, width)),
        "tilted": lambda: (y + x // draw(st.integers(1, 90))) % period < ink,
        "squares": lambda: (y % period < ink) | (x % period < ink),
        "dots": lambda: (y % period < ink) & (x % period < ink),
        "checks": lambda: (y // ink + x // ink) % 2 == 0,
        "rings": lambda: away % period < ink,
        "frames": lambda: (
            np.minimum.reduce([y + 0 * x, x + 0 * y, height - 1 - y + 0 * x]) % period < ink
        ),
        "boxes": lambda: (
            np.minimum(
                np.minimum(y % period, period - 1 - y % period),
                np.minimum(x % period, period - 1 - x % period),
            )
            % (2 * ink)
            < ink
        ),
        "blank": lambda: np.zeros((height, width), bool),
    }
    dark = base[draw(st.sampled_from([*base]))]()
    shades = np.where(dark, draw(st.integers(0, 255)), draw(st.integers(0, 255))).astype(float)
    if draw(st.booleans()):  # a stroke
        shades[height // 4 : 3 * height // 4, width // 2 : width // 2 + 1 + width // 12] = 0
    if draw(st.booleans()):  # light and grain, as in photos
        shades = shades * (1 - 0.4 * x / width) + random.normal(0, draw(st.integers(0, 20)))
        shades = shades + random.normal(0, draw(st.integers(0, 12)), shades.shape)
    return np.clip(shades, 0, 255).astype(np.uint8)


@st.composite
def inputs_of_pictures(draw: st.DrawFn) -> Any:
    """An array, a PIL image, or the content of a file, whole or damaged."""
    shades, kind = draw(patterns()), draw(st.sampled_from(MODES))
    if kind == "bool":
        return shades > 127
    if kind == "mask":
        return (shades > 127).astype(np.uint8)
    if kind == "uint16":
        return shades.astype(np.uint16) * 257
    if kind in ("int64", "list"):
        whole = shades.astype(np.int64)[..., None]
        return whole if kind == "int64" else whole[:100, :100].tolist()
    if kind == "float64":
        return shades / 255
    deep = {"I;16": np.uint16, "F": np.float32}
    image = Image.fromarray(shades)
    image = Image.fromarray(shades.astype(deep[kind])) if kind in deep else image.convert(kind)
    if draw(st.booleans()):
        return image if draw(st.booleans()) or kind in deep else np.asarray(image.convert("RGB"))
    try:
        image.save(buffer := io.BytesIO(), draw(st.sampled_from(FILES)))
    except (OSError, ValueError):  # not every format has every mode
        image.convert("RGB").save(buffer := io.BytesIO(), "PNG")
    content = bytearray(buffer.getvalue())
    for _ in range(draw(st.integers(0, 3))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    whole = bytes(content[: draw(st.integers(len(content) // 3, len(content)))])
    return whole if draw(st.booleans()) else bytes(content)


@st.composite
def frames(draw: st.DrawFn) -> np.ndarray:
    """Up to five pages, drawn boxes, and pictures inside each other, from 1 px a side, uint8."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shade, sides = st.integers(0, 255), st.one_of(st.integers(1, 40), st.integers(60, 400))
    grain = st.sampled_from([0, 3, 4, 12, 60])
    picture = np.zeros((draw(sides), draw(sides)))
    picture += draw(st.one_of(shade, st.sampled_from([0, 255])))
    part = picture
    for _ in range(draw(st.sampled_from([0, 1, 2, 3, 3, 4, 5]))):
        most = draw(st.sampled_from([3, 9]))
        gaps = [draw(st.integers(0, side // most)) for side in part.shape for _ in "ab"]
        part = part[gaps[0] : part.shape[0] - gaps[1], gaps[2] : part.shape[1] - gaps[3]]
        height, width = part.shape
        y, x = np.ogrid[:height, :width]
        kind = draw(st.sampled_from(["page", "page", "box", "corner"]))
        tilt = draw(st.sampled_from([0, 0, 0.02, -0.2]))
        edge = np.minimum(y + tilt * x, height - 1 - y - tilt * x)
        if kind != "corner":
            edge = np.minimum(edge, np.minimum(x - tilt * y, width - 1 - x + tilt * y))
        inside = (edge >= 0) & ((edge < draw(st.integers(1, 9))) | (kind == "page"))
        light = draw(shade) + draw(st.sampled_from([0, 0, 30, -150])) * y / height
        np.copyto(part, light + draw(grain) * random.normal(size=part.shape), where=inside)
    content = draw(st.sampled_from(["none", "stroke", "stroke", "picture"]))
    if content == "picture":
        part[:] = np.minimum(part, Image.fromarray(draw(patterns())).resize(part.shape[::-1]))
    elif content == "stroke":
        height, width = part.shape
        left, thickness = draw(st.integers(0, width - 1)), draw(st.integers(1, 9))
        part[height // 5 : height - height // 5, left : left + thickness] = draw(shade)
    picture += draw(st.sampled_from([0, 0, 0, 0.5, 12])) * random.normal(size=picture.shape)
    shades = np.clip(picture, 0, 255).astype(np.uint8)
    return 255 - shades if draw(st.booleans()) else shades


@st.composite
def inputs_of_drawings(draw: st.DrawFn) -> Any:
    """Strokes: few or many points, jittered or random, tiny or endless, odd numbers and types."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.sampled_from([1, 2, 5, 30, 1000, 25_000]))
    length = draw(st.sampled_from([0, 1, 2, 50, 1000, 100_000])) // max(count // 30, 1)
    scale = draw(st.sampled_from([0.0, 1e-320, 1e-9, 1.0, 500.0, 1e15, 1e155, 1e308]))
    make: Callable[[], np.ndarray] = draw(
        st.sampled_from(
            [
                lambda: random.random((count, length, 2)),
                lambda: random.normal(0, 0.01, (count, length, 2)).cumsum(axis=1),
                lambda: np.tile(np.sin(np.linspace(0, 9, length))[:, None], (count, 1, 2)),
            ]
        )
    )
    drawing: list[Any] = list(make() * scale)
    if length and draw(st.integers(0, 3)) == 0:
        drawing[-1][-1, 0] = draw(st.sampled_from(ODD))
    kind = draw(
        st.sampled_from(["float64"] * 5 + ["float16", "int64", "complex128", "M8[s]", "U8"])
    )
    with np.errstate(all="ignore"):
        drawing[0] = drawing[0].astype("int64" if kind == "M8[s]" else kind).astype(kind)
    return drawing


KINDS = {
    "pictures": ("predict", st.one_of(inputs_of_pictures(), inputs_of_pictures(), files())),
    "frames": ("predict", frames()),
    "drawings": ("predict_strokes", inputs_of_drawings()),
    "read, pictures": ("read", st.one_of(inputs_of_pictures(), inputs_of_pictures(), files())),
    "read, frames": ("read", frames()),
    "read, drawings": ("read", inputs_of_drawings()),
}


def _memory(name: str) -> float:
    """MB of this process: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def _timed(read: Callable[[Any], Any], given_: Any) -> tuple[str, float, float]:
    """What came of an input, the CPU time it took, s, and the growth of memory, MB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the high-water mark anew
    before, start = _memory("VmRSS"), time.process_time()
    try:
        outcome = "rejected" if read(given_).rejected else "read"
    except InputError as error:
        outcome = "refused" if "\n" not in str(error) else "refused in several lines"
    return outcome, time.process_time() - start, _memory("VmHWM") - before


Figures = dict[str, Any]


def measured(kind: str, count: int) -> tuple[Callable[[], None], Callable[[], Figures]]:
    """A test of hypothesis that reads ``count`` inputs of a kind, and what it has measured so far.

    That is the worst CPU time, s, and growth of memory, MB, of one; inputs and outcomes.
    """
    recognizer = Recognizer.load()
    recognizer.predict_strokes([np.array([[0.0, 0.0], [1.0, 5.0]])])
    recognizer.read([np.array([[0.0, 0.0], [1.0, 5.0]])])
    method, inputs = KINDS[kind]
    read = getattr(recognizer, method)
    worst, outcomes = {"cpu_seconds": 0.0, "memory_mb": 0.0}, Counter[str]()

    @given(inputs)
    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    def run(given_: Any) -> None:
        outcome, took, grown = _timed(read, given_)
        if took > AGAIN:  # another process may have slowed it down
            took = min(took, _timed(read, given_)[1])
        worst["cpu_seconds"] = max(worst["cpu_seconds"], took)
        worst["memory_mb"] = max(worst["memory_mb"], grown)
        outcomes[outcome] += 1

    def found() -> Figures:
        return {**worst, "inputs": sum(outcomes.values()), "outcomes": dict(outcomes)}

    return run, found


if __name__ == "__main__":
    run, found = measured(sys.argv[1], int(sys.argv[2]))
    run()
    print(json.dumps(found()))
