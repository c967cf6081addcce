"""Read handwritten digits: drawings and pictures in, calibrated probabilities out.

>>> from digitlib import Recognizer
>>> Recognizer.load().predict("digit.png")  # doctest: +SKIP

Heavy imports wait for the first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digitlib.errors import BlankDrawingError, DigitlibError, InputError, WeightsError
    from digitlib.models.prediction import Prediction
    from digitlib.models.recognizer import Recognizer
    from digitlib.training.config import TrainConfig
    from digitlib.training.trainer import fit
    from digitlib.widgets.pad import DrawingPad
    from digitlib.widgets.studio import Studio

__version__ = "0.1.0"
__all__ = [
    "BlankDrawingError",
    "DigitlibError",
    "DrawingPad",
    "InputError",
    "Prediction",
    "Recognizer",
    "Studio",
    "TrainConfig",
    "WeightsError",
    "fit",
]

_HOMES = {
    "BlankDrawingError": "errors",
    "DigitlibError": "errors",
    "DrawingPad": "widgets.pad",
    "InputError": "errors",
    "Prediction": "models.prediction",
    "Recognizer": "models.recognizer",
    "Studio": "widgets.studio",
    "TrainConfig": "training.config",
    "WeightsError": "errors",
    "fit": "training.trainer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
