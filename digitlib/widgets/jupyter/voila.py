"""Settings of the page (``make app``): a kernel of its own for each visitor, none left behind."""

from __future__ import annotations

import time

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

c = get_config()  # noqa: F821  given by Voilà, which runs this file

# The pad's template beside this file, in the light theme, whatever the address asks for.
c.VoilaConfiguration.template = "pad"
c.VoilaConfiguration.theme = "light"
c.VoilaConfiguration.allow_template_override = "NO"
c.VoilaConfiguration.allow_theme_override = "NO"

# The pad alone: no code, no cell of steps, no file beside the notebook.
c.VoilaConfiguration.strip_sources = True
c.VoilaConfiguration.file_allowlist = []
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = ("notebook-only",)

# Kernels that have run the notebook wait for visitors (`make app POOL=4`: how many).
c.VoilaConfiguration.preheat_kernel = True
# A kernel in place of one that was taken starts when its visitor's page has loaded.
c.VoilaKernelManager.fill_delay = 3  # seconds
# Where many come at once the pad takes long to show; after 4 s it would be left out of the page.
c.NotebookClient.iopub_timeout = 120

# A page says farewell and its kernel goes (templates/pad/visit.js). Where the message is lost, it
# goes when the page has had no connection for so long; a page that comes back before finds it.
# An open page keeps its kernel, however long nobody draws.
c.MappingKernelManager.cull_idle_timeout = 30  # seconds
c.MappingKernelManager.cull_interval = 5
c.MappingKernelManager.cull_connected = False
# A kernel that died is not started again: it would know nothing of the pad that its page shows.
c.KernelRestarter.restart_limit = 0

ARRIVAL = 120  # seconds from a request to the page's first connection: lines and machines are slow


class VisitedKernels(AsyncMappingKernelManager):
    """Kernels that wait for their pages.

    A kernel has no connection while its page loads, and the time in the pool counts as idle: it
    would go between the visitor's request and the page's connection.
    """

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """Called for every kernel outside the pool, each ``cull_interval``."""
        kernel = self.get_kernel(kernel_id)
        if not hasattr(kernel, "page_due"):
            kernel.page_due = time.monotonic() + ARRIVAL
        if time.monotonic() > kernel.page_due:
            await super().cull_kernel_if_idle(kernel_id)

    def notify_connect(self, kernel_id: str) -> None:
        """The page is there."""
        if kernel_id in self:
            self.get_kernel(kernel_id).page_due = 0.0
        super().notify_connect(kernel_id)


c.VoilaConfiguration.multi_kernel_manager_class = VisitedKernels


class CheckedMessages(ZMQChannelsWebsocketConnection):
    """Messages from a page whose parts can fit into them.

    One of eight bytes could say that it has 2**63 parts; the server would look for all of them
    until its memory is full.
    """

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """A message begins with the number of its parts and the place of each."""
        new = self.subprotocol == "v1.kernel.websocket.jupyter.org"
        size, order = (8, "little") if new else (4, "big")  # of these numbers
        if isinstance(incoming_msg, bytes):
            parts = int.from_bytes(incoming_msg[:size], order)
            if size * (1 + parts) > len(incoming_msg):
                self.log.warning("A message from a page says that it has %d parts.", parts)
                self.websocket_handler.close()
                return
        super().handle_incoming_message(incoming_msg)


c.Voila.kernel_websocket_connection_class = CheckedMessages
