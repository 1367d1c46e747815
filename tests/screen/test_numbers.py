"""The number that phones and guards sign: on every lane as digits and as a code that the project's own reader reads."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from drivers.decoder import read_still
from station.core.reasons import Reason
from station.core.signals import Signal
from station.screen import codes
from station.wording import reason, text
from tests.browser import needs_chromium

from .conftest import a_view, both, lane, snapshot

NUMBER, NEXT_NUMBER = "09f3a0c11b2d4e5f", "ffffffffffffffff"
PAGE = "https://pass.example.org/gate/"


def asking(name: str = "east-in", number: str = NUMBER, **fields):
    """A lane that cannot judge by its own clock and shows a number."""
    words = {"headline": both("闸口时钟不够准确", "This gate's clock is not exact enough")}
    return lane(name, Signal.REFERRED, number=number, awaiting_guard=True, **(words | fields))


def code_of(window, selector: str, folder) -> list[str]:
    """What the project's reader reads from a part of the page as it is drawn."""
    path = folder / "code.png"
    window.locator(selector).screenshot(path=path)
    return [code.text for code in read_still(path)]


def loaded(window, number: str) -> None:
    """Wait until the code of a number is drawn."""
    window.locator(f".number img[src*='{number}']").first.evaluate("image => image.decode()")


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize(
    ("live_page", "said"), [("", NUMBER), (PAGE, f"{PAGE}#n={NUMBER}")], ids=["bare", "with the phones' page"]
)
def test_the_number_can_be_scanned_and_typed(gate, window, tmp_path, said):
    """The code says the phones' page with the number (or the number alone); the digits stand in groups of four."""
    gate.publish(a_view(asking()))
    loaded(window, NUMBER)
    assert code_of(window, ".number img", tmp_path) == [said]
    groups = window.locator(".digits b").all_inner_texts()
    assert groups == ["09f3", "a0c1", "1b2d", "4e5f"]
    words = window.locator(".number").inner_text()
    assert "请签署此数字" in words
    assert "Sign this number" in words
    assert " ".join(groups) in window.locator(".number img").get_attribute("alt")
    snapshot(window, "number")


@pytest.mark.browser
@needs_chromium
def test_the_number_changes_and_goes(gate, window, tmp_path):
    """A new number brings its own code; where nothing is asked there is neither code nor digit."""
    gate.publish(a_view(asking()))
    loaded(window, NUMBER)
    gate.publish(a_view(asking(number=NEXT_NUMBER)))
    loaded(window, NEXT_NUMBER)
    assert code_of(window, ".number img", tmp_path) == [NEXT_NUMBER]
    gate.publish(a_view(lane()))
    window.wait_for_selector(".number", state="hidden")
    assert window.locator(".number").inner_text() == ""
    assert window.locator(".number img").count() == 0


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("live_page", [PAGE])
def test_four_lanes_with_numbers_fit(gate, window, tmp_path):
    """With the most lanes and long texts, every number and button is in sight, and the small code can still be read."""
    long = {"headline": reason(Reason.NONCE_NEEDED), "next_step": text(f"reason-{Reason.NONCE_NEEDED}", "next")}
    fields = long | {"local": True, "who": "王* · 住户 resident", "rule": "returnee-72h"}
    gate.publish(a_view(*(asking(name, **fields) for name in ("east-in", "east-out", "west-in", "west-out"))))
    window.wait_for_selector('[data-count="4"]')
    loaded(window, NUMBER)
    snapshot(window, "four-numbers")
    height = window.viewport_size["height"]
    for selector in ("button.open", "button.dismiss", ".number img", ".digits"):
        boxes = [one.bounding_box() for one in window.locator(selector).all()]
        assert len(boxes) == 4, selector
        assert all(box["y"] + box["height"] <= height for box in boxes), selector
    for one in window.locator(".lane").all():
        edge = one.bounding_box()["x"] + one.bounding_box()["width"]
        for part in (".number img", ".digits"):
            box = one.locator(part).bounding_box()
            assert box["x"] + box["width"] <= edge - 10, part
    assert code_of(window, '[data-lane="west-out"] .number img', tmp_path) == [f"{PAGE}#n={NUMBER}"]


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("live_page", [PAGE])
def test_two_lanes_with_numbers_fit(gate, window):
    """One lane that is ready and one that asks for the number: the page fits its window without scrolling."""
    step = text(f"reason-{Reason.CLOCK_UNSURE}", "next")
    waiting = asking("east-out", next_step=step, who="王* · 住户 resident", rule="check:live")
    gate.publish(a_view(lane(number=NUMBER), waiting))
    window.wait_for_selector('[data-count="2"]')
    loaded(window, NUMBER)
    snapshot(window, "two-numbers")
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.evaluate("document.documentElement.scrollHeight <= innerHeight")


@pytest.mark.parametrize("live_page", [PAGE])
def test_codes_need_no_session(gate, page):
    """Whoever stands at the gate may scan the number: no sign-in, an SVG, never kept by the browser."""
    gate.publish(a_view(asking(), asking("east-out")))
    status, headers, raw = page.ask("GET", f"/numbers/{NUMBER}.svg")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "image/svg+xml", "no-store")
    assert raw.decode() == codes.drawing(f"{PAGE}#n={NUMBER}")
    assert not re.search(rb"<script|style=|href|https?://(?!www\.w3\.org/2000/svg)", raw)


@pytest.mark.parametrize("number", [NEXT_NUMBER, "", "0", "..", "a" * 4000])
def test_only_shown_numbers_are_drawn(gate, page, number):
    """A number that no lane shows has no code, also where a lane shows none and the number is empty."""
    gate.publish(a_view(asking(), lane("east-out")))
    assert page.ask("GET", f"/numbers/{number}.svg")[0] == 404


def test_a_number_gone_has_no_code(gate, page):
    """As soon as the next number is shown, the code of the one before is gone."""
    view = a_view(asking())
    gate.publish(view)
    assert page.ask("GET", f"/numbers/{NUMBER}.svg")[0] == 200
    gate.publish(replace(view, lanes=(asking(number=NEXT_NUMBER),)))
    assert page.ask("GET", f"/numbers/{NUMBER}.svg")[0] == 404


@pytest.mark.parametrize(("length", "modules"), [(38, 25), (39, 29)])
def test_codes_are_of_level_m_with_a_quiet_zone(length, modules):
    """38 capitals fill version 2-M and 39 need 3-M (ISO/IEC 18004, table 7); around both are four light modules."""
    side = modules + 2 * 4
    drawn = codes.drawing("A" * length)
    assert f'viewBox="0 0 {side} {side}"' in drawn
    assert f'fill="#fff" d="M0 0h{side}v{side}h-{side}z"' in drawn
    assert 'd="M4 4.5h7' in drawn
