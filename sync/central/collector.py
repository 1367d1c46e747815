"""Collects the journals of all stations. The order is everything: COMMIT, then the signed acknowledgement, then PUBACK.

The network's thread reads messages (inbound.py) and enqueues them; one worker drains the queue, commits what it found
in one transaction and answers each station once. Killed at any point, it has acknowledged nothing that is not
committed; what is committed and not acknowledged comes again and is recognised by its hash. What the batches ask for
beside that (the time, news for the site's other gates) is sent after the COMMIT too; where it is lost, it is asked for
or told again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from sync import wire
from sync.central import ranges
from sync.central.beacon import Beacon
from sync.central.database import UNSTORABLE
from sync.central.inbound import Inbound
from sync.central.metrics import CollectorFigures
from sync.central.site_desk import Message, SiteDesk
from sync.central.store import Offer, Said, Standing, Store
from sync.central.streams import StreamKey

log = logging.getLogger(__name__)

FILTERS = (
    "$share/central/gs/1/+/up/log",
    "$share/central/gs/1/+/up/hello",
    "$share/central/gs/1/+/up/tele",
    "gs/1/+/up/state",  # not shared: retained messages are not delivered to shared subscriptions (MQTT 5, 4.8.2)
)
MOST_PER_FLUSH = 100

_CROWDED = wire.WireError("ranges", f"its stream has {ranges.MOST_RANGES} holes already; those must be closed first")

Sign = Callable[[wire.Ack], bytes]
Send = Callable[[str, bytes], object]
"""Publishes (topic, payload) with QoS 1."""


@dataclass(slots=True)
class _Flush:
    """What the messages of one flush ask for."""

    offers: list[Offer] = field(default_factory=list)
    hellos: dict[StreamKey, wire.Hello] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    rejected: list[tuple[str, wire.WireError]] = field(default_factory=list)

    def add(self, one: Inbound) -> None:
        """Add what a message asks for."""
        station, content = one.station, one.content
        match content:
            case Offer():
                self.offers.append(content)
            case wire.Hello():
                self.hellos[station, content.epoch] = content
                if not content.ended:
                    self.said.append(Said(station, "hello", wire.encode(content).decode(), alive=True))
            case wire.Tele():
                self.said.append(Said(station, "tele", wire.encode(content).decode(), alive=True))
            case wire.State():
                self.said.append(Said(station, "state", content.state, alive=False))
            case wire.WireError():
                self.rejected.append((station, content))


class Collector:
    """Turns messages into committed rows and acknowledgements."""

    def __init__(
        self,
        store: Store,
        sign: Sign,
        *,
        credit: int,
        retry_ms: int,
        beacon: Beacon | None = None,
        sites: SiteDesk | None = None,
        figures: CollectorFigures | None = None,
    ) -> None:
        """`beacon`: answers who asks for the time; `sites`: tells gates of each other's passages."""
        self._figures = figures or CollectorFigures()
        self._store, self._sign, self._beacon, self._sites = store, sign, beacon, sites
        self._credit, self._retry_ms = credit, retry_ms
        self._complained: set[str] = set()

    def flush(self, messages: Sequence[Inbound], send: Send) -> None:
        """Commit messages and acknowledge what is committed; afterwards they may be PUBACKed.

        Raises sqlalchemy.exc.DBAPIError where the database cannot be reached; then nothing was acknowledged that is not
        committed, and the same messages may be given again.
        """
        work, began = _Flush(), time.monotonic()
        for one in messages:
            work.add(one)
        standing = self._commit(work)
        for ack in self._acks(standing, work.hellos):
            send(wire.down(ack.station, "ack"), self._sign(ack))
        self._figures.flushed([one.message.topic for one in messages], standing.values(), time.monotonic() - began)
        for topic, payload in self._news(work):
            send(topic, payload)

    def _news(self, work: _Flush) -> Iterator[Message]:
        """Yield what stations are told at once beside their acknowledgements; a hello's eight days go later."""
        if self._beacon:
            yield from self._beacon.answers(work.offers)
        if self._sites:
            yield from self._sites.owed()
            self._sites.greet({s: hello.nonce for (s, _), hello in work.hellos.items() if not hello.ended})

    def _commit(self, work: _Flush) -> dict[StreamKey, Standing]:
        try:
            standing = self._offer(work.offers, work.hellos)
        except UNSTORABLE:
            standing = self._commit_singly(work)
        for (station, epoch), hello in work.hellos.items():
            lost = self._store.note_lost(station, epoch, hello.first_kept) if hello.first_kept > 1 else ()
            for first, last in lost:
                self._figures.lost(last - first + 1)
                log.error("station %s no longer keeps rows %d to %d, which were never received", station, first, last)
        for now in standing.values():
            work.rejected += [(now.station, _CROWDED)] * now.crowded
        if work.said:
            self._store.note_stations(work.said)
        for station, error in work.rejected:
            self._reject(station, error)
        return standing

    def _commit_singly(self, work: _Flush) -> dict[StreamKey, Standing]:
        """Find the batch the database will not take, so that it holds up nobody else."""
        standing = dict[StreamKey, Standing]()
        for one in work.offers:
            try:
                now = self._offer([one])
            except UNSTORABLE as error:
                self._reject(one.station, wire.WireError("database", str(getattr(error, "orig", error))))
            else:
                standing |= {key: later.after(standing.get(key)) for key, later in now.items()}
        final = self._store.commit_batches([], [*standing, *work.hellos])
        return {key: later.after(standing.get(key)) for key, later in final.items()}

    def _offer(self, offers: Sequence[Offer], asked: Iterable[StreamKey] = ()) -> dict[StreamKey, Standing]:
        """Commit batches. From here on the other gates must hear of their passages, whatever fails later."""
        try:
            standing = self._store.commit_batches(offers, asked)
        except UNSTORABLE:
            raise  # refused, so not committed
        except sa.exc.DBAPIError:
            if self._sites:
                self._sites.doubt({one.station for one in offers})
            raise
        if self._sites:
            self._sites.owe(standing.values())
        return standing

    def _reject(self, station: str, error: wire.WireError) -> None:
        self._store.reject(station, error.code, str(error))
        self._figures.rejected(error.code)
        if station not in self._complained:
            self._complained.add(station)
            log.warning("a message of station %s cannot be used and is counted: %s", station or "(none)", error)

    def _acks(self, standing: dict[StreamKey, Standing], hellos: dict[StreamKey, wire.Hello]) -> Iterable[wire.Ack]:
        for key, now in standing.items():
            seq, head = ranges.prefix(now.held)
            hello = hellos.get(key)
            asked = hello.acked if hello and hello.ended else 0  # of a stream that has ended: from where on to name
            beyond = [r for r in now.held if r.last > max(seq, asked)][: wire.MAX_HELD]
            if now.forked:
                log.error("station %s offers other rows than are held (epoch %016x): a fork", now.station, now.epoch)
            yield wire.Ack(
                station=now.station,
                epoch=now.epoch,
                prefix=wire.Prefix(seq=seq, head=head.hex()),
                held=[wire.Held(first=r.first, last=r.last, last_hash=r.last_hash.hex()) for r in beyond],
                credit=self._credit,
                retry_ms=self._retry_ms,
                db_generation=self._store.generation,
                hello=hello.nonce if hello else 0,
                fork=now.forked,
            )
