"""The card of a network: everything that its weights don't say, as JSON in the file's metadata."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from digitlib.errors import WeightsError

BUNDLED_WEIGHTS = Path(__file__).with_name("digitnet.safetensors")
BUNDLED_NETWORK = BUNDLED_WEIGHTS.with_suffix(".onnx")  # the same weights, for reading
BASELINE_WEIGHTS = BUNDLED_WEIGHTS.with_name("baseline.safetensors")  # half precision
FORMAT = "digitlib-1"  # in the file's metadata, next to the card
EMBEDDING = "embedding"  # name of an activation: the input of the last linear layer
LONGEST_NAME = 100
RANGES = {
    "temperature": (1e-3, 1e3),  # trained networks have 0.5 to 3
    "threshold": (-1e9, 1e9),
    "stroke_threshold": (-1e9, 1e9),
    "false_rejection_rate": (0, 1),
}


@dataclass(frozen=True)
class Card:
    """Everything about a network that its weights don't say.

    Attributes:
        model: name in ``networks.NETWORKS``.
        model_arguments: keyword arguments of that network.
        temperature: divisor of the logits before softmax.
        threshold: drawings with a lower score are rejected; -inf (null in JSON) rejects nothing.
        stroke_threshold: the threshold for drawings with stroke direction and order, which have
            other scores; None for networks that don't take them.
        false_rejection_rate: share of validation digits below the threshold, by design.
        training: configuration, history, data digests, device and duration in seconds; under
            ``init`` the same of the initial network, under ``step`` the step of the build.
        versions: of Python and the libraries at training time.
        validation: results on the validation split, by data set.
        test: results on the test split, by data set.

    Raises:
        ValueError: a field has the wrong type or is out of range.
    """

    model: str
    model_arguments: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    threshold: float = -math.inf
    stroke_threshold: float | None = None
    false_rejection_rate: float | None = None
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            value, expected = getattr(self, each.name), "a JSON object"
            if each.name == "model":
                expected = f"a name of 1 to {LONGEST_NAME} characters"
                valid = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME
            elif each.name in RANGES:
                low, high = RANGES[each.name]
                expected = f"a number from {low:g} to {high:g}"
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                valid = (value is None and each.default is None) or (
                    number and (low <= value <= high or value == each.default)
                )
            else:
                valid = isinstance(value, dict)
            if not valid:
                found = reprlib.repr(value)
                raise ValueError(f"{each.name} of a card must be {expected}, not {found}.")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"threshold": None if self.threshold == -math.inf else self.threshold}

    @classmethod
    def from_json(cls, stored: Any) -> Card:
        """The card with these JSON values: exactly the fields of :meth:`to_json`.

        Raises:
            WeightsError: a field is missing or unknown, or has a wrong value; a number is infinite
                or NaN.
        """
        try:
            json.dumps(stored, allow_nan=False)
            if different := stored.keys() ^ {each.name for each in fields(cls)}:
                found = reprlib.repr(sorted(different))
                raise ValueError(f"these fields are missing or unknown: {found}.")
            threshold = -math.inf if stored["threshold"] is None else stored["threshold"]
            return cls(**{**stored, "threshold": threshold})
        except (ValueError, AttributeError, RecursionError) as error:
            raise WeightsError(f"The card is not valid: {error}") from error


def parse_card(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object in the metadata of a file: a card, or its counterpart in a checkpoint.

    Raises:
        WeightsError: there is none, or it cannot be read.
    """
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"The file has no {FORMAT} card: it is not a weights file of digitlib.")
    try:
        stored = json.loads(metadata["card"])
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(f"The card cannot be read: {error}.") from error
    if not isinstance(stored, dict):
        raise WeightsError(f"A card is a JSON object, not {reprlib.repr(stored)}.")
    return stored
