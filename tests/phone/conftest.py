"""Fixtures: the page's server, and phones in a real Chromium whose owners have or have not been to the office."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.core.issuing import NOW, pass_text

from .device import Phone, PhoneServer, link

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """Debian's Chromium, driven by Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install -e .[dev])")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PhoneServer]:
    """The page's own server."""
    running = PhoneServer()
    yield running
    running.stop()


@pytest.fixture
def new_phone(chromium, tmp_path) -> Iterator[Callable[[str], Phone]]:
    """Makes phones; fails the test when the page raises, breaks its policy or asks another origin for anything."""
    phones = list[Phone]()

    def make(url: str) -> Phone:
        phones.append(Phone(chromium, url, tmp_path))
        return phones[-1]

    yield make
    for phone in phones:
        phone.context.close()
        assert phone.problems == []
        assert [url for url in phone.asked if not url.startswith(phone.url)] == []


@pytest.fixture
def phone(new_phone, server) -> Phone:
    """A phone on its first visit."""
    made = new_phone(server.url)
    made.open()
    return made


@pytest.fixture
def holder(phone) -> Phone:
    """A phone whose owner has brought its key to the office and stored the typical pass."""
    phone.open(link(pass_text(phone_key=phone.key())))
    phone.drawn(NOW)
    return phone
