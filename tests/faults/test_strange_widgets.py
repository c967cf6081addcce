"""Widgets of the page, told anything: a visitor may break his own pad.

No code of his runs, no file is read or written, and nobody else is disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from premises import (
    GROWTH,
    MARK,
    RAN,
    Premises,
    assert_alive,
    code,
    draws_a_seven,
    memory,
    some,
)
from reliability import LONG
from stranger import Channel, Visit

pytestmark = pytest.mark.slow


# --- the page: widgets -----------------------------------------------------------------------


def odd_values(page: Premises, widgets: Sequence[str]) -> list[Any]:
    nested: Any = []
    for _ in range(400):
        nested = [nested]
    return [
        None, True, -1, 0, 2**31, 2**70, 1e308, float("nan"), float("inf"), "", 100_000 * "x", MARK,
        "\0", "../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", code(page), [], {},
        nested,
        {"__class__": "os"}, {"x": nested}, ["../../x"], 1000 * [MARK], [[float("nan")] * 2],
        f"IPY_MODEL_{widgets[0]}", "IPY_MODEL_x", [f"IPY_MODEL_{each}" for each in widgets],
    ]  # fmt: skip


def test_widgets_may_be_told_anything(page: Premises, me: Visit, wild: Visit) -> None:
    """A visitor may break his own pad. Nothing runs, and nobody else sees it."""
    start = memory(page, wild)
    with Channel(wild) as channel:
        widgets = channel.widgets()
        names = [(widget, name) for widget, it in widgets.items() for name in it["state"]]
        tests = some(product(names, odd_values(page, [*widgets])), 60, 1000)
        for (widget, name), value in tests:
            channel.tell(widget, {"method": "update", "state": {name: value}, "buffer_paths": []})
        for data in ("x", None, [], {}, {"method": "x"}, {"method": "update"}, {"method": MARK},
                     {"method": "update", "state": {}, "buffer_paths": [["a"], [0], [], "x"]},
                     {"method": "update", "state": 7}, {"method": "request_state"}):  # fmt: skip
            for widget in some([*widgets], 1, 20):
                channel.tell(widget, data, [b"x"])
                tests.append(data)
    page.tried["changed widgets"] += len(tests)
    assert_alive(wild)
    assert memory(page, wild) < start + GROWTH
    assert draws_a_seven(me) == "7"


def ink_messages() -> list[Any]:
    """What the layer of ink could be told."""
    points = [
        None, [], {}, "abc", 7, [[]], [[1]], [[1, 2, 3]], [["a", "b", "c", "d"]], [[None] * 4],
        [[float("nan")] * 4], [[float("inf")] * 4], [[1e308] * 4], [[-1e308, 1e308, 0, 0]],
        [[[[1]]]], [{"x": 1}], [[1, 2, 3, 4], [1, 2]], [MARK], [[MARK] * 4], [[2**70] * 4],
        [[True] * 4], [[x, 100.0, 10.0 * x, 0.5] for x in range(1000)],
    ]  # fmt: skip
    does = ("begin", "move", "end", "cancel", "undo", "redo", "clear", "redraw", MARK, None, 7)
    events = [{"do": do, "points": each} for do, each in product(does, points)]
    told: list[Any] = [{"client": "me", "first": 0, "events": [event]} for event in events]
    for odd in (None, -1, 2**70, "x", [], {}, float("nan"), MARK):
        told.append({"client": odd, "first": 0, "events": events[:1]})
        told.append({"client": "a", "first": odd, "events": []})
        told.append({"client": "b", "first": 0, "events": odd})
        told.append({"client": "c", "first": 0, "events": [odd]})
    return [*told, None, [], "x", 7, {}]


def canvas_messages() -> list[Any]:
    """What the canvas below it could be told."""
    mouse = ("client_ready", "mouse_down", "mouse_move", "mouse_up", "mouse_out", "mouse_wheel")
    touch = ("touch_start", "touch_move", "touch_end", "touch_cancel", "key_down", "x", None)
    odd = (None, "x", [], {}, float("nan"), 1e308, True, MARK)
    touches = (*odd, [{"x": None, "y": "z"}], [{}], 1000 * [{"x": 1, "y": 2}])
    told: list[Any] = [{"event": name, "x": x, "y": 1} for name, x in product(mouse, odd)]
    told += [{"event": name, "touches": each} for name, each in product(touch, touches)]
    keys = {"shift_key": 1, "ctrl_key": MARK, "meta_key": []}
    told += [{"event": "key_down", "key": key, **keys} for key in odd]
    return [*told, None, [], "x", 7, {}]


def test_pads_live_on_after_odd_drawings(page: Premises, wild: Visit) -> None:
    start = memory(page, wild)
    with Channel(wild) as channel:
        widgets = channel.widgets()
        drawn = [
            each for each, it in widgets.items() if it["model_name"] in ("AnyModel", "CanvasModel")
        ]
        tests = some(product(drawn, [*ink_messages(), *canvas_messages()]), 60, 500)
        for widget, content in tests:
            channel.tell(widget, {"method": "custom", "content": content}, [b"x"])
        million = [[x % 400, x % 397, x / 10, 0.5] for x in range(200_000 if LONG else 20_000)]
        for widget in drawn:
            event = {"client": "m", "first": 0, "events": [{"do": "begin", "points": million}]}
            channel.tell(widget, {"method": "custom", "content": event})
    page.tried["odd drawings"] += len(tests) + len(drawn)
    assert draws_a_seven(wild) == "7"
    assert memory(page, wild) < start + GROWTH


def test_uploads_are_no_paths_and_run_nothing(page: Premises, wild: Visit) -> None:
    names = [
        f"../../{RAN}",
        f"/tmp/{RAN}",
        "/etc/passwd",
        MARK,
        "\0",
        "C:\\x",
        "con",
        "x" * 10_000,
        "~/.bashrc",
        "a;b|c",
    ]
    contents = [
        b"", b"x", b"%!PS\n(" + str(page.folder / RAN).encode() + b") (w) file", b"\x89PNG\r\n",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        b"GIF89a" + 60 * b"\xff", b"\x80\x04c__builtin__\nexec\n", MARK.encode(),
        1_000_000 * b"\xff\xd8",
    ]  # fmt: skip
    with Channel(wild) as channel:
        widgets = channel.widgets()
        for switch in ("Picture", "My drawings"):
            (toggle,) = [k for k, it in widgets.items() if it["state"].get("description") == switch]
            channel.tell(toggle, {"method": "update", "state": {"value": True}, "buffer_paths": []})
        fields = [k for k, it in channel.widgets().items() if it["model_name"] == "AnyModel"]
        assert len(fields) == 3
        messages = [{"upload": name, "part": 0, "parts": 1} for name in names] + [{"do": "import"}]
        uploads = some(product(fields, messages, contents), 60, 150)
        for widget, what, content in uploads:
            channel.tell(widget, {"method": "custom", "content": what}, [content])
        texts = [
            it["state"]["value"]
            for it in channel.widgets().values()
            if it["model_name"] == "HTMLModel"
        ]
    page.tried["uploads"] += len(uploads)
    assert not [text for text in texts if MARK in text]
    assert draws_a_seven(wild) == "7"


def test_tracebacks_stay_on_the_machine(me: Visit) -> None:
    """What fails is told in the pad, in a sentence: no visitor needs this machine's paths."""
    with Channel(me) as channel:
        widgets = channel.widgets()
        layout = next(k for k, it in widgets.items() if it["model_name"] == "LayoutModel")
        wrong = {"method": "update", "state": {"width": []}, "buffer_paths": []}
        said = channel.tell(layout, wrong)
    assert {each.kind for each in said} == {"status", "comm_msg"}  # busy, an echo, idle
    assert "site-packages" not in repr(said)
