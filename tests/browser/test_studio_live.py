"""The studio in JupyterLab and as a page: what all its panels have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from live import open_pad
from playwright.sync_api import BrowserContext, expect
from servers import Server

pytestmark = pytest.mark.browser


def test_the_pad_reads_a_drawing_in_the_studio(
    studio: Server, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_pad(studio, open_context)
    page.evaluate("pen.stroke([[200, 60], [200, 200], [200, 340]], 20)")
    expect(page.locator(".dp-pad [data-state]")).to_have_attribute("data-state", "read")
    expect(page.locator(".dp-head .dp-digit")).to_have_text("1")
    page.context.close()
