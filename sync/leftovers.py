"""Sends what streams that have ended still hold: journals set aside as damaged, and streams that another one replaced.

One message at a time, and only while the live stream has no backlog, so nothing here ever holds it up. First central is
asked what it has (a hello that says `ended`), then it is sent what is missing and can be read, then told that nothing
more is kept: what it has not got by then it writes down as lost. An acknowledgement names few ranges: where it may not
name the batch, a hello behind that asks from there on. Only what is named counts as held: a batch may be lost where the
hello behind it is not. What central refuses each time is let go in the end. Everything is asked anew after a restart;
only that a file is done is written down, and gate-station then marks the file.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from pathlib import Path

from station.core.events import GENESIS
from station.schema import QUARANTINE, UPLOADED
from sync import wire
from sync.central.ranges import Span, missing, without
from sync.config import SyncConfig
from sync.old_stream import OldStream
from sync.outbox import JournalError, Outbox
from sync.pacing import Patience
from sync.store import SyncStore, Uploaded
from sync.uplink import Publish

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How often is looked for files that were set aside."""
MOST_REFUSALS = 5
"""So often central answers behind the same rows without holding them; then they are let go. It keeps few ranges of a
stream (ranges.MOST_RANGES) and refuses what would begin another, for ever, while rows that were only lost arrive.
"""


class Sending:
    """One ended stream on its way to central."""

    def __init__(self, stream: OldStream, rng: random.Random) -> None:
        self.stream = stream
        self._rng = rng
        self.nonce = 0
        """Of the hello that was sent after everything else and is not answered; 0 where there is none."""
        self.generation = ""
        """The database that has answered."""
        self.covered: list[Span] | None = None
        """What central holds, disjoint and ascending; None until it has said so."""
        self.skipped: list[Span] = []
        """What cannot be sent, or what central does not take."""
        self.flying: Span | None = None
        """The rows that were sent last and are not known to be held."""
        self.ending = False
        self._tries, self._refusals = 0, 0
        """How often `flying` was sent, and how often central has answered behind it without holding it."""
        self._before = (0, GENESIS.hex())
        """The row before `flying` and the hash there: from there on the hello asks."""
        self._named = 0
        """Up to which row the last acknowledgement that answers no such question names everything that is held."""

    def next(self) -> wire.Batch | None:
        """Return the next batch, None where there is nothing more to send. Skips at most one window at a time."""
        while gaps := missing([*(self.covered or []), *self.skipped], 1, self.stream.last):
            first, last = gaps[0]
            piece = self.stream.piece(first - 1, last)
            if piece.batch is not None:
                if piece.batch.first_seq > first:
                    self.skipped.append((first, piece.batch.first_seq - 1))
                self._fly((piece.batch.first_seq, piece.batch.last_seq))
                self._before = piece.batch.first_seq - 1, piece.batch.prev_hash
                return piece.batch
            self.skipped.append((first, max(first, piece.reached)))
        return None

    def _fly(self, span: Span) -> None:
        if span != self.flying:
            self._tries = self._refusals = 0
        self.flying, self.nonce = span, 0
        self._tries += 1

    @property
    def is_unnamed(self) -> bool:
        """Whether the acknowledgement of what is flying may not name it, or has not: then a hello asks."""
        return self.flying is not None and (self.flying[1] > self._named or self._tries > 1)

    def hello(self, zone: str) -> wire.Hello:
        """Return the question what central holds, or at the end the word that nothing more is kept."""
        self.nonce = self._rng.getrandbits(52) + 1
        last, (acked, head) = self.stream.last, self._before
        return wire.Hello(
            epoch=self.stream.epoch,
            nonce=self.nonce,
            first_kept=last + 1 if self.ending else 1,
            next_seq=last + 1,
            acked=acked,
            head=head,
            zone=zone,
            ended=True,
        )

    def take(self, ack: wire.Ack) -> bool:
        """Note what central holds of it. Says whether there is news: what was asked or sent last is settled."""
        answers = ack.hello == self.nonce != 0
        if self.ending or (self.covered is None and not answers):
            return False
        news, self.generation = self.covered is None, ack.db_generation
        named = [(1, ack.prefix.seq), *((held.first, held.last) for held in ack.held)]
        if not ack.hello or self._before[0] == 0:
            self._named = self.stream.last if len(ack.held) < wire.MAX_HELD else named[-1][1]
        if self.flying is not None and not missing(named, *self.flying):
            self.flying, news = None, True
        elif self.flying is not None and answers and self.covered is not None:
            news = self._refused(self.flying)
        self.covered = without([(1, self.stream.last)], missing([*(self.covered or []), *named], 1, self.stream.last))
        return news

    def _refused(self, span: Span) -> bool:
        """Count an answer, once, that does not hold what was sent before it. Says whether that is let go now."""
        self.nonce = 0
        self._refusals += 1
        if self._refusals < MOST_REFUSALS:
            return False
        self.skipped.append(span)
        self.flying = None
        return True

    def lost(self) -> int:
        """Return how many rows central does not hold at the end."""
        return sum(last - first + 1 for first, last in missing(self.covered or [], 1, self.stream.last))


class Leftovers:
    """All ended streams of this station, one after the other. Times are seconds of a monotonic clock."""

    def __init__(self, config: SyncConfig, outbox: Outbox, store: SyncStore, keys: wire.AckVerifier) -> None:
        self._config, self._outbox, self._store, self._keys = config, outbox, store, keys
        self._folder = config.paths.journal.parent
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._patience = Patience(config.timers, self._rng)
        self._publish: Publish | None = None
        self._sending: Sending | None = None
        self._done: set[str] = set()
        self._unpubacked: set[int] = set()
        self._due = 0.0

    def connected(self, publish: Publish, now: float) -> None:
        """Take a new connection into use; streams that were replaced are asked about once on each."""
        self._publish, self._due = publish, now
        self._unpubacked.clear()
        self._done.clear()
        self._patience.rewarded()
        self._drop()

    def disconnected(self) -> None:
        """Forget the connection."""
        self._publish = None
        self._drop()

    def close(self) -> None:
        """Let go of the files."""
        self._drop()

    def _drop(self) -> None:
        if self._sending is not None:
            self._sending.stream.close()
            self._sending = None

    def deadline(self) -> float | None:
        """Return when `work` has something to do next."""
        return self._due if self._publish is not None else None

    def work(self, now: float) -> None:
        """Send the next message if it is time. Raises JournalError, apsw.Error."""
        if self._publish is None or now < self._due:
            return
        if self._sending is None:
            self._sending = self._choose()
            if self._sending is None:
                self._due = now + LOOK_S
                return
        else:
            self._patience.disappointed()  # due, and no answer has come
        self._send(self._sending, now)

    def _send(self, sending: Sending, now: float) -> None:
        assert self._publish is not None  # noqa: S101 - work has seen to it
        batch = None if sending.covered is None or sending.ending else sending.next()
        mids = list[int | None]()
        if batch is not None:
            mids.append(self._publish("log", wire.encode_batch(batch), wire.BATCH_TYPE))
        else:
            sending.ending = sending.covered is not None
        if batch is None or sending.is_unnamed:
            hello = sending.hello(self._config.station.zone)
            mids.append(self._publish("hello", wire.encode(hello), wire.JSON_TYPE))
        self._unpubacked = {mid for mid in mids if mid is not None}
        self._due = math.inf if self._unpubacked else now + self._patience.wait()

    def published(self, mid: int, now: float) -> None:
        """Take the broker's PUBACK: only from then on an answer is waited for, and nothing is repeated before."""
        if mid in self._unpubacked:
            self._unpubacked.discard(mid)
            if not self._unpubacked:
                self._due = now + self._patience.wait()

    def acknowledge(self, raw: bytes, now: float) -> None:
        """Take an acknowledgement, if it is about the stream that is being sent. Raises apsw.Error."""
        sending = self._sending
        if sending is None:
            return
        try:
            ack = wire.open_ack(raw, self._keys)
        except wire.WireError:
            return  # the uplink has said so
        if (ack.station, ack.epoch) != (self._config.station.id, sending.stream.epoch):
            return
        if ack.fork:
            self._finish(sending, "central holds other rows under these numbers")
        elif sending.covered is not None and ack.db_generation != sending.generation:
            self._drop()  # another database: what it holds is asked when the wait is over
            return
        elif sending.ending and ack.hello == sending.nonce:
            self._finish(sending, "")
        elif not sending.take(ack):
            return
        self._patience.rewarded()
        self._unpubacked.clear()
        self._due = now

    def _finish(self, sending: Sending, note: str) -> None:
        stream, lost = sending.stream, sending.lost()
        log.warning("stream %016x (%s): central has %d rows", stream.epoch, stream.name, stream.last - lost)
        if lost or note:
            log.error("stream %016x (%s): %d rows are not at central %s", stream.epoch, stream.name, lost, note)
        if stream.name.startswith(QUARANTINE):
            self._store.set_uploaded(Uploaded(stream.name, stream.epoch, stream.last - lost, lost, note))
        self._done.add(stream.name)
        self._drop()

    def _choose(self) -> Sending | None:
        done = self._done | self._store.uploaded()
        for name, opened in self._candidates():
            if name in done:
                continue
            try:
                return Sending(opened(), self._rng)
            except JournalError as error:
                log.error("%s", error)  # noqa: TRY400 - the error tells it all
                self._done.add(name)
        return None

    def _candidates(self) -> list[tuple[str, Callable[[], OldStream]]]:
        journal = self._config.paths.journal
        files = sorted(self._folder.glob(f"{QUARANTINE}*"))
        aside = [path for path in files if not path.name.endswith(("-wal", "-shm", UPLOADED))]
        replaced = [
            (table, _opener(journal, table, epoch, last)) for table, epoch, last in self._outbox.former() if last
        ]
        return [*((path.name, _opener(path)) for path in aside), *replaced]


def _opener(
    path: Path, table: str = "event", epoch: int | None = None, last: int | None = None
) -> Callable[[], OldStream]:
    return lambda: OldStream(path, table, epoch, last)
