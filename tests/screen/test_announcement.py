"""What the loudspeaker announces is shown while it is said, in both languages, without hiding what the guard needs."""

from __future__ import annotations

import pytest

from station.core.signals import Signal
from tests.browser import needs_chromium

from .conftest import a_view, both, lane, snapshot

pytestmark = [pytest.mark.browser, needs_chromium]

WORDS = both(
    "请到小区广场做核酸检测，请带好身份证。", "Please come to the square for the test, and bring your identity card."
)


def test_an_announcement_is_shown_while_it_is_said(gate, window):
    """It appears with the view that has it, covers no button, stays text, and goes with the next view."""
    busy = a_view(lane("east-in", Signal.READY), lane("east-out", Signal.READY))
    gate.publish(busy)
    window.wait_for_selector('[data-lane="east-out"]')
    assert window.locator("#announcement").is_hidden()
    gate.change(announcement=WORDS)
    window.wait_for_selector("#announcement:not([hidden])")
    assert window.locator("#announcement .zh").inner_text() == WORDS["zh"]
    assert window.locator("#announcement .en").inner_text() == WORDS["en"]
    shown = window.locator("#announcement").bounding_box()
    for button in window.locator(".lane button:visible, header button:visible").all():
        box = button.bounding_box()
        assert box["y"] + box["height"] <= shown["y"]
    snapshot(window, "announcement")
    gate.change(announcement=both("<b>停</b>", "<img src=x>"))
    window.wait_for_selector("#announcement .zh:has-text('<b>')")
    assert window.locator("#announcement b, #announcement img").count() == 0
    gate.change(announcement=None)
    window.wait_for_selector("#announcement", state="hidden")
