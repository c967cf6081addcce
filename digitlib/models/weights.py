"""Weights and their card in one safetensors file: saved, loaded, checked, never unpickled.

The card is JSON in the file's metadata: model name and arguments, normalisation, class names,
training configuration, data digests, library versions, accuracies with their 95 % intervals,
temperature and rejection threshold.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from digitlib.models.networks import NETWORKS, build_network

BUNDLED_WEIGHTS = Path(__file__).with_name("digitnet.safetensors")
FORMAT = "digitlib-1"


PICKLE = [bytes([0x80, protocol]) for protocol in range(2, 6)]


class WeightsError(ValueError):
    """A weights file cannot be used; the message is one line that says why."""


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Write tensors and card to ``path``; the file is whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, partial, metadata={"format": FORMAT, "card": json.dumps(card)})
    mask = os.umask(0)  # the only way to ask for it
    os.umask(mask)
    partial.chmod(0o666 & ~mask)  # safetensors writes for the owner alone
    partial.replace(path)


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read tensors and card.

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
        with path.open("rb") as file:
            start = file.read(9)
        # As torch.save and pickle begin; safetensors begins with a length of 8 bytes and "{".
        if start[:2] == b"PK" or (start[:2] in PICKLE and start[8:] != b"{"):
            raise WeightsError(
                f"{path} is a pickle or zip file; digitlib loads only safetensors."
            ) from error
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


BASELINE_WEIGHTS = BUNDLED_WEIGHTS.with_name(
    "baseline.safetensors"
)  # the yardstick, in half precision


def save_model(path: str | os.PathLike[str], model: nn.Module, card: dict[str, Any]) -> None:
    """Save a model's weights with their card, which must hold ``model`` and ``model_arguments``."""
    if card.get("model") not in NETWORKS:
        raise ValueError(f"The card's model is {card.get('model')!r}, none of {[*NETWORKS]}.")
    write_tensors(Path(path), model.state_dict(), card)


def model_digest(model: nn.Module) -> str:
    """First 12 hex digits of the SHA-256 over a network's weights."""
    content = hashlib.sha256()
    for tensor in model.state_dict().values():
        content.update(tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:12]


def load_model(path: str | os.PathLike[str] | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """Load a network in evaluation mode, and its card; without a path the bundled one.

    Raises:
        WeightsError: see :func:`read`; also weights that do not fit the model of the card.
    """
    path = BUNDLED_WEIGHTS if path is None else Path(path)
    tensors, card = read_tensors(path)
    try:
        model = build_network(card["model"], **card["model_arguments"])
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} holds the weights of another model: {reason}") from error
    return model.eval(), card
