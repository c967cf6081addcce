"""What several notebooks share: their parameters and results, networks and data, and figures.

A notebook begins with ``report = open_report("05_evaluate", globals())`` and ends with one line
for its figures, ``report.figures(…)``, and one for its numbers, ``report.numbers(…)``.
Importing this module sets the style of all figures.
"""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal


class MissingPackageError(ImportError):
    """A notebook needs a package that is not installed; Jupyter shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


try:
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    import torch
    from pydantic import Field, TypeAdapter, ValidationError
except ImportError as error:
    raise MissingPackageError(
        f"This notebook needs {error.name}, which is not installed: run `make train` (or "
        "`pip install '.[train]'`) in the repository, then restart the kernel."
    ) from None

from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image, ImageOps
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from digitlib import Recognizer
from digitlib.datasets import catalog
from digitlib.datasets.base import DigitData
from digitlib.errors import BlankDrawingError, DataMissingError
from digitlib.evaluation.compare import Predictions, known_writers, predict
from digitlib.evaluation.metrics import (
    Proportion,
    grouped_difference,
    in_points,
    is_significant,
    mcnemar_test,
)
from digitlib.files import REPORTS, provenance, to_jsonable, write_bytes, write_json
from digitlib.models.card import BASELINE_WEIGHTS
from digitlib.preprocessing.colors import direction_color, time_color
from digitlib.preprocessing.frame import FRAME_SIZE, baseline_frame, frames_to_images, to_frame

Array = NDArray[Any]

# --- parameters ------------------------------------------------------------------------------

Count = Annotated[int, Field(ge=1, strict=True)]
PARAMETERS: dict[str, Any] = {
    "dataset": Literal["mnist", "sample", "drawings", "fashion"],
    "seed": Annotated[int, Field(ge=0, lt=2**32, strict=True)],
    "subset": Annotated[int, Field(ge=100, strict=True)] | None,
    "epochs": Count | dict[str, Count] | None,
    "presets": Annotated[
        list[Literal["baseline", "quick", "default", "digitnet"]], Field(min_length=1)
    ],
    "rounds": Count,
    "seconds": Count,
    "frames": Annotated[int, Field(ge=1000, strict=True)],
    "count": Count,
    "compare": Annotated[bool, Field(strict=True)],
    "weights": str | None,
    "reports_folder": str | None,
    "weights_folder": str | None,
}
FOLDERS = ("reports_folder", "weights_folder")  # where files go: they change no number


def check_parameters(values: Mapping[str, Any]) -> None:
    """Check the parameters of a notebook before anything is computed.

    Raises:
        ValueError: a value that the parameter can't have, or a name that papermill injected and
            the notebook doesn't have (papermill itself only warns of it).
    """
    for name, value in values.items():
        try:
            TypeAdapter(PARAMETERS[name]).validate_python(value)
        except ValidationError as error:
            reasons = " or ".join(each["msg"] for each in error.errors())
            raise ValueError(f"The parameter {name} is {value!r}: {reasons}.") from None
    if values.get("weights") and not Path(values["weights"]).is_file():
        raise ValueError(f"The parameter weights is {values['weights']!r}: there is no such file.")
    for name in _injected():
        if name not in values:
            raise ValueError(
                f"This notebook has no parameter {name!r}; it has {', '.join(values)}."
            )


def _injected() -> list[str]:
    """Names that papermill's cell has set in this kernel."""
    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    return [
        target.id
        for cell in cells
        if cell.startswith("# Parameters\n")
        for statement in ast.parse(cell).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


# --- results ---------------------------------------------------------------------------------


class Report:
    """Figures and numbers of one notebook, written below ``folder``; None writes nothing.

    Attributes:
        name: of the notebook, as ``05_evaluate``.
        dataset: the main data set that the notebook reads.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any], dataset: str) -> None:
        self.name, self.dataset = name, dataset
        self._parameters = {k: v for k, v in parameters.items() if k not in FOLDERS}
        folder = parameters.get("reports_folder")
        self._folder = None if folder is None else Path(folder)
        self._figures: list[str] = []
        self._start = time.perf_counter()

    def __repr__(self) -> str:
        return f"Report({self.name}, {'not written' if self._folder is None else self._folder})"

    def figures(self, **figures: Figure | None) -> None:
        """Write ``figures/NOTEBOOK-NAME.png``; figures of an earlier run are removed.

        None, the figure of a missing data set, is left out.
        """
        files = {
            f"{self.name}-{name.replace('_', '-')}.png": figure
            for name, figure in figures.items()
            if figure is not None
        }
        self._figures = [*files]
        if self._folder is None:
            return
        for path in (self._folder / "figures").glob(f"{self.name}-*.png"):
            path.unlink()
        for file, figure in files.items():
            content = io.BytesIO()
            # Without matplotlib's version inside, the same picture is the same file.
            figure.savefig(content, format="png", metadata={"Software": None})
            write_bytes(self._folder / "figures" / file, content.getbuffer())

    def numbers(self, **numbers: Any) -> None:
        """Write ``metrics/NOTEBOOK.json``: the numbers, and the run that they are from."""
        if self._folder is None:
            return
        record = {
            "parameters": self._parameters,
            "figures": self._figures,
            "numbers": numbers,
            "run": provenance() | {"seconds": round(time.perf_counter() - self._start, 1)},
        }
        write_json(self._folder / "metrics" / f"{self.name}.json", to_jsonable(record))


def open_report(name: str, variables: Mapping[str, Any]) -> Report:
    """Begin a notebook: check its parameters, and say what this run is.

    A banner names the parameters that differ from those of the full run. Where MNIST is missing
    and can't be downloaded, another one says so, and ``dataset`` of the report is ``sample``,
    scikit-learn's digits, which need no download.

    Args:
        name: of the notebook, as ``05_evaluate``.
        variables: the notebook's ``globals()``, with its parameters among them.

    Raises:
        ValueError: see :func:`check_parameters`; or a digit is missing among your drawings.
        DataMissingError: there are no drawings.
        DataDamagedError: a file of MNIST is damaged.
    """
    parameters = {key: variables[key] for key in PARAMETERS if key in variables}
    check_parameters(parameters)
    record = REPORTS / "metrics" / f"{name}.json"
    full = json.loads(record.read_text(encoding="utf-8"))["parameters"] if record.exists() else {}
    changed = {
        key: value
        for key, value in parameters.items()
        if key not in FOLDERS and to_jsonable(value) != full.get(key, to_jsonable(value))
    }
    if changed:
        values = ", ".join(f"`{key} = {value!r}`" for key, value in changed.items())
        link = f"[reports/metrics/{name}.json]({Path(os.path.relpath(record)).as_posix()})"
        text = f"**This run differs from the full one: {values}.** The full run's numbers are in"
        show(f"> {text} {link}.")
    dataset = parameters.get("dataset", "")
    if dataset == "mnist":
        try:
            catalog.load(dataset, "test")
        except DataMissingError as error:
            show(
                "> **MNIST is missing, so this run uses scikit-learn's 8×8 digits instead** (like "
                f"`dataset = 'sample'`). All numbers below come from those.  \n> {error}"
            )
            dataset = "sample"
    if dataset == "drawings" and "epochs" in parameters:  # a network is trained
        known = {*catalog.load(dataset, "train").labels.tolist()}
        if missing := [str(digit) for digit in range(10) if digit not in known]:
            raise ValueError(
                f"No drawing to train on shows {', '.join(missing)}. Draw more of each: three "
                "fifths of all drawings are for training."
            )
    if dataset == "fashion":
        show(
            "> **These pictures are clothes, not digits.** Read each digit as a kind of clothing: "
            "0 T-shirt, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, "
            "8 bag, 9 ankle boot. The bundled networks know only digits: ignore their answers."
        )
    return Report(name, parameters, dataset)


def show(text: str) -> None:
    """Show Markdown."""
    display(Markdown(text))


# --- networks and data -----------------------------------------------------------------------


def load_networks(path: str | None = None) -> dict[str, Recognizer]:
    """The network that a notebook is about, then ``baseline``, by name.

    The first is the bundled ``digitnet``, or the weights at ``path`` with the name of their file.
    Its color is that of ``digitnet``.
    """
    name = "digitnet" if path is None else Path(path).stem
    if name == "baseline":
        name = "baseline (weights)"
    COLORS.setdefault(name, COLORS["digitnet"])
    return {name: Recognizer.load(path), "baseline": Recognizer.load(BASELINE_WEIGHTS)}


def load_optional(name: str, split: str, *, dataset: str) -> DigitData | None:
    """A further data set; where it is missing, a sentence is shown and None returned.

    Next to ``sample``, which needs no download, nothing is downloaded.
    """
    try:
        return catalog.load(name, split, download=dataset != "sample")
    except DataMissingError:
        show(
            f"**Skipped: the data set `{name}` is missing.** `data/README.md` says where to get it."
        )
        return None


# Data sets of frames that are not digits, each with its split that no network was trained on.
NON_DIGITS = (
    ("letters", "test"),
    ("signs", "test"),
    ("no_digits", "validation"),
    ("typeset", "validation"),
    ("notmnist", "test"),
)


def load_non_digits(dataset: str, count: int | None, seed: int = 0) -> dict[str, DigitData]:
    """``count`` frames of each set of ``NON_DIGITS`` (None is all), without missing sets."""
    found = {name: load_optional(name, split, dataset=dataset) for name, split in NON_DIGITS}
    return {name: data.subset(count, seed) for name, data in found.items() if data is not None}


# --- figures ---------------------------------------------------------------------------------

INK, PALE, PAPER = "#26282c", "#9aa0a8", "#fcfcfa"
# Okabe and Ito's colors, distinct for the color-blind.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# One color for one meaning, in all notebooks. A network has the color of its preset.
COLORS = {
    "digitnet": PALETTE[0], "default": PALETTE[0], "baseline": PALETTE[1],
    "CNN": "#4b3f9e", "MLP": "#2aa198", "linear layer": "#b04a9f",
    "train": PALETTE[2], "validation": PALETTE[3], "test": "#8c510a",
    "digits": PALETTE[5], "non-digits": "#7f7f00",
    "wrong": "#b2182b", "rejected": "#696969", "random": PALE,
}  # fmt: skip
MARK = PALETTE[4]  # a place to look at: a box, a cross, a border
SIGNED = "RdBu"  # color map about 0: blue supports a digit, red is against it
FREE = ("#4b3f9e", "#2aa198", "#b04a9f", "#8a6d00")  # no meaning outside of one figure
# Ten digits need ten colors, next to their names: Paul Tol's "muted".
DIGITS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933",
          "#ddaa33", "#cc6677", "#882255", "#aa4499", "#666666")  # fmt: skip

plt.rcParams.update(
    {
        "figure.dpi": 100, "savefig.dpi": 144, "savefig.bbox": "tight",
        "savefig.pad_inches": 0.15, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
        "axes.facecolor": PAPER, "axes.edgecolor": PALE, "axes.labelcolor": INK,
        "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.major.size": 0,
        "ytick.major.size": 0, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": "#e4e4e0", "grid.linewidth": 0.8,
        "axes.axisbelow": True, "font.family": "DejaVu Sans", "font.size": 9.5,
        "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "axes.titlepad": 8, "figure.titlesize": 11.5, "figure.titleweight": "bold",
        "axes.labelsize": 9.5, "xtick.labelsize": 9, "ytick.labelsize": 9,
        "legend.frameon": False, "legend.fontsize": 9, "lines.linewidth": 1.8,
        "lines.markersize": 4.5, "axes.prop_cycle": plt.cycler(color=PALETTE),
        "image.cmap": "gray", "image.interpolation": "nearest",
        "figure.constrained_layout.use": True,
    }
)  # fmt: skip


def colors_of(names: Collection[str]) -> dict[str, str]:
    """A color for each name: its own in ``COLORS``, else the next of ``FREE`` (at most four)."""
    free = iter(FREE)
    return {name: COLORS.get(name.removesuffix(BASELINE_FRAMES)) or next(free) for name in names}


def hide_axes(axes: Axes) -> None:
    """Remove ticks, grid and frame, for pictures."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def percent_axis(axes: Axes) -> None:
    """Show y, a share 0-1, in percent."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def montage(rows: Mapping[Any, Array], *, scale: float = 0.62) -> Figure:
    """Frames in rows, each row ``[N, 28, 28]`` under its name at the left."""
    count = max(len(row) for row in rows.values())
    figure, axes = plt.subplots(figsize=(0.5 + count * scale, 0.3 + len(rows) * scale))
    axes.imshow(np.concatenate([_tile(row, count) for row in rows.values()]), cmap=_with_gaps())
    hide_axes(axes)
    step = next(iter(rows.values())).shape[1] + 2
    axes.set_yticks([step * (n + 0.5) for n in range(len(rows))], [str(name) for name in rows])
    plt.close(figure)
    return figure


def _tile(frames: Array, count: int) -> Array:
    """Frames ``[N, H, W]`` side by side, ``[H + 2, count * (W + 2)]`` float; NaN between them."""
    height, width = frames.shape[1:]
    strip = np.full((height + 2, count * (width + 2)), np.nan)
    for n, frame in enumerate(frames):
        strip[1:-1, n * (width + 2) + 1 : (n + 1) * (width + 2) - 1] = frame
    return strip


def _with_gaps(colors: str = "gray") -> Any:
    """A color map that shows NaN in the color of the paper."""
    return plt.get_cmap(colors).with_extremes(bad=PAPER)


def grid(
    frames: Array,
    captions: Sequence[str] = (),
    *,
    columns: int = 10,
    limits: tuple[float, float] | None = (0, 255),
    colors: str = "gray",
    unit: str = "",
    scale: float = 1,
) -> Figure:
    """Frames ``[N, H, W]``, each with its caption under it; with ``unit`` also a color bar.

    ``limits`` are the values at the ends of the color scale, None those of the frames; ``scale``
    enlarges the frames. NaN has the color of the paper.
    """
    columns = max(1, columns)
    rows = max(1, -(-len(frames) // columns))
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    longest = max((len(line) for caption in captions for line in caption.split("\n")), default=0)
    wide = max(0.86 * scale * frames.shape[2] / frames.shape[1], 0.09 * longest) * columns
    high = (0.84 * scale + 0.17 * lines) * rows + 0.05
    figure, axes = plt.subplots(rows, columns, figsize=(wide, high), squeeze=False)
    low, top = limits or (float(np.nanmin(frames)), float(np.nanmax(frames)))
    for n, place in enumerate(axes.flat):
        hide_axes(place)
        if n < len(frames):
            image = place.imshow(frames[n], cmap=_with_gaps(colors), vmin=low, vmax=top)
        if n < len(captions):
            place.set_xlabel(captions[n], fontsize=8.5, labelpad=3)
    if not len(frames):
        axes[0, 0].text(0.5, 0.5, "none", ha="center", va="center")
    if unit:
        bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.01, label=unit)
        bar.outline.set_visible(False)
    plt.close(figure)
    return figure


def stroke_legend(figure: Figure) -> None:
    """Below a figure, the colors of stroke direction and of time (``picture_channels``)."""
    ways = {"→ right": (1, 0), "↓ down": (0, 1), "← left": (-1, 0), "↑ up": (0, -1)}
    colors = {name: direction_color(*way) for name, way in ways.items()}
    colors |= {"start": time_color(-1), "middle": time_color(0), "end": time_color(1)}
    handles = [Patch(color=color, label=name) for name, color in colors.items()]
    figure.set_figheight(figure.get_figheight() + 0.35)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles),
                  columnspacing=1.2, handlelength=1, fontsize=8.5)  # fmt: skip


def whiskers(axes: Axes, at: Any, values: Any, low: Any, high: Any, color: str = INK) -> None:
    """Draw intervals, given by their ends, about values."""
    middle = np.asarray(values, float)
    ends = np.clip([middle - np.asarray(low, float), np.asarray(high, float) - middle], 0, None)
    axes.errorbar(at, middle, ends, fmt="none", ecolor=color, elinewidth=1.4, capsize=2.5)


def points(
    axes: Axes, shares: Mapping[str, tuple[Any, Any, Any]], categories: Collection[Any]
) -> None:
    """Shares with their intervals as points with whiskers, side by side for each category.

    Points of a network on frames of the baseline preprocessing are hollow.

    Args:
        axes: to draw on; its y axis is in percent.
        shares: name → ``(value, low, high)``, each ``[len(categories)]``, 0-1; NaN where missing.
        categories: along x.
    """
    step = min(0.28, 0.66 / len(shares))
    for n, (name, color) in enumerate(colors_of(shares).items()):
        at = np.arange(len(categories)) + (n - (len(shares) - 1) / 2) * step
        value, low, high = shares[name]
        fill = PAPER if name.endswith(BASELINE_FRAMES) else color
        axes.plot(at, value, "o", color=color, label=name, markersize=5.5, markerfacecolor=fill)
        whiskers(axes, at, value, low, high, color)
    labels = [textwrap.fill(str(category), 20) for category in categories]
    turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    crowded = sum(map(len, labels)) > 8 * axes.figure.get_figwidth()
    axes.set_xticks(range(len(labels)), labels, **(turned if crowded else {}))
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.grid(False, axis="x")
    percent_axis(axes)


# They keep the shape of the layer before them, and share its box in a diagram.
SAME_SHAPE = (torch.nn.BatchNorm2d, torch.nn.ReLU, torch.nn.Dropout, torch.nn.Identity)


def draw_network(network: torch.nn.Module, frames: torch.Tensor, title: str = "") -> Figure:
    """Draw what each layer makes of a frame, with shapes and numbers of parameters.

    A box is as high as its maps, and wider the more there are, on a logarithmic scale. A blue box
    has parameters.

    Args:
        network: to draw; its layers run in the order in which it holds them.
        frames: an input of the network, ``[1, C, H, W]``.
        title: above the diagram.
    """
    stages: list[tuple[list[str], tuple[int, ...], int]] = [(["input"], tuple(frames.shape[1:]), 0)]

    def note(layer: torch.nn.Module, _: Any, output: torch.Tensor) -> None:
        size = sum(parameter.numel() for parameter in layer.parameters())
        name = type(layer).__name__.removesuffix("2d")
        kernel = getattr(layer, "kernel_size", ())
        name += " {0}×{0}".format(*np.atleast_1d(kernel)) if kernel else ""
        before = stages.pop() if isinstance(layer, SAME_SHAPE) else ([], (), 0)
        stages.append(([*before[0], name], tuple(output.shape[1:]), before[2] + size))

    training = network.training
    leaves = [layer for layer in network.modules() if not [*layer.children()]]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    with torch.no_grad():
        network.eval()(frames)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return _draw_stages(stages, title)


def _draw_stages(stages: Sequence[tuple[list[str], tuple[int, ...], int]], title: str) -> Figure:
    """Boxes with arrows between them: names above, shape and number of parameters below."""
    figure, axes = plt.subplots(figsize=(0.92 * len(stages), 3.1))
    tallest = max(shape[1] for _, shape, _ in stages if len(shape) == 3)
    edge = 0.0
    for place, (names, shape, size) in enumerate(stages):
        amount = np.log10(shape[0])
        wide, high = 0.07, 0.28 * amount
        if shape[1:]:
            wide, high = 0.12 + 0.17 * amount, shape[1] / tallest
        left = place - wide / 2
        color = PALETTE[0] if size else PALE
        axes.add_patch(plt.Rectangle((left, -high / 2), wide, high, color=color))
        if place:
            arrow = {"arrowstyle": "->", "color": PALE}
            axes.annotate("", (left - 0.03, 0), (edge + 0.03, 0), arrowprops=arrow)
        edge = left + wide
        below = "×".join(map(str, shape)) + (f"\n{size:,}" if size else "")
        axes.text(place, 0.56, "\n".join(names), ha="center", va="bottom", fontsize=8)
        axes.text(place, -0.56, below, ha="center", va="top", fontsize=8)
    lines = max(len(names) for names, _, _ in stages)
    axes.set(xlim=(-0.55, len(stages) - 0.45), ylim=(-0.8, 0.6 + 0.1 * lines))
    axes.set_title(title)
    hide_axes(axes)
    plt.close(figure)
    return figure


# --- exploration -----------------------------------------------------------------------------


def rows_by_class(labels: ArrayLike, count: int, seed: int = 0) -> dict[int, Array]:
    """Indices of up to ``count`` random frames of each digit, by digit."""
    random = np.random.RandomState(seed)
    digits = np.asarray(labels)
    return {
        int(digit): random.permutation(np.flatnonzero(digits == digit))[:count]
        for digit in np.unique(digits)
    }


def disagreements(probabilities: Array, labels: Array) -> Array:
    """Indices of the frames with a prediction other than the label, the most confident first.

    Confidence is the probability of the prediction. A confident mistake of a good network is a
    reason to check the label (confident learning, Northcutt et al., 2021).
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def nearest(queries: ArrayLike, references: ArrayLike, count: int = 1) -> tuple[Array, Array]:
    """The nearest references of each query by Euclidean distance of gray values 0-1.

    Args:
        queries: uint8 ``[Q, 28, 28]``.
        references: uint8 ``[R, 28, 28]``.
        count: of neighbors.

    Returns:
        distances and indices, each ``[Q, count]``, nearest first.
    """
    # Gray values 0-255 as float64 make scikit-learn's products exact: copies have distance 0.
    points, known = (
        np.asarray(images, np.float64).reshape(len(images), -1) for images in (queries, references)
    )
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(known)
    distances, indices = search.kneighbors(points)
    return distances / 255, indices


def embed(images: ArrayLike, seed: int = 0) -> Array:
    """Two coordinates ``[N, 2]`` that keep neighbors together: t-SNE of 50 principal components.

    van der Maaten and Hinton, 2008; started from the first two components. Distances between
    clusters and their sizes mean little.
    """
    gray = np.asarray(images).reshape(len(images), -1) / 255.0
    components = PCA(min(50, *gray.shape), svd_solver="covariance_eigh").fit_transform(gray)
    perplexity = min(30, (len(gray) - 1) / 3)  # about the number of neighbors that stay near
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(components)


# --- evaluation ------------------------------------------------------------------------------


def margins(network: Recognizer, data: DigitData) -> Array:
    """Scores minus the threshold for such input, ``[N]``; frames below 0 are rejected.

    The threshold for strokes applies to pen data, the one for pictures to all other data.
    """
    scores = network.predict_batch(data.frames()).scores
    return scores - (network.threshold if data.strokes is None else network.stroke_threshold)


# --- rapidocr --------------------------------------------------------------------------------


def install_rapidocr() -> Any:
    """rapidocr's recognizer on one thread; pip installs it.

    Raises:
        CalledProcessError: pip can't install it, for example without a network connection.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "rapidocr==3.10.0"]
    subprocess.run(pip, check=True, capture_output=True)
    importlib.invalidate_caches()
    threads = {f"EngineConfig.onnxruntime.{each}_op_num_threads": 1 for each in ("intra", "inter")}
    module = importlib.import_module("rapidocr")
    return module.RapidOCR(params={"Global.log_level": "warning", **threads})


def sizes_of_rapidocr() -> dict[str, float]:
    """MB of its network for rows, and of the packages that digitlib doesn't need itself."""
    own = _packages_of("onnxruntime") | {"numpy", "scipy", "pillow"}
    files = [
        Path(str(file.locate()))
        for name in _packages_of("rapidocr") - own
        for file in metadata.files(name) or []
    ]
    sizes = {file: file.stat().st_size / 1e6 for file in files if file.is_file()}
    network = sum(size for file, size in sizes.items() if file.match("*_rec_*.onnx"))
    return {"network (MB)": network, "new packages (MB)": sum(sizes.values())}


def _packages_of(name: str) -> set[str]:
    """The names of a package and of all that it needs."""
    needed = map(Requirement, metadata.requires(name) or [])
    names = [each.name for each in needed if not each.marker or each.marker.evaluate({"extra": ""})]
    return {canonicalize_name(name)}.union(*map(_packages_of, names))


# --- handwriting -----------------------------------------------------------------------------

PREPROCESSINGS = {"digitlib": to_frame, "baseline": baseline_frame}
# Added to the name of a network that reads frames of the baseline preprocessing.
BASELINE_FRAMES = ", baseline preprocessing"
# name of a set → name of a network, perhaps with BASELINE_FRAMES → predictions
Measured = Mapping[Any, Mapping[str, Predictions]]


@dataclass(frozen=True)
class DigitSet:
    """Digits as frames of one or two preprocessings, with labels.

    Attributes:
        frames: preprocessing → frames or images as for :meth:`Recognizer.predict_batch`; all 0
            where no ink was found.
        labels: int ``[N]``.
        groups: int ``[N]``, the writer or drawing of each digit: intervals are over groups. None
            takes the digits for independent.
        unit: of the groups, ``writers`` or ``drawings``.
    """

    frames: Mapping[str, torch.Tensor]
    labels: Array
    groups: Array | None = None
    unit: str = "writers"

    @classmethod
    def of_data(cls, data: DigitData) -> DigitSet:
        """The frames of a data set; pen data are read as strokes."""
        return cls({"digitlib": data.frames()}, data.labels.numpy(), known_writers(data))

    @classmethod
    def of_pictures(
        cls, images: Sequence[Image.Image], labels: Any, groups: Any = None, unit: str = "writers"
    ) -> DigitSet:
        """Pictures, made into frames by both preprocessings."""
        frames = {
            name: torch.from_numpy(np.stack([_image_or_blank(convert, each) for each in images]))
            for name, convert in PREPROCESSINGS.items()
        }
        groups = None if groups is None else np.array(groups)
        return cls(frames, np.array(labels), groups, unit)


def _image_or_blank(convert: Any, image: Image.Image) -> Array:
    try:
        return frames_to_images(convert(image))
    except BlankDrawingError:
        return np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)


def predict_sets(
    networks: Mapping[str, Recognizer], sets: Mapping[Any, DigitSet]
) -> dict[Any, dict[str, Predictions]]:
    """Predictions of every network for the frames of every preprocessing, by set."""
    return {
        kind: {
            name + ("" if preprocessing == "digitlib" else BASELINE_FRAMES): predict(
                network, frames, digits.labels, digits.groups, digits.unit
            )
            for preprocessing, frames in digits.frames.items()
            for name, network in networks.items()
        }
        for kind, digits in sets.items()
    }  # fmt: skip


def accuracy_table(measured: Measured) -> pd.DataFrame:
    """Accuracies with their 95 % intervals as text, sets in rows."""
    table = pd.DataFrame({
        kind: {name: found.accuracy.brief() for name, found in each.items()}
        for kind, each in measured.items()
    }).T  # fmt: skip
    table["digits"] = [f"{len(next(iter(each.values())).labels):,}" for each in measured.values()]
    return table.fillna("–").rename_axis("accuracy")


def share_columns(table: pd.DataFrame) -> dict[str, tuple[Array, Array, Array]]:
    """Columns of ``Proportion`` as ``(value, low, high)`` for :func:`points`; NaN where missing."""
    missing = (np.nan,) * 3
    return {
        str(name): tuple(np.array([
            (share.value, *share.interval) if isinstance(share, Proportion) else missing
            for share in column
        ]).T)
        for name, column in table.items()
    }  # fmt: skip


def plot_errors(measured: Measured) -> Figure:
    """Shares of misread digits with their 95 % intervals, on a logarithmic axis."""
    table = pd.DataFrame({
        kind: {name: found.accuracy for name, found in each.items()}
        for kind, each in measured.items()
    }).T  # fmt: skip
    shares = {
        name: (1 - value, 1 - high, 1 - low)
        for name, (value, low, high) in share_columns(table).items()
    }
    figure, axes = plt.subplots(figsize=(10, 4.4))
    points(axes, shares, list(measured))
    shown = np.concatenate([each for value, low, _ in shares.values() for each in (value, low)])
    bottom = 0.7 * np.min(shown[shown > 0], initial=1)
    axes.set(ylabel="misread (95 % interval)", yscale="log", ylim=(bottom, None))
    percent_axis(axes)
    figure.legend(loc="outside upper right", ncols=4)
    plt.close(figure)
    return figure


def compare_networks(measured: Measured) -> pd.DataFrame:
    """Accuracy of the first network minus that of ``baseline``, both on digitlib's frames, as text.

    The interval is over groups where they are known. Elsewhere it takes digits for independent, as
    does the exact McNemar test. ``better`` names a network if the interval excludes 0.
    """
    rows = {}
    for kind, each in measured.items():
        name, ours, theirs = next(iter(each)), next(iter(each.values())), each["baseline"]
        only, other, p = mcnemar_test(ours.right, theirs.right)
        difference = grouped_difference(ours.right, theirs.right, ours.groups)
        rows[kind] = {
            f"only {name} correct": only,
            "only baseline correct": other,
            "difference": in_points(difference),
            "better": name_better(difference, name, "baseline"),
            "p (exact McNemar test)": f"{p:.2g}" if ours.groups is None else "–",
        }
    return pd.DataFrame(rows).T


def name_better(difference: Mapping[str, float], first: str, second: str) -> str:
    """The better of two by the interval of first minus second; a dash if it includes 0."""
    if not is_significant(difference):
        return "–"
    return first if difference["value"] > 0 else second


def p_value(p: float) -> str:
    """``p = 0.012`` with two digits, or ``p < 0.001``."""
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def thumbnails(images: Sequence[Image.Image], side: int = 112) -> Array:
    """Pictures as gray squares uint8 ``[N, side, side]``, uncropped, with white margins."""
    squares = [ImageOps.pad(image.convert("L"), (side, side), color=255) for image in images]
    return np.stack([np.asarray(square) for square in squares])
