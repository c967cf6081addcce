"""Pictures become MNIST's frames: against plain loops, under every change that must not matter,
and on the kinds of pictures that people have."""

from __future__ import annotations

import io
import math
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, bundled, coverage, page, paint
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from digitlib import BlankDrawingError, InputError
from digitlib.datasets import catalog, pictures
from digitlib.preprocessing import ruling
from digitlib.preprocessing.frame import (
    BOX_SIZE,
    MAX_STROKE,
    frame_steps,
    ink_to_frame,
    normalize_stroke_width,
    place_box,
    reduce_to_box,
    stroke_width,
    to_frame,
)
from digitlib.preprocessing.decode import MAX_SIDE, WORK_SIDE
from digitlib.preprocessing.read import block_mean, read_colours, read_grey


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of two frames, 0-255, where a shift by one pixel is none.

    Where the centre of mass lies half-way between two pixels, the least change moves the frame.
    """
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(
        float(np.abs(np.roll(first, shift, (0, 1)).astype(float) - second).mean())
        for shift in shifts
    )


def clean_frame(digit: int) -> np.ndarray:
    return to_frame(page(digit))


def same_everywhere(pictures: dict[int, object], most: float) -> None:
    """Every picture gives the frame of its clean drawing, but for ``most`` grey levels."""
    for digit, picture in pictures.items():
        found = difference(to_frame(picture), clean_frame(digit))
        assert found <= most, f"{digit}: {found:.1f} grey levels off"


def read_right(pictures: dict[int, object], least: int = 10) -> None:
    """The recognizer reads the pictures of the ten digits."""
    answers = {digit: bundled().predict(picture).digit for digit, picture in pictures.items()}
    right = sum(digit == answer for digit, answer in answers.items())
    assert right >= least, answers


# Ink wherever the strokes of some drawing may be, with the brush of a paint program.
unit = st.floats(0, 1, width=32)
strokes_of_any_kind = st.lists(
    st.lists(st.tuples(unit, unit), min_size=2, max_size=5).map(np.array), min_size=1, max_size=3
)


def drawn(strokes: list[np.ndarray], **options: object) -> np.ndarray:
    """A drawing in black on white, on a page of 120 px."""
    values = {"page": (120, 120), "height": 70, "brush": 8} | options
    return np.rint(255 * (1 - coverage(strokes, **values))).astype(np.uint8)


# --- area averaging ------------------------------------------------------------------------


def area_overlap(window: np.ndarray, cells: int = 20) -> np.ndarray:
    """Mean under each cell, the overlap of every pixel with it taken one by one."""
    side = len(window)
    step = side / cells
    shares = np.zeros((cells, side))
    for cell in range(cells):
        for pixel in range(side):
            shares[cell, pixel] = max(
                0.0, min((cell + 1) * step, pixel + 1) - max(cell * step, pixel)
            )
    out = np.zeros((cells, cells))
    for row in range(cells):
        for column in range(cells):
            weight = np.outer(shares[row], shares[column])
            out[row, column] = (weight * window).sum() / weight.sum()
    return out


@given(st.integers(40, 90), st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_reduction_is_area_overlap(side: int, seed: int) -> None:
    window = np.random.RandomState(seed).uniform(0.6, 1, (side, side)).astype(np.float32)
    expected = area_overlap(window)
    box = reduce_to_box(window)
    np.testing.assert_allclose(box, expected / expected.max(), atol=1e-4)


@pytest.mark.parametrize("column", range(241, 400, 3))
def test_a_thin_line_beside_thick_ink_keeps_its_share_at_any_phase(column: int) -> None:
    window = np.zeros((400, 400), np.float32)
    window[:, :200] = 1
    window[:, column] = 1
    box = reduce_to_box(window)
    # One px of the twenty that a cell is wide; taking a pixel per cell would give 0 or 1.
    np.testing.assert_allclose(box[:, column // 20], 0.05, atol=1e-4)
    np.testing.assert_allclose(box[:, 11:].sum(axis=1), 0.05, atol=1e-4)


@pytest.mark.parametrize("phase", range(20))
@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_a_drawing_of_thin_lines_stays_bright_and_whole(phase: int, thickness: int) -> None:
    window = np.zeros((400, 400), np.float32)
    window[100 + phase : 100 + phase + thickness] = 1
    box = reduce_to_box(normalize_stroke_width(window))
    assert box.max() == pytest.approx(1)
    # About MIN_STROKE px of ink in each column, scaled to the brightest.
    assert (box.sum(axis=0) > 1.1).all()
    assert (box.sum(axis=0) < 2.1).all()


def test_a_small_window_is_enlarged_smoothly() -> None:
    ramp = np.tile(np.linspace(0.2, 1, 7, dtype=np.float32), (7, 1))
    enlarged = normalize_stroke_width(ramp)
    assert enlarged.shape == (42, 42)
    changes = np.diff(reduce_to_box(enlarged)[10])
    # Repeating each pixel three times would give a few large steps with none between.
    assert (changes[2:-2] > 0.02).all()
    assert changes.max() < 0.06


def test_a_box_of_the_right_size_is_left_alone() -> None:
    window = np.random.RandomState(0).uniform(0.6, 1, (20, 20)).astype(np.float32)
    window[3, 3] = 1
    np.testing.assert_allclose(reduce_to_box(window), window, atol=1e-5)


@pytest.mark.parametrize("brush", [20, 28])
def test_thick_strokes_are_thinned(brush: float) -> None:
    bar = np.array([[0, 0], [0, 1.0]])
    picture = pictures.canvas([bar], brush=brush, height=60)
    made = frame_steps(picture)
    assert stroke_width(made["crop"]) * 20 / len(made["crop"]) > MAX_STROKE
    assert stroke_width(made["box"]) == pytest.approx(MAX_STROKE, abs=0.7)
    assert (made["box"].max(axis=1) > 0.5).sum() == BOX_SIZE  # as high as before


def test_a_blot_stays_a_blot() -> None:
    made = frame_steps(pictures.canvas([np.array([[0.0, 0.0]])], brush=80))
    assert stroke_width(made["box"]) > 8


def test_stroke_width_is_measured() -> None:
    for width in (6, 14, 30):
        picture = coverage([np.array([[0, 0], [0.3, 1.0]])], height=150, brush=width)
        assert stroke_width(picture.astype(np.float32)) == pytest.approx(width, rel=0.15)
    assert stroke_width(np.zeros((5, 5), np.float32)) == 0


# --- what must not matter ------------------------------------------------------------------


@given(strokes_of_any_kind)
@settings(max_examples=40)
def test_polarity_does_not_matter(strokes: list[np.ndarray]) -> None:
    picture = drawn(strokes)
    assert difference(to_frame(255 - picture), to_frame(picture)) <= 0.5


@given(strokes_of_any_kind, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=30)
def test_position_does_not_matter(strokes: list[np.ndarray], right: int, down: int) -> None:
    picture = drawn(strokes)
    moved = np.roll(picture, (down, right), (0, 1))  # the margin is wider than the shift
    np.testing.assert_array_equal(to_frame(moved), to_frame(picture))


@given(strokes_of_any_kind, *[st.integers(0, 200) for _ in range(4)])
@settings(max_examples=30)
def test_page_size_does_not_matter(
    strokes: list[np.ndarray], left: int, right: int, above: int, below: int
) -> None:
    picture = drawn(strokes)
    larger = np.pad(picture, ((above, below), (left, right)), constant_values=255)
    np.testing.assert_array_equal(to_frame(larger), to_frame(picture))


@pytest.mark.parametrize("times", [2, 3, 5, 9])
def test_scale_hardly_matters(times: int) -> None:
    for digit in DIGITS:
        larger = np.kron(page(digit), np.ones((times, times), np.uint8))
        assert difference(to_frame(larger), clean_frame(digit)) < 2.5


@given(strokes_of_any_kind)
@settings(max_examples=20)
def test_doubling_any_drawing_hardly_matters(strokes: list[np.ndarray]) -> None:
    points = np.concatenate(strokes)
    assume(np.ptp(points, axis=0).max() > 1e-3)  # a dot fills the box with its jagged outline
    picture = drawn(strokes)
    larger = np.kron(picture, np.ones((2, 2), np.uint8))
    assert difference(to_frame(larger), to_frame(picture)) < 6


@pytest.mark.parametrize("shape", [(200, 120), (120, 320), (900, 140)])
def test_the_aspect_of_the_page_does_not_matter(shape: tuple[int, int]) -> None:
    for digit in (1, 4, 8):
        ink = coverage(DIGITS[digit], page=shape, height=90)
        squares = coverage(DIGITS[digit], page=(140, 140), height=90)
        assert difference(to_frame(1 - ink), to_frame(1 - squares)) < 2


def test_the_aspect_of_the_digit_is_kept() -> None:
    frame = to_frame(drawn([np.array([[0, 0], [0.4, 0], [0.4, 1], [0, 1], [0, 0]])]))
    rows, columns = (np.flatnonzero(frame.max(axis=axis) > 64) for axis in (1, 0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == pytest.approx(20 * (0.4 * 70 + 8) / (70 + 8), abs=1)


# --- frames --------------------------------------------------------------------------------


@given(strokes_of_any_kind)
@settings(max_examples=60)
def test_a_frame_is_as_mnist_has_it(strokes: list[np.ndarray]) -> None:
    made = frame_steps(drawn(strokes))
    frame, box = made["frame"], made["box"]
    assert frame.dtype == np.uint8
    assert frame.shape == (28, 28)
    assert frame.max() == 255
    assert int(frame.sum()) == np.rint(box * 255).sum()  # nothing left the frame
    for axis in (0, 1):
        mass = ndimage.center_of_mass(frame.astype(float))[axis]
        # The shift by whole pixels ends where the box of 20 would leave the frame.
        if 0 <= 14 - ndimage.center_of_mass(box)[axis] <= 8:
            assert abs(mass - 14) <= 0.52
        else:
            used = np.flatnonzero(frame.any(axis=1 - axis))
            assert used[0] == 0 or used[-1] == 27 or abs(mass - 14) <= 1


def test_a_shift_stops_at_the_edge_of_the_frame() -> None:
    box = np.full((20, 20), 0.1)
    box[:, :3] = 1  # the mass lies far left: to centre it, ink would leave on the right
    frame = place_box(box)
    assert frame[:, 8:11].max() == 255
    assert np.flatnonzero(frame.any(axis=0)).tolist() == [*range(8, 28)]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (7, 12), (19, 5), (19, 19)])
def test_a_single_pixel_goes_to_the_middle_as_far_as_the_box_may_move(
    row: int, column: int
) -> None:
    box = np.zeros((20, 20))
    box[row, column] = 1
    found = np.argwhere(place_box(box))[0]
    expected = [min(max(14, place), place + 8) for place in (row, column)]
    assert found.tolist() == expected


@pytest.mark.needs_mnist
def test_frames_of_mnist_come_back_nearly_unchanged() -> None:
    frames = catalog.load("mnist", "test", download=False).images[:300].numpy()
    found = [difference(to_frame(frame), frame) for frame in frames]
    assert np.mean(found) < 0.5
    assert max(found) < 5


def test_frames_of_the_sample_come_back_nearly_unchanged() -> None:
    frames = catalog.load("sample", "test").images[:100].numpy()
    assert max(difference(to_frame(frame), frame) for frame in frames) < 2


def enlarged_on_a_page(frame: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A frame ten times as large somewhere on a larger page, in either polarity."""
    how = random.choice([Image.Resampling.NEAREST, Image.Resampling.BICUBIC])
    large = Image.fromarray(frame).resize((280, 280), Image.Resampling(how))
    height, width = random.randint(281, 450, 2)
    sheet = np.zeros((height, width), np.uint8)
    top, left = random.randint(height - 280 + 1), random.randint(width - 280 + 1)
    sheet[top : top + 280, left : left + 280] = np.asarray(large)
    return sheet if random.rand() < 0.5 else 255 - sheet


@pytest.mark.needs_mnist
def test_mnist_enlarged_and_read_again_loses_hardly_any_accuracy() -> None:
    # A fixed tenth of the test set. On all 10,000 the loss has to be 20 digits or fewer; here
    # it is the digits lost less those gained, a count that scatters by sqrt(lost + gained).
    random = np.random.RandomState(0)
    data = catalog.load("mnist", "test", download=False).subset(1000)
    again = np.stack([to_frame(enlarged_on_a_page(f, random)) for f in data.images.numpy()])
    labels = data.labels.numpy()
    before = bundled().probabilities(data.images).argmax(dim=1).numpy() == labels
    after = bundled().probabilities(again).argmax(axis=1) == labels
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    assert lost - gained <= 0.002 * len(labels) + 1.64 * math.sqrt(0.002 * len(labels))
    # Most frames are nearly what they were: the loss is small for a reason.
    changes = [difference(f, old) for f, old in zip(again, data.images.numpy(), strict=True)]
    assert np.median(changes) < 10


# --- formats -------------------------------------------------------------------------------

ALPHA = {digit: np.rint(255 * coverage(DIGITS[digit])).astype(np.uint8) for digit in (2, 4, 7)}


@pytest.mark.parametrize("shade", [0, 255])
@pytest.mark.parametrize("below", [0, 90, 255])
def test_ink_on_transparency(shade: int, below: int) -> None:
    # What stands in pixels that nobody sees (``below``) must not be seen.
    for digit, alpha in ALPHA.items():
        grey = np.where(alpha > 0, shade, below).astype(np.uint8)
        picture = np.stack([grey, grey, grey, alpha], axis=-1)
        assert difference(to_frame(picture), clean_frame(digit)) < 0.5
        assert difference(to_frame(Image.fromarray(picture)), clean_frame(digit)) < 0.5
        assert difference(to_frame(picture / 255), clean_frame(digit)) < 0.5


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    grey = page(5)
    picture = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    np.testing.assert_array_equal(to_frame(picture), to_frame(grey))


def test_large_transparent_pictures() -> None:
    # Above the size from which pictures are reduced before anything else.
    alpha = np.kron(ALPHA[4], np.ones((8, 8), np.uint8))
    for shade in (0, 255):
        picture = np.stack([np.where(alpha > 0, shade, 0)] * 3 + [alpha], axis=-1).astype(np.uint8)
        assert difference(to_frame(picture), clean_frame(4)) < 2
        assert difference(to_frame(Image.fromarray(picture)), clean_frame(4)) < 2


def as_mode(mode: str, grey: np.ndarray) -> Image.Image:
    picture = Image.fromarray(grey)
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray((grey / 255).astype(np.float32))
    if mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        return picture.convert("RGB").convert(mode)
    return picture.convert(mode)


@pytest.mark.parametrize(
    "mode", ["L", "RGB", "P", "LA", "PA", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"]
)
@pytest.mark.parametrize("inverted", [False, True])
def test_modes_of_pictures(mode: str, inverted: bool) -> None:
    grey = 255 - page(3) if inverted else page(3)
    picture = as_mode(mode, grey)
    assert picture.mode == mode
    assert difference(to_frame(picture), clean_frame(3)) < 1


def test_one_bit_pictures() -> None:
    picture = Image.fromarray(page(3)).convert("1", dither=Image.Dither.NONE)
    assert difference(to_frame(picture), clean_frame(3)) < 4


def test_palettes_are_looked_up() -> None:
    # The index of the ink is the higher one: without the palette, the picture would be inverted
    # and, with a palette of two greens, too weak.
    indices = (coverage(DIGITS[6]) > 0.5).astype(np.uint8)
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    assert difference(to_frame(picture), clean_frame(6)) < 4


def test_a_transparent_palette_colour_is_paper() -> None:
    indices = (coverage(DIGITS[6]) > 0.5).astype(np.uint8)
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([0, 0, 0, 0, 0, 0])  # both black: only the transparency tells
    picture.info["transparency"] = 0
    assert difference(to_frame(picture), clean_frame(6)) < 4


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.float16])
def test_types_of_arrays(dtype: type) -> None:
    grey = page(9)
    full = 65535 if dtype is np.uint16 else 1
    array = (grey / 255 * full).astype(dtype)
    assert difference(to_frame(array), to_frame(grey)) < 0.5
    colour = np.stack([array] * 3, axis=-1)
    assert difference(to_frame(colour), to_frame(grey)) < 0.5


def test_bool_arrays() -> None:
    ink = coverage(DIGITS[9]) > 0.5
    np.testing.assert_array_equal(to_frame(ink), to_frame(ink * np.uint8(255)))
    assert difference(to_frame(~ink), clean_frame(9)) < 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".gif"])
def test_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"digit{suffix}"
    Image.fromarray(page(5)).save(path)
    for given_path in (path, str(path)):
        assert difference(to_frame(given_path), clean_frame(5)) < 3


TURNS = {  # what a camera did to the upright picture, by EXIF's number for it
    1: (),
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_90,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_270,),
}


def as_file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    picture.save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", TURNS)
def test_photos_that_say_how_they_lie(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.fromarray(page(7))
    for turn in TURNS[orientation]:
        lying = lying.transpose(turn)
    photo = as_file(lying, "JPEG", exif=exif, quality=95)
    assert difference(to_frame(photo), clean_frame(7)) < 3
    if orientation > 1:
        assert difference(to_frame(np.asarray(Image.open(io.BytesIO(photo)))), clean_frame(7)) > 10
    shown = read_colours(photo).astype(float)
    assert shown.shape == page(7).shape
    assert np.abs(shown - page(7)).mean() < 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_files_are_read_from_disk_and_from_memory(kind: str, tmp_path: Path) -> None:
    content = as_file(Image.fromarray(page(7)), kind)
    path = tmp_path / "seven"  # the content tells the format
    path.write_bytes(content)
    assert np.array_equal(to_frame(path), to_frame(content))
    assert difference(to_frame(content), clean_frame(7)) < 3


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "1"])
def test_what_is_shown_is_what_is_read(mode: str) -> None:
    picture = Image.fromarray(np.tile(page(7), (4, 4))).convert(mode)
    colours = read_colours(picture)
    assert colours.dtype == np.uint8
    assert max(colours.shape) < 2 * WORK_SIDE
    assert np.array_equal(read_grey(colours), read_grey(picture))


def test_transparent_ink_is_shown_on_paper_of_its_opposite() -> None:
    ink = np.zeros((40, 40, 4), np.uint8)
    ink[10:30, 18:22] = 255  # white
    shown = read_colours(ink)
    assert shown.shape == (40, 40, 3)
    assert (shown[20, 20] == 255).all()
    assert (shown[0] == 0).all()


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_heic_without_its_reader_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ValueError, match="pip install pi-heif, or save the picture as JPEG"):
        to_frame(HEIC)


def test_heic_is_read() -> None:
    # page(7) at 80 px, quality 30, by pillow-heif 1.8.1: pi-heif reads alone
    photo = Path(__file__).with_name("seven.heic")
    assert difference(to_frame(photo), clean_frame(7)) < 5


def test_damaged_heic_is_refused() -> None:
    with pytest.raises(ValueError, match="The file cannot be read as a picture"):
        to_frame(HEIC)


@pytest.mark.parametrize("content", [b"", b"no picture", b"%PDF-1.7 " * 99])
def test_files_of_other_kinds_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^The file cannot be read as a picture: it is no PNG"):
        to_frame(content)


# --- ink and paper -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pen", "paper"),
    [
        ((255, 230, 0), (255, 255, 255)),  # yellow on white: almost no luminance between them
        ((220, 30, 30), (30, 40, 200)),
        ((0, 160, 0), (200, 60, 60)),  # green on red of about the same luminance
        ((255, 255, 255), (20, 90, 50)),  # chalk on a blackboard
        ((0, 0, 0), (255, 255, 0)),
        ((110, 110, 110), (160, 160, 160)),
    ],
)
def test_coloured_ink(pen: tuple[int, ...], paper: tuple[int, ...]) -> None:
    pictures = {digit: paint(coverage(DIGITS[digit]), paper, pen) for digit in (2, 3, 4, 7)}
    same_everywhere(pictures, 3)


HORIZONTAL = np.linspace(0, 1, 200)[None, :]
VERTICAL = np.linspace(0, 1, 200)[:, None]


def photos(paper: np.ndarray | float, ink: float, noise: float = 2) -> dict[int, np.ndarray]:
    """The ten digits, paper and ink in grey levels, with noise."""
    random = np.random.RandomState(1)
    made = {}
    for digit, strokes in DIGITS.items():
        share = coverage(strokes)
        scene = paper * (1 - share) + ink * share + noise * random.randn(*share.shape)
        made[digit] = np.clip(scene, 0, 255).astype(np.uint8)
    return made


@pytest.mark.parametrize(
    "light",
    [
        0.4 + 0.6 * HORIZONTAL,
        1 - 0.5 * VERTICAL * HORIZONTAL,
        1 - 0.35 / (1 + np.exp(-(HORIZONTAL - 0.4) * 25)),  # the soft edge of a shadow
    ],
    ids=["slope", "corner", "shadow"],
)
def test_uneven_light(light: np.ndarray) -> None:
    pictures = {
        digit: (picture * light).astype(np.uint8) for digit, picture in photos(240, 40).items()
    }
    read_right(pictures)
    same_everywhere(pictures, 5)


@pytest.mark.parametrize("noise", [3, 8, 14])
def test_noise(noise: float) -> None:
    pictures = photos(225, 35, noise)
    read_right(pictures)
    same_everywhere(pictures, 5)


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_jpeg_noise(quality: int) -> None:
    pictures = {}
    for digit, picture in photos(235, 45, noise=0).items():
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        pictures[digit] = Image.open(buffer)
    read_right(pictures)
    same_everywhere(pictures, 5)


def ruled(shade: float, step: int, squared: bool = False) -> np.ndarray:
    paper = np.full((200, 200), 240.0)
    for first in (0, 1):
        paper[step // 2 + first :: step] = shade
        if squared:
            paper[:, step // 2 + first :: step] = shade
    return paper


@pytest.mark.parametrize("noise", [0, 3], ids=["scanned", "photographed"])
@pytest.mark.parametrize("squared", [False, True], ids=["lines", "squares"])
@pytest.mark.parametrize("shade", [225, 200, 170], ids=["faint", "pale", "strong"])
def test_ruled_paper(shade: float, squared: bool, noise: float) -> None:
    pictures = photos(ruled(shade, 40, squared), 30, noise)
    read_right(pictures, least=9)
    # A rule left in would widen the box to the page: the digit would be much too small.
    for digit, picture in pictures.items():
        rows = np.flatnonzero((to_frame(picture) > 100).any(axis=1))
        columns = np.flatnonzero((to_frame(picture) > 100).any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 >= 18, digit


def test_a_digit_on_paper_lined_as_dark_as_the_pen() -> None:
    lined = np.asarray(page(5, page=(400, 400), height=220, brush=24)).copy()
    lined[::20] = 0
    prediction = bundled().predict(lined)
    assert prediction.digit == 5
    assert not prediction.rejected


@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.sampled_from([0.05, 0.3, 0.9, 0.97]))
@settings(max_examples=40)
def test_runs_and_bridges_are_openings_and_closings(seed: int, size: int, share: float) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(5, 60, 2)) < share
    runs = ndimage.binary_opening(mask, np.ones((1, size)))
    np.testing.assert_array_equal(ruling._long_runs(mask, size), runs)
    closed = ndimage.binary_closing(np.pad(mask, size), np.ones((2 * size + 1, 3)))
    np.testing.assert_array_equal(ruling._bridge(mask, size), closed[size:-size, size:-size])


@pytest.mark.parametrize("shaded", [False, True])
def test_a_dark_margin_on_some_sides(shaded: bool) -> None:
    pictures = photos(245, 30, noise=2 if shaded else 0)
    for picture in pictures.values():
        if shaded:
            picture[:] = picture * (0.6 + 0.4 * HORIZONTAL)
        picture[:, :14] = 35
        picture[190:] = 28
    read_right(pictures)
    same_everywhere(pictures, 5)


@pytest.mark.parametrize("desk", [12, 24, 35])
def test_a_page_on_a_dark_desk(desk: int) -> None:
    pictures = {
        digit: np.pad(picture, desk, constant_values=30)
        for digit, picture in photos(240, 30, noise=0).items()
    }
    same_everywhere(pictures, 1)


@pytest.mark.parametrize("thickness", [2, 5])
def test_a_frame_drawn_around_the_digit(thickness: int) -> None:
    pictures = {}
    for digit in DIGITS:
        picture = page(digit)
        inner = picture[8 + thickness : 192 - thickness, 8 + thickness : 192 - thickness].copy()
        picture[8:192, 8:192] = 0
        picture[8 + thickness : 192 - thickness, 8 + thickness : 192 - thickness] = inner
        pictures[digit] = picture
    same_everywhere(pictures, 1)


@pytest.mark.parametrize("upright", [False, True])
def test_a_line_across_the_page_beside_the_digit(upright: bool) -> None:
    # The line to write on, or the edge of a pad: it ends at the picture's borders.
    pictures = {}
    for digit in DIGITS:
        picture = page(digit)
        (picture.T if upright else picture)[172:177] = 0
        pictures[digit] = picture
    same_everywhere(pictures, 1)


def test_specks() -> None:
    random = np.random.RandomState(3)
    pictures = {}
    for digit in DIGITS:
        picture = page(digit)
        for row, column in random.randint(4, 194, (15, 2)):
            picture[row : row + 2, column : column + 2] = 0
        pictures[digit] = picture
    same_everywhere(pictures, 4)  # those that touch the ink stay


def two_digits(gap: float) -> Image.Image:
    """A two and, so many of its heights to the right, a seven."""
    second = [stroke + np.array([1 + gap, 0]) for stroke in DIGITS[7]]
    return pictures.canvas([*DIGITS[2], *second], brush=8, height=220)


@pytest.mark.parametrize("gap", [0.2, 0.5, 1.0])
def test_two_digits_are_no_digit(gap: float) -> None:
    assert bundled().predict(two_digits(gap)).rejected


@pytest.mark.parametrize("gap", [0.5, 1.0])
def test_what_the_border_cuts_is_a_neighbour_and_not_read(gap: float) -> None:
    found = bundled().predict(two_digits(gap).crop((0, 0, 220, 280)))
    assert (found.digit, found.rejected) == (2, False)


def test_the_parts_of_a_digit_stay_together() -> None:
    # A dot in a zero and the detached bar of a five are no specks.
    ring, dot = DIGITS[0][0], np.array([[0.5, 0.48], [0.5, 0.52]])
    frame = to_frame(drawn([ring, dot]))
    assert frame[12:16, 12:16].max() > 200
    assert to_frame(drawn([ring]))[12:16, 12:16].max() == 0


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("side", ["left", "top", "all"])
def test_a_digit_that_touches_the_border(side: str, inverted: bool) -> None:
    pictures = {}
    for digit in DIGITS:
        picture = page(digit)
        rows, columns = (np.flatnonzero((picture < 200).any(axis=axis)) for axis in (1, 0))
        top = rows[0] if side in ("top", "all") else 0
        left = columns[0] if side in ("left", "all") else 0
        bottom = rows[-1] + 1 if side == "all" else 200
        right = columns[-1] + 1 if side == "all" else 200
        cut = picture[top:bottom, left:right]
        pictures[digit] = 255 - cut if inverted else cut
    read_right(pictures)
    same_everywhere(pictures, 3)


# --- pages inside frames, boxes and pages -------------------------------------------------


def page_on_a_desk_in_a_frame(frame: int, desk: int, sheet: int, digit: int) -> np.ndarray:
    """A screenshot with a white border of ``frame`` px around a photo of a sheet on a desk."""
    random = np.random.RandomState(0)
    picture = np.full((300, 300), 255.0)
    for margin, shade in ((frame, desk), (frame + 30, sheet)):
        side = 300 - 2 * margin
        picture[margin:-margin, margin:-margin] = shade + 4 * random.randn(side, side)
    margin = frame + 40
    ink = Image.fromarray(page(digit)).resize((300 - 2 * margin, 300 - 2 * margin))
    written = picture[margin:-margin, margin:-margin]
    written[:] = np.minimum(written, np.asarray(ink))
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("frame", [4, 20, 60])
@pytest.mark.parametrize(("desk", "sheet"), [(60, 180), (90, 200), (120, 210)])
def test_a_page_on_a_desk_in_a_white_frame_is_read(frame: int, desk: int, sheet: int) -> None:
    picture = page_on_a_desk_in_a_frame(frame, desk, sheet, digit=4)
    assert bundled().predict(picture).digit == 4
    assert bundled().read(picture).text == "4"


@st.composite
def nested_pages(draw: st.DrawFn) -> np.ndarray:
    """Frames, drawn boxes and shaded pages inside each other, with some ink and some noise."""
    height, width = draw(st.integers(9, 260)), draw(st.integers(9, 260))
    picture = np.full((height, width), float(draw(st.integers(0, 255))))
    rows, columns = slice(0, height), slice(0, width)
    for _ in range(draw(st.integers(1, 4))):
        part = picture[rows, columns]
        gaps = [draw(st.integers(0, max(side // 3, 0))) for side in part.shape for _ in "ab"]
        rows = slice(rows.start + gaps[0], rows.stop - gaps[1])
        columns = slice(columns.start + gaps[2], columns.stop - gaps[3])
        part = picture[rows, columns]
        line = draw(st.sampled_from([0, 1, 3]))
        inside = part[line:-line, line:-line].copy() if line else None
        part[:] = np.linspace(*draw(st.tuples(*[st.integers(0, 255)] * 2)), len(part))[:, None]
        if inside is not None:
            part[line:-line, line:-line] = inside
    part = picture[rows, columns]
    part[len(part) // 4 : -len(part) // 4, part.shape[1] // 2 :][:, :3] = draw(st.integers(0, 255))
    noise = np.random.RandomState(draw(st.integers(0, 99))).randn(height, width)
    return (picture + draw(st.sampled_from([0, 0.5, 3, 12])) * noise).clip(0, 255).astype(np.uint8)


@given(nested_pages())
@settings(max_examples=50)
def test_nested_pages_are_read_or_refused_with_a_documented_error(picture: np.ndarray) -> None:
    for read in (to_frame, bundled().predict, bundled().read):
        with suppress(InputError):
            read(picture)


# --- what is no picture of a digit ---------------------------------------------------------


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((28, 28)),
        np.ones((28, 28)),
        np.full((300, 200, 3), 128, np.uint8),
        np.full((40, 40, 4), 0, np.uint8),  # transparent everywhere
        np.zeros((1, 1)),
        np.full((60, 60), 0.5) + np.linspace(0, 0.03, 60),
        Image.new("RGB", (50, 50), "red"),
        Image.new("1", (50, 50)),
        Image.new("RGBA", (50, 50)),
    ],
    ids=lambda p: f"{type(p).__name__}-{getattr(p, 'shape', getattr(p, 'mode', ''))}",
)
def test_blank_pictures(picture: object) -> None:
    with pytest.raises(BlankDrawingError, match="digit"):
        to_frame(picture)


@pytest.mark.parametrize("light", [1, 0.5 + 0.5 * HORIZONTAL], ids=["even", "slope"])
@pytest.mark.parametrize("noise", [2, 4])
def test_a_photo_of_an_empty_sheet_is_blank(noise: float, light: np.ndarray | float) -> None:
    random = np.random.RandomState(0)
    picture = np.clip(220 * light + noise * random.randn(200, 200), 0, 255).astype(np.uint8)
    with pytest.raises(BlankDrawingError, match=r"light|pen|digit"):
        to_frame(picture)


def test_a_blank_drawing_is_a_value_error() -> None:
    assert issubclass(BlankDrawingError, ValueError)


HUGE = 20_000


@pytest.mark.parametrize(
    ("picture", "advice"),
    [
        (np.full((28, 28), np.nan), "NaN"),
        (np.where(np.eye(28) > 0, np.inf, 0), "NaN or infinite"),
        (np.full((28, 28, 3), np.nan, np.float32), "NaN"),
        (np.zeros((0, 28)), "empty"),
        (np.zeros((28, 0, 3), np.uint8), "empty"),
        (Image.new("L", (0, 5)), "empty"),
        (np.zeros(28), r"\[H, W\]"),
        (np.zeros((28, 28, 2)), r"\[H, W\]"),
        (np.zeros((1, 28, 28, 3)), r"\[H, W\]"),
        (np.zeros((3, 28, 28)), r"\[H, W\]"),
        ([], r"\[H, W\]"),
        (None, r"\[H, W\]"),
        (np.zeros((28, 28), int), "uint8"),
        (np.zeros((28, 28), np.int8), "uint8"),
        (np.zeros((28, 28), complex), "uint8"),
        (np.array([["a", "b"]]), "uint8"),
        (page(3).astype(float), "from 0 to 1.*Scale"),
        (-np.eye(28), "from 0 to 1.*Scale"),
        (np.broadcast_to(np.uint8(255), (HUGE, 30)), "20000 px.*smaller"),
        (np.broadcast_to(np.uint8(255), (HUGE, HUGE)), "20000 px.*smaller"),
        (np.broadcast_to(np.float32(1), (30, HUGE, 3)), "20000 x 30 px.*smaller"),
        (Image.new("1", (HUGE, 30)), "20000 x 30 px.*smaller"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_read_is_said(picture: object, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        to_frame(picture)
    assert not isinstance(caught.value, BlankDrawingError)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_float_picture_of_pil_may_hold_nan(value: float) -> None:
    array = (page(3) / 255).astype(np.float32)
    array[5, 5] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        to_frame(Image.fromarray(array))


def test_huge_picture_files(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (HUGE, 30)).save(path)
    with pytest.raises(ValueError, match=r"20000 x 30 px.*smaller"):
        to_frame(path)
    # A bomb: a few bytes that say they are 400 megapixels.
    header = b"IHDR" + struct.pack(">IIBBBBB", HUGE, HUGE, 1, 0, 0, 0, 0)
    content = path.read_bytes()
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with pytest.raises(ValueError, match=r"huge\.png"):
        to_frame(path)


@pytest.mark.parametrize("colours", [(), (3,), (4,)], ids=["grey", "RGB", "RGBA"])
def test_arrays_of_the_size_of_photos(colours: tuple[int, ...]) -> None:
    large = np.kron(page(4), np.ones((8, 8), np.uint8))
    array = np.broadcast_to(large.reshape(large.shape + (1,) * len(colours)), large.shape + colours)
    if colours == (4,):
        array = array.copy()
        array[..., 3] = 255
    assert difference(to_frame(array), clean_frame(4)) < 2
    assert difference(to_frame(Image.fromarray(np.ascontiguousarray(array))), clean_frame(4)) < 2


def test_the_largest_pictures_are_read() -> None:
    tall = np.full((MAX_SIDE, 100), 255, np.uint8)
    tall[5000:7000, 40:60] = 0
    assert to_frame(tall).max() == 255


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    with pytest.raises(ValueError, match=r"notes\.png"):
        to_frame(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif"])
def test_a_truncated_picture_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken{suffix}"
    Image.fromarray(page(5)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"broken"):
        to_frame(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, ValueError), match=r"nothing\.png"):
        to_frame(tmp_path / "nothing.png")


# --- thicken and steps ---------------------------------------------------------------------


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def padded(folder: Path) -> Path:
    (folder / "giant.webp").write_bytes(as_file(Image.fromarray(page(5)), "WEBP"))
    with (folder / "giant.webp").open("r+b") as file:
        file.truncate(2**31)
    return folder / "giant.webp"


def postscript(folder: Path) -> Path:
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    return folder / "script.png"


def endless_rows(folder: Path) -> Path:
    Image.new("RGB", (9000, 9000)).save(folder / "large.png", compress_level=1)
    return folder / "large.png"


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (fifo, "no regular file"),
        (padded, "at most 67 MB are read"),
        (postscript, "it is no PNG"),
        (endless_rows, "81.0 megapixels; of its kind at most 64 are read"),
    ],
)
def test_files_that_would_take_too_long_are_refused_unread(
    make: Callable[[Path], Path], advice: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=advice):
        to_frame(make(tmp_path))


def test_a_damaged_picture_of_pil_is_refused_with_its_cause() -> None:
    truncated = as_file(Image.fromarray(np.tile(page(5), (4, 4))), "JPEG")[:2000]
    turned_badly = as_file(Image.fromarray(page(5)), "PNG", exif=b"?")
    for damaged in (truncated, turned_badly):
        with pytest.raises(InputError, match=r"cannot be read as a picture: .*Save it") as caught:
            to_frame(Image.open(io.BytesIO(damaged)))
        assert caught.value.__cause__ is not None


def test_a_page_of_dots_is_too_busy() -> None:
    dots = np.full((640, 640), 255, np.uint8)
    dots[::4, ::4] = 0
    with pytest.raises(InputError, match="too busy to find a digit in: it has 25,600 parts of ink"):
        to_frame(dots)


def test_a_picture_of_a_few_pixels_may_have_no_inside() -> None:
    shades = np.tile(np.array([22, 20, 19, 18, 16, 15, 14], np.uint16), (7, 1))
    shades[1:4, 3] = shades[3, 4:] = 0
    with pytest.raises(BlankDrawingError):
        to_frame(shades * 257)


def test_a_large_progressive_jpeg_is_refused() -> None:
    large = as_file(Image.new("RGB", (9000, 6000)), "JPEG", progressive=True)
    with pytest.raises(InputError, match=r"54\.0 megapixels; of its kind at most 40 are read"):
        to_frame(large)


def test_a_mask_of_0_and_1_is_a_picture() -> None:
    mask = page(3) < 128
    for kind in (np.uint8, np.uint16):
        np.testing.assert_array_equal(to_frame(mask.astype(kind)), to_frame(mask))


@pytest.mark.parametrize("times", [7, 9, 10, 20, 40])
def test_large_jpegs_are_reduced_while_they_are_decoded(times: int) -> None:
    large = Image.fromarray(page(4)).resize((200 * times, 200 * times), Image.Resampling.BICUBIC)
    assert difference(to_frame(as_file(large, "JPEG")), to_frame(large)) < 2


def test_steps_are_all_there_in_order() -> None:
    made = frame_steps(page(2))
    assert [*made] == ["greyscale", "ink", "digit", "crop", "box", "frame", "input"]


def test_steps_are_what_their_names_say() -> None:
    picture = page(2)
    made = frame_steps(picture)
    np.testing.assert_allclose(made["greyscale"], picture / 255, atol=1e-6)
    np.testing.assert_allclose(made["ink"], 1 - picture / 255, atol=1e-6)
    rows, columns = (np.flatnonzero((made["ink"] > 0.2).any(axis=axis)) for axis in (1, 0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    assert made["crop"].shape == (side, side)
    assert made["crop"].sum() == pytest.approx(made["digit"].sum(), rel=0.01)
    assert made["box"].shape == (20, 20)
    assert made["box"].max() == pytest.approx(1)
    for name in ("greyscale", "ink", "digit", "crop", "box"):
        assert made[name].min() >= 0
        assert made[name].max() <= 1 + 1e-6
    np.testing.assert_array_equal(made["frame"], to_frame(picture))
    assert made["input"].shape == (1, 28, 28)
    assert made["input"].dtype == np.float32
    expected = (made["frame"].astype(np.float64) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(made["input"][0], expected, atol=1e-5)


def test_the_picture_given_is_left_alone() -> None:
    for picture in (page(6), page(6) / 255, paint(coverage(DIGITS[6]))):
        before = picture.copy()
        frame_steps(picture)
        np.testing.assert_array_equal(picture, before)


def test_ink_is_taken_as_it_is() -> None:
    ink = coverage(DIGITS[8]).astype(np.float32)
    np.testing.assert_array_equal(ink_to_frame(ink), to_frame(1 - ink))
    with pytest.raises(BlankDrawingError):
        ink_to_frame(np.zeros((30, 30), np.float32))
    with pytest.raises(BlankDrawingError):
        place_box(np.zeros((20, 20)))


@pytest.mark.parametrize("shape", [(9, 7), (6, 4, 3), (2, 11)])
def test_blocks_are_averaged_and_the_rest_left_out(shape: tuple[int, ...]) -> None:
    values = np.random.RandomState(0).rand(*shape).astype(np.float32)
    high, wide = min(3, shape[0]), min(3, shape[1])
    expected = [
        [values[y : y + high, x : x + wide].mean(axis=(0, 1)) for x in range(0, shape[1] - 2, wide)]
        for y in range(0, shape[0] - high + 1, high)
    ]
    found = block_mean(values, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_preprocessing_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from digitlib.preprocessing.frame import to_frame\n"
        "from digitlib.preprocessing.strokes import render\n"
        "page = np.full((90, 90), 255, np.uint8); page[20:70, 40:48] = 0\n"
        "to_frame(page); render([np.array([[0, 0], [0, 9]])])\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
