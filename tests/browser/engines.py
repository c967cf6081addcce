"""Firefox and WebKit, driven by the protocols that they speak themselves: no driver in between.

Firefox has WebDriver BiDi, a web socket. WebKitGTK comes with a program that serves WebDriver.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import websocket

PATIENCE = 60  # s until a browser has started
MINI_BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"
SIZE = 1000, 800


class Engine(Protocol):
    """One open page of a browser."""

    def open(self, url: str) -> None:
        """Load an address."""

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which JSON has."""

    def press(self, kind: str, points: list[tuple[float, float]]) -> None:
        """Press at the first point, move to the others, and release.

        Args:
            kind: ``mouse``, ``pen`` or ``touch``.
            points: px of the page.
        """

    def screenshot(self) -> bytes:
        """The page as a PNG."""


def pointer_actions(kind: str, points: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """A stroke in the form that both protocols take."""
    moves = [
        {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 8, "origin": "viewport"}
        for x, y in points
    ]
    steps = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:]]
    steps.append({"type": "pointerUp", "button": 0})
    return [{"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": steps}]


def wait(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The first value of a condition that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise TimeoutError(f"{what} took longer than {seconds:.0f} s")


# --- Firefox ---------------------------------------------------------------------------------


def find_firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """A page of Firefox; ``requests`` are the addresses that it has asked for."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, suppress_origin=True, timeout=PATIENCE)
        self._number = 0
        self.requests: list[str] = []
        self._send("session.new", capabilities={})
        self._send("session.subscribe", events=["network.beforeRequestSent"])
        tree = self._send("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]
        self._send(
            "browsingContext.setViewport", context=self._context,
            viewport={"width": SIZE[0], "height": SIZE[1]},
        )  # fmt: skip

    def _send(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") == "network.beforeRequestSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("id") == self._number:
                assert message["type"] == "success", message
                return message["result"]

    def open(self, url: str) -> None:
        self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        found = self._send(
            "script.evaluate", expression=f"JSON.stringify({expression})",
            target={"context": self._context}, awaitPromise=True,
        )  # fmt: skip
        return json.loads(found["result"].get("value", "null"))

    def press(self, kind: str, points: list[tuple[float, float]]) -> None:
        actions = pointer_actions(kind, points)
        self._send("input.performActions", context=self._context, actions=actions)

    def screenshot(self) -> bytes:
        found = self._send("browsingContext.captureScreenshot", context=self._context)
        return base64.b64decode(found["data"])


@contextlib.contextmanager
def firefox(program: str, folder: Path) -> Iterator[Firefox]:
    """Start Firefox without a window, with a new profile in a folder."""
    log = folder / "firefox.log"
    profile = folder / "profile"
    profile.mkdir()
    command = [program, "--headless", "--no-remote", "--profile", str(profile)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port=0"], stdout=output, stderr=output,
            env=os.environ | {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )  # fmt: skip
    try:
        found = wait(lambda: re.search(r"BiDi listening on (ws://\S+)", log.read_text()), "Firefox")
        yield Firefox(f"{found[1]}/session")
    finally:
        process.terminate()
        process.wait(timeout=30)


# --- WebKit ----------------------------------------------------------------------------------


def find_webkit() -> tuple[str, str, str] | None:
    """WebDriver, a browser, and a screen without a monitor."""
    browsers = sorted(map(str, Path("/").glob(MINI_BROWSERS[1:])))
    driver, screen = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    return (driver, browsers[-1], screen) if driver and screen and browsers else None


class WebKit:
    """A page of WebKitGTK."""

    def __init__(self, server: str, browser: str) -> None:
        options = {"binary": browser, "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        session = _post(f"{server}/session", {"capabilities": wanted})
        self.session = f"{server}/session/{session['sessionId']}"
        _post(f"{self.session}/window/rect", {"width": SIZE[0], "height": SIZE[1]})

    def open(self, url: str) -> None:
        _post(f"{self.session}/url", {"url": url})

    def evaluate(self, expression: str) -> Any:
        script = f"return JSON.stringify(await ({expression}))"
        found = _post(f"{self.session}/execute/sync", {"script": script, "args": []})
        return json.loads(found or "null")

    def press(self, kind: str, points: list[tuple[float, float]]) -> None:
        _post(f"{self.session}/actions", {"actions": pointer_actions(kind, points)})

    def screenshot(self) -> bytes:
        return base64.b64decode(_post(f"{self.session}/screenshot"))


def _post(url: str, content: dict[str, Any] | None = None) -> Any:
    """The value that WebDriver answers."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from error


@contextlib.contextmanager
def webkit(programs: tuple[str, str, str], folder: Path) -> Iterator[WebKit]:
    """Start WebKitGTK on a screen of its own."""
    driver, browser, screen = programs
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    display = f":{port % 1000 + 100}"
    home = os.environ | {"HOME": str(folder), "DISPLAY": display}
    home["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS"] = "1"  # as root, in a container
    with (folder / "webkit.log").open("wb") as log, contextlib.ExitStack() as started:
        for command in ([screen, display], [driver, f"--port={port}"]):
            process = subprocess.Popen(command, stdout=log, stderr=log, env=home)
            started.callback(process.wait, timeout=30)
            started.callback(process.terminate)
        wait(lambda: _listens(port), "WebKit's driver")
        yield WebKit(f"http://127.0.0.1:{port}", browser)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
