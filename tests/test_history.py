"""The strokes of a drawing with undo and redo; the throttle of predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from digitlib.widgets.callbacks import guarded
from digitlib.widgets.history import History, Point
from digitlib.widgets.pad import Throttle

LINE: list[Point] = [(1.0, 2.0), (3.0, 4.0)]
DOT: list[Point] = [(9.0, 9.0)]


@pytest.fixture
def history() -> History:
    return History()


def stroke(history: History, points: list[Point]) -> None:
    history.begin(points[0])
    for point in points[1:]:
        assert history.add(point)
    assert history.end()


def points(history: History) -> list[list[Point]]:
    return [[(x, y) for x, y in array.tolist()] for array in history.strokes]


def test_the_pen_is_down_from_begin_to_end(history: History) -> None:
    assert not history.pen_down
    history.begin((1.0, 2.0))
    history.add((3.0, 4.0))
    assert history.pen_down
    history.end()
    assert not history.pen_down


def test_points_come_in_groups_with_time_and_pressure(history: History) -> None:
    history.begin((1.0, 2.0, 16.0, 0.5), (2.0, 3.0, 17.0, 0.6))
    history.add((3.0, 4.0, 18.0, 0.7), (4.0, 5.0, 19.0, 0.8))
    assert points(history) == [[(1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0)]]
    assert history.content.traces[0][:, 2:].tolist() == [[16, 0.5], [17, 0.6], [18, 0.7], [19, 0.8]]


def test_a_canceled_stroke_leaves_nothing(history: History) -> None:
    stroke(history, LINE)
    history.begin((9.0, 9.0))
    history.add((8.0, 8.0))
    assert history.cancel()
    assert (points(history), history.pen_down, history.can_redo) == ([LINE], False, False)
    history.undo()
    assert points(history) == []


def test_a_stroke_without_end_is_a_stroke_of_its_own(history: History) -> None:
    history.begin((1.0, 2.0))
    history.begin((9.0, 9.0))
    assert points(history) == [[(1.0, 2.0)], DOT]
    history.undo()
    assert points(history) == [[(1.0, 2.0)]]


def test_undo_and_redo_take_whole_strokes(history: History) -> None:
    stroke(history, LINE)
    stroke(history, DOT)
    history.undo()
    assert points(history) == [LINE]
    history.undo()
    assert (points(history), history.can_undo, history.can_redo) == ([], False, True)
    history.redo()
    history.redo()
    assert (points(history), history.can_undo, history.can_redo) == ([LINE, DOT], True, False)


@pytest.mark.parametrize("step", [History.undo, History.redo, History.clear])
def test_a_step_lifts_the_pen(history: History, step: Callable) -> None:
    history.begin((1.0, 2.0))
    step(history)
    assert not history.pen_down
    assert not history.add((3.0, 4.0))


@pytest.mark.parametrize("new", ["drawn", "replaced"])
def test_what_was_cleared_comes_back_until_something_new_is_there(
    history: History, new: str
) -> None:
    stroke(history, LINE)
    history.clear()
    history.undo()
    assert points(history) == [LINE]
    history.redo()
    stroke(history, DOT) if new == "drawn" else history.replace([np.array(DOT)])
    history.undo()
    assert (points(history), history.can_undo) == ([], False)
    history.redo()
    assert points(history) == [DOT]


def test_a_picture_is_a_step(history: History) -> None:
    picture = np.zeros((4, 4), np.uint8)
    stroke(history, LINE)
    history.replace([], picture)
    assert (points(history), history.content.image is picture, history.empty) == ([], True, False)
    stroke(history, DOT)
    assert (points(history), history.content.image) == ([DOT], None)
    history.undo()
    assert history.content.image is picture
    history.undo()
    assert (points(history), history.content.image) == ([LINE], None)
    history.redo()
    assert history.content.image is picture
    history.begin((1.0, 2.0))
    history.cancel()
    assert history.content.image is picture


# --- the throttle --------------------------------------------------------------------------


def unguarded(action: Callable[[], None]) -> Callable[[], None]:
    return action


def test_many_requests_are_one_run_after_the_interval() -> None:
    runs: list[int] = []
    throttle = Throttle(lambda: runs.append(1), 0.02, unguarded)

    async def request() -> None:
        for _ in range(50):
            throttle.request()
        assert not runs
        await asyncio.sleep(0.1)
        assert len(runs) == 1
        throttle.request()
        await asyncio.sleep(0.3)
        assert len(runs) == 2

    asyncio.run(request())


def test_now_runs_at_once_and_meets_the_request() -> None:
    runs: list[int] = []
    throttle = Throttle(lambda: runs.append(1), 0.02, unguarded)

    async def request() -> None:
        throttle.request()
        throttle.now()
        assert len(runs) == 1
        await asyncio.sleep(0.1)
        assert len(runs) == 1

    asyncio.run(request())


def test_a_delayed_run_is_guarded() -> None:
    caught: list[Exception] = []

    def fail() -> None:
        raise ZeroDivisionError

    async def request() -> None:
        Throttle(fail, 0.01, lambda action: guarded(action, caught.append)).request()
        await asyncio.sleep(0.3)

    asyncio.run(request())
    assert len(caught) == 1
