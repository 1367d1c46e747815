"""Debian's Chromium for the tests: where it is, how it starts so that it asks nobody but the page's own server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP phone.example 127.0.0.1",
]
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium: apt-get install chromium")


@contextmanager
def launched() -> Iterator[Any]:
    """Give a running browser, driven by Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install -e .[dev])")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for one module's tests."""
    with launched() as browser:
        yield browser
