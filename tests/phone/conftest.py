"""Fixtures: the page's server, and phones in a real Chromium whose owners have or have not been to the office."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.browser import chromium
from tests.core.issuing import NOW, pass_text

from .device import Phone, PhoneServer, link

__all__ = ["chromium"]


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
