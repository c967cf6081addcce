"""Weights and their card in one safetensors file: saved, loaded, checked, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from digitlib.errors import WeightsError
from digitlib.files import digest, write_bytes
from digitlib.models.card import (
    BUNDLED_WEIGHTS,
    FORMAT,
    Card,
    parse_card,
    require_file,
)
from digitlib.models.networks import build_network, check_arguments

Tensors = dict[str, torch.Tensor]

DIGEST = "digest"  # in the file's metadata: of tensors and card
PICKLE_STARTS = [bytes([0x80, protocol]) for protocol in range(2, 6)]  # as torch.save writes them


def write_tensors(path: Path, tensors: Tensors, card: dict[str, Any]) -> None:
    """Write tensors, JSON and a digest of both to ``path``; the file is whole or as it was."""
    _write(path, tensors, json.dumps(card))


def _write(path: Path, tensors: Tensors, card: str) -> None:
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "card": card, DIGEST: _content_digest(whole, card)}
    write_bytes(path, save(whole, metadata=metadata))


def _content_digest(tensors: Tensors, card: str) -> str:
    """SHA-256 of the card and of the tensors with their names, kinds and shapes."""
    content = hashlib.sha256(card.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        content.update(json.dumps([name, str(tensor.dtype), [*tensor.shape]]).encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()


def read_tensors(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, Any]]:
    """Read the tensors and the JSON that :func:`write_tensors` wrote.

    Raises:
        WeightsError: not there, not readable, truncated, pickled, not safetensors, without a card,
            or with tensors or a card that are not those it was written with.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    try:
        card = parse_card(metadata)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if DIGEST not in metadata:
        raise WeightsError(
            f"{path} has no digest: written by an earlier version, or damaged. If you trust it, "
            f"python -m digitlib stamp {path} gives it one."
        )
    if metadata[DIGEST] != _content_digest(tensors, metadata["card"]):
        raise WeightsError(f"{path} is damaged: its content is not as it was written.")
    return tensors, card


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors and metadata of a safetensors file, whatever they are."""
    require_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        if _is_pickle(path):
            message = f"{path} is a pickle or zip file; digitlib loads only safetensors."
            raise WeightsError(message) from error
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"{path} is truncated, damaged or not a safetensors file ({reason})."
        ) from error


def stamp(path: Path) -> None:
    """Give a file of an earlier version its digest, tensors and card as they are.

    Raises:
        WeightsError: it is no file of digitlib's.
    """
    views, metadata = _read(path)
    parse_card(metadata)
    # Copies: Windows does not replace a file while tensors are views of it.
    copies = {name: each.clone() for name, each in views.items()}
    del views
    _write(path, copies, metadata["card"])


def _is_pickle(path: Path) -> bool:
    """The file begins as pickles and zips do; safetensors with a length of 8 bytes and "{"."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:  # the reader's own error says so
        return False
    return start[:2] == b"PK" or (start[:2] in PICKLE_STARTS and start[8:] != b"{")


def save_model(path: str | os.PathLike[str], model: nn.Module, card: Card) -> None:
    """Save a network's weights with their card.

    Raises:
        ValueError: no network has the card's name and arguments, or a number in it is not finite.
    """
    check_arguments(card.model, card.model_arguments)
    stored = card.to_json()
    Card.from_json(stored)  # what is written can be read
    write_tensors(Path(path), model.state_dict(), stored)


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
        with torch.device("meta"):  # shapes alone: no memory before they are compared
            model = build_network(card.model, **card.model_arguments)
        # Copies: what was read may still be a view of the file.
        model.load_state_dict({name: each.clone() for name, each in tensors.items()}, assign=True)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} holds the weights of another model: {reason}") from error
    return model.float().eval(), card  # weights may be stored in half precision


def model_digest(model: nn.Module) -> str:
    """Digest of a network's weights: the first 12 hex digits of their SHA-256."""
    tensors = model.state_dict().values()
    return digest(*(tensor.cpu().contiguous().numpy().tobytes() for tensor in tensors))
