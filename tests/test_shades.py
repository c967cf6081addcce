"""Otsu's threshold and means of blocks, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters, measure

from digitlib.numbers.finding import threshold_otsu
from digitlib.preprocessing.read import block_mean


def picture(seed: int) -> np.ndarray:
    """A smooth picture, every third in few shades, float32 ``[H, W]``."""
    random = np.random.RandomState(seed)
    made = ndimage.gaussian_filter(random.rand(*random.randint(8, 160, 2)), 3 * random.rand())
    return (np.rint(made * 20) / 20 if seed % 3 == 0 else made).astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_otsus_threshold_is_that_of_scikit_image(seed: int) -> None:
    made = picture(seed)
    assert threshold_otsu(made) == filters.threshold_otsu(made)


def test_nothing_is_above_a_single_shade() -> None:
    gray = np.full((9, 9), 0.3, np.float32)
    assert not (gray > threshold_otsu(gray)).any()


@pytest.mark.parametrize("shape", [(97, 31), (5, 200), (40, 40, 3), (3, 77, 4)])
@pytest.mark.parametrize("factor", [2, 3, 7])
def test_blocks_are_averaged_whole(shape: tuple[int, ...], factor: int) -> None:
    values = np.random.RandomState(0).rand(*shape).astype(np.float32)
    step = (*(min(factor, side) for side in shape[:2]), *(1 for _ in shape[2:]))
    rows, columns = (side - side % size for side, size in zip(shape[:2], step, strict=False))
    found = block_mean(values, factor)
    assert found.dtype == np.float32
    wanted = measure.block_reduce(values[:rows, :columns], step, np.mean)
    np.testing.assert_array_equal(found, wanted)
