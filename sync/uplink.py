"""The way up: which rows are sent when, and what an acknowledgement means. No clock, no socket.

Theory of operation. Everything after the acknowledged prefix that is neither held by central nor in flight is to be
sent. Rows younger than the connection go first (live), the backlog follows in ascending order (backfill).
Nothing is remembered that matters: after a kill the prefix comes from sync.db and central answers hello with the rest.
A prefix goes down only on the answer to a hello of this connection, so a late acknowledgement never rewinds.
Where central holds other rows than the journal, nothing is sent any more: the station is ordered to begin a new stream
(station/rehoming.py), which is then found here like any other new journal.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable

from station.core.events import GENESIS
from station.schema import Cause
from sync import wire
from sync.complaints import Complaints
from sync.config import SyncConfig
from sync.flights import Flights
from sync.greeting import Greeting
from sync.looks import looks
from sync.outbox import JournalError, Outbox, Stream
from sync.pacing import Patience, Pause
from sync.position import Position, Verdict
from sync.selection import Selection
from sync.store import Order, SyncStore

log = logging.getLogger(__name__)

REFUSED = 0x80
"""PUBACK reasons from here on are refusals (MQTT 5, 2.4)."""
MOST_UNPUBACKED = 4
"""Batches handed to the connection that the broker has not taken: on a slow link live events wait behind so many."""
UNKNOWN_SPREAD_S = 1.0
"""Over how long a reconnect is spread until central has said so."""

Publish = Callable[[str, bytes, str], int | None]
"""Sends (leaf, payload, content type) with QoS 1 and returns the message id, None where there is no connection."""


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
        self._at = Position()
        self._patience = Patience(config.timers, self._rng)
        self._flights = Flights(self._patience)
        self._hello, self._pause = Greeting(self._rng), Pause()
        self._selection = Selection(config.batch, outbox)
        self._credit, self._generation, self._waiting, self._unfinished = 100, "", 0, False
        self.complaints = Complaints()
        self.batches, self.retransmitted = 0, 0
        """Batches sent since the start, and of how many no acknowledgement came in time."""
        self._order: Order | None = None
        self.blocked = ""
        """Why this stream is not sent although there is a connection; for the guard screen. Empty when all is well."""
        self.trouble = ""
        """What cannot be read of the journal although the rest is sent; for the guard screen."""
        self.spread_s = self._spread_saved = store.spread_s() or UNKNOWN_SPREAD_S
        """Over how long central wants reconnects spread; remembered over restarts."""

    # --- what happens -----------------------------------------------------------------------------------------------

    def connected(self, publish: Publish, now: float) -> None:
        """Take a new connection into use: nothing of the old one is in flight any more."""
        self._publish = publish
        self._flights.clear()
        self._patience.rewarded()
        self._pause, self._generation = Pause(), ""
        self._selection.begin(self._stream.last if self._stream else 0)
        self._hello.begin(now)

    def disconnected(self) -> None:
        """Forget the connection."""
        self._publish = None
        self._flights.clear()
        self._hello.reset()

    def look(self, now: float) -> None:
        """Look whether the journal has grown or has been replaced. Raises JournalError."""
        found = self._outbox.look()
        if found is None:
            return
        if self._stream is None or found.epoch != self._stream.epoch:
            self._adopt(found, now)
        self._stream = found
        if found.last < self._at.prefix and not self.blocked:
            why = f"the journal ends at {found.last}, but central has acknowledged {self._at.prefix}"
            self._block(Cause.SHORTER, why)

    def _adopt(self, found: Stream, now: float) -> None:
        """Begin with another stream: from its acknowledged prefix on."""
        self.blocked, self._order = "", None
        self.complaints.forget()
        self._stream = found
        prefix, head = self._store.delivered(found.epoch) or (0, GENESIS)
        self._at = Position(prefix, head)
        self._flights.begin_stream()
        self._selection.begin_stream(found.last)
        log.info("journal %016x: rows %d to %d, acknowledged up to %d", found.epoch, found.first, found.last, prefix)
        if self._outbox.confirms(prefix, head) is False:
            self._block(Cause.REPLACED, f"row {prefix} is not the one that central has acknowledged")
        if self._publish is not None:
            self._hello.begin(now)

    def published(self, mid: int, reason: int, now: float) -> None:
        """Take the broker's PUBACK. It proves nothing about central, except where it says that nobody listens."""
        if not self._hello.carries(mid) and not self._flights.carry(mid):
            return
        if reason != wire.NO_SUBSCRIBER and reason < REFUSED:
            self._heard(now)
            self._flights.taken(mid, now)
            if self._hello.carries(mid):
                self._hello.postpone(now + self._patience.wait())
            return
        self.complaints.begin(
            "unheard", f"the broker passes nothing on (reason 0x{reason:02x}); is a collector running?"
        )
        self._flights.drop(mid)
        if now >= self._pause.until:
            self._pause = self._pause.after(now, self._config.timers.no_subscriber_max_s)
        if self._hello.carries(mid):
            self._hello.postpone(self._pause.until)

    def _heard(self, now: float) -> None:
        if now >= self._pause.until:
            self._pause = Pause()
            self.complaints.end("unheard", "the broker passes messages on again")

    def acknowledge(self, raw: bytes, now: float) -> None:
        """Take an acknowledgement of central. Whatever is wrong with it is logged once and changes nothing."""
        try:
            ack = wire.open_ack(raw, self._keys)
            self.look(now)
            if self._is_mine(ack, now):
                self._take(ack, now)
        except wire.WireError as error:
            self.complaints.ignore(error.code, str(error))
        except JournalError as error:
            self.complaints.begin("journal", str(error))

    def _is_mine(self, ack: wire.Ack, now: float) -> bool:
        """Say whether an acknowledgement speaks about this stream and this state of the database."""
        if ack.station != self._config.station.id:
            self.complaints.ignore("station", f"it is for station {ack.station}")
            return False
        if self._stream is None or ack.epoch != self._stream.epoch:
            self.complaints.ignore("epoch")  # of the journal before, or of one that is set aside
            return False
        if not self._hello.is_answered_by(ack) and ack.db_generation != self._generation:
            self.complaints.ignore("generation")
            self._ask_again(now)
            return False
        if ack.fork:
            why = "central holds other rows under these numbers: this journal was copied, restored or re-imaged"
            self._block(Cause.FORK, why)
        return not self.blocked

    def _take(self, ack: wire.Ack, now: float) -> None:
        assert self._stream is not None  # noqa: S101 - _is_mine has seen to it
        answers, seq = self._hello.is_answered_by(ack), ack.prefix.seq
        verdict = self._at.judge(ack, self._stream, self._outbox)
        if verdict is Verdict.AHEAD:
            self._block(Cause.AHEAD, f"central holds rows beyond {self._stream.last}, with which the journal ends")
        elif seq < self._at.prefix and not answers:
            self.complaints.ignore("behind")
            self._ask_again(now)
        elif verdict is Verdict.DIFFERS and answers:
            self._block(Cause.FORK, f"central's hash at row {seq} is not the journal's")
        elif verdict is Verdict.DIFFERS:
            self.complaints.ignore("head", f"its hash at row {seq} is not the journal's")
        elif verdict is Verdict.UNKNOWN and seq > self._at.prefix:
            self.complaints.ignore("unknown")  # rows beyond what was ever acknowledged are kept: this must be an error
        else:
            self._accept(ack, now, answers=answers)

    def _accept(self, ack: wire.Ack, now: float, *, answers: bool) -> None:
        self._at = self._at.moved(ack, self._outbox)
        if answers:
            self._generation = ack.db_generation
            self._hello.answered()
            self._at.unsaved = True  # also a prefix of 0: from now on it is known that central knows this stream
        self._credit, self.spread_s = ack.credit, ack.retry_ms / 1000
        if self._flights.land(self._at.covered(), now):
            self._heard(now)

    def greet_again(self, now: float) -> None:
        """Say hello on this connection once more: the station has started anew."""
        if self._publish is not None:
            self._hello.begin(now)

    def resend(self, first: int, last: int) -> str:
        """Send rows once more although central may hold them; returns which, for the operator. Raises JournalError."""
        return self._selection.resend(first, last, self._stream, self._at)

    # --- what is sent -----------------------------------------------------------------------------------------------

    def work(self, now: float) -> bool:
        """Look at the journal and send all that may be sent now. Says whether that went well."""
        try:
            self.look(now)
            self._pump(now)
        except JournalError as error:
            self.trouble = str(error)
            self.complaints.begin("journal", self.trouble)
            return False
        self.complaints.end("journal", "the journal can be read again")
        self.trouble = self._selection.describe_lost(self._at)
        over = "" if self.queue else "central has every row of the journal, or an operator has let it go"
        self.complaints.follow("damaged", self.trouble, over)
        return True

    def _count_waiting(self, stream: Stream) -> None:
        """Count what can be sent and is not held; behind a damaged row that is less than the queue."""
        behind = self._at.held and self._selection.damaged
        spans = self._selection.waiting(stream, self._at, []) if behind else [(self._at.prefix + 1, stream.last)]
        self._waiting = sum(last - first + 1 for first, last in spans)

    def save(self) -> None:
        """Make durable what central has said. Raises apsw.Error; then nothing is lost, it is only said again."""
        if self._at.unsaved and self._stream is not None:
            self._store.set_delivered(self._stream.epoch, self._at.prefix, self._at.head)
            self._at.unsaved = False
        if self.spread_s != self._spread_saved:
            self._store.set_spread_s(self.spread_s)
            self._spread_saved = self.spread_s
        if self._order is not None:
            self._store.order(self._order)
            self._order = None

    def _pump(self, now: float) -> None:
        self._unfinished = False
        if self._publish is None or self._stream is None or now < self._pause.until:
            return
        if self._hello.due is not None and now >= self._hello.due:
            self._send_hello(now)
        if self.blocked:
            return
        flying = len(self._flights)
        if lost := self._flights.give_up(now):
            self.retransmitted += flying - len(self._flights)
            log.info("no acknowledgement of rows %d to %d: sending them again", *lost)
        for _ in looks():
            if not self._has_room() or not self._send_next(self._stream):
                break
        else:
            self._unfinished = True
        if self._selection.first_kept(self._stream, self._at) > max(self._stream.first, self._hello.first_kept):
            self._ask_again(now)
        self._count_waiting(self._stream)

    def _send_next(self, stream: Stream) -> bool:
        """Send the next rows, or find them damaged. Says whether there may be more to send."""
        span = self._selection.next(stream, self._at, self._flights.spans())
        if span is None:
            return False
        batch = self._selection.cut(stream, self._at, span)
        return batch is None or self._send(batch)

    def _send(self, batch: wire.Batch) -> bool:
        """Send a batch. Says whether there was a connection to send it on."""
        assert self._publish is not None  # noqa: S101 - _pump has seen to it
        mid = self._publish("log", wire.encode_batch(batch), wire.BATCH_TYPE)
        if mid is not None:
            self._flights.start((batch.first_seq, batch.last_seq), mid)
            self._selection.sent(batch)
            self.batches += 1
        return mid is not None

    def deadline(self, now: float) -> float | None:
        """Return when `work` has something to do next, None where only an event can give it work."""
        if self._publish is None or self._stream is None:
            return None
        times = [*self._flights.due(), *([now] if self._unfinished else [])]
        if self._hello.due is not None and self._hello.due < math.inf:
            times.append(self._hello.due)
        if now < self._pause.until:
            times = [max(self._pause.until, time) for time in times] or [self._pause.until]
        return min(times, default=None)

    def _has_room(self) -> bool:
        """Say whether another batch may be on its way."""
        # Without credit one message still asks: otherwise nothing would ever tell that there is credit again.
        window = 1 if self._pause.probing else max(1, min(self._config.batch.in_flight, self._credit))
        return len(self._flights) < window and self._flights.unpubacked < MOST_UNPUBACKED

    def _ask_again(self, now: float) -> None:
        """Let a new hello find out what central really holds, unless one is under way."""
        if self._publish is not None:
            self._hello.begin_again(now, self._config.timers.retransmit_min_s)

    def _send_hello(self, now: float) -> None:
        assert self._stream is not None and self._publish is not None  # noqa: S101, PT018 - _pump has seen to it
        kept, zone = self._selection.first_kept(self._stream, self._at), self._config.station.zone
        hello = self._hello.message(self._stream, kept, self._at, self._outbox, self._versions, zone)
        mid = self._publish("hello", wire.encode(hello), wire.JSON_TYPE)
        if self._hello.was_sent and not self._pause.probing:
            self._patience.disappointed()
        self._hello.sent(mid, now, now + self._patience.wait())

    # --- what is said -----------------------------------------------------------------------------------------------

    @property
    def queue(self) -> int:
        """Events of the journal that central has not acknowledged as part of the prefix."""
        return max(0, self._stream.last - self._at.prefix) if self._stream else 0

    @property
    def is_heard(self) -> bool:
        """Whether central has answered on this connection and takes what is sent."""
        return self._publish is not None and self._hello.due is None and not self.blocked

    @property
    def is_drained(self) -> bool:
        """Whether central knows this stream and nothing older than the last batch waits."""
        few = min(self.queue, self._waiting) < self._config.batch.live_events
        return few and self._hello.due is None and not self.blocked

    def _block(self, cause: Cause, why: str) -> None:
        """Stop sending, and order the station to begin a new stream with what central has not acknowledged."""
        assert self._stream is not None  # noqa: S101 - only an existing journal can disagree
        if self.blocked:
            return
        self.blocked = why
        self._flights.clear()
        self.complaints.begin("blocked", f"uploading has stopped: {why}; the station is told to begin a new stream")
        trusted = cause in (Cause.FORK, Cause.AHEAD)  # else the prefix itself is in doubt: everything goes up again
        prefix, head = (self._at.prefix, self._at.head) if trusted else (0, GENESIS)
        self._order = Order(self._stream.epoch, prefix, head, cause)
