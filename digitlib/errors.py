"""The errors of digitlib. Each message is a sentence that says what to do.

The underlying error of a decoder or library is chained as ``__cause__``. A wrong argument in the
calling code raises a plain ``ValueError``.
"""

from __future__ import annotations


class DigitlibError(Exception):
    """Digitlib can't use an input: a picture, a drawing, weights, or data."""


class InputError(DigitlibError, ValueError):
    """A picture or drawing can't be read: it is damaged, too large, too busy, or empty."""


class BlankDrawingError(InputError):
    """The drawing or picture has no ink."""


class WeightsError(DigitlibError, ValueError):
    """A weights file can't be used; the message says why in one line."""


class DataMissingError(DigitlibError, FileNotFoundError):
    """The files of a data set are missing and couldn't be downloaded."""


class DataDamagedError(DigitlibError, ValueError):
    """A data file is truncated or altered."""


class WriteError(DigitlibError, OSError):
    """A file can't be written and is unchanged; takes the arguments of an OSError."""

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be written ({self.strerror}): nothing there was changed. Make "
            "room on the disk, or see that the folder can be written, and repeat the command."
        )
