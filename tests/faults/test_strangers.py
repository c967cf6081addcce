"""Strangers at `make lab` get no file, run no code and start no kernels.

A stranger is a person without the token, or another site in a browser that has logged in.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from servers import Server, serving
from stranger import Reply, ask, open_socket

pytestmark = pytest.mark.slow

REFUSED = {400, 401, 403, 404, 405}
TOKEN = "a-token-that-strangers-do-not-know"
KERNEL = str(uuid.uuid4())
NEW_KERNEL = b'{"name": "python3"}'
KINDS = ("token", "Bearer", "Basic")
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "_xsrf=abc"}

# Files of the repository and of the machine, and a part of their content.
SECRETS = {
    "README.md": b"# digitlib",
    "notebooks/01_draw.ipynb": b'"cells"',
    "digitlib/widgets/pad.py": b"DrawingPad",
    "reports/screenshots/lab.png": b"\x89PNG",
    "etc/passwd": b"root:",
}
PLACES = (
    "/", "/files/", "/static/", "/view/", "/lab/extensions/", "/lab/tree/", "/doc/tree/",
    "/nbextensions/", "/api/contents/", "/nbconvert/html/",
)  # fmt: skip
UP = ("", "../../../../../../", "%2e%2e/%2e%2e/%2e%2e/", "..%2f..%2f..%2f..%2f", "..\\..\\..\\",
      "%252e%252e/%252e%252e/", "/", "%c0%ae%c0%ae/%c0%ae%c0%ae/", "....//....//")  # fmt: skip
INTERFACES = (
    "/api/kernels", f"/api/kernels/{KERNEL}", f"/api/kernels/{KERNEL}/channels",
    f"/api/kernels/{KERNEL}/restart", "/api/sessions", "/api/contents", "/api/contents/README.md",
    "/api/terminals", "/terminals/websocket/1", "/api/config", "/api/kernelspecs", "/api/shutdown",
    "/api/status", "/api/events/subscribe", "/metrics", "/lsp/status", "/lab", "/lab/api/settings",
    "/lab/api/workspaces/default", "/01_draw.ipynb", "/notebooks/01_draw.ipynb",
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
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("lab"), JUPYTER_TOKEN=TOKEN) as server:
        yield server


def test_no_file_is_served(lab: Server) -> None:
    targets = [
        (place + up + path, content)
        for place, up, (path, content) in product(PLACES, UP, SECRETS.items())
    ]
    replies = ask_all(lab, [(target,) for target, _ in targets])
    for (path, content), reply in zip(targets, replies, strict=True):
        assert is_shut(reply), (path, reply)
        assert content not in reply.body, path


def test_strangers_see_only_the_login_page(lab: Server) -> None:
    """Also with a wrong token, in each place where a token may be."""
    port = port_of(lab)
    targets: list[tuple[Any, ...]] = [*product(INTERFACES, ("GET", "POST", "DELETE"))]
    for wrong in ("", "x", TOKEN[:-1]):
        targets.append((f"/api/status?token={wrong}",))
        targets += [("/api/status", "GET", {"Authorization": f"{kind} {wrong}"}) for kind in KINDS]
        targets.append(("/login", "POST", FORM, f"_xsrf=abc&password={wrong}".encode()))
    for target, reply in zip(targets, ask_all(lab, targets), strict=True):
        assert is_shut(reply), (target, reply)
        assert "Set-Cookie: username-" not in reply.headers
    assert b'name="password"' in ask(port, "/login").body
    assert lab.kernels() == []


def test_foreign_names_of_the_server_reach_nothing_even_with_the_token(lab: Server) -> None:
    """Another site can give its own name to this machine."""
    port, known = port_of(lab), {"Authorization": f"token {TOKEN}"}
    assert ask(port, "/api/status", "GET", known).status == 200
    hosts = [{"Host": host.format(port=port)} for host in FOREIGN_HOSTS]
    paths = ("/api/status", "/lab", "/login", "/files/README.md")
    targets = [(path, "GET", known | host) for path, host in product(paths, hosts)]
    for target, reply in zip(targets, ask_all(lab, targets), strict=True):
        assert is_shut(reply), (target, reply)
    with started_kernel(port, known) as own:
        channels = f"{own}/channels"
        for path in (channels, f"{channels}?token=x"):
            assert open_socket(port, path, {}) in REFUSED, path
        for host in hosts:
            assert open_socket(port, f"{channels}?token={TOKEN}", host) in REFUSED, host
        assert open_socket(port, f"{channels}?token={TOKEN}", {}) == 101


def test_other_sites_reach_nothing_in_a_browser_that_has_logged_in(lab: Server) -> None:
    """The browser sends its cookies with the requests of another site, too."""
    port = port_of(lab)
    login = ask(port, f"/lab?token={TOKEN}").headers
    cookies = [*re.findall(r"\nSet-Cookie: (username-[^;]*)", login), "_xsrf=abc"]
    known = {"Cookie": "; ".join(cookies)}
    own = {"Origin": f"http://127.0.0.1:{port}", "Referer": f"http://127.0.0.1:{port}/lab"}
    origins = [{"Origin": each.format(port=port)} for each in FOREIGN_ORIGINS]
    others = [each | {"Referer": f"{each['Origin']}/x"} for each in origins]
    for path in ("/api/status", "/files/README.md"):
        assert ask(port, path, "GET", known | own).status == 200
    targets: list[tuple[Any, ...]] = [
        (path, "GET", known | other)
        for path, other in product(
            ("/api/status", "/api/contents/README.md", "/files/README.md"), others
        )
    ]
    targets.append(("/files/README.md", "GET", known))
    new = ("/api/kernels", "POST")
    targets += [(*new, known | {"X-XSRFToken": "abc"} | other, NEW_KERNEL) for other in others]
    targets += [(*new, known | own | xsrf, NEW_KERNEL) for xsrf in ({}, {"X-XSRFToken": "abd"})]
    for target, reply in zip(targets, ask_all(lab, targets), strict=True):
        assert reply.status in REFUSED, (target, reply)
    assert lab.kernels() == []
    with started_kernel(port, known | own | {"X-XSRFToken": "abc"}) as kernel:
        for origin in origins:
            assert open_socket(port, f"{kernel}/channels", known | origin) in REFUSED, origin
        assert open_socket(port, f"{kernel}/channels", known) == 101


@contextmanager
def started_kernel(port: int, headers: dict[str, str]) -> Iterator[str]:
    """Start a kernel and end it; the value is its path."""
    started = ask(port, "/api/kernels", "POST", headers, NEW_KERNEL)
    assert started.status == 201, started
    path = f"/api/kernels/{json.loads(started.body)['id']}"
    yield path
    assert ask(port, path, "DELETE", headers).status == 204
