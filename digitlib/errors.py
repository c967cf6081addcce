"""The errors of digitlib: one family, each message a sentence that says what to do.

What made them necessary (an error of a decoder, of a library) is chained as ``__cause__``. A wrong
argument of a function, a mistake of the code that calls it, is a plain ``ValueError``.
"""

from __future__ import annotations


class DigitlibError(Exception):
    """Something given to digitlib cannot be used: a picture, a drawing, weights, data."""


class InputError(DigitlibError, ValueError):
    """A picture or drawing cannot be read: damaged, too large, too busy, or none at all."""


class BlankDrawingError(InputError):
    """There is no ink in the drawing or picture."""


class WeightsError(DigitlibError, ValueError):
    """A weights file cannot be used; the message is one line that says why."""


class DataMissingError(DigitlibError, FileNotFoundError):
    """The files of a data set are missing and could not be downloaded."""


class DataDamagedError(DigitlibError, ValueError):
    """A data file is truncated or altered."""


class WriteError(DigitlibError, OSError):
    """A file cannot be written; what was there is as it was. Arguments are those of an OSError."""

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be written ({self.strerror}): nothing there was changed. Make "
            "room on the disk, or see that the folder can be written, and repeat the command."
        )
