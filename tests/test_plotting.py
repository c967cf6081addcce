"""``plotting``, ``result_plots`` and ``notebook``: figures and common inputs of the notebooks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.cluster import hierarchy
from sklearn.metrics import confusion_matrix

from digitlib.evaluation import exploration, metrics
from digitlib.models.card import BUNDLED_WEIGHTS
from digitlib.preprocessing.frame import frame_steps, to_frame
from digitlib.reports import frame_plots, notebook, plotting, result_plots, robustness_plots
from digitlib.reports.notebook import load_networks, load_no_digits, load_optional, seed_runs

RANDOM = np.random.RandomState(0)
FRAMES = RANDOM.randint(0, 256, (12, 28, 28)).astype(np.uint8)
LABELS = np.arange(300) % 10
P = RANDOM.dirichlet(np.ones(10), 300) * 0.3
P[np.arange(300), (LABELS + (RANDOM.rand(300) < 0.1)) % 10] += 0.7
BAND = (np.array([0.9, 0.5]), np.array([0.8, 0.4]), np.array([0.95, 0.6]))
TABLE = metrics.reliability(P, LABELS)
RISK = metrics.risk_coverage(P.max(axis=1), P.argmax(axis=1) == LABELS)
MATRIX = confusion_matrix(LABELS, P.argmax(axis=1))
SCORES = {
    name: {"digits": RANDOM.randn(90) + 3, "signs": RANDOM.randn(9) - 3, "letters": np.zeros(9)}
    for name in ("digitnet", "baseline")
}
DRAWING = np.zeros((60, 80), np.uint8)
DRAWING[10:50, 30:36] = 255


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context():
        plotting.style()
        yield


def figures() -> dict[str, Figure]:
    """One of each, small."""
    return {
        "montage": frame_plots.montage({1: FRAMES[:5], 2: FRAMES[5:]}),
        "groups": frame_plots.montage({1: FRAMES[:6], 2: FRAMES[6:]}, groups={"a": 2, "b": 4}),
        "grid": frame_plots.grid(FRAMES, ["a\nb"] * 12, columns=5),
        "heat": frame_plots.grid(FRAMES / 9.0, limits=None, colors="magma", unit="deviation"),
        "steps": frame_plots.steps({"canvas": frame_steps(DRAWING)}),
        "convention": frame_plots.frame_convention(to_frame(DRAWING), box=20, center=14),
        "curves": plotting.curves(
            {"digitnet": (range(3), [3, 2, 1]), "other": (range(2), [1, 2], [0, 1], [2, 3])},
            {"baseline": (range(2), [1, 2])},
            xlabel="epoch",
            ylabel=["loss (nats)", "error (%)"],
            titles=["a", "b"],
            log=True,
        ),
        "bars": plotting.bars(
            {"a": [1, 2], "b": [2, 3]}, "xy", xlabel="x", ylabel="y (%)",
            intervals={"a": ([0, 1], [2, 3])},
        ),
        "histograms": plotting.histograms(
            {f"p{n} (px)": {"a": RANDOM.randn(50), "b": RANDOM.randn(40)} for n in range(4)},
            marks={"threshold": 0.5},
        ),
        "points": result_plots.points(
            {"recall": {"digitnet": BAND, "baseline": BAND}}, "xy", xlabel="digit", ylabel="share"
        ),
        "missing": result_plots.points(
            {"": {"digitnet": BAND, "plain": (np.array([np.nan, 0.0]),) * 3}}, ["a", "b"],
            xlabel="kind", ylabel="misread", log=True,
        ),
        "opposites": result_plots.points_per_panel(
            {"thing": {"digitnet": BAND}, "brush (px)": {"digitnet": BAND}},
            {"thing": "ab", "brush (px)": [6, 10]}, ylabels=["rejected", "read right"],
        ),
        "embedding": result_plots.embedding(
            RANDOM.randn(50, 2), LABELS[:50], xlabel="a", ylabel="b"
        ),
        "reliability": result_plots.reliability({"before": TABLE, "after": TABLE}),
        "risk": result_plots.risk_coverage({"digitnet": RISK}),
        "confusion": result_plots.confusion(MATRIX, title="test"),
        "dendrogram": result_plots.dendrogram(
            exploration.class_linkage(P, LABELS), "0123456789", xlabel="nats"
        ),
        "strengths": robustness_plots.accuracy_by_strength(
            {"blur (px)": {"digitnet": BAND, "sure": BAND}, "shift (px)": {"baseline": BAND}},
            {"blur (px)": "01", "shift (px)": "02"},
            {"blur (px)": FRAMES[:2] / 255, "shift (px)": FRAMES[:2] / 255},
            ylabel="share", styles={"sure": "--"}, neutral={"blur (px)": 0, "shift (px)": 1},
        ),
        "ordered": plotting.curves(
            *[{f"{n} px": (range(3), [n, 2, 1]) for n in (1, 2, 3)}] * 2,
            xlabel="brush (px)", ylabel="share", ordered=True,
        ),
        "scores": robustness_plots.score_distributions(SCORES, "digits"),
        "trade-off": robustness_plots.trade_offs(
            {"signs": {"digitnet": ([0, 0.1], [0, 1]), "baseline": ([0, 0.1], [0, 0.5])}}
        ),
    }  # fmt: skip


# --- figures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [["in one word", "likewise"], [f"a long name of kind {n}, and more" for n in range(13)],
     [str(12000 + n) for n in range(40)]],
    ids=["short", "long", "many"],
)  # fmt: skip
def test_labels_of_points_do_not_overlap(names: list[str]) -> None:
    band = (np.full(len(names), 0.5),) * 3
    figure = result_plots.points({"": {"digitnet": band}}, names, xlabel="kind", ylabel="share")
    figure.draw_without_rendering()
    labels = figure.axes[0].get_xticklabels()
    ends = [label.get_window_extent().x1 for label in labels]
    if len(names) == 2:
        needed = max(label.get_window_extent().width for label in labels)
    else:  # rising: lines of text lie next to each other
        lines = 1 + max(label.get_text().count("\n") for label in labels)
        height = lines * labels[0].get_fontsize() * figure.dpi / 72
        needed = height / np.sin(np.radians(labels[0].get_rotation()))
    assert np.diff(ends).min() > needed


def test_every_figure_is_drawn_with_ink_and_no_window() -> None:
    windows = plt.get_fignums()
    for name, figure in figures().items():
        file = io.BytesIO()
        figure.savefig(file, dpi=40)
        pixels = plt.imread(io.BytesIO(file.getvalue()))
        assert pixels.std() > 0.02, name
        assert (pixels[..., 3] == 1).all(), f"{name} is not opaque"
    assert plt.get_fignums() == windows


def test_nothing_to_show_is_said() -> None:
    for figure in (frame_plots.grid(FRAMES[:0], columns=0), frame_plots.montage({})):
        assert [text.get_text() for text in figure.axes[0].texts] == ["none"]


def test_axes_with_ticks_have_labels() -> None:
    for name, figure in figures().items():
        if name in ("variations", "montage", "groups", "grid", "heat", "steps"):
            continue
        for axes in figure.axes:
            shown = axes.get_visible() and axes.axison
            if shown and len(axes.get_xticks()) and axes.xaxis.get_tick_params()["labelbottom"]:
                below = axes.get_xlabel() or axes.get_title(loc="left") or axes.get_ylabel()
                assert below, f"{name} has an axis that says nothing"


def test_each_panel_of_curves_may_have_a_scale_of_its_own() -> None:
    line = {"a": (range(2), [1, 2])}
    figure = plotting.curves(line, line, xlabel="x", ylabel="y", log=[True, False])
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]


def test_a_grid_is_enlarged_by_its_scale() -> None:
    small, large = (frame_plots.grid(FRAMES, columns=4, scale=scale) for scale in (1, 2))
    assert large.get_figwidth() == pytest.approx(2 * small.get_figwidth())


def test_points_of_a_zero_lie_below_a_logarithmic_axis() -> None:
    zero = (np.array([0.0, 0.2]), np.array([0.0, 0.1]), np.array([0.03, 0.3]))
    panel = {"": {"digitnet": zero}}
    (axes,) = result_plots.points(panel, "ab", xlabel="x", ylabel="y", log=True).axes
    assert axes.get_yscale() == "log"
    assert 0 < axes.get_ylim()[0] < 0.1


def test_opposites_have_scales_of_their_own_from_zero() -> None:
    panels = {"a": {"digitnet": BAND}, "b": {"digitnet": tuple(part / 10 for part in BAND)}}
    categories = {"a": [1, 2], "b": [3, 4]}
    apart = result_plots.points_per_panel(panels, categories, ylabels=["x", "y"]).axes
    assert [axes.get_ylim()[0] for axes in apart] == [0, 0]
    assert apart[0].get_ylim()[1] > 5 * apart[1].get_ylim()[1]
    assert [label.get_text() for label in apart[1].get_xticklabels()] == ["3", "4"]


def test_the_same_network_has_the_same_colour_everywhere() -> None:
    first = plotting.colors_of(["other", "baseline", "digitnet"])
    second = plotting.colors_of(["digitnet"])
    assert first["digitnet"] == second["digitnet"] == plotting.COLORS["digitnet"]
    assert len(set(first.values())) == 3


def test_tiles_keep_the_frames_and_part_them() -> None:
    strip = frame_plots.tile(FRAMES[:3], 4)
    assert strip.shape == (30, 120)
    np.testing.assert_array_equal(strip[1:29, 31:59], FRAMES[1])
    assert np.isnan(strip[:, 29:31]).all()
    assert np.isnan(strip[:, 90:]).all()


def test_the_confusion_matrix_shows_the_counts_of_true_rows_and_predicted_columns() -> None:
    matrix = np.diag([20] * 10)
    matrix[4, 9] = 3
    counts, shares = result_plots.confusion(matrix).axes
    written = {text.get_position(): text.get_text() for text in counts.texts}
    assert written[(9, 4)] == "3"  # x is the prediction, y the truth
    assert (4, 9) not in written
    assert written[(0, 0)] == "20"
    assert {t.get_position(): t.get_text() for t in shares.texts}[(9, 4)] == "13.0"
    assert counts.get_ylabel() == "true digit"
    assert counts.get_xlabel() == "predicted digit"


def test_reliability_draws_the_filled_bins_alone() -> None:
    curve = result_plots.reliability({"a": TABLE}).axes[0]
    dots = next(line for line in curve.lines if line.get_marker() == "o")
    filled = TABLE["count"] > 0
    np.testing.assert_allclose(dots.get_xdata(), TABLE["confidence"][filled])
    np.testing.assert_allclose(dots.get_ydata(), TABLE["accuracy"][filled])


def test_the_dendrogram_has_a_leaf_for_each_digit() -> None:
    tree = exploration.class_linkage(P, LABELS)
    (axes,) = result_plots.dendrogram(tree, "0123456789", xlabel="nats").axes
    leaves = [label.get_text() for label in axes.get_yticklabels()]
    assert leaves == [str(leaf) for leaf in hierarchy.leaves_list(tree)]


# --- notebooks -------------------------------------------------------------------------------


def test_missing_data_is_named_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(notebook, "say", lambda *parts: said.append(" ".join(parts)))
    monkeypatch.setenv("DIGITLIB_DATA", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlretrieve", lambda *_: pytest.fail("downloads"))
    assert load_optional("pendigits", "validation", dataset="sample") is None
    assert "`pendigits` is not here" in said[0]
    assert str(tmp_path) not in said[0]
    assert load_optional("typeset", "validation", dataset="sample") is not None
    assert len(said) == 1
    others = load_no_digits("sample", 50)
    assert {name: len(data) for name, data in others.items()} == {"no_digits": 50, "typeset": 50}
    for name, sentence in zip(("letters", "signs", "notmnist"), said[1:], strict=True):
        assert f"`{name}` is not here" in sentence


def test_networks_are_named_and_a_missing_baseline_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(notebook, "say", lambda *parts: said.append(" ".join(parts)))
    monkeypatch.setattr(notebook, "BASELINE_WEIGHTS", tmp_path / "none.safetensors")
    assert list(load_networks()) == ["digitnet"]
    assert "baseline" in said[0]
    monkeypatch.setattr(notebook, "BASELINE_WEIGHTS", BUNDLED_WEIGHTS)
    assert list(load_networks(BUNDLED_WEIGHTS)) == ["digitnet", "baseline"]


def test_runs_of_several_seeds_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(notebook, "say", lambda *parts: said.append(" ".join(parts)))
    assert seed_runs(tmp_path / "seeds.json") is None
    assert "seeds.json" in said[0]
    test = metrics.summarize(P, LABELS)
    runs = {"runs": [{"seed": seed, "test": test} for seed in (0, 5)]}
    (tmp_path / "seeds.json").write_text(json.dumps(runs))
    read = seed_runs(tmp_path / "seeds.json")
    assert read is not None
    assert read["seed"] == [0, 5]
    assert read["accuracy"] == [metrics.accuracy(P, LABELS)] * 2


def test_things_in_an_order_go_from_pale_to_dark_with_one_legend() -> None:
    figure = figures()["ordered"]
    assert len(figure.legends) == 1
    assert not any(axes.get_legend() for axes in figure.axes)
    shades = [line.get_color() for line in figure.axes[0].get_lines()]
    grey = [np.dot(mpl.colors.to_rgb(shade), (0.3, 0.59, 0.11)) for shade in shades]
    assert grey == sorted(grey, reverse=True)
    assert len(set(grey)) == 3


def test_no_bar_of_scores_is_cut_off() -> None:
    figure = robustness_plots.score_distributions(SCORES, "digits")
    for axes in figure.axes:
        heights = [patch.get_data().values.max() for patch in axes.patches]
        assert axes.get_ylim()[0] == 0
        assert max(heights) <= axes.get_ylim()[1]


def test_the_undisturbed_digit_is_framed() -> None:
    curve, _, strip, _ = figures()["strengths"].axes
    (mark,) = [line for line in curve.get_lines() if len(set(line.get_xdata())) == 1]
    (frame,) = strip.patches
    assert frame.get_x() + frame.get_width() / 2 == mark.get_xdata()[0] == 0
