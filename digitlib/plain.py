"""The usual way from a picture to a frame: the yardstick for :mod:`digitlib.preprocess`.

Cut out the ink's box, widen the strokes by a max-filter, shrink to a thumbnail of 20×20, paste it
in the middle of 28×28: a few lines of Pillow that most drawing demos have. They take any shade but
white for ink, put the box in the middle and not the centre of mass, and let brush and size of the
drawing decide how wide and how bright the strokes come out. Nothing of digitlib is fed by it; it is
there to be compared with.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from digitlib.preprocess import BOX_SIZE, FRAME_SIZE, BlankDrawingError, Frame

MAX_FILTER = 3  # px of the picture: Pillow's own default


def to_frame(image: Image.Image) -> Frame:
    """Turn a picture of a digit, dark on white, into a frame by crop, filter, thumbnail and paste.

    Args:
        image: a PIL picture of any size and mode; what is not white is ink. A digit smaller than
            20 px stays as small as it is.

    Returns:
        uint8 ``[28, 28]``, white ink on black.

    Raises:
        BlankDrawingError: the picture is white all over.
    """
    ink = ImageOps.invert(image.convert("L"))
    box = ink.getbbox()
    if box is None:
        raise BlankDrawingError("The picture is white all over: there is no digit in it to read.")
    digit = ink.crop(box).filter(ImageFilter.MaxFilter(MAX_FILTER))
    digit.thumbnail((BOX_SIZE, BOX_SIZE))
    frame = Image.new("L", (FRAME_SIZE, FRAME_SIZE))
    frame.paste(digit, ((FRAME_SIZE - digit.width) // 2, (FRAME_SIZE - digit.height) // 2))
    return np.array(frame)
