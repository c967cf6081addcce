"""The model card, ``reports/README.md``, written from ``metrics.json`` and the weights' card.

Every number in it is read from one of the two; the sections follow Mitchell et al., "Model Cards
for Model Reporting" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from digitlib.models.networks import build_network, count_parameters
from digitlib.models.weights import Card

# What is trained on and judged by, in words.
DATA = {
    "mnist": "MNIST: digits by some 500 writers, scanned, 28×28 (LeCun, Cortes, Burges)",
    "sample": "the 8×8 digits that come inside scikit-learn, enlarged",
    "pendigits": "UCI pendigits: pen strokes, no writer in both training and validation",
    "styles": "digit styles that the others lack (slashed zeros, open fours …), made from rules",
    "no_digits": "letters, shapes, scribbles and pairs of digits drawn by rules: what to reject",
    "typeset": "letters and signs in the fonts that come with matplotlib: what to reject",
    "pool": "all of these, varied, with the mean answers of other networks",
    "start": "the network that it was before",
}


def render(metrics: Mapping[str, Any], card: Card) -> str:
    """The model card as Markdown.

    Args:
        metrics: what ``metrics.json`` holds.
        card: of the bundled weights; see :mod:`weights`.
    """
    parts = [
        _what(metrics, card),
        _use(),
        _data(card),
        _training(card),
        _results(metrics, card),
        _limits(card),
        _notebooks(metrics),
        _made(metrics),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(metrics: Mapping[str, Any], card: Card) -> str:
    model = build_network(card.model, **card.model_arguments)
    size = count_parameters(model)
    notice = ""
    if metrics["missing"]:
        notice = (
            f"\n\n> **Incomplete:** {', '.join(metrics['missing'])} did not run or failed; its "
            "numbers are not in here."
        )
    if metrics["stale"]:
        notice += (
            f"\n\n> **Of other code, data or settings than the rest:** "
            f"{', '.join(metrics['stale'])}."
        )
    return (
        "# Model card: the bundled digit network\n\n"
        f"`{type(model).__name__}`, {size:,} parameters, reads one handwritten digit: a 28×28 "
        "frame in MNIST's convention goes in, the probabilities of the ten digits and a score of "
        "being a digit at all come out. "
        f"This page and `metrics.json` are written by `{metrics['command']}`; edit neither by "
        f"hand.{notice}"
    )


def _use() -> str:
    return (
        "## Intended use\n\n"
        "Teaching and research: drawing digits in a notebook, a baseline to compare with, and a "
        "small network to take apart. One digit at a time, drawn or photographed. It is not made "
        "for reading numbers that matter (cheques, forms, meters) without a person looking, and "
        "it has not been measured on writers of particular groups or ages."
    )


def _data(card: Card) -> str:
    training = card.training
    lines = [
        f"| `{name}` | {DATA.get(name, '')} | `{digest}` |"
        for name, digest in training["data"].items()
    ]
    return (
        "## Data\n\n"
        "What it was trained on. 5,000 of MNIST's 60,000 training images are held out; every "
        "choice was made on such validation data. The test set is for reporting.\n\n"
        "| data set | what | SHA-256 of the training part |\n|---|---|---|\n" + "\n".join(lines)
    )


def _training(card: Card) -> str:
    training = card.training
    config = training["config"]
    rows = "\n".join(f"| `{name}` | {_code(value)} |" for name, value in config.items())
    taught = (
        f"{config['distill_weight']:.0%} of its loss is the difference from its teachers' answers "
        "(`digitlib.teaching`), the rest that from the labels. "
        if config.get("distill_weight")
        else ""
    )
    refined = ""
    if first := training.get("start"):
        refined = (
            f"It began as a network trained for {first['config']['epochs']} epochs "
            f"({first['seconds'] / 60:.0f} minutes) and is the mean of what it was then "
            f"(weight {config['init_weight']:.0%}) and what it became in "
        )
    return (
        "## Training\n\n"
        f"{taught}{refined}{config['epochs']} epochs in {training['seconds'] / 60:.0f} minutes on "
        f"`{training['device']}`, with PyTorch {card.versions['torch']}. The temperature "
        f"{card.temperature:.3f} and the rejection threshold were set on validation data.\n\n"
        "<details><summary>Every setting</summary>\n\n"
        f"| setting | value |\n|---|---|\n{rows}\n\n</details>"
    )


def _code(value: Any) -> str:
    return f"`{value}`" if value not in ({}, [], "") else "–"


def _results(metrics: Mapping[str, Any], card: Card) -> str:
    rows = [
        f"| {name}, {split} | {_share(numbers['accuracy'])} | {numbers['errors']:,} | "
        f"{numbers['nll']:.4f} | {numbers['ece']:.2%} | {numbers['rejected']:.1%} |"
        for split, results in (("test", card.test), ("validation", card.validation))
        for name, numbers in results.items()
    ]
    text = (
        "## Results\n\n"
        "Of the bundled weights, as their card has it: accuracy with its 95 % Wilson interval, "
        "negative log-likelihood (nats), expected calibration error, and how many real digits are "
        "called no digit.\n\n"
        "| data | accuracy | errors | NLL | ECE | rejected |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
    )
    measured = [
        f"| `{name}` | {path} | {_share(share)} |"
        for name, notebook in metrics["notebooks"].items()
        for path, share in _shares(notebook["numbers"])
    ]
    if measured:
        text += (
            "\n\nEvery share that the notebooks measured:\n\n"
            "| notebook | what | share with its 95 % interval |\n|---|---|---|\n"
            + "\n".join(measured)
        )
    return text


def _shares(numbers: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every :meth:`evaluation.Proportion.as_dict` in nested numbers, with where it lies."""
    if not isinstance(numbers, Mapping):
        return
    if {"value", "low", "high", "count"} <= set(numbers):
        yield path, numbers
        return
    for name, value in numbers.items():
        yield from _shares(value, f"{path} · {name}" if path else str(name))


def _share(share: Mapping[str, Any]) -> str:
    return (
        f"{share['value']:.2%} ({share['low']:.2%} to {share['high']:.2%}, n = {share['count']:,})"
    )


def _limits(card: Card) -> str:
    rate = card.false_rejection_rate
    assert rate is not None  # the bundled network is calibrated
    return (
        "## Limits\n\n"
        "- One digit in the Latin-Arabic shapes of the training data; two digits, other scripts "
        "and crossed-out digits are at best rejected.\n"
        f"- The threshold rejects {rate:.0%} of real validation digits by design; on other "
        "drawings it is another share. Rejection is no protection against made-up attacks.\n"
        "- Probabilities are calibrated on validation data like the training data. On rotated, "
        "faint or cluttered drawings they are too sure of themselves; `06_robustness` shows it.\n"
        "- MNIST's 10,000 test digits are a small sample: at 99.6 % the 95 % interval is 0.25 "
        "points wide, and some fifteen of its labels are doubtful (Northcutt et al., "
        "arXiv 2103.14749)."
    )


def _notebooks(metrics: Mapping[str, Any]) -> str:
    parts = ["## Notebooks"]
    for name, notebook in metrics["notebooks"].items():
        seconds = metrics["times"][name]["notebook_seconds"]
        parameters = ", ".join(
            f"`{key} = {_short(v)}`" for key, v in notebook["parameters"].items()
        )
        parts.append(f"### {name}\n\n{seconds:.0f} s, with {parameters or 'its own parameters'}.")
        parts += [
            f'<img src="figures/{figure}" alt="{name}: {_caption(figure)}" width="420">'
            for figure in notebook["figures"]
        ]
    return "\n\n".join(parts)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _caption(figure: str) -> str:
    return figure.removesuffix(".png").split("-", 1)[-1].replace("-", " ").replace("_", " ")


def _made(metrics: Mapping[str, Any]) -> str:
    run = metrics["run"]
    revision = run["revision"]
    source = f"revision `{revision[:12]}`" if revision else "no git revision"
    if run["modified"]:
        source += " with changes"
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    total = sum(times["notebook_seconds"] for times in metrics["times"].values()) / 60
    return (
        "## How it was made\n\n"
        f"`{metrics['command']}`, seed {metrics['seed']}, on `{metrics['device']}` "
        f"({run['machine']}), {total:.1f} minutes, finished {run['finished']}, {source}; "
        f"{versions}. Weights SHA-256 `{metrics['weights'][:12]}`."
    )
