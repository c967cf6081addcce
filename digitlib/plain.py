"""The plain way from a picture to a frame, as a hundred tutorials have it: kept as the yardstick.

Crop to the ink, thicken with a max-filter, shrink to 20x20, paste into the middle of 28x28. It
takes dark ink on even, light paper, and knows neither photos nor centres of mass.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from digitlib.preprocess import BOX_SIZE, FRAME_SIZE, BlankDrawingError, Frame

THICKEN = 3  # px of the max-filter


def plain_frame(image: Image.Image) -> Frame:
    """Turn a picture of dark ink on light paper into a frame, the plain way.

    Returns:
        uint8 ``[28, 28]``.

    Raises:
        BlankDrawingError: there is no ink.
    """
    ink = ImageOps.invert(image.convert("L"))
    box = ink.getbbox()
    if box is None:
        raise BlankDrawingError("There is no ink in the picture: draw a digit first.")
    digit = ink.crop(box).filter(ImageFilter.MaxFilter(THICKEN))
    digit.thumbnail((BOX_SIZE, BOX_SIZE), Image.Resampling.LANCZOS)
    frame = Image.new("L", (FRAME_SIZE, FRAME_SIZE))
    frame.paste(digit, ((FRAME_SIZE - digit.width) // 2, (FRAME_SIZE - digit.height) // 2))
    return np.asarray(frame).copy()
