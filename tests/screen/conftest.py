"""A gate that records what the screen asks of it, a running screen, and a small HTTP client with cookies."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from station import guards
from station.config import ScreenConfig
from station.core.model import Direction, Outcome
from station.core.reasons import Reason
from station.core.signals import Signal
from station.guard_screen import (
    Condition,
    GuardAnswer,
    GuardRequest,
    HealthView,
    LaneView,
    PassageView,
    SignInAttempt,
    StationView,
    VisitorAnswer,
    VisitorRequest,
)
from station.screen.serve import ScreenServer
from tests.browser import chromium

__all__ = ["chromium"]

NAME, PIN = "g07", "402716"


def both(zh: str, en: str) -> dict[str, str]:
    """A text in both languages."""
    return {"zh": zh, "en": en}


def lane(name: str = "east-in", signal: Signal = Signal.READY, **fields) -> LaneView:
    """A lane with something to show."""
    fields = {
        "headline": both("请出示通行码", "Show your pass"),
        "next_step": both("把二维码对准镜头", "Hold the code to the camera"),
        "door": "locked",
        "direction": Direction.IN,
    } | fields
    return LaneView(lane=name, signal=signal, **fields)


def passage(seq: int = 1, outcome: Outcome = Outcome.GRANT, **fields) -> PassageView:
    """One line of the list."""
    fields = {
        "wall_us": 1_700_000_000_000_000,
        "lane": "east-in",
        "direction": Direction.IN,
        "reason": Reason.GRANTED,
        "rule": "resident-in",
        "text": both("请进", "Come in"),
        "name": "王*",
    } | fields
    return PassageView(seq=seq, outcome=outcome, **fields)


def a_view(*lanes: LaneView, **fields) -> StationView:
    """A station as the screen sees it."""
    fields = {
        "passages": (passage(),),
        "health": (HealthView("camera east-in", Condition.OK, both("正常", "works")),),
        "unacknowledged": 0,
        "linked": True,
        "now_us": 0,
    } | fields
    return StationView(station="gate-07", lanes=lanes or (lane(who="王* 住户"),), **fields)


class FakeGate:
    """Answers at once what `answer` (for visitors `visitor`) says, or never where that is None."""

    def __init__(self) -> None:
        self.current = a_view()
        self.requests: list[GuardRequest | VisitorRequest | SignInAttempt] = []
        self.locked_s = 0.0
        self.answer: GuardAnswer | None = GuardAnswer(accepted=True, text=both("门已开", "The door is open"))
        self.visitor: VisitorAnswer | None = VisitorAnswer(None, both("未授权", "No delegation"))
        self.listeners: list[Callable[[], None]] = []

    def view(self) -> StationView:
        """The latest view."""
        return self.current

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Remember the listener."""
        self.listeners.append(changed)
        return lambda: self.listeners.remove(changed)

    def publish(self, view: StationView) -> None:
        """What the gate thread does after each change."""
        self.current = view
        for changed in list(self.listeners):
            changed()

    def change(self, **fields) -> None:
        """Publish the present view with other fields."""
        self.publish(replace(self.current, **fields))

    def sign_in_locked_s(self) -> float:
        """As set by the test."""
        return self.locked_s

    def submit(self, request: GuardRequest | VisitorRequest | SignInAttempt) -> None:
        """Record and answer."""
        self.requests.append(request)
        answer = self.visitor if isinstance(request, VisitorRequest) else self.answer
        if answer is not None:
            request.answer.set_result(answer)

    def asked(self, kind: type) -> list:
        """What was asked of one kind."""
        return [one for one in self.requests if isinstance(one, kind)]


class Page:
    """One browser without a window: keeps its cookie, sends its origin."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""
        self.host = f"127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict, bytes]:
        """Send a request; header names with _ for -; a header given as "" is left out."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"Host": self.host, "Cookie": self.cookie, "Content-Length": str(len(raw))}
        if method == "POST":
            sent |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(raw)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def post(self, path: str, body: object, **headers: str) -> tuple[int, dict]:
        """Send JSON, get JSON; keeps the session cookie."""
        status, received, raw = self.ask("POST", path, body, **headers)
        if cookie := received.get("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        return status, json.loads(raw)

    def sign_in(self, pin: str = PIN) -> tuple[int, dict]:
        """Sign in as the guard of the file."""
        return self.post("/sign-in", {"operator": NAME, "pin": pin})


class Events:
    """An open event stream, read event by event."""

    def __init__(self, page: Page) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
        self._connection.request("GET", "/events", headers={"Host": page.host, "Cookie": page.cookie})
        self._answer = self._connection.getresponse()
        self.status, self.headers = self._answer.status, self._answer.headers

    def next(self) -> tuple[str, dict]:
        """The next event's name and data; ("", {}) where the stream ended."""
        name = data = ""
        while line := self._answer.readline().decode():
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                data = line[6:]
            elif line == "\n" and data:
                return name, json.loads(data)
        return "", {}

    def until(self, wanted: Callable[[dict], bool], seconds: float = 5) -> dict:
        """The first view that `wanted` accepts."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            name, data = self.next()
            if name == "view" and wanted(data):
                return data
        raise AssertionError("no such view in time")

    def close(self) -> None:
        """Go away."""
        self._answer.close()
        self._connection.close()


@pytest.fixture(scope="session")
def guards_template(tmp_path_factory) -> bytes:
    """A guards file with one guard; scrypt is slow on purpose, so it is made once."""
    path = tmp_path_factory.mktemp("guards") / "guards.toml"
    guards.add(path, NAME, PIN)
    return path.read_bytes()


@pytest.fixture
def guards_path(tmp_path, guards_template) -> Path:
    """This test's own guards file."""
    path = tmp_path / "guards.toml"
    path.touch(mode=0o640)
    path.write_bytes(guards_template)
    return path


@pytest.fixture
def gate() -> FakeGate:
    """The gate behind the screen."""
    return FakeGate()


@pytest.fixture
def live_page() -> str:
    """Address of the phones' pass page; tests put their own in place."""
    return ""


@pytest.fixture
def server(gate, guards_path, live_page) -> Iterator[ScreenServer]:
    """A screen on a free port."""
    running = ScreenServer(gate, ScreenConfig(port=0), guards_path, live_page)
    running.start()
    yield running
    running.stop()
    assert not running.alive


@pytest.fixture
def page(server) -> Page:
    """A browser on the screen's page."""
    return Page(server.port)


@pytest.fixture
def watch(page) -> Iterator[Callable[[], Events]]:
    """Opens event streams and closes them after the test."""
    opened = list[Events]()

    def begin() -> Events:
        opened.append(Events(page))
        return opened[-1]

    yield begin
    for events in opened:
        events.close()


# --- a real browser --------------------------------------------------------------------------------------------------


@pytest.fixture(params=[(1024, 600), (1920, 1080)], ids=["1024x600", "1920x1080"])
def window(chromium, server, request):
    """The page in a window of a usual size; fails the test when the page logs an error."""
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if "Content Security" in line.text else None)
    opened.goto(server.url)
    opened.wait_for_selector(".lane")
    yield opened
    context.close()
    assert problems == []


def sign_in(window) -> None:
    """Sign in through the dialog."""
    window.click("#session")
    window.fill("#name", NAME)
    window.fill("#pin", PIN)
    window.press("#pin", "Enter")
    window.wait_for_selector(f"#operator:has-text('{NAME}')")


def snapshot(window, name: str) -> None:
    """Keep a picture where GATE_STATION_SHOTS names a folder (the documentation's pictures are made so)."""
    if folder := os.environ.get("GATE_STATION_SHOTS"):
        window.evaluate("document.fonts.ready")
        size = window.viewport_size
        window.screenshot(path=f"{folder}/{name}-{size['width']}.png")
