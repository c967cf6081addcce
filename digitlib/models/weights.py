"""Save and load weights with their card in one safetensors file; nothing is unpickled."""

from __future__ import annotations

import json
import os
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from digitlib.errors import WeightsError
from digitlib.files import digest, write_bytes
from digitlib.models import checksum
from digitlib.models.card import BUNDLED_WEIGHTS, FORMAT, Card, parse_card
from digitlib.models.networks import build_network, check_arguments

Tensors = dict[str, torch.Tensor]


def write_tensors(path: Path, tensors: Tensors, card: dict[str, Any]) -> None:
    """Write tensors, JSON and a checksum to ``path``; the file is whole or unchanged."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "card": json.dumps(card), checksum.NAME: checksum.PLACEHOLDER}
    write_bytes(path, checksum.add_checksum(save(whole, metadata=metadata)))


def read_tensors(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, Any]]:
    """Read the tensors and the JSON that :func:`write_tensors` wrote.

    Raises:
        WeightsError: the file is missing, damaged, or not one that :func:`write_tensors` wrote.
    """
    path = Path(path)
    with checksum.wrap_errors(path):
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise WeightsError("The file is empty.")
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                checksum.verify_checksum(content)
        try:
            with safe_open(path, framework="pt") as opened:
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                return tensors, parse_card(opened.metadata() or {})
        except SafetensorError as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"This is not a safetensors file ({reason}).") from error


def save_model(path: str | os.PathLike[str], model: nn.Module, card: Card) -> None:
    """Save a network's weights with their card.

    Raises:
        ValueError: the card's model or arguments are unknown, or a number in it is not finite.
    """
    check_arguments(card.model, card.model_arguments)
    stored = card.to_json()
    Card.from_json(stored)  # refuses NaN
    write_tensors(Path(path), model.state_dict(), stored)


def load_model(path: str | os.PathLike[str] | None = None) -> tuple[nn.Module, Card]:
    """Load a network in evaluation mode, and its card; without a path the bundled one.

    Raises:
        WeightsError: as :func:`read_tensors`, or the weights don't fit the card's model.
    """
    path = BUNDLED_WEIGHTS if path is None else Path(path)
    tensors, stored = read_tensors(path)
    with checksum.wrap_errors(path):
        card = Card.from_json(stored)
        try:
            with torch.device("meta"):  # shapes alone: no memory before they are compared
                model = build_network(card.model, **card.model_arguments)
            # Copies: what was read may still be a view of the file.
            copies = {name: each.clone() for name, each in tensors.items()}
            model.load_state_dict(copies, assign=True)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"The file holds the weights of another model: {reason}") from error
    return model.float().eval(), card  # weights may be stored in half precision


def model_digest(model: nn.Module) -> str:
    """Digest of a network's weights: the first 12 hex digits of their SHA-256."""
    tensors = model.state_dict().values()
    return digest(*(tensor.cpu().contiguous().numpy().tobytes() for tensor in tensors))
