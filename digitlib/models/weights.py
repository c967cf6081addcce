"""Weights and their card in one safetensors file: saved, loaded, checked, never unpickled."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from digitlib.files import atomic_write, digest
from digitlib.models.networks import NETWORKS, build_network

BUNDLED_WEIGHTS = Path(__file__).with_name("digitnet.safetensors")
BASELINE_WEIGHTS = BUNDLED_WEIGHTS.with_name("baseline.safetensors")  # half precision
FORMAT = "digitlib-1"  # tensors, and JSON in the metadata's "card"
PICKLE_STARTS = [bytes([0x80, protocol]) for protocol in range(2, 6)]  # as torch.save writes them


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


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Write tensors and JSON to ``path``; the file is whole or as it was."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(whole, metadata={"format": FORMAT, "card": json.dumps(card)})
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the tensors and the JSON that :func:`write_tensors` wrote.

    Raises:
        WeightsError: not there, truncated, pickled, not safetensors, or without a card.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        if _is_pickle(path):
            message = f"{path} is a pickle or zip file; digitlib loads only safetensors."
            raise WeightsError(message) from error
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"{path} is truncated, damaged or not a safetensors file ({reason})."
        ) from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is safetensors, but has no {FORMAT} card: not ours.")
    try:
        return tensors, dict(json.loads(metadata["card"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a card that cannot be read: {error}") from error


def _is_pickle(path: Path) -> bool:
    """The file begins as pickles and zips do; safetensors with a length of 8 bytes and "{"."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[:2] == b"PK" or (start[:2] in PICKLE_STARTS and start[8:] != b"{")


def save_model(path: str | os.PathLike[str], model: nn.Module, card: Card) -> None:
    """Save a network's weights with their card; ValueError where no network has its name."""
    if card.model not in NETWORKS:
        raise ValueError(f"The card's model is {card.model!r}, none of {[*NETWORKS]}.")
    write_tensors(Path(path), model.state_dict(), card.to_json())


def load_model(path: str | os.PathLike[str] | None = None) -> tuple[nn.Module, Card]:
    """Load a network in evaluation mode, and its card; without a path the bundled one.

    Raises:
        WeightsError: as :func:`read_tensors`; also weights that do not fit the card's model.
    """
    path = BUNDLED_WEIGHTS if path is None else Path(path)
    tensors, stored = read_tensors(path)
    try:
        card = Card.from_json(stored)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    try:
        model = build_network(card.model, **card.model_arguments)
        model.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} holds the weights of another model: {reason}") from error
    return model.eval(), card


def model_digest(model: nn.Module) -> str:
    """Digest of a network's weights: the first 12 hex digits of their SHA-256."""
    tensors = model.state_dict().values()
    return digest(*(tensor.cpu().contiguous().numpy().tobytes() for tensor in tensors))
