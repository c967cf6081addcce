"""Shared fixtures: folders of data, cache and drawings, and skips if data or Chromium are missing.

A test that needs a data set or a browser has a marker (``needs_mnist``, ``needs_pendigits``,
``needs_unipen``, ``needs_notmnist``, ``browser``) or takes the fixture of the data. If they are
missing, the test is skipped and the reason says what to do. With ``DIGITLIB_FAIL_ON_SKIP=1`` (as
in ``.ci/run``), a skipped test fails the run.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import matplotlib
import pytest
from needs import DATA_SETS, data_root, find_chromium, missing_chromium, missing_data

from digitlib.datasets.drawing_file import DrawingFile

# Not by MPLBACKEND: the kernels of notebooks under test would inherit it and lose their figures.
matplotlib.use("Agg")

# The first call of a torch function takes long, so a time limit on one example is useless.
hypothesis.settings.register_profile("digitlib", deadline=None)
hypothesis.settings.load_profile("digitlib")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ("notebook", "slow"))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in DATA_SETS:
        if item.get_closest_marker(marker) and (reason := missing_data(marker)):
            pytest.skip(reason)
    if item.get_closest_marker("browser") and (reason := missing_chromium()):
        pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of built data sets that all tests of a run share; not the repository's own."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the same for all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIGITLIB_CACHE", str(base / "cache"))
        yield base / "cache"


@pytest.fixture(scope="session", autouse=True)
def drawings_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of stored drawings in all tests; not the one in the data folder."""
    folder = tmp_path_factory.getbasetemp() / "drawings"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIGITLIB_DRAWINGS", str(folder))
        yield folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DrawingFile:
    """Stored drawings in a folder of the test, which DIGITLIB_DRAWINGS names."""
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path / "drawings"))
    return DrawingFile()


def _folder(marker: str) -> Path:
    if reason := missing_data(marker):
        pytest.skip(reason)
    return data_root() / DATA_SETS[marker][1]


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The data root that holds ``MNIST/raw``: torchvision's ``root``."""
    return _folder("needs_mnist").parent.parent


@pytest.fixture(scope="session")
def pendigits_file() -> Path:
    """``pendigits-orig.tra``."""
    return _folder("needs_pendigits") / "pendigits-orig.tra"


@pytest.fixture(scope="session")
def notmnist_folder() -> Path:
    """The folder of notMNIST."""
    return _folder("needs_notmnist")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser to drive."""
    if reason := missing_chromium():
        pytest.skip(reason)
    return str(find_chromium())


# --- DIGITLIB_FAIL_ON_SKIP -------------------------------------------------------------------

_skipped: list[str] = []


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):  # an expected failure did run
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append(f"{report.nodeid}: {reason}")


pytest_runtest_logreport = _note_skip
pytest_collectreport = _note_skip


def _skips_fail() -> bool:
    return bool(_skipped) and os.environ.get("DIGITLIB_FAIL_ON_SKIP", "") not in ("", "0")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skips_fail() and session.exitstatus in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skips_fail():
        terminalreporter.section("skipped, and DIGITLIB_FAIL_ON_SKIP is set: failed", red=True)
        for line in _skipped:
            terminalreporter.line(line)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
