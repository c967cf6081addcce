"""The card of a network: all that its weights do not say, as JSON in the file that holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

BUNDLED_WEIGHTS = Path(__file__).with_name("digitnet.safetensors")
BUNDLED_NETWORK = BUNDLED_WEIGHTS.with_suffix(".onnx")  # the same weights, for reading
BASELINE_WEIGHTS = BUNDLED_WEIGHTS.with_name("baseline.safetensors")  # half precision
FORMAT = "digitlib-1"  # in the file's metadata, beside the card as JSON


class WeightsError(ValueError):
    """A weights file cannot be used; the message is one line that says why."""


@dataclass(frozen=True)
class Card:
    """Everything about a network that its weights do not say; JSON in the file's metadata.

    Attributes:
        model: name in ``networks.NETWORKS``.
        model_arguments: keyword arguments of that network.
        temperature: divisor of the logits before softmax, finite and above 0.
        threshold: score below which a drawing is rejected; -inf (null in JSON) rejects nothing.
        stroke_threshold: the same for drawings with the way of the pen, which score otherwise; None
            for networks that take none.
        false_rejection_rate: share of real validation digits below the threshold, by design.
        training: configuration, history, data digests, device and duration in seconds; under
            ``init`` the same of the initial network, under ``step`` the step of the build, where
            there is one.
        versions: of Python and the libraries at training time.
        validation: results on the validation split, by data set.
        test: results on the test split, by data set.

    Raises:
        ValueError: the temperature or the threshold makes no sense.
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
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"A temperature is finite and above 0, not {self.temperature}.")
        if not self.threshold < math.inf:
            raise ValueError(f"A threshold is a number or -inf, not {self.threshold}.")
        if self.stroke_threshold is not None and not math.isfinite(self.stroke_threshold):
            raise ValueError(f"stroke_threshold is a number or None, not {self.stroke_threshold}.")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"threshold": None if self.threshold == -math.inf else self.threshold}

    @classmethod
    def from_json(cls, stored: Any) -> Card:
        """The card with these JSON values: exactly those of :meth:`to_json`.

        Raises:
            WeightsError: a field is missing, unknown, or of another type.
        """
        if not isinstance(stored, Mapping):
            raise WeightsError(f"A card is a JSON object, not {stored!r:.40}.")
        if problems := _card_problems(stored):
            raise WeightsError(f"The card does not fit: {', '.join(problems)}.")
        threshold = -math.inf if stored["threshold"] is None else stored["threshold"]
        try:
            return cls(**{**stored, "threshold": threshold})
        except ValueError as error:
            raise WeightsError(str(error)) from error

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Card:
        """The card in the metadata of a file.

        Raises:
            WeightsError: there is none, or one that cannot be read.
        """
        if metadata.get("format") != FORMAT:
            raise WeightsError(f"It has no {FORMAT} card: not ours.")
        try:
            stored = json.loads(metadata["card"])
        except (KeyError, ValueError) as error:
            raise WeightsError(f"The card cannot be read: {error}.") from error
        return cls.from_json(stored)


JSON_TYPES: dict[str, tuple[type, ...]] = {each.name: (dict,) for each in fields(Card)}
JSON_TYPES |= {"model": (str,), "temperature": (int, float)}
NUMBERS = ("threshold", "stroke_threshold", "false_rejection_rate")
JSON_TYPES |= dict.fromkeys(NUMBERS, (int, float, type(None)))


def _card_problems(stored: Mapping[str, Any]) -> list[str]:
    """Missing fields, unknown fields, and fields of the wrong type, each in a few words."""
    problems = [f"{name} is missing" for name in JSON_TYPES if name not in stored]
    for name, value in stored.items():
        if name not in JSON_TYPES:
            problems.append(f"{name} is unknown")
        elif isinstance(value, bool) or not isinstance(value, JSON_TYPES[name]):
            problems.append(f"{name} cannot be {value!r:.40}")
    return problems
