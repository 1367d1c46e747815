"""Tells the gates of a site of each other's passages: at once, again when a gate says hello, and that there were none.

A notice that is lost would make "there were none" a lie. So passages are owed from their COMMIT until they were sent;
and as nobody knows what a connection took along when it ended, or a collector when it was killed, each new connection
begins with everything of the last eight days for every gate; and after a COMMIT without an answer, the gates of its
sites are told everything again. What remains: where a collector's machine dies for good between COMMIT and sending, the
other gates hear of it when they or another collector connect the next time.

A wrong notice would turn somebody away, so nothing doubtful is told. "There were none" is said once a minute, and only
to gates whose neighbours have all been heard from; a gate that hears nothing marks its decisions as local knowledge and
asks the guard.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from station.core import cose, peers
from station.core.passback import DAY_S, KEEP_DAYS, Passage
from sync import wire
from sync.central.config import SiteConfig
from sync.central.keyfiles import SigningKey
from sync.central.store import Standing, Store

log = logging.getLogger(__name__)

KEEP_US = KEEP_DAYS * DAY_S * 1_000_000
FUTURE_US = 300 * 1_000_000
"""A passage farther ahead of central's clock than this was recorded by a clock that is wrong."""
SILENT_US = 90 * 1_000_000
"""A gate that has said nothing for so long is offline (docs/how-to/run-central.md)."""

Message = tuple[str, bytes]
"""(topic, payload)."""


class SiteDesk:
    """Makes the notices. `now_us`: Unix microseconds, for tests."""

    def __init__(
        self,
        sites: Sequence[SiteConfig],
        store: Store,
        key: SigningKey,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`key`: one with the role `ack` whose zones cover the gates."""
        self._sites, self._store, self._key, self._now_us = sites, store, key, now_us
        self._site_of = {station: site for site in sites for station in site.stations}
        self._told = dict[str, int]()  # who was told everything on this connection, and for which hello; 0: for none
        self._asking = dict[str, int]()  # who is to be told everything next, and for which hello; 0: for none
        self._telling = set[str]()  # whose eight days have been read and are not all sent
        self._owed = list[Standing]()
        self._silent = frozenset[str]()

    def connected(self) -> None:
        """Begin anew with a connection: what was sent over the one before may be lost, so all is told again."""
        for forgotten in (self._told, self._telling, self._owed):
            forgotten.clear()

    def doubt(self, stations: Iterable[str]) -> None:
        """Take it that their sites' gates were not told everything: a COMMIT may have done its work without an answer.

        They are next, as if each had said hello again.
        """
        for site in self._sites:
            if not set(site.stations).isdisjoint(stations):
                self._telling.difference_update(site.stations)
                for gate in filter(self._told.__contains__, site.stations):
                    self._asking.setdefault(gate, self._told.pop(gate))

    def owe(self, standings: Iterable[Standing]) -> None:
        """Note passages that have just been committed, before anything can fail: batches given again bring none."""
        self._owed += [standing for standing in standings if standing.passages]

    def owed(self) -> Iterator[Message]:
        """Yield what the other gates must hear of passages that were committed; what has been taken is forgotten.

        To a gate any notice is the site's word. One whose eight days have still to be read hears nothing before: they
        contain these passages, and the ones that it missed.

        To be sent over the newest connection. Where that has ended, `connected` makes up for it.
        """
        while self._owed:
            standing = self._owed[0]
            passages = self._plausible(standing.passages)
            site = self._site_of.get(standing.station)
            if site is not None and passages:
                notices = self._notices(site.name, passages)
                others = [gate for gate in site.stations if gate != standing.station and self._is_ready(gate)]
                yield from ((wire.down(other, "peer"), notice) for other in others for notice in notices)
            self._owed.pop(0)

    def _is_ready(self, station: str) -> bool:
        """Say whether a notice may follow: what the station has missed has been read, and is on its way or sent."""
        return station in self._telling or (station in self._told and station not in self._asking)

    def greet(self, hellos: Mapping[str, int]) -> None:
        """Note stations that say hello (station -> nonce): each hears everything of the last eight days, once."""
        for station, nonce in hellos.items():
            if station in self._site_of and nonce not in (self._told.get(station), self._asking.get(station)):
                self._asking[station] = nonce
                self._telling.discard(station)

    @property
    def is_asked(self) -> bool:
        """Whether a station waits for its eight days that does not wait for the next round."""
        return bool(self._asking)

    def answers(self) -> Iterator[Message]:
        """Yield eight days for who has said hello or is in doubt; to be taken a little at a time.

        Raises sqlalchemy.exc.DBAPIError; who had not heard all by then is told anew.
        """
        while self._asking:
            station = next(iter(self._asking))
            yield from self._everything(self._site_of[station], station)

    def every_minute(self) -> Iterator[Message]:
        """Yield that there were no other passages, and drop what is older than eight days.

        Whoever has not been told everything on this connection is told before. So to be begun as soon as there is one.

        Raises sqlalchemy.exc.DBAPIError.
        """
        silent = frozenset[str]()
        for site in self._sites:
            self._store.forget_passages(site.stations, self._now_us() - KEEP_US)
            yield from self._catch_up(site)
            gone = self._silent_of(site)
            silent |= gone
            notice = self._notices(site.name, ())[0]
            yield from ((wire.down(s, "peer"), notice) for s in site.stations if not gone - {s} and self._is_ready(s))
        self._say(silent)

    def _catch_up(self, site: SiteConfig) -> Iterator[Message]:
        for station in site.stations:
            yield from self.answers()  # who has just come back does not wait for the end of a round
            while station not in self._told:
                yield from self._everything(site, station)

    def _everything(self, site: SiteConfig, station: str) -> Iterator[Message]:
        """Yield eight days for a station; where it has said hello and that is known, also that there were none.

        Ends early where they have to be read anew: it has said hello again, or they are in doubt.
        """
        nonce, passages = self._asking.get(station, 0), self._of_others(site, station)
        is_worth_it = passages or (nonce and not self._silent_of(site) - {station})
        self._telling.add(station)
        for notice in self._notices(site.name, passages) if is_worth_it else ():
            yield wire.down(station, "peer"), notice
            if station not in self._telling:
                return
        self._telling.discard(station)
        self._told[station] = nonce
        self._asking.pop(station, None)

    def _of_others(self, site: SiteConfig, station: str) -> list[Passage]:
        others = [other for other in site.stations if other != station]
        return self._plausible(self._store.passages(others, self._now_us() - KEEP_US))

    def _silent_of(self, site: SiteConfig) -> frozenset[str]:
        """Return the gates that were in service and are not heard from; one never seen has let nobody through."""
        since = self._now_us() - SILENT_US
        return frozenset(station for station, seen in self._store.last_seen(site.stations).items() if seen < since)

    def _say(self, silent: frozenset[str]) -> None:
        for station in sorted(silent - self._silent):
            log.warning("gate %s is not heard from: the other gates of its site decide on local knowledge", station)
        for station in sorted(self._silent - silent):
            log.info("gate %s is heard from again", station)
        self._silent = silent

    def _plausible(self, passages: Iterable[Passage]) -> list[Passage]:
        now = self._now_us()
        return [passage for passage in passages if now - KEEP_US <= passage.wall_us <= now + FUTURE_US]

    def _notices(self, site: str, passages: Sequence[Passage]) -> list[bytes]:
        """Return signed notices of at most as many passages as a station takes; one without where there are none."""
        issued = self._now_us() // 1_000_000
        starts = range(0, max(1, len(passages)), peers.MOST_PASSAGES)
        parts = [passages[start : start + peers.MOST_PASSAGES] for start in starts]
        return [cose.sign1(peers.payload(site, issued, part), self._key.kid, self._key.private) for part in parts]
