"""The index of training digits in which the drawing pad finds the nearest to a drawing.

It is part of the package because the pad reads no data sets. ``python -m digitlib neighbors``
builds it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.datasets import catalog
from digitlib.files import write_bytes
from digitlib.models.explain import TRAINING_DIGITS, Explainer
from digitlib.models.recognizer import Recognizer

SETS = ("mnist", "unipen")  # scans and pen strokes that the bundled network was trained on
PER_DIGIT = 80  # of each set: the file stays below 1 MiB
SEED = 0


def training_digits(recognizer: Recognizer) -> dict[str, NDArray[Any]]:
    """Frames of the training splits with labels, places and embeddings.

    Returns:
        ``frames``, uint8 ``[N, 28, 28]``; ``labels``, ``set`` (of ``sets``) and ``rows`` (of that
        set's training split), each ``[N]``; ``embeddings``, uint8 ``[N, D]``, each scaled so that
        255 is its largest; ``weights``, the digest of the network that gave them.

    Raises:
        DataMissingError: a data set is not there and not downloadable.
    """
    parts = []
    for number, name in enumerate(SETS):
        data = catalog.load(name, "train")
        random, labels = np.random.RandomState(SEED), data.labels.numpy()
        digits = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
        rows = np.concatenate([own[:PER_DIGIT] for own in digits])
        labels = labels[rows].astype(np.uint8)
        parts.append(
            (data.images.numpy()[rows], labels, np.full(len(rows), number, np.uint8), rows)
        )
    frames, labels, sets, rows = (np.concatenate(each) for each in zip(*parts, strict=True))
    embeddings = Explainer(recognizer).embed(frames)
    largest = np.maximum(embeddings.max(axis=1, keepdims=True), 1e-12)
    return {
        "frames": frames,
        "labels": labels,
        "sets": np.array(SETS),
        "set": sets,
        "rows": rows.astype(np.uint16),
        "embeddings": np.rint(255 * embeddings / largest).astype(np.uint8),
        "weights": np.array(recognizer.weights),
    }


def write(path: Path = TRAINING_DIGITS) -> None:
    """Write the index of the bundled network."""
    found = training_digits(Recognizer.load())
    content = io.BytesIO()
    np.savez_compressed(content, **found)  # type: ignore[arg-type]
    write_bytes(path, content.getbuffer())
