"""The way up: which rows are sent when, and what an acknowledgement means. No clock, no socket.

Theory of operation. Everything after the acknowledged prefix that is neither held by central nor in flight is to be
sent. Rows younger than the connection go first (live), the backlog follows in ascending order (backfill). A flight is
one batch without acknowledgement; it is forgotten, and so sent again, when its time is up. An acknowledgement of an
OLDER flight restarts that time (the queue before it is still moving), one of a younger flight does not: then this one
is lost.
Nothing is remembered that matters: after a kill the prefix comes from sync.db and central answers hello with the rest.
A prefix goes down only on the answer to a hello of this connection, so a late acknowledgement never rewinds.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from station.core.events import GENESIS
from sync import wire
from sync.central.ranges import Span, missing
from sync.config import SyncConfig
from sync.outbox import JournalError, Outbox, Stream
from sync.store import SyncStore

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
REFUSED = 0x80
"""PUBACK reasons from here on are refusals (MQTT 5, 2.4)."""

Publish = Callable[[str, bytes, str], int | None]
"""Sends (leaf, payload, content type) with QoS 1 and returns the message id, None where there is no connection."""


@dataclass(slots=True)
class Flight:
    """One batch on its way. `fresh`: never sent before, so its acknowledgement measures the round trip."""

    first: int
    last: int
    mid: int
    sent: float
    due: float
    fresh: bool


@dataclass(slots=True)
class _Hello:
    """The greeting of this connection. `due`: when to send it (again), None once it is answered."""

    nonce: int = 0
    due: float | None = None
    sent: float = 0.0
    mid: int = -1


@dataclass(slots=True)
class _Pause:
    """After "no matching subscribers": nothing is sent until `until`, then one message alone tries again."""

    until: float = 0.0
    next_s: float = FIRST_PAUSE_S
    probing: bool = False


@dataclass(slots=True)
class _Position:
    """What central has of the stream."""

    prefix: int = 0
    head: bytes = GENESIS
    held: list[Span] = field(default_factory=list)
    unsaved: bool = False


class Uplink:
    """Decides what to send. Times are seconds of a monotonic clock; `rng` gives the jitter."""

    def __init__(
        self, config: SyncConfig, outbox: Outbox, store: SyncStore, keys: wire.AckVerifier, versions: dict[str, str]
    ) -> None:
        self._config, self._outbox, self._store, self._keys = config, outbox, store, keys
        self._versions = versions
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._publish: Publish | None = None
        self._stream: Stream | None = None
        self._at = _Position()
        self._flights: list[Flight] = []
        self._hello, self._pause = _Hello(), _Pause()
        self._live_next, self._highest_sent = 1, 0
        self._backoff, self._srtt = 0, 0.0
        self._credit, self._generation = 100, ""
        self._said: set[str] = set()
        self.blocked = ""
        """Why this stream is not sent although there is a connection; for the guard screen. Empty when all is well."""
        self.spread_s = 1.0
        """Over how long central wants reconnects spread; 1 s until it has said so."""

    # --- what happens -----------------------------------------------------------------------------------------------

    def connected(self, publish: Publish, now: float) -> None:
        """Take a new connection into use: nothing of the old one is in flight any more."""
        self._publish = publish
        self._flights.clear()
        self._pause, self._backoff, self._generation = _Pause(), 0, ""
        self._live_next = (self._stream.last if self._stream else 0) + 1
        self._greet(now)

    def disconnected(self) -> None:
        """Forget the connection."""
        self._publish = None
        self._flights.clear()
        self._hello = _Hello()

    def look(self, now: float) -> None:
        """Look whether the journal has grown or has been replaced. Raises JournalError."""
        found = self._outbox.look()
        if found is None:
            return
        if self._stream is None or found.epoch != self._stream.epoch:
            self._adopt(found, now)
        self._stream = found
        if found.last < self._at.prefix and not self.blocked:
            self._block(f"the journal ends at {found.last}, but central has acknowledged {self._at.prefix}")

    def _adopt(self, found: Stream, now: float) -> None:
        """Begin with another stream: from its acknowledged prefix on."""
        self.blocked = ""
        self._said.clear()
        prefix, head = self._store.delivered(found.epoch) or (0, GENESIS)
        self._at = _Position(prefix, head)
        self._flights.clear()
        self._live_next, self._highest_sent = found.last + 1, 0
        log.info("journal %016x: rows %d to %d, acknowledged up to %d", found.epoch, found.first, found.last, prefix)
        if self._outbox.confirms(prefix, head) is False:
            self._block(f"row {prefix} is not the one that central has acknowledged")
        if self._publish is not None:
            self._greet(now)

    def published(self, mid: int, reason: int, now: float) -> None:
        """Take the broker's PUBACK. It proves nothing about central, except where it says that nobody listens."""
        if mid != self._hello.mid and all(flight.mid != mid for flight in self._flights):
            return
        if reason != wire.NO_SUBSCRIBER and reason < REFUSED:
            self._heard(now)
            return
        self._begin("unheard", f"the broker passes nothing on (reason 0x{reason:02x}); is a collector running?")
        self._flights = [flight for flight in self._flights if flight.mid != mid]
        if now >= self._pause.until:
            most = self._config.timers.no_subscriber_max_s
            wait = min(self._pause.next_s, most)
            self._pause = _Pause(now + wait, min(wait * 2, most), probing=True)
        if mid == self._hello.mid and self._hello.due is not None:
            self._hello.due = self._pause.until

    def _heard(self, now: float) -> None:
        if now >= self._pause.until:
            self._pause = _Pause()
            self._end("unheard", "the broker passes messages on again")

    def acknowledge(self, raw: bytes, now: float) -> None:
        """Take an acknowledgement of central. Whatever is wrong with it is logged once and changes nothing."""
        try:
            ack = wire.open_ack(raw, self._keys)
            self.look(now)
            if self._is_mine(ack, now):
                self._take(ack, now)
        except wire.WireError as error:
            self._begin("ack-" + error.code, f"an acknowledgement was ignored: {error}")
        except JournalError as error:
            self._begin("journal", str(error))

    def _is_mine(self, ack: wire.Ack, now: float) -> bool:
        """Say whether an acknowledgement speaks about this stream and this state of the database."""
        if ack.station != self._config.station.id:
            self._begin("ack-station", f"an acknowledgement for station {ack.station} came here and was ignored")
            return False
        if self._stream is None or ack.epoch != self._stream.epoch:
            return False  # of the journal before; its time is over
        if not self._answers(ack) and ack.db_generation != self._generation:
            self._ask_again(now)
            return False
        if ack.fork:
            self._block("central holds other rows under these numbers: this journal was copied, restored or re-imaged")
        return not ack.fork

    def _answers(self, ack: wire.Ack) -> bool:
        """Say whether this is the first answer to this connection's hello, and so newer than the connection itself."""
        return self._hello.due is not None and ack.hello == self._hello.nonce

    def _take(self, ack: wire.Ack, now: float) -> None:
        assert self._stream is not None  # noqa: S101 - _is_mine has seen to it
        answers = self._answers(ack)
        seq, head = ack.prefix.seq, bytes.fromhex(ack.prefix.head)
        if seq > self._stream.last:
            self._block(f"central holds {seq} rows, the journal only {self._stream.last}")
            return
        if seq < self._at.prefix and not answers:
            self._ask_again(now)
            return
        same = (seq, head) == (self._at.prefix, self._at.head) or self._outbox.confirms(seq, head)
        if same is False:
            self._begin("ack-head", f"an acknowledgement was ignored: its hash at row {seq} is not the journal's")
            return
        if same is None and seq > self._at.prefix:
            return  # beyond what was ever acknowledged rows are kept, so this cannot be told apart from an error
        self._move(seq, head, ack.held)
        if answers:
            self._generation, self._hello.due = ack.db_generation, None
        self._credit, self.spread_s = ack.credit, ack.retry_ms / 1000
        self._land(now)

    def _move(self, seq: int, head: bytes, held: list[wire.Held]) -> None:
        """Put the prefix where central says it is; downwards is the rewind into acknowledged rows still kept."""
        if seq < self._at.prefix:
            log.warning(
                "central has forgotten rows %d to %d (restored from a backup?): sending what is still kept again",
                seq + 1,
                self._at.prefix,
            )
        changed = (seq, head) != (self._at.prefix, self._at.head)
        good = [(r.first, r.last) for r in held if self._outbox.hash_at(r.last) == bytes.fromhex(r.last_hash)]
        self._at = _Position(seq, head, good, changed or self._at.unsaved)

    def _land(self, now: float) -> None:
        """Take flights that are held now out of the air; flights behind a landed one get their full time again."""
        flying, progress = list[Flight](), False
        for flight in self._flights:
            if not missing([(1, self._at.prefix), *self._at.held], flight.first, flight.last):
                progress = True
                if flight.fresh and not self._backoff:
                    sample = now - flight.sent
                    self._srtt += (sample - self._srtt) / 8 if self._srtt else sample
                continue
            if progress:
                flight.due = max(flight.due, now + self._wait())
            flying.append(flight)
        self._flights = flying
        if progress:
            self._backoff = 0
            self._heard(now)

    # --- what is sent -----------------------------------------------------------------------------------------------

    def work(self, now: float) -> bool:
        """Look at the journal and send all that may be sent now. Says whether that went well."""
        try:
            self.look(now)
            self._pump(now)
        except JournalError as error:
            self._begin("journal", str(error))
            return False
        self._end("journal", "the journal can be read again")
        return True

    def save(self) -> None:
        """Make acknowledged progress durable. Raises apsw.Error; then nothing is lost, only acknowledged again."""
        if self._at.unsaved and self._stream is not None:
            self._store.set_delivered(self._stream.epoch, self._at.prefix, self._at.head)
            self._at.unsaved = False

    def _pump(self, now: float) -> None:
        if self._publish is None or self._stream is None or now < self._pause.until:
            return
        if self._hello.due is not None and now >= self._hello.due:
            self._send_hello(now)
        if self.blocked:
            return
        self._give_up_lost(now)
        while len(self._flights) < self._window() and (span := self._next_span()):
            if not self._send_batch(span, now):
                return

    def deadline(self, now: float) -> float | None:
        """Return when `work` has something to do next, None where only an event can give it work."""
        if self._publish is None or self._stream is None:
            return None
        times = [flight.due for flight in self._flights]
        if self._hello.due is not None:
            times.append(self._hello.due)
        if now < self._pause.until:
            times = [max(self._pause.until, time) for time in times] or [self._pause.until]
        return min(times, default=None)

    def _window(self) -> int:
        if self._pause.probing:
            return 1
        # Without credit one message still asks: otherwise nothing would ever tell that there is credit again.
        return max(1, min(self._config.batch.in_flight, self._credit))

    def _greet(self, now: float) -> None:
        self._hello = _Hello(nonce=self._rng.getrandbits(52) + 1, due=now)

    def _ask_again(self, now: float) -> None:
        """Let a new hello find out what central really holds, unless one is under way."""
        if self._hello.due is None and self._publish is not None:
            wait = self._hello.sent + self._config.timers.retransmit_min_s
            self._greet(max(now, wait))

    def _send_hello(self, now: float) -> None:
        assert self._stream is not None and self._publish is not None  # noqa: S101, PT018 - _pump has seen to it
        hello = wire.Hello(
            epoch=self._stream.epoch,
            nonce=self._hello.nonce,
            first_kept=self._stream.first,
            next_seq=self._stream.last + 1,
            acked=self._at.prefix,
            head=self._at.head.hex(),
            versions=self._versions,
            documents=self._outbox.documents(),
        )
        mid = self._publish("hello", wire.encode(hello), wire.JSON_TYPE)
        again = self._hello.sent > 0 and not self._pause.probing
        self._backoff += again
        self._hello.mid = mid if mid is not None else -1
        self._hello.sent, self._hello.due = now, now + self._wait()

    def _give_up_lost(self, now: float) -> None:
        lost = [flight for flight in self._flights if flight.due <= now]
        if lost:
            self._flights = [flight for flight in self._flights if flight.due > now]
            self._backoff += 1
            log.info("no acknowledgement of rows %d to %d: sending them again", lost[0].first, lost[-1].last)

    def _next_span(self) -> Span | None:
        """Return the next rows to send: the newest live ones, then the oldest gap of the backlog."""
        assert self._stream is not None  # noqa: S101 - _pump has seen to it
        last = self._stream.last
        if self._live_next <= last:
            return self._live_next, min(last, self._live_next + self._config.batch.live_events - 1)
        taken = [(1, self._at.prefix), *self._at.held, *((f.first, f.last) for f in self._flights)]
        gaps = missing(taken, self._first_sendable(), last)
        if not gaps:
            return None
        first, stop = gaps[0]
        return first, min(stop, first + self._config.batch.backfill_events - 1)

    def _first_sendable(self) -> int:
        """Return the oldest row whose predecessor's hash is known: evicted rows leave none behind."""
        assert self._stream is not None  # noqa: S101 - _pump has seen to it
        first = self._stream.first
        return first if first - 1 in (0, self._at.prefix) else max(first + 1, self._at.prefix + 1)

    def _send_batch(self, span: Span, now: float) -> bool:
        """Send one batch out of `span`. Says whether there was a connection to send it on."""
        assert self._stream is not None and self._publish is not None  # noqa: S101, PT018 - _pump has seen to it
        first, last = span
        live = first == self._live_next
        before = self._at.head if first - 1 == self._at.prefix else self._outbox.hash_at(first - 1)
        if before is None:
            raise JournalError(f"row {first - 1} is gone, so row {first} cannot be chained to it; trying again")
        most = self._config.batch.live_bytes if live else wire.MAX_RAW
        batch = self._outbox.batch(self._stream.epoch, first, last, most, before)
        mid = self._publish("log", wire.encode_batch(batch), wire.BATCH_TYPE)
        if mid is None:
            return False
        fresh = first > self._highest_sent
        self._flights.append(Flight(first, batch.last_seq, mid, now, now + self._wait(), fresh))
        self._highest_sent = max(self._highest_sent, batch.last_seq)
        if live:
            self._live_next = batch.last_seq + 1
        return True

    def _wait(self) -> float:
        """Return how long to wait for an acknowledgement: at least 5 s or 4 round trips, spread out when repeated."""
        timers = self._config.timers
        floor = max(timers.retransmit_min_s, 4 * self._srtt)
        spread = floor * 2 ** min(self._backoff, 16) if self._backoff else 0.0
        return min(timers.retransmit_max_s, floor + self._rng.uniform(0, spread))

    # --- what is said -----------------------------------------------------------------------------------------------

    @property
    def queue(self) -> int:
        """Events of the journal that central has not acknowledged as part of the prefix."""
        return max(0, self._stream.last - self._at.prefix) if self._stream else 0

    def _block(self, why: str) -> None:
        self.blocked = why
        self._flights.clear()
        self._begin(
            "blocked", f"uploading has stopped: {why}; nothing is evicted. Start a new journal: gate-station doctor"
        )

    def _begin(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.error("%s", text)

    def _end(self, what: str, text: str) -> None:
        if what in self._said:
            self._said.discard(what)
            log.info("%s", text)
