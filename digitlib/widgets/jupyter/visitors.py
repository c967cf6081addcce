"""Kernels of the page's visitors: each has one of his own, and none is left behind."""

from __future__ import annotations

import time

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

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

    def visitors(self) -> int:
        """Number of kernels that belong to pages: those that wait in the pool do not."""
        waiting = [task for pool in self._pools.values() for task in pool]  # Voilà's
        ready = [task for task in waiting if task.done() and not task.exception()]
        return len(self) - len(ready)
