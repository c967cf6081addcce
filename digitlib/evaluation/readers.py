"""Networks and preprocessings side by side, on the sets of :mod:`handwriting`.

A reader is a network with the preprocessing that makes its frames: comparing readers parts what
preprocessing gives from what the network gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digitlib.evaluation.compare import Predictions, predict
from digitlib.evaluation.differences import grouped_difference, in_points
from digitlib.evaluation.handwriting import DigitSet
from digitlib.evaluation.metrics import mcnemar_test
from digitlib.models.recognizer import Recognizer


class Reader(NamedTuple):
    """A network and the preprocessing that makes its frames, both by name."""

    network: str
    preprocessing: str = "digitlib"

    def __str__(self) -> str:
        """The label in tables and figures; digitlib's preprocessing is not mentioned."""
        ours = self.preprocessing == "digitlib"
        return self.network if ours else f"{self.network}, {self.preprocessing} preprocessing"


# A set, by name or by brush and height → reader → predictions
K = TypeVar("K")
Measured = Mapping[Any, Mapping[Reader, Predictions]]


def predict_all(networks: Mapping[str, Recognizer], digits: DigitSet) -> dict[Reader, Predictions]:
    """Predictions of every network for the frames of every preprocessing, digitlib's first."""
    return {
        Reader(name, preprocessing): predict(
            network, frames, digits.labels,
            digits.planes if preprocessing == "digitlib" else None, digits.groups, digits.unit,
        )
        for preprocessing, frames in digits.frames.items()
        for name, network in networks.items()
    }  # fmt: skip


def predict_sets(
    networks: Mapping[str, Recognizer], sets: Mapping[K, DigitSet]
) -> dict[K, dict[Reader, Predictions]]:
    """Predictions of every network, for every set and preprocessing, by the name of the set."""
    return {kind: predict_all(networks, digits) for kind, digits in sets.items()}


def accuracy_table(measured: Measured) -> pd.DataFrame:
    """The shares read right, a ``Proportion`` each: sets in rows, readers in columns.

    NaN where a set has no frames of a reader's preprocessing.
    """
    return pd.DataFrame({
        kind: {str(reader): found.accuracy for reader, found in each.items()}
        for kind, each in measured.items()
    }).T  # fmt: skip


def as_numbers(measured: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """The shares read right, for reports: set → reader → value, interval, count."""
    return {
        kind: {str(reader): found.accuracy.as_dict() for reader, found in each.items()}
        for kind, each in measured.items()
    }


def gains(measured: Measured) -> dict[str, dict[str, Any]]:
    """What ``digitnet`` gains over the baseline network, both from digitlib's frames, by set.

    Returns:
        Numbers of digits that only one of the two reads right, ``only digitnet`` and ``only
        baseline``; ``gained``, see :func:`grouped_difference`, over writers or drawings
        where they are known; and where they are not, ``p`` of the exact McNemar test, which takes
        digits for independent. Empty without a baseline network.
    """
    found = {}
    for kind, each in measured.items():
        if Reader("baseline") not in each:
            continue
        ours, theirs = each[Reader("digitnet")], each[Reader("baseline")]
        only, other, p = mcnemar_test(ours.right, theirs.right)
        gained = grouped_difference(ours.right, theirs.right, ours.groups)
        found[kind] = {"only digitnet": only, "only baseline": other, "gained": gained} | (
            {"p": p} if ours.groups is None else {}
        )
    return found


def gains_table(found: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """:func:`gains` as text."""
    rows = {
        kind: {
            "only digitnet": each["only digitnet"],
            "only baseline": each["only baseline"],
            "gained by digitnet": in_points(each["gained"]),
            "p (exact McNemar test)": f"{each['p']:.2g}" if "p" in each else "–",
        }
        for kind, each in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("read right")


def brush_curves(
    measured: Mapping[tuple[int, int], Mapping[Reader, Predictions]], reader: Reader
) -> dict[str, tuple[list[int], list[float]]]:
    """Accuracy against the brush (px), a curve for each height."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for (brush, height), each in sorted(measured.items()):
        brushes, shares = curves.setdefault(f"{height} px high", ([], []))
        brushes.append(brush)
        shares.append(each[reader].accuracy.value)
    return curves


def differences(
    measured: Mapping[tuple[int, int], Mapping[Reader, Predictions]],
    as_strokes: Mapping[str, NDArray[np.bool_]],
) -> dict[tuple[int, int], dict[str, dict[str, float]]]:
    """Accuracy on canvas pictures minus that on the same drawings' strokes, with its interval.

    Args:
        measured: predictions by brush and height.
        as_strokes: network → which of the drawings it reads right as strokes ``[N]``.
    """
    return {
        pair: {
            str(reader): grouped_difference(found.right, as_strokes[reader.network], found.groups)
            for reader, found in each.items()
        }
        for pair, each in measured.items()
    }


def contributions(predictions: Mapping[Reader, Predictions]) -> dict[str, dict[str, float]] | None:
    """Accuracy gained by our preprocessing, with the baseline network, then by our network.

    Each with its interval, see :func:`grouped_difference`; None without a baseline network.
    """
    if Reader("baseline") not in predictions:
        return None
    readers = Reader("baseline", "baseline"), Reader("baseline"), Reader("digitnet")
    base, framed, ours = (predictions[reader].right for reader in readers)
    groups = predictions[Reader("baseline")].groups
    return {
        "preprocessing": grouped_difference(framed, base, groups),
        "network": grouped_difference(ours, framed, groups),
    }
