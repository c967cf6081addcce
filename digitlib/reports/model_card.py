"""The model card, ``reports/README.md``, from ``metrics.json`` and the card of the weights.

Every number in it is read from one of the two; the sections follow Mitchell et al., "Model Cards
for Model Reporting" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from digitlib.evaluation.metrics import LARGE_GROUP
from digitlib.models.card import Card
from digitlib.models.networks import build_network, count_parameters
from digitlib.reports.notebook import NO_DIGITS
from digitlib.reports.render import render

# Content of the data sets.
DATA_SETS = {
    "mnist": "MNIST: digits by some 500 writers, scanned, 28×28 (LeCun, Cortes, Burges)",
    "sample": "the 8×8 digits of scikit-learn, enlarged",
    "pendigits": "UCI pendigits: pen strokes, no writer in both training and validation",
    "unipen": "UNIPEN: pen strokes of people of many countries, no donor in two splits",
    "letters": "letters of UNIPEN, less those that a person takes for a digit: to be rejected",
    "signs": "signs of UNIPEN, likewise: to be rejected",
    "styles": "digit styles missing from the others (slashed zeros, open fours …), from rules",
    "no_digits": "letters, shapes, scribbles and pairs of digits, from rules: to be rejected",
    "typeset": "letters and signs in the fonts of matplotlib: to be rejected",
}


def render_model_card(metrics: Mapping[str, Any], card: Card, measured: Mapping[str, Any]) -> str:
    """The model card as Markdown.

    Args:
        metrics: content of ``metrics.json``.
        card: of the bundled weights.
        measured: data set → split → numbers of these weights, as in ``weights/digitnet.json``.
    """
    numbers = {name: notebook["numbers"] for name, notebook in metrics["notebooks"].items()}
    pictures = numbers.get("09_pictures", {}).get("accuracy", {})
    model = build_network(card.model, **card.model_arguments)
    trainings = _trainings(card)
    return render(
        "model_card.md.j2",
        metrics=metrics,
        card=card,
        config=card.training["config"],
        network=type(model).__name__,
        parameters=count_parameters(model),
        trainings=trainings,
        data=list(dict.fromkeys(item for each in trainings for item in each["data"].items())),
        data_sets=DATA_SETS,
        results=[*_results(card)],
        non_digits=[*_non_digits(measured)],
        large_group=LARGE_GROUP,
        photos=pictures.get("phone photos", {}).get("digitnet"),
        tolerated=numbers.get("08_robustness", {}).get("tolerated_range"),
        minutes=sum(times["notebook_seconds"] for times in metrics["times"].values()) / 60,
    )


def _trainings(card: Card) -> list[Mapping[str, Any]]:
    """The first training of the network, those that went on from it, and the last."""
    found: list[Mapping[str, Any]] = [card.training]
    while "init" in found[0]:
        found.insert(0, found[0]["init"])
    return found


def _results(card: Card) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Titles and numbers of the card: what is reported, then what set temperature or threshold."""
    for split, sets in (("test", card.test), ("validation", card.validation)):
        for name, numbers in sets.items():
            yield f"{name}, {split}", numbers
            if "pictures" in numbers:
                yield f"{name}, {split}, as pictures", numbers["pictures"]


def _non_digits(measured: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Titles and numbers of what is to be rejected, of the split that nothing was trained on."""
    for name, split in NO_DIGITS:
        if split in measured.get(name, {}):
            yield f"{name}, {split}", measured[name][split]
