"""Visitors' passes at the screen: what reaches the gate, what is shown and printed, and that nothing is left behind."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import datetime

import pytest

from drivers.decoder import read_still
from station.core import credential, scan
from station.core.documents import KeyEntry, Role, TrustBundle, kid_of
from station.core.model import Credential, Direction, PassClass
from station.core.succession import with_own_key
from station.guard_screen import SignInAttempt, VisitorAnswer, VisitorRequest
from station.screen import app
from station.wording import text
from tests.browser import needs_chromium
from tests.core.issuing import TRUST, ZONE, signing_key

from .conftest import both, sign_in, snapshot

HOUR_S = 3600
OWN = signing_key("the station's own key")


def visitors_pass(name: str = "王*", hours: int = 4) -> tuple[str, Credential]:
    """A pass as the station's own key signs it; its text and what it says."""
    now = int(time.time())
    made = Credential(
        kid=OWN.kid,
        cti=bytes(range(8)),
        not_before=now,
        expires=now + hours * HOUR_S,
        pass_class=PassClass.VISITOR,
        home_zone=ZONE,
        directions=frozenset(Direction),
        gates=frozenset({"east"}),
        name=name,
    )
    return credential.write(made, OWN.private), made


def believing() -> TrustBundle:
    """The keys of a station to whose own key central has delegated visitors."""
    now = int(time.time())
    public = OWN.private.public_key()
    own = KeyEntry(
        kid_of(public.public_bytes_raw()),
        public,
        frozenset({Role.PASS}),
        (ZONE,),
        frozenset({PassClass.VISITOR}),
        now - HOUR_S,
        now + 24 * HOUR_S,
    )
    return with_own_key(TRUST, own, frozenset())


def answer_with(gate, name: str = "王*") -> Credential:
    """Let the gate answer with a good pass; return what it says."""
    code, made = visitors_pass(name)
    gate.visitor = VisitorAnswer(code, text("answer-issued"), made.expires)
    return made


def read_from(window, folder) -> list[object]:
    """What the project's reader and the core make of the code as it is drawn."""
    path = folder / "pass.png"
    window.locator("#visitor-code svg").screenshot(path=path)
    return [scan.read(found.text, believing(), ZONE) for found in read_still(path)]


def ask_for_one(window, name: str = "", hours: str = "") -> None:
    """Fill in the form and send it."""
    window.click("#visitor-ask")
    window.fill("#visitor-name", name)
    if hours:
        window.fill("#visitor-hours", hours)
    window.click("#visitor [type=submit]")


@pytest.mark.browser
@needs_chromium
def test_a_guard_issues_a_pass(gate, window, tmp_path):
    """The form asks the gate; the code shown is read and verified, and says what the slip says in both languages."""
    made = answer_with(gate)
    assert window.locator("#visitor-ask").is_hidden()
    sign_in(window)
    window.click("#visitor-ask")
    form = window.locator("#visitor").inner_text()
    assert "签发访客通行证" in form
    assert "Issue a visitor's pass" in form
    window.fill("#visitor-name", "王小明")
    window.click("#usual-hours button:has-text('8 小时')")
    snapshot(window, "visitor-form")
    window.click("#visitor [type=submit]")
    window.wait_for_selector("#visitor-pass[open] svg")
    snapshot(window, "visitor-pass")
    (asked,) = gate.asked(VisitorRequest)
    assert (asked.operator, asked.name, asked.hours) == ("g07", "王*", 8)
    assert read_from(window, tmp_path) == [made]
    slip = window.locator("#visitor-pass").inner_text()
    until = datetime.fromtimestamp(made.expires).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 - as the screen's clock
    for said in ("访客通行证", "Visitor's pass", "有效期至", "Valid until", until, "仅限本闸口", "gate-07", "王*"):
        assert said in slip, said


@pytest.mark.browser
@needs_chromium
def test_nothing_of_a_pass_stays_on_the_screen(gate, window):
    """Closing the slip, by button or by Escape, takes code and name off the page; the form begins empty again."""
    answer_with(gate)
    sign_in(window)
    for close in (lambda: window.click("#visitor-pass .cancel"), lambda: window.keyboard.press("Escape")):
        ask_for_one(window, "李四")
        window.wait_for_selector("#visitor-pass[open] svg")
        assert "李*" in window.locator("#visitor-pass").inner_text()
        close()
        window.wait_for_selector("#visitor-pass", state="hidden")
        window.wait_for_selector("#visitor-code svg", state="detached")  # "close" is told in a task of its own
        assert window.locator("#visitor-facts").evaluate("facts => facts.textContent") == ""
        window.click("#visitor-ask")
        assert window.input_value("#visitor-name") == ""
        window.click("#visitor .cancel")


@pytest.mark.browser
@needs_chromium
def test_signing_out_takes_the_pass_away(gate, window, page):
    """When the session ends elsewhere, slip and code are gone and the guard is told why."""
    answer_with(gate)
    sign_in(window)
    ask_for_one(window)
    window.wait_for_selector("#visitor-pass[open] svg")
    page.cookie = "; ".join(f"{one['name']}={one['value']}" for one in window.context.cookies())
    page.post("/sign-out", {})
    window.wait_for_selector("#visitor-pass", state="hidden")
    window.wait_for_selector("#visitor-code svg", state="detached")
    window.wait_for_selector("#notice:has-text('Sign in again')")


@pytest.mark.browser
@needs_chromium
def test_the_slip_is_printed_alone(gate, window, tmp_path):
    """On paper there is the slip with a code of 80 mm that can be read, dark on white, and nothing else of the page."""
    made = answer_with(gate)
    sign_in(window)
    ask_for_one(window, "王")
    window.wait_for_selector("#visitor-pass[open] svg")
    window.evaluate("window.print = () => { document.title = 'printed'; }")
    window.click("#visitor-print")
    assert window.title() == "printed"
    window.emulate_media(media="print")
    assert read_from(window, tmp_path) == [made]
    width = window.locator("#visitor-code svg").bounding_box()["width"]
    assert width == pytest.approx(80 / 25.4 * 96, abs=1)
    shown = window.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(one => one.getClientRects().length)
        .map(one => one.closest('#visitor-pass') ? 'slip' : one.id || one.tagName)"""
    )
    assert set(shown) == {"slip"}
    assert window.locator("#visitor-pass").evaluate("slip => getComputedStyle(slip, '::backdrop').display") == "none"
    colours = "slip => [getComputedStyle(slip).color, getComputedStyle(slip).backgroundColor]"
    assert window.locator("#visitor-pass").evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert window.locator("#visitor-print").is_hidden()
    snapshot(window, "visitor-paper")
    paper = window.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1


@pytest.mark.browser
@needs_chromium
def test_refusals_are_told_in_both_languages(gate, window):
    """The gate's refusal and the form's mistakes stand in the dialog, which stays open; no slip is shown."""
    gate.visitor = VisitorAnswer(None, text("answer-no-delegation"))
    sign_in(window)
    ask_for_one(window, "王", "25")
    window.wait_for_selector("#visitor .problem:has-text('1 to 24 hours')")
    assert "1 至 24 小时" in window.locator("#visitor .problem").inner_text()
    assert gate.asked(VisitorRequest) == []
    window.fill("#visitor-hours", "2")
    window.click("#visitor [type=submit]")
    window.wait_for_selector("#visitor .problem:has-text('may not issue')")
    assert "不能签发访客通行证" in window.locator("#visitor .problem").inner_text()
    snapshot(window, "visitor-refused")
    assert window.locator("#visitor-pass").is_hidden()


@pytest.mark.browser
@needs_chromium
def test_an_ended_session_asks_to_sign_in_again(gate, window):
    """Who is signed out while filling in the form signs in and finds the form again."""
    answer_with(gate)
    sign_in(window)
    window.click("#visitor-ask")
    window.context.clear_cookies()
    window.click("#visitor [type=submit]")
    window.wait_for_selector("#sign-in .problem:has-text('Sign in first')")
    assert gate.asked(VisitorRequest) == []


# --- what the server takes and gives ---------------------------------------------------------------------------------


def test_the_answer_is_never_kept(gate, page):
    """The answer forbids keeping it, and holds the code, the masked name and the end, but not the pass's text."""
    made = answer_with(gate)
    page.sign_in()
    status, headers, raw = page.ask("POST", "/visitors", {"name": " 王 小明 ", "hours": 2.5})
    body = json.loads(raw)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert body["ok"]
    assert set(body["text"]) == {"zh", "en"}
    assert (body["pass"]["expires"], body["pass"]["name"]) == (made.expires, "王*")
    assert body["pass"]["code"].startswith("<svg ")
    assert gate.visitor.code not in raw.decode()
    (asked,) = gate.asked(VisitorRequest)
    assert (asked.name, asked.hours) == ("王*", 2.5)


def test_a_pass_is_in_no_log(gate, page, caplog, capfd):
    """Whatever is logged at the finest level or printed while a pass is issued: neither its text nor the name."""
    caplog.set_level(logging.DEBUG)
    answer_with(gate, "欧*")
    page.sign_in()
    assert page.post("/visitors", {"name": "欧阳小明", "hours": 4})[0] == 200
    assert page.post("/visitors", {"name": "欧阳小明", "hours": 400})[0] == 422
    said = "".join((*capfd.readouterr(), caplog.text, *(str(record.__dict__) for record in caplog.records)))
    assert gate.visitor.code not in said
    assert gate.visitor.code[:20] not in said
    assert "欧" not in said


@pytest.mark.parametrize(
    ("typed", "kept"), [("王*", "王*"), ("王**", "王*"), ("  John Smith ", "J*"), ("", ""), ("   ", ""), ("*", "**")]
)
def test_names_are_masked_before_anything_else(gate, page, typed, kept):
    """Only the first letter of a name ever leaves the form's answer."""
    page.sign_in()
    page.post("/visitors", {"name": typed, "hours": 1})
    assert gate.asked(VisitorRequest)[0].name == kept


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "王*", "hours": 0}, 422, "1 to 24 hours"),
        ({"name": "王*", "hours": 24.01}, 422, "1 to 24 hours"),
        ({"name": "王*", "hours": True}, 422, "1 to 24 hours"),
        ({"name": "王*", "hours": "4"}, 422, "1 to 24 hours"),
        ({"name": "王*"}, 422, "1 to 24 hours"),
        (b'{"name": "", "hours": NaN}', 422, "1 to 24 hours"),
        (b'{"name": "", "hours": Infinity}', 422, "1 to 24 hours"),
        (b'{"name": "", "hours": ' + b"9" * 400 + b"}", 422, "1 to 24 hours"),
        ({"name": "x" * 41, "hours": 4}, 422, "at most 40"),
        ({"name": "a\u0000b", "hours": 4}, 422, "at most 40"),
        ({"name": "\ud800", "hours": 4}, 422, "at most 40"),
        ({"name": None, "hours": 4}, 422, "at most 40"),
        ({"hours": 4}, 422, "at most 40"),
        ([], 400, "malformed"),
        ({"name": "x" * 5000, "hours": 4}, 413, "too large"),
    ],
)
def test_malformed_wishes_never_reach_the_gate(gate, page, body, status, said):
    """Hours outside 1 to 24, names that are none, and broken bodies are refused in both languages."""
    page.sign_in()
    found, answer = page.post("/visitors", body)
    assert (found, answer["ok"], set(answer["text"])) == (status, False, {"zh", "en"})
    assert said in answer["text"]["en"]
    assert [type(one) for one in gate.requests] == [SignInAttempt]


def test_the_gates_refusal_carries_no_pass(gate, page):
    """Where the gate issues nothing, its words are shown and nothing else."""
    page.sign_in()
    gate.visitor = VisitorAnswer(None, both("未授权", "No delegation"))
    status, answer = page.post("/visitors", {"name": "", "hours": 4})
    assert (status, answer["text"]["en"], "pass" in answer) == (409, "No delegation", False)


def test_nobody_gets_a_pass_without_a_session(gate, page):
    """Without a session, from a foreign page and by a plain form nothing reaches the gate."""
    answer_with(gate)
    wish = {"name": "", "hours": 4}
    assert page.post("/visitors", wish)[0] == 401
    page.sign_in()
    assert page.ask("POST", "/visitors", wish, Origin="http://evil.example")[0] == 403
    assert page.post("/visitors", wish, Content_Type="text/plain")[0] == 415
    assert page.ask("GET", "/visitors")[0] in (404, 405)
    assert gate.asked(VisitorRequest) == []


def test_a_silent_gate_is_told(gate, page, monkeypatch):
    """Without an answer in time the guard learns that there is no pass to show; a late answer does no harm."""
    page.sign_in()
    monkeypatch.setattr(app, "ANSWER_S", 0.1)
    gate.visitor = None
    status, answer = page.post("/visitors", {"name": "", "hours": 4})
    assert (status, answer["text"]) == (504, text("answer-visitor-silent"))
    gate.requests[-1].answer.set_result(VisitorAnswer(None, both("", "")))
