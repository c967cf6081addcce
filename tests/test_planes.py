"""The way of the pen: planes beside the frame, alone and in batches, through networks, training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import DIGITS, sample_splits, small_config
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from digitlib import BlankDrawingError, Recognizer
from digitlib.datasets import augment, catalog, rendering
from digitlib.datasets.base import NO_DIGIT, DigitData
from digitlib.datasets.pen import PEN_SAMPLES, PenDrawing, pen_data
from digitlib.datasets.pendigits import read_pendigits
from digitlib.models.card import Card
from digitlib.models.networks import PenBranch, build_network, reads_planes
from digitlib.models.weights import save_model
from digitlib.preprocessing import strokes
from digitlib.preprocessing.strokes import render, render_with_planes
from digitlib.training.config import TrainConfig
from digitlib.training.loader import Batch, BatchLoader, Splits
from digitlib.training.logits import model_accuracy
from digitlib.training.optimization import training_loss
from digitlib.training.trainer import TrainResult, fit

CPU = torch.device("cpu")
RIGHT, DOWN, TIME = range(3)

unit = st.floats(0, 1, width=32)
drawings = st.lists(
    st.lists(st.tuples(unit, unit), min_size=1, max_size=6).map(np.array), min_size=1, max_size=4
)


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


def padded(drawn: list[list[np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """All samples ``[N, P, 2]`` of the drawings and their stroke numbers ``[N, P]``."""
    samples = [strokes.resample(each) for each in drawn]
    most = max(len(points) for points, _ in samples)
    points, numbers = zip(
        *(
            (
                np.pad(each, ((0, most - len(each)), (0, 0)), "edge"),
                np.pad(number, (0, most - len(each)), constant_values=-1),
            )
            for each, number in samples
        ),
        strict=True,
    )
    return torch.from_numpy(np.stack(points)), torch.from_numpy(np.stack(numbers))


# --- one drawing ---------------------------------------------------------------------------


@given(drawings, st.sampled_from([1.0, 2.5, 6.0]))
@settings(max_examples=40)
def test_the_frame_is_that_of_render_and_planes_lie_on_its_ink(
    drawing: list[np.ndarray], width: float
) -> None:
    frame, planes = render_with_planes(drawing, width=width)
    np.testing.assert_array_equal(frame, render(drawing, width=width))
    assert planes.shape == (len(strokes.PLANES), 28, 28)
    assert planes.dtype == np.float32
    ink = (frame + 0.51) / 255
    assert (np.hypot(planes[RIGHT], planes[DOWN]) <= ink).all()
    assert (np.abs(planes[TIME]) <= ink).all()


@pytest.mark.parametrize(
    ("points", "direction"),
    [
        ([(0, 0), (1, 0)], (1, 0)),
        ([(1, 0), (0, 0)], (-1, 0)),
        ([(5, 5), (5, 9)], (0, 1)),
        ([(5, 9), (5, 5)], (0, -1)),
        ([(0, 0), (1, 1)], (0.5**0.5, 0.5**0.5)),
    ],
)
def test_the_direction_is_that_of_the_pen(points: list, direction: tuple[float, float]) -> None:
    frame, planes = render_with_planes([line(*points)])
    for plane, part in zip(planes[:2], direction, strict=True):
        np.testing.assert_allclose(plane, frame * (part / 255), atol=0.003)


def test_the_time_rises_from_the_first_sample_to_the_last() -> None:
    frame, planes = render_with_planes([line((0, 0), (1, 0))], width=2)
    row = int(frame.sum(axis=1).argmax())
    inked = frame[row] > 230
    assert inked.sum() > 15
    time = planes[TIME, row, inked] / (frame[row, inked] / 255)
    assert (np.diff(time) > 0).all()
    np.testing.assert_allclose(time[[0, -1]], [-1, 1], atol=0.06)
    back = render_with_planes([line((1, 0), (0, 0))], width=2)[1]
    np.testing.assert_allclose(back[TIME], -planes[TIME], atol=0.06)


def test_the_time_leaves_out_the_way_through_the_air() -> None:
    first, second = line((0, 0), (0, 1)), line((0.7, 0), (0.7, 1))
    frame, planes = render_with_planes([first, second], width=2)
    columns = np.flatnonzero((frame > 230).sum(axis=0) > 10)
    left, right = columns[0], columns[-1]
    rows = np.flatnonzero(frame[:, left] > 230)
    for column, times in ((left, (-1, 0)), (right, (0, 1))):
        found = planes[TIME, rows[[0, -1]], column]
        np.testing.assert_allclose(found, times, atol=0.12)
    turned = render_with_planes([second, first], width=2)[1]
    np.testing.assert_allclose(turned[TIME, rows[0], [left, right]], [0, -1], atol=0.12)


def test_a_dot_has_no_direction() -> None:
    frame, planes = render_with_planes([line((3, 4))])
    assert frame.any()
    assert not planes.any()
    frame, planes = render_with_planes([line((0, 0), (0, 1)), line((0.7, 0.5))], width=2)
    dot = np.arange(28) > np.flatnonzero(frame.any(axis=0))[0] + 5  # columns
    assert frame[:, dot].max() > 200
    assert not planes[:2, :, dot].any()
    np.testing.assert_allclose(planes[TIME][:, dot], frame[:, dot] / 255, atol=0.003)


def test_without_points_there_are_no_planes() -> None:
    with pytest.raises(BlankDrawingError):
        render_with_planes([])
    with pytest.raises(ValueError, match="frame px"):
        render_with_planes(DIGITS[1], width=0.1)


# --- batches -------------------------------------------------------------------------------


def assert_alike(drawn: list[list[np.ndarray]], batch: torch.Tensor, width: float) -> None:
    """Each drawing's frame and planes, but for few pixels with two samples equally near.

    Where the centre of mass is a tie, rounding moves frame and planes together.
    """
    assert batch.shape == (len(drawn), 4, 28, 28)
    away = []
    for drawing, made in zip(drawn, batch.numpy(), strict=True):
        frame, planes = render_with_planes(drawing, width=width)
        shifted = (np.roll(made, (y, x), (1, 2)) for y in (0, 1, -1) for x in (0, 1, -1))
        same = next(each for each in shifted if np.abs(each[0] * 255 - frame).max() < 1)
        away.append(np.abs(same[1:] - planes).max(axis=0)[frame > 0])
    assert np.mean(np.concatenate(away) < 1e-3) > 0.995


@pytest.mark.parametrize("width", [1.2, 2.5, 6.0])
def test_planes_of_a_batch_are_those_of_its_drawings(width: float) -> None:
    drawn = [*DIGITS.values()]
    points, numbers = padded(drawn)
    # In another unit, to see that each drawing is fitted by itself.
    assert_alike(
        drawn,
        rendering.render_batch_with_planes(points * 37 - 5, numbers, torch.full((10,), width)),
        width,
    )


@pytest.mark.needs_pendigits
def test_planes_of_real_drawings_are_the_same_in_batches() -> None:
    drawn = [digit.strokes for digit in read_pendigits("validation", download=False)[::15]]
    batch = rendering.render_batch_with_planes(*padded(drawn), torch.full((len(drawn),), 2.5))
    assert_alike(drawn, batch, 2.5)


def test_planes_are_drawn_from_a_data_set() -> None:
    drawn = {digit: DIGITS[digit] for digit in DIGITS if digit != 8}  # it has more samples
    data = pen_data("made", "test", [PenDrawing(list(d), n, 0) for n, d in drawn.items()])
    planes = rendering.drawn_planes(data)
    frames = data.images[:, None] / 255
    assert_alike([*drawn.values()], torch.cat([frames, planes], dim=1), strokes.PEN_WIDTH)
    with pytest.raises(ValueError, match="sample is no pen data"):
        rendering.drawn_planes(sample_splits().train[0])


def test_stroke_numbers_are_kept_with_the_samples() -> None:
    drawing = [line((0, 0), (1, 0)), line((0.5, 0.5)), line((0, 1), (1, 1))]
    long = np.stack([np.linspace(0, 60, 2000), 30 * np.sin(np.linspace(0, 60, 2000))], axis=1)
    data = pen_data("made", "test", [PenDrawing(drawing, 1, 0), PenDrawing([long], 2, 0)])
    assert data.points is not None
    assert data.stroke_numbers is not None
    assert data.stroke_numbers.shape == (2, PEN_SAMPLES)
    first, second = data.stroke_numbers
    assert first.unique_consecutive().tolist() == [0, 1, 2, -1]
    assert not second.any()
    for number, height in ((0, 0.0), (1, 0.5), (2, 1.0), (-1, 1.0)):
        assert (data.points[0, first == number, 1] == height).all()
    assert data.characters is not None
    assert data.characters.tolist() == [0, 0]


# --- another order -------------------------------------------------------------------------


def parts(points: torch.Tensor, numbers: torch.Tensor) -> dict[int, list[list[float]]]:
    """The samples of each stroke of one drawing, in its order."""
    order = numbers.unique_consecutive().tolist()
    assert len(order) == len(set(order))  # each stroke in one piece
    return {number: points[numbers == number].tolist() for number in order}


@pytest.fixture
def three() -> tuple[torch.Tensor, torch.Tensor]:
    """200 times a drawing of three strokes, with repeated points at its end."""
    drawing = [line((0, 0), (1, 0)), line((0, 0.5), (0.7, 0.5)), line((0, 1), (1, 0.9))]
    points, numbers = padded([drawing, list(DIGITS[8])])
    assert (numbers[0] < 0).any()
    return points[:1].expand(200, -1, -1), numbers[:1].expand(200, -1)


def test_strokes_turn_round(three: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    points, numbers = augment.reorder_strokes(*three, reverse=1, shuffle=0)
    assert torch.equal(numbers, three[1])
    before, after = parts(three[0][0], three[1][0]), parts(points[5], numbers[5])
    assert {number: samples[::-1] for number, samples in after.items()} == before
    # Some of them, each for itself.
    points, _ = augment.reorder_strokes(*three, reverse=0.3, shuffle=0)
    for number in range(3):
        first = int((three[1][0] == number).nonzero()[0])
        turned = (points[:, first] != three[0][:, first]).any(dim=1)
        assert 0.2 < turned.double().mean() < 0.4


def test_strokes_change_their_order_and_stay_whole(
    three: tuple[torch.Tensor, torch.Tensor],
) -> None:
    torch.manual_seed(0)
    points, numbers = augment.reorder_strokes(*three, reverse=0, shuffle=1)
    before, orders = parts(three[0][0], three[1][0]), set()
    for drawing, number in zip(points, numbers, strict=True):
        after = parts(drawing, number)
        assert after == before  # as mappings: the order may be another
        assert [*after][-1] == -1
        orders.add(tuple(after))
    assert len(orders) == 6
    points, _ = augment.reorder_strokes(*three, reverse=0, shuffle=0.3)
    changed = (points != three[0]).flatten(1).any(dim=1).double().mean()
    assert 0.15 < changed < 0.35  # one order in six is the old one


def test_drawings_are_split_into_pieces_of_equal_length(
    three: tuple[torch.Tensor, torch.Tensor],
) -> None:
    points, numbers = three
    torch.manual_seed(0)
    assert torch.equal(augment.split_strokes(numbers, 0), numbers)
    found = augment.split_strokes(numbers, 1, pieces=4)
    assert torch.equal(found < 0, numbers < 0)
    real = found[0][numbers[0] >= 0]
    assert (real.diff() >= 0).all()  # in the old order, until they are reordered
    whole = numbers[0][numbers[0] >= 0]
    for piece in real.unique():
        assert len(whole[real == piece].unique()) == 1  # of one stroke
    quarters = (torch.arange(len(real)) * 4 // len(real)).to(real.dtype)
    assert len(real.unique()) == len(torch.stack([whole, quarters]).unique(dim=1)[0])
    some = (augment.split_strokes(numbers, 0.3) != numbers).any(dim=1).double().mean()
    assert 0.2 < some < 0.4
    moved, _ = augment.reorder_strokes(points, found, reverse=0.5, shuffle=1)
    assert sorted(map(tuple, moved[0].tolist())) == sorted(map(tuple, points[0].tolist()))


def test_without_shares_the_order_stays(three: tuple[torch.Tensor, torch.Tensor]) -> None:
    for found, given_ in zip(
        augment.reorder_strokes(*three, reverse=0, shuffle=0), three, strict=True
    ):
        assert torch.equal(found, given_)


def test_frames_do_not_know_the_order_and_planes_do() -> None:
    torch.manual_seed(0)
    points, numbers = padded([*DIGITS.values()])
    width = torch.full((10,), 2.5)
    before = rendering.render_batch_with_planes(points, numbers, width)
    after = rendering.render_batch_with_planes(
        *augment.reorder_strokes(points, numbers, reverse=1, shuffle=0), width
    )
    torch.testing.assert_close(after[:, 0], before[:, 0], atol=1e-5, rtol=0)
    # Of strokes with the same way back, direction and time change their sign.
    assert (after[1, 1:] + before[1, 1:]).abs().mean() < 0.01 < before[1, 1:].abs().mean()


# --- placed and warped ---------------------------------------------------------------------


def test_channels_are_placed_with_the_first() -> None:
    torch.manual_seed(0)
    boxes = torch.rand(6, 3, 20, 20) ** 4
    boxes[:, 0] *= torch.linspace(0, 1, 20) ** 6  # mass to the right
    boxes[:, 1] *= torch.linspace(1, 0, 20) ** 6
    boxes[:, 2] = -boxes[:, 0]
    placed = rendering.place_boxes(boxes)
    assert placed.shape == (6, 3, 28, 28)
    torch.testing.assert_close(placed[:, 2], -placed[:, 0])
    torch.testing.assert_close(placed[:, :1], rendering.place_boxes(boxes[:, :1]))
    alone = rendering.place_boxes(boxes[:, 1:2])[:, 0]
    assert not torch.equal(placed[:, 1], alone)
    torch.testing.assert_close(placed.sum(dim=(2, 3)), boxes.sum(dim=(2, 3)))


def test_a_warp_moves_planes_with_the_frame() -> None:
    frames = sample_splits().train[0].images[:32].float() / 255
    planes = torch.stack([frames, frames, -frames, 0.5 * frames], dim=1)
    before = planes.clone()
    torch.manual_seed(3)
    alone = augment.warp(frames)
    torch.manual_seed(3)
    warped = augment.warp(planes)
    assert torch.equal(planes, before)
    torch.testing.assert_close(warped[:, 0], alone)
    torch.testing.assert_close(warped[:, 1].clamp_min(0), alone)
    torch.testing.assert_close(warped[:, 2], -warped[:, 1])
    torch.testing.assert_close(2 * warped[:, 3].clamp(0, 0.5), alone, atol=0.02, rtol=0)
    assert (alone - frames).abs().mean() > 0.01


def test_a_share_takes_frames_with_their_planes() -> None:
    torch.manual_seed(0)
    found = augment.apply_to_share(torch.zeros(4000, 4, 2, 2), torch.ones(4000, 4, 2, 2), 0.3)
    ones = found.flatten(1).mean(dim=1)
    assert set(ones.tolist()) == {0.0, 1.0}
    assert ones.mean() == pytest.approx(0.3, abs=0.03)


# --- networks ------------------------------------------------------------------------------


def pen_network(**arguments: int) -> nn.Module:
    """A small network whose pen branch, which adds nothing at first, has learned something."""
    torch.manual_seed(0)
    model = build_network("digitnet", **({"width": 4, "outputs": 11, "pen": 4} | arguments))
    for weight in model.pen.parameters():  # type: ignore[union-attr]
        nn.init.normal_(weight, std=0.3)
    return model


def pen_recognizer() -> Recognizer:
    card = Card("digitnet", {"width": 4, "outputs": 11, "pen": 4}, temperature=0.7, threshold=0.1)
    return Recognizer.from_model(pen_network(), card)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Frames ``[10, 28, 28]`` and planes ``[10, 3, 28, 28]`` of the ten digits."""
    frames, planes = zip(*map(render_with_planes, DIGITS.values()), strict=True)
    return np.stack(frames), np.stack(planes)


def test_the_branch_adds_nothing_where_planes_are_zero(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    branch = pen_network().pen
    assert isinstance(branch, PenBranch)
    for part in branch(torch.zeros(3, 3, 28, 28)):
        assert not part.any()
    maps, logits = branch(torch.from_numpy(drawn[1]))
    assert (maps.shape, logits.shape) == ((10, 8, 6, 6), (10, 11))
    assert maps.any()
    assert logits.any()


def test_a_new_branch_adds_nothing_and_can_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    model = build_network("digitnet", width=4, pen=4).eval()
    frames, planes = torch.randn(10, 1, 28, 28), torch.from_numpy(drawn[1])
    logits = model(frames, planes)
    assert torch.equal(logits, model(frames))
    logits.logsumexp(dim=1).sum().backward()
    assert any(weight.grad.any() for weight in model.pen.parameters())  # type: ignore[union-attr]


def test_every_layer_of_the_branch_is_used(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    model = pen_network()
    planes = torch.from_numpy(drawn[1])
    model(torch.randn(10, 1, 28, 28), planes).logsumexp(dim=1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_no_planes_are_planes_of_zeros(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    model, frames = pen_network().eval(), torch.randn(10, 1, 28, 28)
    assert torch.equal(model(frames), model(frames, torch.zeros(10, 3, 28, 28)))
    assert not torch.allclose(model(frames), model(frames, torch.from_numpy(drawn[1])), atol=1e-3)


def test_only_a_network_with_a_branch_reads_planes() -> None:
    assert reads_planes(pen_network())
    for name in ("digitnet", "baseline", "quicknet"):
        assert not reads_planes(build_network(name))


# --- the recognizer ------------------------------------------------------------------------


def test_one_drawing_is_read_as_in_a_batch(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    made = pen_recognizer()
    batch = made.predict_batch(*drawn)
    np.testing.assert_allclose(made.probabilities(*drawn), batch.probabilities, atol=1e-6)
    as_pictures = made.predict_batch(drawn[0])
    assert np.abs(batch.probabilities - as_pictures.probabilities).max() > 0.01
    for row, (digit, frame, planes) in enumerate(zip(DIGITS, *drawn, strict=True)):
        for found, wanted in (
            (made.predict_frame(frame, planes), batch),
            (made.predict_strokes(DIGITS[digit]), batch),
            (made.predict_frame(frame), as_pictures),
        ):
            np.testing.assert_allclose(found.probabilities, wanted.probabilities[row], atol=1e-5)
            assert found.score == pytest.approx(wanted.scores[row], abs=1e-4)
            np.testing.assert_array_equal(found.frame, frame)


def test_batches_of_drawings_stream_through(
    drawn: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pen_recognizer()
    whole = made.logits(*drawn)
    direct = pen_network().eval()(
        (torch.from_numpy(drawn[0])[:, None] / 255 - 0.1307) / 0.3081, torch.from_numpy(drawn[1])
    )
    np.testing.assert_allclose(whole, direct.detach(), atol=1e-4, rtol=1e-4)
    monkeypatch.setattr("digitlib.models.recognizer.CHUNK", 4)
    np.testing.assert_allclose(made.logits(*drawn), whole, atol=1e-5, rtol=1e-4)
    assert made.logits(drawn[0][:0], drawn[1][:0]).shape == (0, 11)


@pytest.mark.parametrize(
    "change",
    [
        lambda planes: planes[:9],
        lambda planes: planes[:, :2],
        lambda planes: planes[..., :27],
        lambda planes: planes[:, 0],
        lambda planes: planes.astype(np.float64),
        lambda planes: planes.astype(np.uint8),
    ],
)
def test_other_planes_are_refused(change: object, drawn: tuple[np.ndarray, np.ndarray]) -> None:
    made, planes = pen_recognizer(), change(drawn[1])  # type: ignore[operator]
    for read in (made.predict_batch, made.probabilities, made.logits):
        with pytest.raises(ValueError, match=r"planes are float32 \[10, 3, 28, 28\]"):
            read(drawn[0], planes)
    if planes.shape[0] == 10:  # one of fewer is the right one
        with pytest.raises(ValueError, match=r"planes are float32 \[3, 28, 28\]"):
            made.predict_frame(drawn[0][0], planes[0])


def test_a_network_without_a_branch_refuses_planes(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    made = Recognizer.from_model(build_network("digitnet", width=4))
    for read in (made.predict_batch, made.probabilities, made.logits):
        with pytest.raises(ValueError, match="no pen branch"):
            read(*drawn)
    with pytest.raises(ValueError, match="no pen branch"):
        made.predict_frame(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(made.predict_strokes(DIGITS[3]).frame, drawn[0][3])


def test_weights_with_a_branch_are_kept(
    drawn: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    made = pen_recognizer()
    save_model(tmp_path / "net.safetensors", pen_network(), made.card)
    loaded = Recognizer.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.logits(*drawn), made.logits(*drawn))


def test_onnx_takes_planes_or_none(
    drawn: tuple[np.ndarray, np.ndarray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = pen_recognizer()
    made.predict_frame(drawn[0][0])
    assert not capfd.readouterr().err  # onnxruntime may not warn into a notebook
    made.export_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_inputs()] == ["frames"]
    assert [each.name for each in session.get_overridable_initializers()] == ["planes"]
    for count in (1, 5):
        frames, planes = drawn[0][:count], drawn[1][:count]
        zeros = np.zeros_like(planes)
        for inputs, wanted in (
            ({}, made.predict_batch(frames)),
            ({"planes": zeros}, made.predict_batch(frames)),
            ({"planes": planes}, made.predict_batch(frames, planes)),
        ):
            probabilities, scores, _ = session.run(None, {"frames": frames} | inputs)
            np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)
            np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)


# --- training ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> Splits:
    """Pictures of digits, and drawings of no digit."""
    others = catalog.load("no_digits", "test", "nowhere", download=False).subset(256)
    digits = sample_splits()
    return Splits((*digits.train, others), digits.validation)


def pen_config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "model_arguments": {"width": 4, "outputs": 11, "pen": 4},
        "datasets": ("sample", "no_digits"),
        "mix_ratios": (1.0,),
        "planes_prob": 0.7,
        "epochs": 1,
    }
    return small_config(**(values | changes))


def batches(config: TrainConfig, data: Splits) -> list[Batch]:
    return [*BatchLoader(config, data, CPU).epoch(0)]


def test_pictures_have_planes_of_zeros_and_a_share_of_drawings_too(mixed: Splits) -> None:
    without = []
    for batch in batches(pen_config(), mixed):
        planes, count = batch.planes, batch.counts[0]
        assert planes is not None
        assert planes.shape == (sum(batch.counts), 3, 28, 28)
        assert not planes[:count].any()
        assert planes.abs().max() <= 1
        without.append(~planes[count:].flatten(1).any(dim=1))
    assert torch.cat(without).double().mean() == pytest.approx(0.3, abs=0.08)


def test_planes_of_varied_drawings_lie_on_their_ink(mixed: Splits) -> None:
    (batch, *_) = batches(pen_config(planes_prob=1.0, degrade_prob=0.0), mixed)
    assert batch.planes is not None
    drawings_ = slice(batch.counts[0], None)
    frames, planes = batch.frames[drawings_], batch.planes[drawings_]
    assert planes.flatten(1).any(dim=1).all()
    beside = planes.abs().amax(dim=1)[F.max_pool2d(frames, 3, 1, 1) == 0]
    assert beside.max() < 0.05
    length = planes[:, :2].norm(dim=1)[frames > 0.99]
    assert length.median() > 0.95


def test_planes_follow_the_settings(mixed: Splits) -> None:
    for batch in batches(pen_config(planes_prob=0.0), mixed):
        assert batch.planes is None
    for batch in batches(pen_config(augment=False), mixed):
        assert batch.planes is not None
        assert not batch.planes.any()
    with pytest.raises(ValueError, match="planes_prob is 0 to 1"):
        pen_config(planes_prob=1.1)


def pen_parts(result: TrainResult | nn.Module) -> tuple[dict, dict]:
    """The state of the pen branch, and of all else."""
    model = result if isinstance(result, nn.Module) else result.model
    state = model.state_dict()
    pen = {name: value for name, value in state.items() if name.startswith("pen.")}
    return pen, {name: value for name, value in state.items() if name not in pen}


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_decay": 0.1},
        {"ema_decay": 0.9, "epochs": 2},
        {"optimizer": "adam", "schedule": "constant", "learning_rate": 1e-3},
        {"precision": "bfloat16"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_branch_is_trained_and_nothing_else(changes: dict, mixed: Splits) -> None:
    start = fit(
        pen_config(model_arguments={"width": 4, "outputs": 11}, planes_prob=0.0),
        mixed, progress=False,
    ).model  # fmt: skip
    before = {name: value.clone() for name, value in start.state_dict().items()}
    result = fit(pen_config(trained="pen", **changes), mixed, init=start, progress=False)
    pen, rest = pen_parts(result)
    assert rest.keys() == before.keys()
    for name, value in rest.items():  # statistics of batch norm, too
        assert torch.equal(value, before[name]), name
    assert all(value.any() for value in pen.values())  # the last layers began with zeros
    # Pictures are read exactly as before.
    images = mixed.validation[0].images
    logits = (Recognizer.from_model(model).logits(images) for model in (result.model, start))
    assert torch.equal(*logits)


def test_without_a_named_part_everything_is_trained(mixed: Splits) -> None:
    start = build_network("digitnet", width=4, outputs=11, pen=4)
    result = fit(pen_config(), mixed, init=start, progress=False)
    for now, then in zip(pen_parts(result), pen_parts(start), strict=True):
        assert any(not torch.equal(now[name], then[name]) for name in now)
    assert all(weight.requires_grad for weight in result.model.parameters())


def test_an_unknown_part_cannot_be_trained_alone(mixed: Splits) -> None:
    for changes in ({"trained": "pens"}, {"trained": "pen", "model_arguments": {"width": 4}}):
        with pytest.raises(ValueError, match=r"trained is a part of the network, .*'late'"):
            fit(pen_config(**changes), mixed, progress=False)


def test_a_start_may_lack_whole_parts_and_nothing_else(mixed: Splits) -> None:
    start = build_network("digitnet", width=4, outputs=11)
    result = fit(pen_config(), mixed, init=start, progress=False)
    assert all(value.any() for value in pen_parts(result)[0].values())
    lacking = build_network("digitnet", width=4, outputs=11, pen=4)
    lacking.pen = nn.Identity()
    with pytest.raises(ValueError, match=r"initial network is another: pen\."):
        fit(pen_config(), mixed, init=lacking, progress=False)
    with pytest.raises(ValueError, match=r"initial network is another: .*features\."):
        fit(pen_config(), mixed, init=build_network("quicknet"), progress=False)


@pytest.mark.parametrize("weight", [1.0, 0.5, 0.0])
def test_the_weight_of_no_digit_is_that_of_its_labels_in_the_loss(
    weight: float,
) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(60, 11), torch.arange(60) % 11
    weights = torch.where(labels == NO_DIGIT, weight, 1.0)
    each = -logits.log_softmax(dim=1)[torch.arange(60), labels]
    config = pen_config(no_digit_weight=weight)
    found = training_loss(config, logits, Batch(torch.empty(0), labels))
    torch.testing.assert_close(found, (each * weights).sum() / weights.sum())


def test_accuracy_of_pen_data_is_that_of_its_strokes() -> None:
    model = pen_network().eval()
    digits = [PenDrawing(list(DIGITS[n]), n, 0) for n in DIGITS if n != 8]
    data = pen_data("made", "test", digits)
    logits = Recognizer.from_model(model).logits(data.images, rendering.drawn_planes(data))
    read = dataclasses.replace(data, labels=logits[:, :10].argmax(dim=1))
    assert model_accuracy(model, read) == 1.0
    as_pictures: DigitData = dataclasses.replace(read, points=None, stroke_numbers=None)
    assert model_accuracy(model, as_pictures) < 1.0


def test_strokes_and_pictures_have_thresholds_of_their_own(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    frames, planes = drawn
    card = Card("digitnet", {"width": 4, "outputs": 11, "pen": 4})
    model = pen_network(width=4, outputs=11, pen=4)
    scores = Recognizer.from_model(model, card).predict_batch(frames, planes).scores
    middle = float(np.median(scores))
    strict = Recognizer.from_model(
        model, dataclasses.replace(card, stroke_threshold=middle, threshold=-1e9)
    )
    np.testing.assert_array_equal(strict.predict_batch(frames, planes).rejected, scores < middle)
    assert not strict.predict_batch(frames).rejected.any()
    assert not strict.predict_batch(frames, np.zeros_like(planes)).rejected.any()
    for frame, plane, score in zip(frames, planes, scores, strict=True):
        assert strict.predict_frame(frame, plane).rejected == (score < middle)
        assert not strict.predict_frame(frame).rejected
    same = Recognizer.from_model(model, dataclasses.replace(card, threshold=1e9))  # one for both
    assert same.predict_batch(frames, planes).rejected.all()
