"""The kernel of a page, controlled from outside the page."""

from __future__ import annotations

import ast
import json
import time
from typing import Any

import numpy as np
import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from servers import PATIENCE

SETUP = """
import json, time
from digitlib.widgets.callbacks import LOCK
def arrived():
    with LOCK:
        read = pad.prediction and [pad.prediction.digit, pad.prediction.rejected]
        return json.dumps([[trace.tolist() for trace in pad.traces], read])
def busy(seconds):
    with LOCK:
        time.sleep(seconds)
"""


class Kernel:
    """Runs code in a kernel that has run the drawing notebook."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self._client = BlockingKernelClient()
        (file,) = [word for word in process.cmdline() if word.endswith(".json")]
        self._client.load_connection_file(file)
        self._client.start_channels()
        self._client.wait_for_ready(PATIENCE)
        self._execute(SETUP)

    def close(self) -> None:
        self._client.stop_channels()

    def arrived(self) -> tuple[list[np.ndarray], tuple[int, bool] | None]:
        """The strokes with ms and pressure; digit and rejection of the prediction."""
        traces, read = json.loads(self.value("arrived()"))
        return [np.array(trace) for trace in traces], read and tuple(read)

    def value(self, expression: str) -> Any:
        """The value of an expression that is written as a literal."""
        reply = self._execute("", value=expression)
        return ast.literal_eval(reply["user_expressions"]["value"]["data"]["text/plain"])

    def run(self, code: str) -> None:
        """Run code as a cell does."""
        self._execute(code)

    def be_busy(self, seconds: float) -> None:
        """Answer nothing from the page for this time."""
        self._client.execute(f"busy({seconds})")
        time.sleep(0.1)

    def _execute(self, code: str, **expressions: str) -> dict[str, Any]:
        request = self._client.execute(code, user_expressions=expressions)
        while True:
            message = self._client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                assert message["content"]["status"] == "ok", message["content"]
                return message["content"]
