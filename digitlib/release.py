"""Train a preset, calibrate it on validation data, measure it, and write weights with their card.

The bundled weights came about by ``python -m digitlib.release default FILE --pool POOL``, with a
pool of :mod:`digitlib.teaching`, and then ``… refined FILE --start FILE --pool POOL …``. The test
set is looked at once, after every choice was made.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digitlib import datasets, evaluation, models, teaching, training, weights
from digitlib.models import CLASSES
from digitlib.preprocess import MNIST_MEAN, MNIST_STD
from digitlib.recognizer import Recognizer, digit_score, fit_temperature

FALSE_REJECTION = 0.01  # share of real digits that may be called "no digit"
MADE = ("styles",)  # digits made from rules: nothing is calibrated on them
PACKAGES = ("digitlib", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found


def make_card(result: training.TrainResult, data: training.Splits) -> dict[str, Any]:
    """The card of a trained network, with temperature and threshold set on validation data.

    Every validation set of real digits counts alike for the temperature, however many it has; of
    none more than ``FALSE_REJECTION`` lies below the threshold.
    """
    digits = [part for part in data.validation if int(part.labels.max()) < 10]
    real = [part for part in digits if part.name not in MADE] or digits
    least = min(len(part) for part in real)
    said = [training.predict_logits(result.model, part.images) for part in real]
    lowest = [float(np.quantile(digit_score(logits).numpy(), FALSE_REJECTION)) for logits in said]
    chosen = [part.chosen(least) for part in real]
    alike = torch.cat([logits[index] for logits, index in zip(said, chosen, strict=True)])
    labels = torch.cat([part.labels[index] for part, index in zip(real, chosen, strict=True)])
    card = {
        "model": result.config.model,
        "model_arguments": dict(result.config.model_arguments),
        "normalisation": {"mean": MNIST_MEAN, "std": MNIST_STD},
        "classes": list(CLASSES),
        "temperature": fit_temperature(alike, labels),
        "rejection": {
            "threshold": min(lowest),
            "false_rejection_rate": FALSE_REJECTION,
        },
        "training": {
            "config": result.config.as_dict(),
            "history": result.history,
            "seconds": result.seconds,
            "device": result.device,
            "data": result.digests,
        },
        "versions": versions(),
    }
    recognizer = Recognizer(result.model, card)
    card["validation"] = {part.name: measure(recognizer, part) for part in digits}
    return card


def measure(recognizer: Recognizer, data: datasets.DigitData) -> dict[str, Any]:
    """Accuracy with its interval, calibration and rejections on one data set.

    Of things that are no digits only ``rejected``, the share called so, means anything.
    """
    logits = recognizer.logits(data.images)
    rejected = digit_score(logits) < recognizer.threshold
    numbers: dict[str, Any] = {
        "rejected": float(rejected.double().mean()),
        "count": len(data),
        "digest": data.digest,
    }
    if int(data.labels.max()) < len(CLASSES):
        probabilities = (logits[:, :10] / recognizer.temperature).softmax(dim=1).numpy()
        numbers |= evaluation.summary(probabilities, data.labels.numpy())
    return numbers


# What every release is measured on; nothing is chosen by the test splits.
REPORTED = (
    ("mnist", "test"),
    ("mnist", "validation"),
    ("pendigits", "validation"),
    ("styles", "validation"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def release(
    config: training.TrainConfig,
    output: Path,
    *,
    pool: Sequence[Path] = (),
    start: Path | None = None,
    root: str | None = None,
    half: bool = False,
) -> dict[str, Any]:
    """Train, calibrate, write the weights, measure them as written; return the card.

    Args:
        config: how to train.
        output: weights file; a checkpoint lies beside it until training is done.
        pool: files of :class:`teaching.Pool`, for configurations that are taught.
        start: weights file of a network to begin with; its training joins the card.
        root: data folder.
        half: store the weights in half precision.

    Returns:
        The card, with ``measured`` added: numbers by data set and split.
    """
    data = training.Splits.load(config, root)
    checkpoint = output.with_suffix(".ckpt")
    taught = teaching.Pool.load(*pool) if pool else None
    first, earlier = (None, None) if start is None else weights.load(start)
    result = training.fit(config, data, pool=taught, start=first, checkpoint=checkpoint)
    if half:
        result.model.half().float()
    card = make_card(result, data)
    if earlier is not None:
        card["training"]["start"] = earlier["training"]
    test = datasets.load(config.datasets[0], "test", root)
    recognizer = Recognizer(result.model, card)
    card["test"] = {test.name: measure(recognizer, test)}
    weights.save(output, result.model.half() if half else result.model, card)
    checkpoint.unlink()
    return card


def report(weights_file: Path, root: str | None = None) -> dict[str, Any]:
    """Measure a weights file on every data set of ``REPORTED``; return its card with them."""
    recognizer = Recognizer.load(weights_file)
    numbers: dict[str, dict[str, Any]] = {}
    for name, split in REPORTED:
        data = datasets.load(name, split, root)
        numbers.setdefault(name, {})[split] = measure(recognizer, data)
    size = models.count_parameters(recognizer.model.requires_grad_(True))
    return recognizer.card | {"parameters": size, "measured": numbers}


def main() -> None:
    """Command line; ``--help`` tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=training.PRESETS)
    parser.add_argument("output", type=Path, help="weights file to write (.safetensors)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", default="{}", help="JSON of further TrainConfig fields to change")
    parser.add_argument(
        "--pool", type=Path, nargs="+", default=(), help="see digitlib.teaching; for what is taught"
    )
    parser.add_argument("--start", type=Path, help="weights file to begin with")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    parser.add_argument("--report", type=Path, help="folder for NAME.json with all its numbers")
    arguments = parser.parse_args()
    changes = json.loads(arguments.set)
    for name in ("datasets", "shares"):
        if name in changes:
            changes[name] = tuple(changes[name])
    config = replace(training.PRESETS[arguments.preset], seed=arguments.seed, **changes)
    release(
        config, arguments.output, pool=arguments.pool, start=arguments.start, half=arguments.half
    )
    card = report(arguments.output)
    if arguments.report:
        arguments.report.mkdir(parents=True, exist_ok=True)
        path = arguments.report / f"{arguments.output.stem}.json"
        path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    for name, splits in card["measured"].items():
        for split, numbers in splits.items():
            share = numbers.get("accuracy", {}).get("value")
            read = f"{share:.2%} right, ECE {numbers['ece']:.2%}, " if share else ""
            print(f"{name} {split}: {read}{numbers['rejected']:.1%} rejected")


if __name__ == "__main__":
    main()
