"""Train a preset, calibrate it on validation data, measure it, and write weights with their card.

``python -m digitlib.release default digitlib/assets/digitnet.safetensors`` is how the bundled
weights came about. The test set is looked at once, after every choice was made.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digitlib import datasets, evaluation, training, weights
from digitlib.models import CLASSES
from digitlib.preprocess import MNIST_MEAN, MNIST_STD
from digitlib.recognizer import Recognizer, digit_score, fit_temperature

FALSE_REJECTION = 0.01  # share of real digits that may be called "no digit"
PACKAGES = ("digitlib", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | found


def make_card(result: training.TrainResult, data: training.Splits) -> dict[str, Any]:
    """The card of a trained network, with temperature and threshold set on validation data.

    Every validation set counts alike, however many digits it has.
    """
    digits = [part for part in data.validation if int(part.labels.max()) < 10]
    least = min(len(part) for part in digits)
    parts = [part.subset(least) for part in digits]
    logits = torch.cat([training.predict_logits(result.model, part.images) for part in parts])
    labels = torch.cat([part.labels for part in parts])
    card = {
        "model": result.config.model,
        "model_arguments": dict(result.config.model_arguments),
        "normalisation": {"mean": MNIST_MEAN, "std": MNIST_STD},
        "classes": list(CLASSES),
        "temperature": fit_temperature(logits, labels),
        "rejection": {
            "threshold": float(np.quantile(digit_score(logits).numpy(), FALSE_REJECTION)),
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
    """Accuracy with its interval, calibration and false rejections on one data set."""
    logits = recognizer.logits(data.images)
    probabilities = (logits[:, :10] / recognizer.temperature).softmax(dim=1).numpy()
    numbers = evaluation.summary(probabilities, data.labels.numpy())
    rejected = digit_score(logits) < recognizer.threshold
    return numbers | {
        "rejected": float(rejected.double().mean()),
        "digest": data.digest,
    }


def release(
    config: training.TrainConfig, output: Path, *, root: str | None = None, resume: bool = True
) -> dict[str, Any]:
    """Train, calibrate, measure on the test set of the first data set, write; return the card."""
    data = training.Splits.load(config, root)
    checkpoint = output.with_suffix(".checkpoint") if resume else None
    result = training.fit(config, data, checkpoint=checkpoint)
    card = make_card(result, data)
    test = datasets.load(config.datasets[0], "test", root)
    card["test"] = {test.name: measure(Recognizer(result.model, card), test)}
    weights.save(output, result.model, card)
    if checkpoint is not None:
        checkpoint.unlink()
    return card


def main() -> None:
    """Command line; ``--help`` tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=training.PRESETS)
    parser.add_argument("output", type=Path, help="weights file to write (.safetensors)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", default="{}", help="JSON of further TrainConfig fields to change")
    arguments = parser.parse_args()
    changes = json.loads(arguments.set)
    if "datasets" in changes:
        changes["datasets"] = tuple(changes["datasets"])
    config = replace(training.PRESETS[arguments.preset], seed=arguments.seed, **changes)
    card = release(config, arguments.output)
    for split in ("validation", "test"):
        for name, numbers in card[split].items():
            share = evaluation.Proportion(
                numbers["accuracy"]["count"] - numbers["errors"], numbers["accuracy"]["count"]
            )
            print(f"{name} {split}: {share}, ECE {numbers['ece']:.2%}")


if __name__ == "__main__":
    main()
