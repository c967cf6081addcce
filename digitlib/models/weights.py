"""Weights and their card in one safetensors file: saved, loaded, checked, never unpickled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from digitlib.files import atomic_write, digest
from digitlib.models.card import BUNDLED_WEIGHTS, FORMAT, Card, WeightsError
from digitlib.models.networks import NETWORKS, build_network

PICKLE_STARTS = [bytes([0x80, protocol]) for protocol in range(2, 6)]  # as torch.save writes them


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
