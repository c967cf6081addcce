"""Handwritten digits, read right: drawings and pictures in, calibrated probabilities out.

>>> from digitlib import Recognizer
>>> Recognizer.load().predict("digit.png")  # doctest: +SKIP

Heavy imports wait for the first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digitlib.preprocess import BlankDrawingError
    from digitlib.recognizer import Prediction, Recognizer
    from digitlib.training import TrainConfig, fit
    from digitlib.weights import WeightsError
    from digitlib.widgets import DrawingPad

__version__ = "0.1.0"
__all__ = [
    "BlankDrawingError",
    "DrawingPad",
    "Prediction",
    "Recognizer",
    "TrainConfig",
    "WeightsError",
    "fit",
]

_HOMES = {
    "BlankDrawingError": "preprocess",
    "DrawingPad": "widgets",
    "Prediction": "recognizer",
    "Recognizer": "recognizer",
    "TrainConfig": "training",
    "WeightsError": "weights",
    "fit": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
