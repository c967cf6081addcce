"""The server of the page (``make voila``): Voilà with the few addresses that the page needs.

Whatever else Voilà serves, or will serve, is not there: files beside the notebook, the list of
notebooks, themes, what other visitors asked for. Names of the server that are not its own are
refused, for a foreign site could give its own name to this machine and read the page.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import AsyncIterator
from typing import Any

from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado.web import ErrorHandler, HTTPError
from traitlets import Integer, List, Unicode
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from digitlib.widgets.jupyter.messages import Socket

LOCAL = ["127.0.0.1", "localhost", "[::1]"]
MAX_BODY = 100_000  # bytes of a request; the only one with a body says that a page was left


class Page(TornadoVoilaHandler):
    """The page. Each visit starts a process, so there is a limit to them."""

    arriving = 0  # visits whose kernel does not run yet

    async def get_generator(self, path: str | None = None) -> AsyncIterator[str]:
        """The page, piece by piece; the first piece comes when its kernel runs."""
        if self.request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            raise HTTPError(403)  # a script or a picture of a foreign site, for nobody to see
        if Page.arriving + self.kernel_manager.visitors() >= self.settings["voila"].max_visitors:
            raise HTTPError(503)
        Page.arriving += 1
        waits = True
        try:
            async for html in super().get_generator(path):
                Page.arriving -= waits
                waits = False
                yield html
        finally:
            Page.arriving -= waits
            RequestInfoSocketHandler._cache.clear()  # of visits; nobody can ask for it here


class KernelState(KernelHandler):
    """Tells a page whether its kernel is still there."""

    SUPPORTED_METHODS = ("GET",)


# By Voilà's handler: ours, and what its addresses end with where that is less than Voilà's.
SERVED: dict[type, tuple[type, str | None]] = {
    TornadoVoilaHandler: (Page, ""),
    KernelHandler: (KernelState, None),
    VoilaKernelWebsocketHandler: (Socket, None),
    VoilaShutdownKernelHandler: (VoilaShutdownKernelHandler, r"([0-9a-f-]{36})"),
    MultiStaticFileHandler: (MultiStaticFileHandler, None),
    TemplateStaticFileHandler: (TemplateStaticFileHandler, r"(\w+/static/\w[\w./-]*)"),
    FileFindHandler: (FileFindHandler, None),  # the widgets' scripts
}


class PageServer(Voila):
    """Voilà, for strangers."""

    hosts = List(
        Unicode(), config=True, help="Names of the server beside localhost: of a proxy before it."
    )
    max_visitors = Integer(40, config=True, help="Kernels of visitors at once, beside the pool.")

    def init_handlers(self) -> list[Any]:
        """What is served under the names of the server; under others nothing is."""
        served: list[Any] = []
        for pattern, handler, *rest in super().init_handlers():
            if handler in SERVED:
                ours, end = SERVED[handler]
                address = pattern if end is None else pattern.removesuffix("(.*)") + end
                served.append((address, ours, *rest))
        if self.identity_provider.auth_enabled:
            served += self.identity_provider.get_handlers()
        served.append((".*", ErrorHandler, {"status_code": 404}))
        names = "|".join(map(re.escape, [*LOCAL, *self.hosts]))
        self.app.add_handlers(f"(?:{names})$", served)
        return [(".*", ErrorHandler, {"status_code": 403})]

    def listen(self) -> None:
        """Begin to serve."""
        self.app.listen = functools.partial(self.app.listen, max_body_size=MAX_BODY)
        super().listen()


if __name__ == "__main__":
    # All visitors would share one file of drawings: nothing is stored unless a folder is named.
    os.environ.setdefault("DIGITLIB_DRAWINGS", "")
    PageServer.launch_instance()
