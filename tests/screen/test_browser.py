"""The page in a real Chromium: what the guard sees and operates, and what covers it when the server is gone."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from station.core.model import Direction, Outcome
from station.core.reasons import Reason
from station.core.signals import PATTERNS, Signal
from station.guard_screen import Condition, GuardRequest, HandReading, HealthView, StationView
from tests.browser import needs_chromium

from .conftest import NAME, PIN, a_view, both, lane, passage, sign_in, snapshot

NOW_US = time.time_ns() // 1000 - 23_000_000

pytestmark = [pytest.mark.browser, needs_chromium]


def rich_view() -> StationView:
    """A busy night: one lane waits for the guard, one just refused, a camera is dirty, the link is down."""
    waiting = lane(
        "east-in",
        Signal.REFERRED,
        headline=both("请保安核对", "Guard, please check"),
        next_step=both(
            "状态名单过旧：核对证件，打电话给网格员", "Status list too old: check papers, call the grid worker"
        ),
        who="王* · 返回人员 returnee",
        rule="returnee-72h",
        since_us=NOW_US,
        awaiting_guard=True,
    )
    refused = lane(
        "east-out",
        Signal.DENIED,
        direction=Direction.OUT,
        headline=both("管控区只进不出", "Control zone: nobody leaves"),
        next_step=both("需要外出请联系网格员", "Call your grid worker if you must leave"),
        who="李* · 住户 resident",
        rule="zone-control-out",
        since_us=NOW_US,
        door="held-open",
    )
    passages = (  # newest first
        passage(
            9,
            wall_us=NOW_US,
            name="李*",
            outcome=Outcome.DENY,
            reason=Reason.ZONE_CLOSED,
            rule="zone-control-out",
            lane="east-out",
            direction=Direction.OUT,
            text=both("管控区只进不出", "Control zone: nobody leaves"),
        ),
        passage(8, wall_us=NOW_US - 41_000_000, text=both("请进", "Come in")),
        passage(
            7,
            wall_us=NOW_US - 95_000_000,
            name="张*",
            outcome=Outcome.REFER,
            reason=Reason.FEVER_RAISED,
            rule="fever",
            text=both("体温偏高，请复测", "Temperature raised, measure again"),
        ),
        passage(
            6,
            wall_us=NOW_US - 260_000_000,
            name="",
            outcome=Outcome.DENY,
            reason=Reason.PAYMENT_CODE,
            rule="check:text",
            text=both("这是付款码，请出示通行码", "This is a payment code, show your pass"),
        ),
        passage(5, wall_us=NOW_US - 421_000_000, name="赵*", text=both("请进", "Come in")),
    )
    health = (
        HealthView("camera east-in", Condition.OK, both("正常，30 帧每秒", "works, 30 frames a second")),
        HealthView(
            "thermometer east-in",
            Condition.FAULT,
            both("没有应答", "nothing answers at 0x5a"),
            both("检查四根线", "Check the four wires of the sensor"),
        ),
        HealthView("clock", Condition.DEGRADED, both("未对时 3 小时", "not synchronised for 3 h")),
    )
    return a_view(waiting, refused, passages=passages, health=health, unacknowledged=42, linked=False, now_us=NOW_US)


def test_a_guards_night(gate, server, window):
    """Colour, shape and both languages; sign-in; opening with a reason; the cover as soon as the server is gone."""
    gate.publish(rich_view())
    first = window.locator('[data-lane="east-in"]')
    window.wait_for_selector('[data-lane="east-in"][data-signal="referred"]')
    assert "请保安核对" in first.inner_text()
    assert "Guard, please check" in first.inner_text()
    assert first.locator("use").get_attribute("href") == "#person"
    assert window.locator('[data-lane="east-out"] use').get_attribute("href") == "#cross"
    assert "王*" not in window.locator("body").inner_text()
    snapshot(window, "signed-out")

    sign_in(window)
    window.wait_for_selector(".facts:has-text('王*')")
    snapshot(window, "signed-in")

    first.locator("button.open").click()
    window.click("#presets button:first-child")
    snapshot(window, "reason")
    window.click("#reason-do")
    window.wait_for_selector("#notice:not([hidden])")
    asked = gate.asked(GuardRequest)
    assert [(one.verb, one.lane, one.operator) for one in asked] == [("open", "east-in", NAME)]
    assert asked[0].why == "住户，证件已核对 / Resident, papers checked"

    server.stop()
    window.wait_for_selector("#overlay:not([hidden])", timeout=5000)
    assert "画面已断开" in window.locator("#overlay").inner_text()
    assert "not connected" in window.locator("#overlay").inner_text()
    assert window.evaluate("document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('#overlay') !== null")
    assert window.evaluate("document.querySelector('#page').inert")
    snapshot(window, "overlay")

    server._config = type(server._config)(port=server.port)
    server.start()
    window.wait_for_selector("#overlay", state="hidden", timeout=10000)


def test_silent_server_is_covered_too(window, monkeypatch):
    """A connection that stays open but says nothing for 3 s is covered: a green that may be stale is never shown."""
    from station.screen import stream  # noqa: PLC0415 - patched here only

    monkeypatch.setattr(stream, "HEARTBEAT_S", 60)
    window.wait_for_selector("#overlay:not([hidden])", timeout=8000)


def test_everything_fits_and_is_reachable(gate, window):
    """Everything fits the window without scrolling the page; every button takes the focus."""
    gate.publish(rich_view())
    window.wait_for_selector('[data-lane="east-in"][data-signal="referred"]')
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.evaluate("document.documentElement.scrollHeight <= innerHeight")
    reached = set()
    for _ in range(12):
        window.keyboard.press("Tab")
        reached.add(window.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"session", "open", "dismiss"} <= reached


def test_four_lanes_keep_their_buttons_in_sight(gate, window):
    """With the most lanes a station has, every Open button is within the window without scrolling."""
    view = rich_view()
    more = [replace(one, lane=one.lane.replace("east", "west")) for one in view.lanes]
    gate.publish(replace(view, lanes=(*view.lanes, *more)))
    window.wait_for_selector('[data-count="4"]')
    boxes = [button.bounding_box() for button in window.locator("button.open").all()]
    assert len(boxes) == 4
    assert all(box["y"] + box["height"] <= window.viewport_size["height"] for box in boxes)
    snapshot(window, "four-lanes")


def test_touch_keypad_signs_in(window):
    """Without a keyboard the PIN can be tapped."""
    window.click("#session")
    window.fill("#name", NAME)
    window.focus("#pin")
    for digit in PIN:
        window.click(f"#keypad button:text-is('{digit}')")
    window.click("#keypad button:text-is('OK')")
    window.wait_for_selector(f"#operator:has-text('{NAME}')")


def test_a_hand_reading_is_entered_on_large_keys(gate, window):
    """The button is there only where a value is waited for; three digits are a reading, the point comes by itself."""
    gate.publish(a_view(lane(signal=Signal.REFERRED, awaiting_guard=True)))
    window.wait_for_selector(".lane[data-signal=referred]")
    assert not window.is_visible(".lane .hand")
    gate.publish(a_view(lane(signal=Signal.REFERRED, awaiting_guard=True, by_hand=True)))
    window.wait_for_selector(".lane .hand", state="visible")
    sign_in(window)
    window.click(".lane .hand")
    for key in ("4", "C", "3", "6"):
        window.click(f"#hand-keys button:text-is('{key}')")
    window.click("#hand-keys button:text-is('OK')")
    window.wait_for_selector("#hand .problem:has-text('36.8')")
    assert gate.asked(HandReading) == []
    window.click("#hand-keys button:text-is('8')")
    assert window.input_value("#celsius") == "36.8"
    box = window.locator("#hand-keys button").first.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    snapshot(window, "hand")
    window.click("#hand-keys button:text-is('OK')")
    window.wait_for_selector("#hand", state="hidden")
    assert [entry.celsius for entry in gate.asked(HandReading)] == [36.8]


@pytest.mark.parametrize("what", ["open", "hand"])
def test_what_a_guard_begins_is_for_who_was_shown_then(gate, window, what):
    """While the guard chooses a reason, or reads the thermometer, the next one comes: the request says whose it was."""
    here = {"signal": Signal.REFERRED, "awaiting_guard": True, "by_hand": True}
    gate.publish(a_view(lane(turn=7, **here)))
    sign_in(window)
    window.click(f".lane .{what}")
    gate.publish(a_view(lane(turn=8, who="李* 访客", **here)))
    window.wait_for_selector(".facts:has-text('李*')", state="attached")
    if what == "open":
        window.click("#presets button:first-child")
        window.click("#reason-do")
        window.wait_for_selector("#reason", state="hidden")
    else:
        for key in ("3", "6", "8", "OK"):
            window.click(f"#hand-keys button:text-is('{key}')")
        window.wait_for_selector("#hand", state="hidden")
    assert [one.turn for one in (*gate.asked(GuardRequest), *gate.asked(HandReading))] == [7]


def test_wrong_pin_is_told_in_the_dialog(window):
    """A wrong PIN leaves the dialog open, says so in both languages, and empties the field."""
    window.click("#session")
    window.fill("#name", NAME)
    window.fill("#pin", "918273")
    window.press("#pin", "Enter")
    window.wait_for_selector("#sign-in .problem:has-text('wrong')")
    assert "不对" in window.locator("#sign-in .problem").inner_text()
    assert window.input_value("#pin") == ""


def test_hostile_texts_stay_text(gate, window):
    """Markup in names and texts is shown as text and runs nothing."""
    evil = "<img src=x onerror=document.title='run'>"
    gate.publish(
        a_view(lane(headline=both(evil, evil), who=evil, rule=evil), passages=(passage(text=both(evil, evil)),))
    )
    window.wait_for_selector(".lane h2:has-text('<img')")
    assert window.locator("main img, ol img").count() == 0
    assert window.title() != "run"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of a CSS rgb() colour."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("signal", list(Signal))
def test_each_signal_is_readable(gate, window, signal):
    """Every signal has its own shape, text of at least 4.5:1 and a shape of at least 3:1 on its ground (WCAG AA)."""
    gate.publish(a_view(lane("east-in", signal, awaiting_guard=True)))
    window.wait_for_selector(f'[data-signal="{signal}"]')
    assert window.locator(".lane use").get_attribute("href") == f"#{PATTERNS[signal].shape}"
    found = window.evaluate(
        """() => { const style = (q, p) => getComputedStyle(document.querySelector(q))[p];
        return {ground: style('.lane', 'backgroundColor'), zh: style('.lane h2 .zh', 'color'),
                en: style('.lane h2 .en', 'color'), shape: style('.lane-main svg', 'color'),
                size: document.querySelector('.lane-main svg').getBoundingClientRect().width}; }"""
    )
    ground = luminance(found["ground"]) + 0.05
    for part, least in (("zh", 4.5), ("en", 4.5), ("shape", 3.0)):
        assert (luminance(found[part]) + 0.05) / ground >= least, part
    assert found["size"] >= 72
    snapshot(window, f"signal-{signal}")
