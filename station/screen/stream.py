"""Server-sent events: every open screen gets the whole view after each change and the time every second.

The gate thread only sets a flag. A screen that reads slowly delays itself alone, misses views in between, and is cut
off when it takes nothing for SEND_S; nothing is queued for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from station.core.signals import PATTERNS
from station.guard_screen import Gate, StationView

MAX_SCREENS = 8
HEARTBEAT_S = 1.0
"""The page covers itself when it has heard nothing for 3 s."""
SPACING_S = 0.1
SEND_S = 10.0

_log = logging.getLogger(__name__)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(type(value))


def nameless(view: StationView) -> StationView:
    """Return the view as somebody may see it who has not signed in: no names."""
    return replace(
        view,
        lanes=tuple(replace(lane, who="") for lane in view.lanes),
        passages=tuple(replace(passage, name="") for passage in view.passages),
    )


def render(view: StationView, operator: str | None) -> bytes:
    """Return {"now_us", "operator", "view"} as JSON; each lane gets the shape that its signal is drawn as."""
    plain: dict[str, Any] = msgspec.to_builtins(view if operator else nameless(view), enc_hook=_plain)
    for lane, row in zip(view.lanes, plain["lanes"], strict=True):
        row["shape"] = PATTERNS[lane.signal].shape
    return msgspec.json.encode({"now_us": time.time_ns() // 1000, "operator": operator, "view": plain})


class Screens:
    """All open event streams. `changed` may be called from any thread, everything else from the event loop."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop: asyncio.AbstractEventLoop | None = None
        self._marked = threading.Event()
        self._wakeups: set[asyncio.Event] = set()
        self._unsubscribe: Callable[[], None] = lambda: None
        self.closing = False

    def begin(self) -> None:
        """Listen to the gate, from within the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self._gate.subscribe(self.changed)

    def end(self) -> None:
        """Stop listening and let every stream finish."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        self.closing = True
        self._wake()

    def changed(self) -> None:
        """A new view is there. Returns at once and never raises: the caller is the gate thread."""
        if self._marked.is_set() or self._loop is None:
            return
        self._marked.set()
        # The loop is closed between the end of the server and the end of the subscription.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    @property
    def full(self) -> bool:
        """Whether no further screen is let in."""
        return len(self._wakeups) >= MAX_SCREENS

    def stream(self, operator: Callable[[], str | None]) -> EventStream:
        """Return the answer to one screen; `operator` says at any moment who is signed in there."""
        return EventStream(self, self._gate, operator)

    def enter(self) -> asyncio.Event:
        """Register a stream; its event is set at each change, and now."""
        wakeup = asyncio.Event()
        wakeup.set()
        self._wakeups.add(wakeup)
        return wakeup

    def leave(self, wakeup: asyncio.Event) -> None:
        """Forget a stream."""
        self._wakeups.discard(wakeup)

    def _wake(self) -> None:
        self._marked.clear()
        for wakeup in self._wakeups:
            wakeup.set()


class EventStream:
    """One screen's endless answer (an ASGI application). Ends when the screen goes, hangs, or the server stops."""

    def __init__(self, screens: Screens, gate: Gate, operator: Callable[[], str | None]) -> None:
        self._screens, self._gate, self._operator = screens, gate, operator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the end, whoever ends it."""
        del scope
        wakeup = self._screens.enter()
        gone = asyncio.create_task(_gone(receive))
        feed = asyncio.create_task(self._feed(send, wakeup))
        try:
            await asyncio.wait({gone, feed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._screens.leave(wakeup)
            for task in (gone, feed):
                task.cancel()
            await asyncio.gather(gone, feed, return_exceptions=True)
        if not feed.cancelled() and (error := feed.exception()) is not None:
            _end_of(error)

    async def _feed(self, send: Send, wakeup: asyncio.Event) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        shown: tuple[str | None] | None = None
        while not self._screens.closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wakeup.wait(), HEARTBEAT_S)
            who = self._operator()
            if wakeup.is_set() or shown != (who,):
                wakeup.clear()
                shown = (who,)
                await self._emit(send, b"view", render(self._gate.view(), who))
            else:
                await self._emit(send, b"time", b'{"now_us":%d}' % (time.time_ns() // 1000))
            await asyncio.sleep(SPACING_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    async def _emit(send: Send, name: bytes, data: bytes) -> None:
        body = b"event: " + name + b"\ndata: " + data + b"\n\n"
        await asyncio.wait_for(send({"type": "http.response.body", "body": body, "more_body": True}), SEND_S)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _end_of(error: BaseException) -> None:
    if isinstance(error, TimeoutError):
        _log.info("a guard screen took nothing for %.0f s and was cut off; it connects again by itself", SEND_S)
    else:
        raise error
