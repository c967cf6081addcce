"""Strangers at the page and at JupyterLab: what they ask for, and that they get nothing.

Both servers are started as users start them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
import strange_requests as requests
import stranger
from premises import (
    POOL,
    REFUSED,
    TOKEN,
    VISITORS,
    Premises,
    is_shut,
    some,
)
from reliability import LONG
from repository import REPOSITORY, shell_environment
from servers import PATIENCE
from stranger import Visit, ask

pytestmark = pytest.mark.slow


def routes(target: str, folder: Path) -> list[str]:
    """Patterns of the addresses that ``make`` serves."""
    settings = ["make", "-n", target, "PY=python", "--old-file=.venv/.app", "BROWSER=no"]
    settings += ["--old-file=.venv/.train", f"JUPYTER_CONFIG_DIR={folder}"]
    told = subprocess.run(
        settings, cwd=REPOSITORY, capture_output=True, text=True, check=True,
        env=shell_environment(),
    )  # fmt: skip
    (command,) = re.findall(r"exec python -m \S+ ([^\0]*)", told.stdout.replace("\\\n", " "))
    arguments = command.replace('"', "").split()
    script = requests.SHOW_ROUTES
    script += requests.PAGE_ROUTES if target == "app" else requests.LAB_ROUTES
    shown = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
        env=os.environ | {"JUPYTER_PATH": str(REPOSITORY / "digitlib/widgets/jupyter")},
    ).stdout  # fmt: skip
    return [*json.loads(shown.partition("ROUTES")[2])]


def settled(page: Premises) -> set[str]:
    """The kernels of one visitor and of the pool, once it is filled again."""
    end = time.monotonic() + PATIENCE
    while len(kernels := set(page.server.kernels())) != 1 + POOL:
        assert time.monotonic() < end, kernels
        time.sleep(0.1)
    return kernels


# --- the page: addresses ---------------------------------------------------------------------


def test_the_page_serves_what_it_needs_and_no_more(page: Premises) -> None:
    found = {re.sub(r"\(\?P<\w+>|\$$", "(", pattern) for pattern in routes("app", page.folder)}
    kernel = r"/api/kernels/(\w+-\w+-\w+-\w+-\w+)"
    assert found == {
        f"{each}(" for each in (
            "/", kernel, kernel + "/channels", "/voila/api/shutdown/([0-9a-f-]{36})",
            "/voila/static/(.*)", r"/voila/templates/(\w+/static/\w[\w./-]*)",
            "/voila/labextensions/(.*)", ".*",
        )
    }  # fmt: skip


def test_no_file_is_served(page: Premises) -> None:
    targets = some(requests.files(requests.PLACES), 400, 10_000)
    replies = page.ask_all("addresses of files", [(path,) for path, _ in targets])
    for (path, content), reply in zip(targets, replies, strict=True):
        assert reply.status in REFUSED, (path, reply)
        assert content not in reply.body, path


def test_no_interface_answers(page: Premises, me: Visit) -> None:
    own = f"/api/kernels/{me.kernel}"
    mine = [f"{own}/interrupt", f"{own}/restart", f"/voila/query/{me.kernel}"]
    targets = some(product([*requests.INTERFACES, *mine], requests.METHODS), 300, 10_000)
    targets += [(own, method) for method in requests.METHODS if method != "GET"]
    for target, reply in zip(targets, page.ask_all("interfaces", targets), strict=True):
        assert is_shut(reply), (target, reply)
    assert ask(page.port, own).status == 200
    assert me.kernel in page.server.kernels()


def test_the_page_answers_by_its_own_names_alone(page: Premises, me: Visit) -> None:
    before = settled(page)
    hosts = [host.format(port=page.port) for host in requests.FOREIGN_HOSTS]
    paths = ["/", "/voila/static/voila.js", f"/api/kernels/{me.kernel}"]
    targets = [(path, "GET", {"Host": host}) for host, path in product(hosts, paths)]
    for target, reply in zip(targets, page.ask_all("foreign names", targets), strict=True):
        assert reply.status in REFUSED, (target, reply)
    assert set(page.server.kernels()) == before
    for host in ("localhost", f"127.0.0.1:{page.port}", f"[::1]:{page.port}"):
        assert ask(page.port, "/voila/static/voila.js", "GET", {"Host": host}).status == 200


def test_other_sites_start_no_kernels(page: Premises, me: Visit) -> None:
    before = settled(page)
    modes = [("/", "GET", {"Sec-Fetch-Mode": mode}) for mode in ("no-cors", "cors", "websocket")]
    assert {reply.status for reply in page.ask_all("scripts of other sites", modes)} == {403}
    assert set(page.server.kernels()) == before


def test_no_other_site_ends_a_visit(page: Premises, me: Visit) -> None:
    farewell = f"/voila/api/shutdown/{me.kernel}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    cookie = form | {"Cookie": "_xsrf=abc"}
    origins = [origin.format(port=page.port) for origin in requests.FOREIGN_ORIGINS]
    targets = [(farewell, "POST", headers, b"_xsrf=abd") for headers in (form, cookie)]
    targets += [(farewell, "POST", form | {"Origin": each}, b"_xsrf=abc") for each in origins]
    for target, reply in zip(targets, page.ask_all("farewells", targets), strict=True):
        assert reply.status in REFUSED, (target, reply)
    assert me.kernel in page.server.kernels()


def test_large_requests_are_not_kept(page: Premises) -> None:
    before = page.process().memory_info().rss
    large = 20_000_000 * b"x"
    targets = [(path, "POST", {}, large) for path in ("/", f"/voila/api/shutdown/{uuid.uuid4()}")]
    targets += [("/?" + 200_000 * "x",), ("/", "GET", {"X": 200_000 * "x"})]
    replies = page.ask_all("large requests", 4 * targets)
    assert {reply.status for reply in replies} <= {0, *REFUSED, 413, 431}
    assert page.process().memory_info().rss < before + 30e6


def test_a_flood_of_visits_starts_a_limited_number_of_kernels(page: Premises, me: Visit) -> None:
    """Whoever comes when all are taken is asked to come again."""
    count = 200 if LONG else 40
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(ask, page.port) for _ in range(count)]
        most = 0
        while not all(each.done() for each in asked):
            most = max(most, len(page.server.kernels()))
            time.sleep(0.05)
    page.tried["visits of a flood"] += count
    replies = [each.result() for each in asked]
    statuses = Counter(reply.status for reply in replies)
    assert statuses == {200: VISITORS - 1, 503: count - VISITORS + 1}  # and one is there
    assert max(most, len(page.server.kernels())) <= VISITORS + POOL
    full = next(reply.body.decode() for reply in replies if reply.status == 503)
    assert "All pads are taken" in full
    assert "http-equiv" in full  # it asks again
    kernels = [re.findall(r'"kernelId": "([^"]*)', r.body.decode()) for r in replies]
    for (kernel,) in filter(None, kernels):
        assert Visit(page.port, kernel).leave().status == 204
    stranger.visit(page.port).leave()  # there is room again


# --- JupyterLab ------------------------------------------------------------------------------

OPEN = r"/(login|logout|static/.*|robots\.txt|favicon\.ico|api)(\?.*)?$"


def test_jupyterlab_shows_strangers_the_log_in_page_alone(lab: Premises) -> None:
    found = routes("lab", lab.folder)
    assert not [pattern for pattern in found if "voila" in pattern]
    known = {*requests.addresses(found), *requests.INTERFACES}
    paths = [path for path in known if not re.match(OPEN, path) and "licenses" not in path]
    targets = some(product(sorted(paths), requests.METHODS), 300, 10_000)
    for target, reply in zip(targets, lab.ask_all("interfaces", targets), strict=True):
        assert is_shut(reply), (target, reply)
    # JupyterLab 4.6 leaves this one without an answer.
    assert not ask(lab.port, "/lab/api/licenses/x", seconds=0.5).body
    assert lab.server.kernels() == {}
    assert b'name="password"' in ask(lab.port, "/login").body
    assert set(json.loads(ask(lab.port, "/api").body)) == {"version"}


def test_jupyterlab_serves_strangers_no_file(lab: Premises) -> None:
    targets = some(requests.files(requests.PLACES), 150, 10_000)
    replies = lab.ask_all("addresses of files", [(path,) for path, _ in targets])
    for (path, content), reply in zip(targets, replies, strict=True):
        assert is_shut(reply), (path, reply)
        assert content not in reply.body, path


def test_jupyterlab_answers_by_its_own_names_alone(lab: Premises) -> None:
    """Even who has the token gets nothing under a foreign name, or from a foreign site."""
    known = {"Authorization": f"token {TOKEN}"}
    assert ask(lab.port, "/api/status", "GET", known).status == 200
    hosts = [host.format(port=lab.port) for host in requests.FOREIGN_HOSTS]
    paths = ("/api/status", "/lab", "/login", "/api/contents/README.md", "/files/README.md")
    targets = [(path, "GET", known | {"Host": h}) for path, h in product(paths, hosts)]
    for target, reply in zip(targets, lab.ask_all("foreign names", targets), strict=True):
        assert is_shut(reply), (target, reply)


def test_jupyterlab_opens_no_socket_to_strangers(lab: Premises) -> None:
    known = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    started = ask(lab.port, "/api/kernels", "POST", known, b'{"name": "python3"}')
    kernel = json.loads(started.body)["id"]
    own = f"/api/kernels/{kernel}/channels"
    origins = [{"Origin": origin.format(port=lab.port)} for origin in requests.FOREIGN_ORIGINS]
    cases = [(own, {}), (f"{own}?token=x", {}), (f"/api/kernels/{requests.KERNEL}/channels", {}),
             ("/terminals/websocket/1", {}), ("/lsp/ws/pylsp", {}), ("/api/events/subscribe", {}),
             *((own, origin) for origin in origins),
             *((f"{own}?token={TOKEN}", {"Host": host.format(port=lab.port)})
               for host in requests.FOREIGN_HOSTS)]  # fmt: skip
    for path, headers in cases:
        with stranger.Socket(lab.port, path, headers=headers) as socket:
            assert socket.status in REFUSED, (path, headers)
    lab.tried["sockets"] += len(cases)
    with stranger.Socket(lab.port, f"{own}?token={TOKEN}") as socket:
        assert socket.status == 101
    assert ask(lab.port, f"/api/kernels/{kernel}", "DELETE", known).status == 204
