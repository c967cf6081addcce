"""The card of a network: all that its weights do not say, as JSON in the file that holds them."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from digitlib.errors import WeightsError

BUNDLED_WEIGHTS = Path(__file__).with_name("digitnet.safetensors")
BUNDLED_NETWORK = BUNDLED_WEIGHTS.with_suffix(".onnx")  # the same weights, for reading
BASELINE_WEIGHTS = BUNDLED_WEIGHTS.with_name("baseline.safetensors")  # half precision
FORMAT = "digitlib-1"  # in the file's metadata, beside the card as JSON
EMBEDDING = "embedding"  # activation of that name: what the last linear layer is given
LONGEST_NAME = 100
RANGES = {
    "temperature": (1e-3, 1e3),  # trained networks have 0.5 to 3
    "threshold": (-1e9, 1e9),
    "stroke_threshold": (-1e9, 1e9),
    "false_rejection_rate": (0, 1),
}


def require_file(path: Path) -> None:
    """WeightsError where there is no file at ``path``, or nobody can see whether there is."""
    try:
        there = path.is_file()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if not there:
        raise WeightsError(f"{path}: there is no such weights file.")


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
        ValueError: a number makes no sense.
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
        if not (isinstance(self.model, str) and 0 < len(self.model) <= LONGEST_NAME):
            raise ValueError(f"A model has a name, not {reprlib.repr(self.model)}.")
        if self.threshold != -math.inf:
            _check_range("threshold", self.threshold)
        _check_range("temperature", self.temperature)
        for name in ("stroke_threshold", "false_rejection_rate"):
            if (value := getattr(self, name)) is not None:
                _check_range(name, value)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"threshold": None if self.threshold == -math.inf else self.threshold}

    @classmethod
    def from_json(cls, stored: Any) -> Card:
        """The card with these JSON values: exactly those of :meth:`to_json`.

        Raises:
            WeightsError: a field is missing, unknown, or of another type; a number is not finite or
                outside its range.
        """
        if not isinstance(stored, Mapping):
            raise WeightsError(f"A card is a JSON object, not {reprlib.repr(stored)}.")
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
        return cls.from_json(parse_card(metadata))


def parse_card(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object in the metadata of a file: a card, or what a checkpoint has in its place.

    Raises:
        WeightsError: there is none, or it cannot be read.
    """
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"It has no {FORMAT} card: not ours.")
    try:
        stored = json.loads(metadata["card"])
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(f"The card cannot be read: {error}.") from error
    if not isinstance(stored, dict):
        raise WeightsError(f"A card is a JSON object, not {reprlib.repr(stored)}.")
    return stored


JSON_TYPES: dict[str, tuple[type, ...]] = {each.name: (dict,) for each in fields(Card)}
JSON_TYPES |= {"model": (str,), "temperature": (int, float)}
NUMBERS = ("threshold", "stroke_threshold", "false_rejection_rate")
JSON_TYPES |= dict.fromkeys(NUMBERS, (int, float, type(None)))


def _check_range(name: str, value: float) -> None:
    low, high = RANGES[name]
    if not low <= value <= high:
        raise ValueError(f"{name} lies between {low:g} and {high:g}, not {reprlib.repr(value)}.")


def _card_problems(stored: Mapping[str, Any]) -> list[str]:
    """Missing and unknown fields, and those with a wrong value, each in a few words."""
    problems = [f"{name} is missing" for name in JSON_TYPES if name not in stored]
    for name, value in stored.items():
        if name not in JSON_TYPES:
            problems.append(f"{name} is unknown")
        elif isinstance(value, bool) or not isinstance(value, JSON_TYPES[name]):
            problems.append(f"{name} cannot be {reprlib.repr(value)}")
        elif not all(map(math.isfinite, _floats(value))):
            problems.append(f"{name} has a number that is not finite")
    return problems


def _floats(value: Any) -> Iterator[float]:
    """All floats in JSON of any depth."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, (list, tuple)):
            waiting += each
        elif isinstance(each, float):
            yield each
