"""Servers that strangers visit, each started once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import stranger
from premises import (
    POOL,
    TOKEN,
    VISITORS,
    WHAT,
    Premises,
    written,
)
from reliability import record
from servers import serving
from stranger import Visit


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("page")
    settings = {"POOL": str(POOL), "MAX_VISITORS": str(VISITORS)}
    with serving("app", folder, **settings) as server:
        before = written(folder)
        premises = Premises(server, folder)
        yield premises
        assert written(folder) <= before
    record("strangers", {"what": WHAT, "page": dict(premises.tried)})


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("lab")
    with serving("lab", folder, JUPYTER_TOKEN=TOKEN) as server:
        premises = Premises(server, folder)
        yield premises
    record("strangers", {"lab": dict(premises.tried)})


@pytest.fixture(scope="session")
def me(page: Premises) -> Iterator[Visit]:
    """A visitor whose page stays open, and who says farewell."""
    visit = stranger.visit(page.port)
    leaves = threading.Event()

    def listen() -> None:
        with stranger.Channel(visit) as channel:
            while not leaves.is_set():
                channel.receive(1)

    open_page = threading.Thread(target=listen)
    open_page.start()
    yield visit
    leaves.set()
    open_page.join()
    assert visit.leave().status == 204


@pytest.fixture
def wild(page: Premises) -> Iterator[Visit]:
    """A visitor who does things to his own widgets."""
    visit = stranger.visit(page.port)
    yield visit
    visit.leave()
