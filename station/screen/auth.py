"""Who may do what on the screen: sessions of signed-in guards, and which requests come from the screen's own page.

The loopback is not a trust boundary: any program and any web page open on the machine can send to it. So nobody is
shown by name and nothing operated without a session, a session is a random cookie, and a request must come from our
own origin. A session ends with the guard's row in the guards file, which may be taken away or get another PIN. Cookies
do not tell ports apart: the browser of the screen must show no other server of the same machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from station.guards import Guard

COOKIE = "gate_session"
IDLE_S = 15 * 60
ABSOLUTE_S = 8 * 3600
"""One shift: who takes over signs in."""
MAX_SESSIONS = 16

Standing = Callable[[], Mapping[str, Guard]]


@dataclass(slots=True)
class _Session:
    operator: str
    guard: Guard
    """The guard's row when the PIN was entered; any other row, or none, ends the session."""
    begun: float
    used: float
    duress: bool


class Sessions:
    """Sessions in memory; a restart of the station ends them all. For the server's event loop only.

    `standing` returns the guards as the file has them now. It may raise: then nobody can tell whose session it is, and
    the sessions go on once it returns again. `clock` returns monotonic seconds. Only SHA-256 of a token is kept, so a
    memory dump hands out no session.
    """

    def __init__(
        self, standing: Callable[[], Mapping[str, Guard]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._standing, self._clock = standing, clock
        self._sessions: dict[bytes, _Session] = {}

    def begin(self, operator: str, guard: Guard, *, duress: bool = False) -> str:
        """Start a session and return its token: 256 random bits, URL-safe base64.

        `guard`: the row that the PIN was compared with; `duress`: it was the duress PIN.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        self._drop_ended(now)
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        self._sessions[_key(token)] = _Session(operator, guard, now, now, duress)
        return token

    def operator(self, token: str | None) -> str | None:
        """Return whose session it is, or None; watching does not prolong it. Raises what `standing` raises."""
        session = self._sessions.get(_key(token or ""))
        if session is None or self._ended(session, self._clock()):
            return None
        if self._standing().get(session.operator) != session.guard:
            self.end(token)
            return None
        return session.operator

    def use(self, token: str | None) -> str | None:
        """Like `operator`, and the 15 minutes begin anew: somebody did something."""
        operator = self.operator(token)
        if operator is not None:
            self._sessions[_key(token or "")].used = self._clock()
        return operator

    def under_duress(self, token: str | None) -> bool:
        """Return whether the session was begun with the duress PIN."""
        session = self._sessions.get(_key(token or ""))
        return session is not None and session.duress

    def end(self, token: str | None) -> None:
        """End a session; unknown ones are ignored."""
        self._sessions.pop(_key(token or ""), None)

    def _drop_ended(self, now: float) -> None:
        self._sessions = {key: one for key, one in self._sessions.items() if not self._ended(one, now)}

    @staticmethod
    def _ended(session: _Session, now: float) -> bool:
        return now - session.used >= IDLE_S or now - session.begun >= ABSOLUTE_S


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def host_allowed(header: str, bound: str) -> bool:
    """Whether a Host header names this machine, against DNS rebinding (a foreign name that resolves to us).

    `bound` is the configured host. Loopback names are always ours, other address literals only when bound elsewhere.
    """
    name = header.rpartition("]")[0].removeprefix("[") if header.startswith("[") else header.partition(":")[0]
    if name.lower() in {"localhost", bound.lower()}:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not _is_loopback(bound)


def same_origin(origin: str | None, host: str) -> bool:
    """Whether a POST's Origin is the page we served; browsers send it with every POST, so a missing one is foreign."""
    return origin is not None and origin.lower() == f"http://{host.lower()}"


def _is_loopback(bound: str) -> bool:
    try:
        return ipaddress.ip_address(bound).is_loopback
    except ValueError:
        return bound.lower() == "localhost"
