"""Plays the visits: holds passes up, walks through doors, acts as the guard, and notes what the station decided."""

from __future__ import annotations

import http.cookiejar
import json
import time
import urllib.request
from dataclasses import dataclass, field

from station.core.events import Event
from tests.demo.crowd import Expected, Visit
from tests.demo.processes import NotInTimeError, until
from tests.demo.rig import GUARD, PIN, Rig

DECIDED_S = 12.0


@dataclass
class Result:
    """One visit and what became of it."""

    visit: Visit
    scene: str
    decided: list[Expected] = field(default_factory=list)
    problem: str = ""

    @property
    def good(self) -> bool:
        """Say whether everything came as expected."""
        return not self.problem and tuple(self.decided) == self.visit.expected


class Guard:
    """The guard at the screen, through the same web requests as the page's."""

    def __init__(self, rig: Rig) -> None:
        self._url = rig.screen_url
        jar = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self._post("sign-in", operator=GUARD, pin=PIN)

    def act(self, verb: str, lane: str, why: str) -> None:
        """Open or dismiss."""
        self._post(f"lanes/{lane}/{verb}", why=why)

    def _post(self, path: str, **body: str) -> None:
        headers = {"Content-Type": "application/json", "Origin": self._url.rstrip("/")}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)  # noqa: S310
        with self._browser.open(request, timeout=10) as answer:
            said = json.load(answer)
        if not said["ok"]:
            raise RuntimeError(f"{path}: {said}")


class Actor:
    """Plays visits one after the other."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._guard: Guard | None = None
        self._number = 0

    def new_guard(self) -> None:
        """The screen was started anew: sign in again."""
        self._guard = None

    def play(self, visit: Visit) -> Result:
        """Play one visit to its end."""
        self._number += 1
        result = Result(visit, f"{self._number}-{visit.name}")
        before = self._last_seq()
        self._rig.face(visit.face_c, fault=visit.sensor_fault)
        self._rig.show(visit.lane, {"id": result.scene, "codes": visit.codes, "seed": self._number, **visit.scene})
        try:
            first = self._decision(before, visit)
            result.decided.append(_said(first))
            self._rig.show(visit.lane, None)
            if visit.guard:
                time.sleep(0.3)  # a guard's reaction, not a synchronisation
                self._ask_guard(visit)
            if visit.guard == "open":
                first = self._decision(first.seq, visit)
                result.decided.append(_said(first))
            if first.payload["outcome"] == "grant":
                self._walk(visit, first)
        except (NotInTimeError, OSError, RuntimeError) as error:
            result.problem = str(error)
        self._rig.show(visit.lane, None)
        return result

    def _last_seq(self) -> int:
        rows = self._rig.journal_rows(0)
        return rows[-1][0] if rows else 0

    def _decision(self, after: int, visit: Visit) -> Event:
        found: list[Event] = []

        def decided() -> bool:
            found[:] = [
                event
                for event in self._rig.journal(after)
                if event.kind in ("decision", "override") and event.payload["lane"] == visit.lane
            ]
            return bool(found)

        until(decided, DECIDED_S, f"{visit.name}: the decision")
        return found[0]

    def _walk(self, visit: Visit, granted: Event) -> None:
        """Go through the door, or wait until it has locked itself again."""
        if visit.passes:
            self._rig.open(visit.lane)
            time.sleep(0.15)  # a person walking
            self._rig.shut(visit.lane)

        def over() -> bool:
            return any(e.kind == "passage" and e.payload["of"] == granted.seq for e in self._rig.journal(granted.seq))

        until(over, DECIDED_S, f"{visit.name}: the passage")

    def _ask_guard(self, visit: Visit) -> None:
        if self._guard is None:
            self._guard = Guard(self._rig)
        self._guard.act(visit.guard, visit.lane, "measured by hand: 36.8" if visit.guard == "open" else "done")


def _said(event: Event) -> Expected:
    return str(event.payload["outcome"]), str(event.payload["reason"])
