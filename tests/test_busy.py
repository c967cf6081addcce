"""A picture or drawing with too many parts is rejected early, with a clear error."""

from __future__ import annotations

import pytest

from digitlib.errors import InputError
from digitlib.preprocessing.limits import check_busy


def test_only_inputs_beyond_the_limit_are_an_error() -> None:
    check_busy("picture", 7, 7, "parts")
    with pytest.raises(InputError, match=r"it has 7,000 parts; the limit is 7\. Crop it"):
        check_busy("picture", 7000, 7, "parts")
    with pytest.raises(InputError, match="Clear it, and draw less"):
        check_busy("drawing", 8, 7, "strokes")
