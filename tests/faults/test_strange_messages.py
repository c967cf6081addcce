"""Sockets of the page: who may open them, and what a page may say to its kernel."""

from __future__ import annotations

import json
import random
import struct
import time
import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import strange_requests as requests
import stranger
from premises import (
    GROWTH,
    MARK,
    REFUSED,
    Premises,
    assert_alive,
    code,
    some,
)
from reliability import LONG
from stranger import V1, Channel, Visit, message

pytestmark = pytest.mark.slow
NESTED = 4_000 * b"[" + 4_000 * b"]"


# --- the page: sockets -----------------------------------------------------------------------


def test_sockets_of_other_sites_and_to_other_kernels_stay_shut(page: Premises, me: Visit) -> None:
    port, own = page.port, f"/api/kernels/{me.kernel}/channels"
    strangers = [
        {"Origin": origin.format(port=port)} for origin in requests.FOREIGN_ORIGINS
    ] + [{"Host": host.format(port=port)} for host in requests.FOREIGN_HOSTS]  # fmt: skip
    for headers in strangers:
        with stranger.Socket(port, own, headers=headers) as socket:
            assert socket.status in REFUSED, headers
    others = [
        f"/api/kernels/{uuid.uuid4()}/channels", f"/voila/query/{me.kernel}",
        f"/voila/execution/{me.kernel}", "/api/events/subscribe", "/terminals/websocket/1",
        "/lsp/ws/pylsp", f"/api/kernels/{me.kernel[:-1]}/channels", "/api/kernels/-/channels",
    ]  # fmt: skip
    for path in others:
        with stranger.Socket(port, path) as socket:
            assert socket.status in REFUSED, path
    page.tried["sockets of strangers"] += len(strangers) + len(others)
    with Channel(me) as channel:
        assert channel.status == 101


@pytest.mark.parametrize("session", ["x" * 300, "%00", "", "<IDS|MSG>", "%ff%fe", "../../x"])
def test_odd_names_of_sessions_harm_nobody(page: Premises, me: Visit, session: str) -> None:
    with Channel(me, session=session) as channel:
        channel.send(message("kernel_info_request", {}))
        channel.receive(0.2)
    page.tried["odd sessions"] += 1
    assert_alive(me)


def requests_to_kernel(page: Premises) -> list[tuple[str, dict[str, Any]]]:
    run = code(page)
    execute = {"code": run, "silent": False, "allow_stdin": True, "user_expressions": {"x": run}}
    comm = {"comm_id": uuid.uuid4().hex, "data": {}}
    states = [
        {"_model_module": module, "_model_module_version": version, "_model_name": name,
         "_view_module": module, "_view_module_version": version, "_view_name": view}
        for module, version, name, view in (
            ("@jupyter-widgets/output", "1.0.0", "OutputModel", "OutputView"),
            ("@jupyter-widgets/controls", "2.0.0", "FileUploadModel", "FileUploadView"),
            ("@jupyter-widgets/controls", "2.0.0", "ImageModel", "ImageView"),
            ("@jupyter-widgets/controls", "2.0.0", "ControllerModel", "ControllerView"),
            ("@jupyter-widgets/controls", "2.0.0", "PlayModel", "PlayView"),
            ("@jupyter-widgets/controls", "2.0.0", "HTMLModel", "HTMLView"),
            ("ipycanvas", "^0.14.3", "CanvasModel", "CanvasView"),
            ("anywidget", "~0.11.*", "AnyModel", "AnyView"),
            ("os", "", "system", "popen"), ("../../x", "*", MARK, "__import__"),
        )
    ]  # fmt: skip
    targets = ["", "x", "jupyter.widget", "jupyter.widget.version", "matplotlib", "os.system",
               "jupyter.widget.control ", "JUPYTER.WIDGET.CONTROL", None, 7,
               ["jupyter.widget"]]  # fmt: skip
    return [
        ("execute_request", execute), ("execute_request ", execute), ("Execute_Request", execute),
        ("inspect_request", {"code": run, "cursor_pos": 3, "detail_level": 1}),
        ("complete_request", {"code": "open(", "cursor_pos": 5}),
        ("history_request", {"hist_access_type": "tail", "n": 9, "raw": True, "output": True}),
        ("is_complete_request", {"code": run}), ("connect_request", {}),
        ("shutdown_request", {"restart": True}), ("interrupt_request", {}),
        ("debug_request", {"type": "request", "command": "evaluate", "seq": 1,
                           "arguments": {"expression": run}}),
        ("create_subshell_request", {}), ("list_subshell_request", {}), ("usage_request", {}),
        ("apply_request", {"code": run}), ("abort_request", {}), ("clear_request", {}),
        ("input_reply", {"value": run, "status": "ok"}), ("status", {"execution_state": "dead"}),
        ("stream", {"name": "stdout", "text": MARK}), ("display_data",
        {"data": {"text/html": MARK}}),
        ("iopub_welcome", {}), ("", {}), ("__init__", {}), ("comm", {}),
        *(("comm_open", comm | {"target_name": target}) for target in targets),
        *(("comm_open", comm | {"target_name": "jupyter.widget", "data": {"state": state}})
          for state in states),
        ("comm_open", comm | {"target_name": "x", "target_module": "os"}),
        ("comm_open", comm | {"target_name": "jupyter.widget.control", "data": 20_000 * "x"}),
    ]  # fmt: skip


def test_a_page_says_nothing_to_its_kernel_but_events(page: Premises, me: Visit) -> None:
    tried = 0
    kinds = requests_to_kernel(page)
    channels = ("shell", "control", "stdin", "iopub", "hb", "", "SHELL", "../shell")
    for (kind, content), channel in some(product(kinds, channels), 30, 10_000):
        tried += _refuses(me, message(kind, content, channel=channel))
    for channel in channels[1:]:  # what is allowed, elsewhere
        for kind in ("comm_msg", "comm_close", "comm_info_request", "kernel_info_request"):
            tried += _refuses(me, message(kind, {"comm_id": "x", "data": {}}, channel=channel))
    for kind, content in [*some(kinds, 3, 10_000), ("kernel_info_request", {}), ("comm_msg", {})]:
        for old in (stranger.old_message(kind, content), stranger.old_binary(kind, content)):
            tried += _refuses(me, old, "") + _refuses(me, old, V1)
    for head in (None, [], {}, "x", 7, {"msg_type": None}, {"msg_type": ["comm_msg"]},
                 {"msg_type": {"x": 1}}, {"msg_type": "comm_msg", "x": 20_000 * "x"}):  # fmt: skip
        parts = [json.dumps(part).encode() for part in (head, {}, {}, {})]
        tried += _refuses(me, stranger.pack("shell", parts))
    page.tried["messages that are refused"] += tried
    assert_alive(me)


def _refuses(me: Visit, text: str | bytes, protocol: str = V1) -> int:
    with Channel(me, protocol) as channel:
        assert channel.status == 101
        channel.send(text)
        assert channel.closed(), text[:300]
    return 1


def broken_frames() -> Iterator[bytes]:
    """Messages whose parts are not where they should be, and others that are none."""
    yield from (b"", b"\0", bytes([255] * 7 + [127]), bytes([127, 255, 255, 255]), bytes(8))
    # Parts that lie over each other: a message of 1 MB would become one of 15, or of 500 GB.
    yield struct.pack("<35Q", 34, *17 * (300, 1_000_000)) + bytes(1_000_000)
    good = message("comm_msg", {"comm_id": "x", "data": {}})
    count, *places = struct.unpack_from("<7Q", good)
    yield from (good[:size] for size in range(0, len(good), 7))
    for number in (0, 1, 2, 5, 7, 39, 1000, 2**31, 2**63, 2**64 - 1):
        yield struct.pack("<Q", number) + good[8:]
        yield struct.pack("<Q", number) + struct.pack("<6Q", *places) * 300
    for place, value in product(range(count), (0, 1, 8, 2**31, 2**32, 2**63, 2**64 - 1)):
        changed = [*places]
        changed[place] = value
        yield struct.pack("<7Q", count, *changed) + good[56:]
    yield struct.pack("<7Q", count, *places[::-1]) + good[56:]
    for block in (b"\xff\xfe", b"", b"{", b"null", b"NaN", b'{"msg_type": "comm_msg"', NESTED):
        yield stranger.pack("shell", [block, b"{}", b"{}", b"{}"])


def odd_frames() -> Iterator[bytes]:
    """Messages that may be one or not."""
    for part in range(1, 4):
        blocks = [json.dumps(each).encode() for each in (stranger.header("comm_msg"), {}, {}, {})]
        yield stranger.pack("shell", [*blocks[:part], NESTED, *blocks[part + 1 :]])
    good = message("comm_msg", {"comm_id": "x", "data": {}})
    chance = random.Random(7)
    yield from (chance.randbytes(chance.randrange(200)) for _ in range(500))
    for _ in range(500):
        broken = bytearray(good)
        broken[chance.randrange(80)] ^= 1 << chance.randrange(8)
        yield bytes(broken)


def test_broken_frames_are_refused(page: Premises, me: Visit) -> None:
    before = page.process().memory_info().rss
    worst, others = [*broken_frames()][:6], [*broken_frames()][6:]
    crafted = [*worst, *some(others, 30, 2000)]
    page.tried["broken messages"] += sum(_refuses(me, frame) for frame in crafted)
    odd = some(odd_frames(), 30, 300)
    for frame in odd:
        with Channel(me) as channel:
            channel.send(frame)
            channel.receive(0.01)
    page.tried["odd messages"] += len(odd)
    assert_alive(me)
    assert page.process().memory_info().rss < before + GROWTH / 4


def test_floods_of_frames_harm_nobody(page: Premises, me: Visit) -> None:
    before = page.process().memory_info().rss
    with Channel(me) as channel:  # 100 MB in one
        channel.send(b"x", length=100_000_000)
        assert channel.closed()
    with Channel(me) as channel:  # or in many
        parts = (channel.send(1_000_000 * b"x", 0 if n else 2, last=False) for n in range(100))
        assert not all(parts)
    with Channel(me) as channel:  # pings whose answers nobody reads
        channel.send(b"x", length=2**63)
        assert channel.closed()
    with Channel(me) as channel:
        for _ in range(20_000 if LONG else 5_000):
            channel.send(120 * b"x", stranger.PING)
    with Channel(me) as channel:  # a message in 5,000 parts, and empty ones
        for number in range(5_000):
            channel.send(b"", 0 if number else 2, last=False)
    page.tried["floods"] += 5
    assert page.process().memory_info().rss < before + GROWTH / 4
    assert_alive(me)


def test_who_sends_more_than_a_page_does_waits(page: Premises, me: Visit) -> None:
    """The server keeps no queue that grows as fast as a line can carry."""
    before = page.process().memory_info().rss
    with Channel(me) as channel:
        start = time.monotonic()
        for _ in range(16):
            channel.send(message("comm_msg", {"comm_id": "x", "data": 4_000_000 * "x"}))
        channel.say("kernel_info_request", {})
        assert time.monotonic() - start > 3
    page.tried["floods"] += 1
    assert page.process().memory_info().rss < before + GROWTH / 4
