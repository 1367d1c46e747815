"""The screen's application over real sockets: what is shown to whom, and what reaches the gate."""

import json
import re
import socket
import threading
import time
from importlib.resources import files

import pytest

from station import guards
from station.config import ScreenConfig
from station.core.door import DoorState
from station.core.signals import PATTERNS
from station.guard_screen import GuardAnswer, GuardRequest, GuardVerb, HandReading, SignInAttempt
from station.ports import DeviceFault
from station.screen import app, stream
from station.screen.serve import ScreenServer

from .conftest import NAME, PIN, Events, a_view, both, lane

WHY = {"why": "住户，证件已核对 / Resident, papers checked"}


def test_page_and_its_files(page):
    """Page, style, script, icon and font are served with their types, the strict policy and without caching."""
    for path, (_, media) in app.STATIC.items():
        status, headers, raw = page.ask("GET", path)
        assert (status, headers["content-type"]) == (200, media)
        assert raw
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"


def test_page_needs_nothing_from_outside():
    """No file of the page names another host, and the page has no inline script or style."""
    static = files("station.screen").joinpath("static")
    names = [name for name, _ in app.STATIC.values() if name.endswith((".html", ".css", ".js"))]
    assert {path.name for path in static.iterdir() if path.name.endswith(".js")} <= set(names)
    for name in names:
        text = static.joinpath(name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|[\"'(]//", text), name
    html = static.joinpath("index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", html)


def test_every_shape_is_drawn():
    """Each shape of the table of signals has its symbol in the page, and each signal its words in the script."""
    static = files("station.screen").joinpath("static")
    html, script = (static.joinpath(name).read_text(encoding="utf-8") for name in ("index.html", "words.js"))
    for signal, pattern in PATTERNS.items():
        assert f'<symbol id="{pattern.shape}"' in html
        assert f'"{signal.value}": [' in script


def test_every_state_of_the_door_has_its_words():
    """The guard reads what the door does in Chinese and English, whatever state it is in."""
    script = files("station.screen").joinpath("static", "words.js").read_text(encoding="utf-8")
    doors = script.partition("DOORS = {")[2].partition("};")[0]
    said = dict(re.findall(r'"([a-z-]+)": \["([^"]*[\u4e00-\u9fff][^"]*)", "[^"]+"\]', doors))
    assert set(said) == set(DoorState)


@pytest.mark.parametrize("path", ["/nothing", "/fonts/build.py", "/gate.css/..%2f..%2fapp.py", "/../app.py", "/docs"])
def test_other_paths_do_not_exist(page, path):
    """Only the listed files exist; the refusal is JSON in both languages."""
    status, _, raw = page.ask("GET", path)
    assert status == 404
    assert set(json.loads(raw)["text"]) == {"zh", "en"}


def test_names_are_hidden_before_sign_in(gate, page, watch):
    """Without a session neither lanes nor passages carry names; with one they do."""
    before = watch().next()[1]
    assert before["operator"] is None
    assert "王" not in json.dumps(before, ensure_ascii=False)
    assert page.sign_in()[0] == 200
    after = watch().next()[1]
    assert after["operator"] == NAME
    assert after["view"]["lanes"][0]["who"] == "王* 住户"
    assert after["view"]["passages"][0]["name"] == "王*"


def test_stream_carries_the_whole_view_and_its_shape(gate, watch):
    """Each change brings the whole view; every lane says which shape to draw."""
    events = watch()
    assert events.headers["content-type"] == "text/event-stream"
    first = events.next()[1]["view"]
    assert (first["station"], first["lanes"][0]["shape"]) == ("gate-07", "ring")
    gate.publish(a_view(lane(signal="denied", headline=both("过期", "Expired"))))
    changed = events.until(lambda data: data["view"]["lanes"][0]["signal"] == "denied")
    assert changed["view"]["lanes"][0]["shape"] == "cross"
    assert changed["view"]["lanes"][0]["headline"] == both("过期", "Expired")


def test_stream_beats_every_second(watch):
    """When nothing changes the time still comes about every second, well within the page's 3 s."""
    events = watch()
    events.next()
    first, second = events.next(), events.next()
    assert (first[0], second[0]) == ("time", "time")
    assert 500_000 < second[1]["now_us"] - first[1]["now_us"] < 2_500_000


def test_changes_are_bundled(gate, watch):
    """A hundred changes at once become few events, and the last one is what the screen shows."""
    events = watch()
    events.next()
    for number in range(100):
        gate.change(unacknowledged=number + 1)
    seen = 0
    while True:
        name, data = events.next()
        seen += name == "view"
        if name == "view" and data["view"]["unacknowledged"] == 100:
            break
    assert seen <= 10


def test_changes_are_spaced(gate, watch):
    """However fast the gate changes, a screen gets at most about ten views a second."""
    events = watch()
    events.next()
    begun = time.monotonic()
    for number in range(6):
        gate.change(unacknowledged=number + 1)
        assert events.next()[0] == "view"
    assert time.monotonic() - begun > 5 * stream.SPACING_S * 0.8


def test_slow_screen_blocks_nobody(gate, server, page, watch):
    """A screen that never reads delays neither the gate thread nor another screen."""
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(f"GET /events HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
    other = watch()
    big = both("长" * 200_000, "long")
    publisher = threading.Thread(target=lambda: [gate.publish(a_view(lane(headline=big))) for _ in range(50)])
    publisher.start()
    publisher.join(2)
    assert not publisher.is_alive()
    gate.publish(a_view(lane(door="open")))
    assert other.until(lambda data: data["view"]["lanes"][0]["door"] == "open")
    slow.close()


def test_hanging_screen_is_cut_off(gate, server, page, monkeypatch):
    """A screen that takes nothing for the allowed time loses its place."""
    monkeypatch.setattr(stream, "SEND_S", 0.2)
    monkeypatch.setattr(stream, "MAX_SCREENS", 1)
    gate.publish(a_view(lane(headline=both("长" * 4_000_000, "long"))))
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.sendall(f"GET /events HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
    slow.recv(1)
    assert page.ask("GET", "/events")[0] == 503
    screens = server._application.screens
    ended = threading.Event()
    leave = screens.leave
    monkeypatch.setattr(screens, "leave", lambda wakeup: (leave(wakeup), ended.set()))
    assert ended.wait(5)
    assert not screens.full
    slow.close()


def test_vanished_screen_frees_its_place(server, page, watch, monkeypatch):
    """Screens are bounded; one that went away makes room for the next."""
    left = threading.Semaphore(0)
    screens = server._application.screens
    leave = screens.leave
    monkeypatch.setattr(screens, "leave", lambda wakeup: (leave(wakeup), left.release()))
    opened = [watch() for _ in range(stream.MAX_SCREENS)]
    assert all(one.status == 200 for one in opened)
    status, _, raw = page.ask("GET", "/events")
    assert status == 503
    assert "screens" in json.loads(raw)["text"]["en"]
    opened[0].close()
    assert left.acquire(timeout=5)
    assert watch().status == 200


def test_sign_in_sets_a_strict_cookie(gate, page):
    """The cookie is HttpOnly and SameSite=Strict; the gate thread is told of the right PIN."""
    status, headers, raw = page.ask("POST", "/sign-in", {"operator": NAME, "pin": PIN})
    assert (status, json.loads(raw)["ok"]) == (200, True)
    flags = {part.strip().lower() for part in headers["set-cookie"].split(";")[1:]}
    assert flags == {"httponly", "samesite=strict", "path=/"}
    assert [(one.operator, one.correct) for one in gate.requests] == [(NAME, True)]


def test_wrong_pin_is_counted_by_the_gate(gate, page):
    """A wrong PIN reaches the gate thread as a failed attempt and opens no session."""
    gate.answer = GuardAnswer(accepted=False, text=both("错", "wrong"))
    status, answer = page.sign_in("918273")
    assert (status, answer["ok"], page.cookie) == (401, False, "")
    assert [(one.operator, one.correct) for one in gate.requests] == [(NAME, False)]


def test_wrong_pin_stays_wrong_when_the_gate_accepts(gate, page):
    """Even a gate that says yes to a failed attempt does not sign anybody in."""
    assert page.sign_in("918273")[0] == 401
    assert page.cookie == ""


def test_unknown_names_are_not_recorded(gate, page):
    """What was typed into the name field may be a PIN: the gate is told of an unknown name only."""
    page.post("/sign-in", {"operator": "402716", "pin": "402716"})
    assert [(one.operator, one.correct) for one in gate.requests] == [(app.UNKNOWN, False)]


def test_locked_sign_in_tries_no_pin(gate, page):
    """While the gate says locked, no PIN is tried, and the answer says for how long."""
    gate.locked_s = 30.0
    status, headers, raw = page.ask("POST", "/sign-in", {"operator": NAME, "pin": PIN})
    assert (status, headers["retry-after"]) == (429, "30")
    assert "30" in json.loads(raw)["text"]["zh"]
    assert gate.requests == []


def test_failure_that_locks_says_how_long(gate, page):
    """When the gate answers a failure with a delay, the guard is told the delay."""
    gate.answer = GuardAnswer(accepted=False, text=both("请等", "wait"), retry_after_s=8)
    status, answer = page.sign_in("918273")
    assert (status, answer["retry_after_s"], answer["text"]["en"]) == (429, 8, "wait")


def test_one_sign_in_at_a_time(gate, page):
    """Guesses cannot be sent in parallel past the delay: the second waits its turn."""
    gate.answer = None
    asked = threading.Event()
    submit = gate.submit
    gate.submit = lambda request: (submit(request), asked.set())
    first = threading.Thread(target=page.sign_in)
    first.start()
    assert asked.wait(5)
    assert page.sign_in()[0] == 429
    gate.requests[0].answer.set_result(GuardAnswer(accepted=True, text=both("", "")))
    first.join(5)
    assert len(gate.requests) == 1


def test_silent_gate_gives_a_clear_error(gate, page, monkeypatch):
    """Without an answer in time the guard is told so; a late answer of the gate thread does no harm."""
    page.sign_in()
    monkeypatch.setattr(app, "ANSWER_S", 0.1)
    gate.answer = None
    status, answer = page.post("/lanes/east-in/open", WHY)
    assert status == 504
    assert "gate does not answer" in answer["text"]["en"]
    gate.requests[-1].answer.set_result(GuardAnswer(accepted=True, text=both("", "")))


def test_world_readable_guards_sign_nobody_in(gate, page, guards_path, caplog):
    """A guards file that others can read is not used; the log says so once when it begins and once when it ends."""
    caplog.set_level("INFO", "station.screen")
    guards_path.chmod(0o644)
    assert page.sign_in()[0] == 503
    assert page.sign_in()[0] == 503
    guards_path.chmod(0o640)
    assert page.sign_in()[0] == 200
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.parametrize("verb", list(GuardVerb))
def test_guard_operates_a_lane(gate, page, verb):
    """A signed-in guard's wish reaches the gate with lane, name and reason, and the gate's answer is shown."""
    page.sign_in()
    status, answer = page.post(f"/lanes/east-in/{verb}", WHY)
    assert (status, answer["ok"], answer["text"]["en"]) == (200, True, "The door is open")
    request = gate.requests[-1]
    assert (request.verb, request.lane, request.operator, request.why) == (GuardVerb(verb), "east-in", NAME, WHY["why"])


def test_gates_refusal_is_shown(gate, page):
    """When the gate refuses, the guard sees its words."""
    page.sign_in()
    gate.answer = GuardAnswer(accepted=False, text=both("记录失败", "cannot be recorded"))
    assert page.post("/lanes/east-in/open", WHY)[1]["text"]["en"] == "cannot be recorded"


def test_nothing_operates_without_a_session(gate, page):
    """Without, with an invented, and with an ended session nothing reaches the gate."""
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    page.cookie = "gate_session=" + "A" * 43
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    page.sign_in()
    used = page.cookie
    page.post("/sign-out", {})
    page.cookie = used
    assert page.post("/lanes/east-in/open", WHY)[0] == 401
    assert not [one for one in gate.requests if isinstance(one, GuardRequest)]


def test_sign_out_blanks_an_open_stream(page, watch):
    """A stream opened with a session stops naming people as soon as the session ends."""
    page.sign_in()
    events = watch()
    assert events.next()[1]["operator"] == NAME
    page.post("/sign-out", {})
    data = events.until(lambda data: data["operator"] is None)
    assert "王" not in json.dumps(data, ensure_ascii=False)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/lanes/west/open", WHY, 404),
        ("/lanes/east-in/explode", WHY, 404),
        ("/lanes/east-in/open", {}, 422),
        ("/lanes/east-in/open", {"why": "  "}, 422),
        ("/lanes/east-in/open", {"why": 5}, 422),
        ("/lanes/east-in/open", WHY | {"turn": "7"}, 422),
        ("/lanes/east-in/open", WHY | {"turn": True}, 422),
        ("/lanes/east-in/open", {"why": "a\x00b"}, 422),
        ("/lanes/east-in/open", {"why": "x" * 201}, 422),
        ("/lanes/east-in/open", ["why"], 400),
        ("/lanes/east-in/open", b"{", 400),
        ("/lanes/east-in/open", b"[" * 4000, 400),
        ("/lanes/east-in/open", b"\xff\xfe", 400),
        ("/lanes/east-in/open", {"why": "x" * 5000}, 413),
        ("/sign-in", {"operator": NAME}, 400),
        ("/sign-in", {"operator": NAME, "pin": 402716}, 400),
        ("/sign-in", {"operator": "x" * 300, "pin": PIN}, 400),
    ],
)
def test_malformed_requests_are_refused(gate, page, path, body, status):
    """Wrong lanes, verbs, reasons and bodies are refused in both languages and never reach the gate."""
    page.sign_in()
    found, answer = page.post(path, body)
    assert (found, answer["ok"], set(answer["text"])) == (status, False, {"zh", "en"})
    assert [type(one) for one in gate.requests] == [SignInAttempt]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_foreign_pages_are_refused(gate, page, headers):
    """Rebound names and other origins are refused even with a valid session, with the headers on the refusal too."""
    page.sign_in()
    status, received, _ = page.ask("POST", "/lanes/east-in/open", WHY, **headers)
    assert status == 403
    assert "content-security-policy" in received
    assert len(gate.requests) == 1


def test_form_posts_are_refused(gate, page):
    """A body that a plain HTML form could send is not accepted."""
    page.sign_in()
    assert page.post("/lanes/east-in/open", WHY, Content_Type="text/plain")[0] == 415
    assert len(gate.requests) == 1


def test_reading_is_bound_to_our_names(page):
    """Page and events are refused under a foreign host name."""
    assert page.ask("GET", "/", Host="evil.example")[0] == 403
    assert page.ask("GET", "/events", Host="evil.example")[0] == 403
    assert page.ask("GET", "/events", Sec_Fetch_Site="cross-site")[0] == 403


def test_taken_port_is_a_fault(server, gate, guards_path):
    """A port that is in use gives a fault with its address and the command that shows who has it."""
    second = ScreenServer(gate, ScreenConfig(port=server.port), guards_path)
    with pytest.raises(DeviceFault, match=rf"127\.0\.0\.1 port {server.port}.*ss -ltnp"):
        second.start()
    assert not second.alive


def test_stop_ends_streams_and_start_serves_again(gate, guards_path, caplog):
    """Stopping ends open streams without cutting them off and frees the subscription; the same object starts again."""
    screen = ScreenServer(gate, ScreenConfig(port=0), guards_path)
    screen.start()
    from .conftest import Page  # noqa: PLC0415 - only here

    events = Events(Page(screen.port))
    events.next()
    screen.stop()
    while events.next()[0]:
        pass
    events.close()
    assert gate.listeners == []
    assert caplog.records == []
    gate.change(unacknowledged=1)
    screen.start()
    assert Page(screen.port).ask("GET", "/")[0] == 200
    screen.stop()
    screen.stop()


# --- the hand thermometer --------------------------------------------------------------------------------------------


def test_a_hand_reading_reaches_the_gate(gate, page):
    """A signed-in guard's value goes to the gate with lane and name; the gate says whether it is one."""
    page.sign_in()
    assert page.post("/lanes/east-in/temperature", {"celsius": 36.8})[0] == 200
    (entry,) = gate.asked(HandReading)
    assert (entry.lane, entry.operator, entry.celsius, entry.duress) == ("east-in", NAME, 36.8, False)
    gate.answer = GuardAnswer(accepted=False, text=both("读数不对", "No such value"))
    status, answer = page.post("/lanes/east-in/temperature", {"celsius": 50})
    assert (status, answer["text"]["en"]) == (409, "No such value")


@pytest.mark.parametrize("body", [{}, {"celsius": "36.8"}, {"celsius": True}, {"celsius": None}, b'{"celsius": NaN}'])
def test_what_is_no_number_never_reaches_the_gate(gate, page, body):
    """Anything but a number is refused in both languages; nobody who is not signed in enters one."""
    assert page.post("/lanes/east-in/temperature", {"celsius": 36.8})[0] == 401
    page.sign_in()
    status, answer = page.post("/lanes/east-in/temperature", body)
    assert (status, set(answer["text"])) == (422, {"zh", "en"})
    assert page.post("/lanes/west/temperature", {"celsius": 36.8})[0] == 404
    assert gate.asked(HandReading) == []


# --- duress ----------------------------------------------------------------------------------------------------------

HELP_PIN = "918275"


@pytest.fixture
def threatened(guards_path):
    """The guard of the file has a duress PIN."""
    guards.set_duress(guards_path, NAME, HELP_PIN)


@pytest.mark.usefixtures("threatened")
def test_the_duress_pin_marks_all_that_follows(gate, page):
    """Sign-in, requests and values carry it; signing in anew with the ordinary PIN ends it."""
    page.sign_in(HELP_PIN)
    page.post("/lanes/east-in/open", WHY)
    page.post("/lanes/east-in/temperature", {"celsius": 36.8})
    page.post("/visitors", {"name": "", "hours": 2})
    assert [one.duress for one in gate.requests] == [True] * 4
    page.sign_in()
    page.post("/lanes/east-in/open", WHY)
    assert [one.duress for one in gate.requests[4:]] == [False] * 2


@pytest.mark.usefixtures("threatened")
def test_both_pins_are_answered_with_the_same_bytes(page, watch, caplog):
    """Answers, headers (but for the random token and the date), views and log are the same for both PINs."""
    caplog.set_level("DEBUG")

    def night(pin: str) -> list[object]:
        caplog.clear()
        seen: list[object] = []
        for path, body in (
            ("/sign-in", {"operator": NAME, "pin": pin}),
            ("/lanes/east-in/open", WHY),
            ("/lanes/east-in/temperature", {"celsius": 36.8}),
            ("/visitors", {"name": "", "hours": 2}),
        ):
            status, headers, raw = page.ask("POST", path, body)
            if cookie := headers.pop("set-cookie", ""):
                page.cookie = cookie.partition(";")[0]
            headers.pop("date", None)
            seen.append((status, headers, raw, len(cookie)))
        events = watch()
        name, data = events.next()
        events.close()
        data.pop("now_us")
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("station")]
        return [*seen, name, json.dumps(data), lines]

    assert night(PIN) == night(HELP_PIN)
