"""Servers that strangers visit, each started once."""

from __future__ import annotations

import json
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
from reliability import PATH, record
from servers import serving
from stranger import Visit


def keep(place: str, premises: Premises) -> None:
    """Record what was tried, beside what other runs have tried there."""
    found = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    before = found.get("strangers", {}).get(place, {})
    record("strangers", {"what": WHAT, place: before | premises.tried})


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("page")
    settings = {"POOL": str(POOL), "MAX_VISITORS": str(VISITORS)}
    with serving("app", folder, **settings) as server:
        before = written(folder)
        premises = Premises(server, folder)
        yield premises
        assert written(folder) <= before
    keep("page", premises)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("lab")
    with serving("lab", folder, JUPYTER_TOKEN=TOKEN) as server:
        premises = Premises(server, folder)
        yield premises
    keep("lab", premises)


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
