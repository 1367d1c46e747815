"""What the panel says besides reason and remedy: a second pass is awaited, knowledge is local, a guard may forgive."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from station.core.reasons import Reason
from station.core.signals import PATTERNS, Signal
from station.guard_screen import GuardRequest, GuardVerb
from station.wording import reason, text
from tests.browser import needs_chromium

from .conftest import NAME, PIN, a_view, lane, sign_in, snapshot

pytestmark = [pytest.mark.browser, needs_chromium]

ALIKE = 0.65
"""Share of common ink above which two shapes might be taken for each other at a glance."""


def refused(**fields):
    """Somebody has used up what their household may do; the other gates have not been heard from."""
    words = {"headline": reason(Reason.QUOTA_USED), "next_step": text(f"reason-{Reason.QUOTA_USED}", "next")}
    given = {"rule": "household-quota", "awaiting_guard": True, "local": True, "forgivable": True}
    return lane(fields.pop("lane", "east-out"), Signal.REFERRED, **(words | given | fields))


def test_local_knowledge_is_marked_in_both_languages(gate, window):
    """A decision made without word from the other gates says so; any other does not."""
    gate.publish(a_view(refused()))
    window.wait_for_selector(".facts:has-text('仅凭本站记录判断')")
    assert "decided on local knowledge" in window.locator(".facts").inner_text()
    snapshot(window, "local")
    gate.publish(a_view(refused(local=False)))
    window.wait_for_selector(".facts:not(:has-text('local knowledge'))")
    assert "仅凭本站" not in window.locator(".facts").inner_text()


def test_a_guard_forgives(gate, window):
    """The button is there only where there is something to forgive; it asks to sign in and why, and tells the gate."""
    gate.publish(a_view(lane(), refused()))
    window.wait_for_selector('[data-lane="east-out"] button.forgive')
    assert window.locator('[data-lane="east-in"] button.forgive').is_hidden()
    words = window.locator('[data-lane="east-out"] button.forgive').inner_text()
    assert "更正" in words
    assert "Forgive" in words
    window.click('[data-lane="east-out"] button.forgive')
    window.fill("#name", NAME)
    window.fill("#pin", PIN)
    window.press("#pin", "Enter")
    window.wait_for_selector("#reason[open]")
    assert "更正" in window.locator("#reason-title").inner_text()
    window.click("#reason-do")
    window.wait_for_selector("#reason .problem:has-text('Choose or write')")
    assert gate.asked(GuardRequest) == []
    window.click("#presets button:first-child")
    snapshot(window, "forgive")
    window.click("#reason-do")
    window.wait_for_selector("#notice:not([hidden])")
    (asked,) = gate.asked(GuardRequest)
    assert (asked.verb, asked.lane, asked.operator) == (GuardVerb.FORGIVE, "east-out", NAME)
    assert asked.why == "有一次进出未登记，已核实 / A way in or out was not recorded, checked"


def test_the_button_goes_with_the_person(gate, window):
    """Once the lane has nothing to forgive, the button is gone, also for a guard who is signed in."""
    gate.publish(a_view(refused()))
    sign_in(window)
    assert window.locator("button.forgive").is_visible()
    gate.publish(a_view(lane("east-out")))
    window.wait_for_selector("button.forgive", state="hidden")


def test_four_lanes_keep_three_buttons_in_sight(gate, window):
    """With the most lanes and the most to do at each, all twelve buttons are within the window."""
    names = ("east-in", "east-out", "west-in", "west-out")
    gate.publish(a_view(*(refused(lane=name, who="王* · 住户 resident") for name in names)))
    window.wait_for_selector('[data-count="4"]')
    snapshot(window, "four-forgivable")
    boxes = [button.bounding_box() for button in window.locator(".lane button:visible").all()]
    assert len(boxes) == 12
    assert all(box["y"] + box["height"] <= window.viewport_size["height"] for box in boxes)


def test_a_second_pass_is_awaited_in_words(gate, window):
    """While a lane waits for the second pass, its tag says so in both languages beside the shape of two people."""
    words = {"headline": reason(Reason.ESCORT_NEEDED), "next_step": text(f"reason-{Reason.ESCORT_NEEDED}", "next")}
    gate.publish(a_view(lane("east-in", Signal.ESCORTING, **words), lane("east-out", Signal.MEASURING)))
    window.wait_for_selector('[data-signal="escorting"]')
    tag = window.locator('[data-lane="east-in"] .tag').inner_text()
    assert "等待陪同" in tag
    assert "Second pass" in tag
    assert window.locator('[data-lane="east-in"] use').get_attribute("href") == "#pair"
    snapshot(window, "escorting")


def ink(window, shape: str) -> np.ndarray:
    """A shape drawn black on white at one size: what somebody who sees no colours sees of it. Boolean, 96 x 96."""
    window.evaluate(
        """shape => { const svg = document.querySelector('.lane-main > svg');
        svg.querySelector('use').setAttribute('href', '#' + shape);
        Object.assign(svg.style, {position: 'fixed', inset: '0 auto auto 0', width: '96px', height: '96px',
          color: '#000', background: '#fff', zIndex: 9}); }""",
        shape,
    )
    picture = window.locator(".lane-main > svg").screenshot()
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE) < 128


def test_shapes_are_told_apart_without_colour(window):
    """In one colour and size every two signals' shapes differ in most of their ink, "pair" from "person" above all."""
    drawn = {signal: ink(window, PATTERNS[signal].shape) for signal in Signal}
    for one, other in itertools.combinations(Signal, 2):
        common, either = (drawn[one] & drawn[other]).sum(), (drawn[one] | drawn[other]).sum()
        assert drawn[one].any()
        assert common / either < ALIKE, (one, other, common / either)
