"""Settings of the page (``make voila``): a kernel of its own for each visitor, none left behind."""

from __future__ import annotations

from digitlib.widgets.jupyter.messages import CheckedMessages
from digitlib.widgets.jupyter.visitors import VisitedKernels

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

# Kernels that have run the notebook wait for visitors (`make voila POOL=4`: how many).
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
c.MappingKernelManager.cull_busy = True  # nobody waits for what it computes
# A kernel that died is not started again: it would know nothing of the pad that its page shows.
c.KernelRestarter.restart_limit = 0

c.VoilaConfiguration.multi_kernel_manager_class = VisitedKernels
c.Voila.kernel_websocket_connection_class = CheckedMessages
