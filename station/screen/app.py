"""The guard screen's web application: the page, its event stream, signing in, and a guard's requests to the gate.

    GET  /                        the page; its style, script, icon and font beside it
    GET  /events                  server-sent events "view" and "time" (station/screen/stream.py)
    POST /sign-in                 {"operator", "pin"}
    POST /sign-out                {}
    POST /lanes/{lane}/open       {"why", "turn"}: turn as in the view, so that it is for whom the guard meant
    POST /lanes/{lane}/dismiss    {"why", "turn"}
    POST /lanes/{lane}/forgive    {"why", "turn"}
    POST /lanes/{lane}/temperature {"celsius", "turn"}: what a hand thermometer shows
    POST /visitors                {"name", "hours"}: the answer has "pass" besides (station/screen/visitors.py)
    GET  /numbers/{number}.svg    the code of a number that a lane shows now

Every answer to a POST, and every refusal, is {"ok": bool, "text": {"zh", "en"}, "retry_after_s": seconds}.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from station import guards
from station.core.model import Text
from station.guard_screen import (
    Gate,
    GuardRequest,
    GuardVerb,
    HandReading,
    ScreenRequest,
    SignInAttempt,
    VisitorRequest,
)
from station.screen import texts
from station.screen.auth import COOKIE, Sessions
from station.screen.codes import number_drawing
from station.screen.shield import Shield
from station.screen.stream import Screens
from station.screen.visitors import WishError, read_wish, slip
from station.wording import text as words

MAX_BODY = 4096
MAX_WHY = 200
ANSWER_S = 5.0
UNKNOWN = "unknown"
"""Recorded for a name that is not in the file: it may be a PIN typed into the wrong field."""
STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/gate.css": ("gate.css", "text/css; charset=utf-8"),
    "/gate.js": ("gate.js", "text/javascript; charset=utf-8"),
    "/asking.js": ("asking.js", "text/javascript; charset=utf-8"),
    "/elements.js": ("elements.js", "text/javascript; charset=utf-8"),
    "/hand.js": ("hand.js", "text/javascript; charset=utf-8"),
    "/visitor.js": ("visitor.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/fonts/noto-sans-cjk-sc.woff2": ("fonts/noto-sans-cjk-sc.woff2", "font/woff2"),
}

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class _RefusedError(Exception):
    def __init__(self, status: int, text: Text, retry_after_s: float = 0.0) -> None:
        self.answer = _answer(status, ok=False, text=text, retry_after_s=retry_after_s)


class Application:
    """The routes of one station's screen, over its gate and its guards file."""

    def __init__(self, gate: Gate, guards_path: Path, *, live_page: str = "") -> None:
        """`live_page`: address of the phones' pass page, put before a number in its code; empty: the number alone."""
        self._gate, self._guards_path, self._live_page = gate, guards_path, live_page
        self._standing, self._sessions = guards.Standing(guards_path), Sessions(self._known)
        self._signing_in = asyncio.Lock()
        self._guards_broken = False
        self.screens = Screens(gate)

    def asgi(self, host: str) -> ASGIApp:
        """Return the application, reachable under the configured `host` and loopback names only."""
        routes = [_static(path, name, media) for path, (name, media) in STATIC.items()]
        routes += [
            Route("/events", self._events),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/lanes/{lane}/temperature", self._measure, methods=["POST"]),
            Route("/lanes/{lane}/{verb}", self._operate, methods=["POST"]),
            Route("/visitors", self._admit_visitor, methods=["POST"]),
            Route("/numbers/{number}.svg", self._number),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(Shield, host=host)],
            exception_handlers={HTTPException: _no_such_page, _RefusedError: _refused, Exception: _broken},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.screens.begin()
        try:
            yield
        finally:
            self.screens.end()

    async def _events(self, request: Request) -> Any:
        if self.screens.full:
            raise _RefusedError(503, texts.TOO_MANY_SCREENS, retry_after_s=2)
        token = request.cookies.get(COOKIE)
        return self.screens.stream(lambda: self._watching(token))

    def _watching(self, token: str | None) -> str | None:
        """Return who is signed in at a screen: nobody while the guards file cannot be used."""
        with suppress(_RefusedError):
            return self._sessions.operator(token)
        return None

    async def _sign_in(self, request: Request) -> Response:
        body = await _body(request)
        operator, pin = body.get("operator"), body.get("pin")
        if not isinstance(operator, str) or not isinstance(pin, str) or len(operator) > MAX_WHY or len(pin) > MAX_WHY:
            raise _RefusedError(400, texts.BAD_REQUEST)
        if self._signing_in.locked():
            # One at a time: guesses sent in parallel would all pass the lock before the first failure is counted.
            raise _RefusedError(429, texts.SIGN_IN_BUSY, retry_after_s=1)
        async with self._signing_in:
            guard, duress = await self._check_pin(operator, pin)
        self._sessions.end(request.cookies.get(COOKIE))
        answer = _answer(200, ok=True, text=texts.SIGNED_IN)
        token = self._sessions.begin(operator, guard, duress=duress)
        answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict")
        return answer

    async def _check_pin(self, operator: str, pin: str) -> tuple[guards.Guard, bool]:
        """Return the guard and whether it is the duress PIN; raises _RefusedError where it is neither."""
        if (wait := self._gate.sign_in_locked_s()) > 0:
            raise _RefusedError(429, texts.locked(wait), wait)
        known = self._known()
        entered = await asyncio.to_thread(guards.verify, known, operator, pin)
        correct, duress = entered is not guards.Entered.WRONG, entered is guards.Entered.DURESS
        attempt = SignInAttempt(operator if operator in known else UNKNOWN, correct, Future(), duress)
        answer = await self._ask(attempt, attempt.answer)
        if answer.retry_after_s > 0:
            raise _RefusedError(429, answer.text, answer.retry_after_s)
        if not correct:
            raise _RefusedError(401, texts.WRONG_PIN)
        if not answer.accepted:
            raise _RefusedError(403, answer.text)
        return known[operator], duress

    def _known(self) -> Mapping[str, guards.Guard]:
        """Return the guards as the file has them now; raises _RefusedError where it cannot be used."""
        try:
            known = self._standing.now()
        except guards.GuardsError as error:
            if not self._guards_broken:
                _log.error("nobody can sign in or operate: %s", error)
            self._guards_broken = True
            raise _RefusedError(503, texts.NO_GUARDS) from error
        if self._guards_broken:
            _log.info("guards can sign in again: %s is readable", self._guards_path)
            self._guards_broken = False
        return known

    async def _sign_out(self, request: Request) -> Response:
        await _body(request)
        self._sessions.end(request.cookies.get(COOKIE))
        answer = _answer(200, ok=True, text=texts.SIGNED_OUT)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def _operate(self, request: Request) -> Response:
        body = await _body(request)
        operator, duress = self._guard(request)
        verb, lane = request.path_params["verb"], request.path_params["lane"]
        if verb not in set(GuardVerb) or lane not in {one.lane for one in self._gate.view().lanes}:
            raise _RefusedError(404, texts.NO_SUCH_LANE)
        wish = GuardRequest(GuardVerb(verb), lane, operator, _why(body), Future(), duress, _turn(body))
        answer = await self._ask(wish, wish.answer)
        return _answer(200 if answer.accepted else 409, answer.accepted, answer.text, answer.retry_after_s)

    async def _measure(self, request: Request) -> Response:
        body = await _body(request)
        operator, duress = self._guard(request)
        lane, celsius = request.path_params["lane"], body.get("celsius")
        if lane not in {one.lane for one in self._gate.view().lanes}:
            raise _RefusedError(404, texts.NO_SUCH_LANE)
        if isinstance(celsius, bool) or not isinstance(celsius, int | float) or not math.isfinite(celsius):
            raise _RefusedError(422, words("answer-hand-range"))
        entry = HandReading(lane, operator, float(celsius), Future(), duress, _turn(body))
        answer = await self._ask(entry, entry.answer)
        return _answer(200 if answer.accepted else 409, answer.accepted, answer.text)

    def _guard(self, request: Request) -> tuple[str, bool]:
        """Return who is signed in and whether under duress; the quiet time begins anew. Raises _RefusedError."""
        token = request.cookies.get(COOKIE)
        operator = self._sessions.use(token)
        if operator is None:
            raise _RefusedError(401, texts.SIGN_IN_FIRST)
        return operator, self._sessions.under_duress(token)

    async def _number(self, request: Request) -> Response:
        """Answer with the code of a number that is shown now; any other does not exist, so nobody has us draw much."""
        number = request.path_params["number"]
        if number not in {one.number for one in self._gate.view().lanes}:
            raise _RefusedError(404, texts.NOT_FOUND)
        return Response(number_drawing(number, self._live_page), media_type="image/svg+xml")

    async def _admit_visitor(self, request: Request) -> Response:
        body = await _body(request)
        operator, duress = self._guard(request)
        try:
            wish = read_wish(body)
        except WishError as error:
            raise _RefusedError(422, error.text) from error
        asked = VisitorRequest(operator, wish.name, wish.hours, Future(), duress)
        answer = await self._ask(asked, asked.answer, words("answer-visitor-silent"))
        if answer.code is None:
            return _answer(409, ok=False, text=answer.text)
        # Drawn beside the event loop: a pass is a large code, and the streams of all screens wait for the loop.
        handed_out = await asyncio.to_thread(slip, answer, wish)
        return JSONResponse({"ok": True, "text": dict(answer.text), "retry_after_s": 0.0, "pass": handed_out})

    async def _ask(
        self,
        request: ScreenRequest,
        answer: Future[_Answer],
        silent: Text = texts.GATE_SILENT,
    ) -> _Answer:
        """Put a request into the gate's queue and wait for its answer; `silent` tells that none came in time."""
        self._gate.submit(request)
        # Shielded: the gate thread may still answer later, and would fail setting the result of a cancelled future.
        waiting = asyncio.wrap_future(answer)
        waiting.add_done_callback(_retrieve)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), ANSWER_S)
        except TimeoutError as error:
            raise _RefusedError(504, silent) from error


def _retrieve(future: asyncio.Future[_Answer]) -> None:
    """Look at a late answer, lest asyncio complain that nobody did."""
    if not future.cancelled():
        future.exception()


def _why(body: dict[str, Any]) -> str:
    why = body.get("why")
    if not isinstance(why, str) or not (clean := " ".join(why.split())) or len(clean) > MAX_WHY:
        raise _RefusedError(422, texts.WHY_MISSING)
    if not clean.isprintable():
        raise _RefusedError(422, texts.WHY_MISSING)
    return clean


def _turn(body: dict[str, Any]) -> int | None:
    """Return whose turn the guard saw; None where the request is for whoever is there now."""
    turn = body.get("turn")
    if turn is not None and (isinstance(turn, bool) or not isinstance(turn, int)):
        raise _RefusedError(422, texts.BAD_REQUEST)
    return turn


async def _body(request: Request) -> dict[str, Any]:
    """Read a small JSON object. Raises _RefusedError for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _RefusedError(415, texts.BAD_REQUEST)
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_BODY:
                raise _RefusedError(413, texts.TOO_LARGE)
        body = json.loads(raw)
    except (ValueError, RecursionError, ClientDisconnect) as error:
        raise _RefusedError(400, texts.BAD_REQUEST) from error
    if not isinstance(body, dict):
        raise _RefusedError(400, texts.BAD_REQUEST)
    return body


def _answer(status: int, ok: bool, text: Text, retry_after_s: float = 0.0) -> JSONResponse:
    headers = {"retry-after": str(max(1, round(retry_after_s)))} if retry_after_s > 0 else {}
    return JSONResponse({"ok": ok, "text": dict(text), "retry_after_s": retry_after_s}, status, headers)


def _static(path: str, name: str, media: str) -> Route:
    """Serve one file from memory: only listed files exist, so no path can lead elsewhere."""
    content = files("station.screen").joinpath("static", name).read_bytes()

    async def serve(_request: Request) -> Response:
        return Response(content, media_type=media)

    return Route(path, serve)


async def _no_such_page(_request: Request, error: Exception) -> Response:
    return _answer(getattr(error, "status_code", 404), ok=False, text=texts.NOT_FOUND)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusedError)  # noqa: S101 - registered for this class only
    return error.answer


async def _broken(_request: Request, _error: Exception) -> Response:
    return _answer(500, ok=False, text=texts.BROKEN)
