"""Strangers at the page and at JupyterLab get no file, run no code and start no kernels.

Both servers are started as users start them.
"""

from __future__ import annotations

import json
import re
import struct
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import stranger
from servers import PATIENCE, Server, serving
from stranger import V1, Channel, Reply, Visit, ask, message

pytestmark = pytest.mark.slow

VISITORS, POOL = 4, 1
REFUSED = {400, 403, 404, 405}
TOKEN = "a-token-that-strangers-do-not-know"
MARK = "<img src=x onerror=alert(1)>"
KERNEL = str(uuid.uuid4())

# Files of the repository and of the machine, and a part of their content.
SECRETS = {
    "README.md": b"# digitlib",
    "notebooks/01_draw.ipynb": b'"cells"',
    "digitlib/widgets/pad.py": b"DrawingPad",
    "etc/passwd": b"root:",
}
PLACES = (
    "/", "/files/", "/static/", "/voila/files/", "/voila/static/", "/voila/templates/lab/static/",
    "/voila/labextensions/anywidget/static/", "/voila/render/", "/api/contents/", "/lab/tree/",
    "/nbconvert/html/",
)  # fmt: skip
UP = ("", "../../../../../../", "%2e%2e/%2e%2e/%2e%2e/", "..%2f..%2f..%2f..%2f", "..\\..\\..\\",
      "%252e%252e/%252e%252e/", "/", "%c0%ae%c0%ae/%c0%ae%c0%ae/", "....//....//")  # fmt: skip
INTERFACES = (
    "/api/kernels", f"/api/kernels/{KERNEL}", f"/api/kernels/{KERNEL}/channels",
    f"/api/kernels/{KERNEL}/restart", "/api/sessions", "/api/contents", "/api/contents/README.md",
    "/api/terminals", "/terminals/websocket/1", "/api/config", "/api/kernelspecs", "/api/shutdown",
    "/api/status", "/api/events/subscribe", "/metrics", "/lsp/status", "/lab", "/lab/api/settings",
    "/lab/api/workspaces/default", "/voila/tree", "/voila/api/shutdown/", "/01_draw.ipynb",
    "/notebooks/01_draw.ipynb",
)  # fmt: skip
FOREIGN_HOSTS = (
    "evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
    "0.0.0.0", "192.168.0.7:{port}", "[::ffff:8.8.8.8]", "127.0.0.1@evil.example", "*",
)  # fmt: skip
FOREIGN_ORIGINS = (
    "http://evil.example", "null", "file://", "http://127.0.0.1:1",
    "http://127.0.0.1.evil.example:{port}", "http://127.0.0.1:{port}.evil.example",
    "http://localhost:{port}",
)  # fmt: skip


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def ask_all(server: Server, targets: Sequence[tuple[Any, ...]]) -> list[Reply]:
    """Send requests side by side; ``targets`` are arguments of :func:`ask`."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda each: ask(port_of(server), *each), targets))


def is_shut(reply: Reply) -> bool:
    """Refused, or redirected to the login page, or only told the allowed methods."""
    if reply.status == 200 and not reply.body and "Allow-Methods: " in reply.headers:
        return "Access-Control-Allow-Origin" not in reply.headers
    login = re.search(r"\nLocation: /(login|\S*/?)(\?|\r)", reply.headers)
    return reply.status in REFUSED or (reply.status == 302 and bool(login))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"POOL": str(POOL), "MAX_VISITORS": str(VISITORS)}
    with serving("voila", tmp_path_factory.mktemp("page"), **settings) as server:
        yield server


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("lab", tmp_path_factory.mktemp("lab"), JUPYTER_TOKEN=TOKEN) as server:
        yield server


@pytest.fixture
def me(page: Server) -> Iterator[Visit]:
    """A visitor."""
    visit = stranger.visit(port_of(page))
    with Channel(visit):  # an open page keeps its kernel
        yield visit
    visit.leave()


def settled(page: Server) -> set[str]:
    """The kernels, once one is in the pool and one belongs to the visitor."""
    end = time.monotonic() + PATIENCE
    while len(kernels := set(page.kernels())) != 1 + POOL:
        assert time.monotonic() < end, kernels
        time.sleep(0.1)
    return kernels


def draws_a_seven(visit: Visit) -> str:
    """Clear the pad, draw a 7, and return the digit that is read."""
    line = [(x, 80) for x in range(100, 300, 5)] + [(300 - n / 2, 80 + n) for n in range(0, 240, 5)]
    points = [[x, y, 10 * n, 0.5] for n, (x, y) in enumerate(line)]
    events = [{"do": "clear"}, {"do": "begin", "points": points}, {"do": "end"}]
    with Channel(visit) as channel:
        ink = ink_layer(channel)
        content = {"client": uuid.uuid4().hex, "first": 0, "events": events}
        channel.tell(ink, {"method": "custom", "content": content})
        texts = [str(it["state"].get("value")) for it in channel.widgets().values()]
    return "".join(found for text in texts for found in re.findall(r'"dp-digit">(\d)', text))


def ink_layer(channel: Channel) -> str:
    """The id of the widget that receives the ink."""
    return next(
        name
        for name, it in channel.widgets().items()
        if it["state"].get("_anywidget_id", "").endswith("InkLayer")
    )


# --- the page: addresses ---------------------------------------------------------------------


def test_no_file_is_served(page: Server, lab: Server) -> None:
    targets = [
        (place + up + path, content)
        for place, up, (path, content) in product(PLACES, UP, SECRETS.items())
    ]
    for server in (page, lab):
        replies = ask_all(server, [(target,) for target, _ in targets])
        for (path, content), reply in zip(targets, replies, strict=True):
            assert is_shut(reply), (path, reply)
            assert content not in reply.body, path


def test_no_interface_answers(page: Server, me: Visit) -> None:
    own = f"/api/kernels/{me.kernel}"
    targets = [*product((*INTERFACES, f"{own}/interrupt", f"{own}/restart"), ("GET", "POST"))]
    targets += [(own, method) for method in ("POST", "DELETE", "PATCH")]
    for target, reply in zip(targets, ask_all(page, targets), strict=True):
        assert is_shut(reply), (target, reply)
    assert ask(me.port, own).status == 200
    assert me.kernel in page.kernels()


def test_other_sites_reach_nothing(page: Server, me: Visit) -> None:
    """A foreign site could use its own name for this machine, or end a visit."""
    before = settled(page)
    hosts = [{"Host": host.format(port=me.port)} for host in FOREIGN_HOSTS]
    paths = ("/", "/voila/static/voila.js", f"/api/kernels/{me.kernel}")
    targets: list[tuple[Any, ...]] = [(p, "GET", host) for p, host in product(paths, hosts)]
    targets += [("/", "GET", {"Sec-Fetch-Mode": mode}) for mode in ("no-cors", "cors")]
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "_xsrf=abc"}
    farewell = f"/voila/api/shutdown/{me.kernel}"
    targets += [(farewell, "POST", form, b"_xsrf=abd")]
    targets += [
        (farewell, "POST", form | {"Origin": origin.format(port=me.port)}, b"_xsrf=abc")
        for origin in FOREIGN_ORIGINS
    ]
    for target, reply in zip(targets, ask_all(page, targets), strict=True):
        assert reply.status in REFUSED, (target, reply)
    assert set(page.kernels()) == before
    for host in ("localhost", f"127.0.0.1:{me.port}", f"[::1]:{me.port}"):
        assert ask(me.port, "/voila/static/voila.js", "GET", {"Host": host}).status == 200


@pytest.mark.stress
def test_a_flood_of_visits_starts_a_limited_number_of_kernels(page: Server, me: Visit) -> None:
    count = 40
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(ask, me.port) for _ in range(count)]
        most = 0
        while not all(each.done() for each in asked):
            most = max(most, len(page.kernels()))
            time.sleep(0.05)
    replies = [each.result() for each in asked]
    statuses = Counter(reply.status for reply in replies)
    assert statuses == {200: VISITORS - 1, 503: count - VISITORS + 1}  # one visitor is there
    assert most <= VISITORS + POOL
    assert b"http-equiv" in next(reply.body for reply in replies if reply.status == 503)
    for reply in replies:
        for kernel in re.findall(r'"kernelId": "([^"]*)', reply.body.decode()):
            Visit(me.port, kernel).leave()


# --- the page: sockets and messages ----------------------------------------------------------


def test_sockets_of_other_sites_and_to_other_kernels_stay_shut(page: Server, me: Visit) -> None:
    own = f"/api/kernels/{me.kernel}/channels"
    cases = [(own, {"Origin": origin.format(port=me.port)}) for origin in FOREIGN_ORIGINS]
    cases += [(own, {"Host": host.format(port=me.port)}) for host in FOREIGN_HOSTS]
    cases += [(f"/api/kernels/{uuid.uuid4()}/channels", {}), ("/terminals/websocket/1", {})]
    for path, headers in cases:
        with stranger.Socket(me.port, path, headers=headers) as socket:
            assert socket.status in REFUSED, (path, headers)
    with Channel(me) as channel:
        assert channel.status == 101


def refused_messages() -> Iterator[tuple[str, str | bytes]]:
    """Messages with their protocol that would run code, make widgets, or fill the memory."""
    run = {"code": "1", "silent": False, "user_expressions": {"x": "1"}}
    comm = {"comm_id": uuid.uuid4().hex, "data": {}}
    for kind, content in (
        ("execute_request", run),
        ("inspect_request", {"code": "1", "cursor_pos": 0}),
        ("debug_request", {"type": "request", "command": "evaluate"}),
        ("shutdown_request", {"restart": True}),
        ("input_reply", {"value": "1"}),
        ("comm_open", comm | {"target_name": "jupyter.widget"}),
        ("comm_open", comm | {"target_name": "jupyter.widget.control", "data": 20_000 * "x"}),
    ):
        for channel in ("shell", "control", "stdin"):
            yield V1, message(kind, content, channel=channel)
    yield V1, message("comm_msg", comm, channel="control")
    for protocol in ("", V1):
        yield protocol, stranger.old_message("execute_request", run)
        yield protocol, stranger.old_message("comm_msg", comm)
    good = message("comm_msg", comm)
    yield from ((V1, good[:size]) for size in range(0, 60, 7))
    yield V1, b"\xff" * 7 + b"\x7f"  # 2**63 parts
    yield V1, struct.pack("<35Q", 34, *17 * (300, 1_000_000)) + bytes(1_000_000)  # overlapping
    for head in (b"null", b"[]", b"\xff", 4_000 * b"[" + 4_000 * b"]", b'{"msg_type": ["x"]}'):
        yield V1, stranger.pack("shell", [head, b"{}", b"{}", b"{}"])


def test_a_page_sends_its_kernel_only_events(page: Server, me: Visit) -> None:
    for protocol, text in refused_messages():
        with Channel(me, protocol) as channel:
            assert channel.status == 101
            channel.send(text)
            assert channel.closed(), text[:300]
    assert draws_a_seven(me) == "7"


def test_the_pad_survives_odd_messages(page: Server, me: Visit) -> None:
    points = [None, "abc", [[]], [["a"] * 4], [[float("nan")] * 4], [[1e308] * 4], [MARK]]
    events = [
        {"do": do, "points": each} for do in ("begin", "move", "undo", MARK) for each in points
    ]
    contents: list[Any] = [{"client": "me", "first": 0, "events": [event]} for event in events]
    contents += [{"client": odd, "first": odd, "events": odd} for odd in (None, -1, "x", {}, MARK)]
    with Channel(me) as channel:
        ink = ink_layer(channel)
        for content in (*contents, None, [], "x", 7, {}):
            channel.tell(ink, {"method": "custom", "content": content})
    assert draws_a_seven(me) == "7"


# --- JupyterLab ------------------------------------------------------------------------------


def test_jupyterlab_shows_strangers_only_the_login_page(lab: Server) -> None:
    targets = [*product(INTERFACES, ("GET", "POST", "DELETE"))]
    for target, reply in zip(targets, ask_all(lab, targets), strict=True):
        assert is_shut(reply), (target, reply)
    assert ask(port_of(lab), "/voila/tree").status == 404
    assert lab.kernels() == {}
    assert b'name="password"' in ask(port_of(lab), "/login").body


def test_jupyterlab_answers_other_sites_nothing_even_with_the_token(lab: Server) -> None:
    port, known = port_of(lab), {"Authorization": f"token {TOKEN}"}
    assert ask(port, "/api/status", "GET", known).status == 200
    hosts = [{"Host": host.format(port=port)} for host in FOREIGN_HOSTS]
    paths = ("/api/status", "/lab", "/login", "/files/README.md")
    targets = [(path, "GET", known | host) for path, host in product(paths, hosts)]
    for target, reply in zip(targets, ask_all(lab, targets), strict=True):
        assert is_shut(reply), (target, reply)
    started = ask(
        port, "/api/kernels", "POST", known | {"Content-Type": "application/json"},
        b'{"name": "python3"}',
    )  # fmt: skip
    own = f"/api/kernels/{json.loads(started.body)['id']}"
    cases: list[tuple[str, dict[str, str]]] = [(f"{own}/channels", {})]
    cases += [(f"{own}/channels?token=x", {})]
    cases += [(f"{own}/channels?token={TOKEN}", host) for host in hosts]
    for path, headers in cases:
        with stranger.Socket(port, path, headers=headers) as socket:
            assert socket.status in REFUSED, (path, headers)
    with stranger.Socket(port, f"{own}/channels?token={TOKEN}") as socket:
        assert socket.status == 101
    assert ask(port, own, "DELETE", known).status == 204
