"""Begins a new stream where central holds other rows than this journal: the card was copied, restored or re-imaged.

All that central has not acknowledged becomes events of the new stream, in one transaction: killed at any moment, the
station finds the old stream or the new one. The old table stays beside as `former_EPOCH` until retention evicts it.
Documents, high water marks and the register are no part of a stream and stay as they are.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import apsw

from station.core.events import GENESIS, Kind, Payload, chain, encode
from station.core.model import Instant
from station.core.rehoming import carried, is_sound
from station.inbox import Rehoming
from station.journal import Journal, set_state
from station.recorder import SILENT
from station.schema import EVENT_DDL, EVICTED, EVICTED_SEQ, FORMER

log = logging.getLogger(__name__)

ALARM = "epoch-began"
DAMAGED = "row-damaged"
"""The alarm that stands in the place of a row that cannot be carried over."""
REHOMED = "rehomed"
"""Key of the table `state`: when a new stream began last, and why."""
BEAT_EVERY = 2000
"""Rows between two beats of the watchdog."""
_Row = tuple[int, bytes, bytes]
"""Number, hash and bytes, as they are stored."""


def former_table(epoch: int) -> str:
    """Return the name of the table that keeps the events of an ended stream."""
    return f"{FORMER}{epoch:016x}"


def former_key(table: str) -> str:
    """Return the key of the table `state` that tells of an ended stream: epoch, acknowledged prefix, end."""
    return f"former {table}"


@dataclass(frozen=True, slots=True)
class Since:
    """When the present stream began in place of another, Unix microseconds, and why."""

    wall_us: int
    cause: str


def last_rehoming(journal: Journal) -> Since | None:
    """Return the last time a new stream was begun, None where there never was one. Raises JournalFault."""
    value = journal.state(REHOMED)
    return Since(*json.loads(value)) if value else None


def rehome(journal: Journal, order: Rehoming, now: Instant, beat: Callable[[], None]) -> int:
    """Begin a new stream with all rows that are not acknowledged; return how many there were. Raises JournalFault.

    `beat` is called now and then: a week's backlog takes seconds.
    """
    count = 0

    def work(db: apsw.Connection) -> tuple[int, int, bytes]:
        nonlocal count
        acked, head = _confirmed(db, order)
        old = former_table(order.epoch)
        db.execute(f"ALTER TABLE event RENAME TO {old}")
        db.execute(EVENT_DDL)
        count = int(db.execute(f"SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM {old} WHERE seq > ?", (acked,)).get)
        told = {"cause": order.cause, "epoch": order.epoch, "acked": acked, "head": head.hex(), "rows": count}
        writer = _Writer(db, journal.boot, now)
        writer.write(Kind.ALARM, {"alarm": ALARM, "what": "begins", **told})
        for number, (kind, payload) in enumerate(_carried(_rows(db, old, acked), order.epoch, acked, head), 1):
            writer.write(kind, payload)
            if number % BEAT_EVERY == 0:
                beat()
        _remember(db, old, order, acked, now)
        epoch = secrets.randbits(63) | 1
        db.execute("UPDATE stream SET epoch = ?, created_us = ?", (epoch, now.wall_us))
        return epoch, writer.seq, writer.head

    before = journal.epoch
    journal.begin_stream(work)
    log.error(
        "central holds other events than this journal (%s): stream %016x ends, %016x begins with %d events of it; "
        "find out whether the card was copied or restored",
        order.cause,
        before,
        journal.epoch,
        count,
    )
    return count


class _Writer:
    """Writes the rows of the new stream."""

    def __init__(self, db: apsw.Connection, boot: str, now: Instant) -> None:
        self._db, self._boot, self._now = db, boot, now
        self.seq, self.head = 0, GENESIS

    def write(self, kind: Kind, payload: Payload) -> None:
        self.seq += 1
        raw = encode(self.seq, self._now, self._boot, kind, payload)
        self.head = chain(self.head, raw)
        self._db.execute("INSERT INTO event(seq, raw, hash) VALUES (?, ?, ?)", (self.seq, raw, self.head))


def _confirmed(db: apsw.Connection, order: Rehoming) -> tuple[int, bytes]:
    """Return the acknowledged prefix and its hash, where they are this journal's; else none: all of it goes up again.

    Central recognises a row it holds already by its first origin, so too many do no harm, and too few would.
    """
    stored = db.execute("SELECT hash FROM event WHERE seq = ?", (order.prefix,)).get
    evicted = db.execute("SELECT value FROM state WHERE key = ?", (EVICTED,)).get
    if order.head in (stored, GENESIS if order.prefix == 0 else None):
        return order.prefix, order.head
    if evicted == order.prefix.to_bytes(EVICTED_SEQ) + order.head:
        return order.prefix, order.head
    return 0, GENESIS


def _rows(db: apsw.Connection, table: str, after: int) -> Iterator[_Row]:
    yield from db.execute(f"SELECT seq, hash, raw FROM {table} WHERE seq > ? ORDER BY seq", (after,))


def _carried(rows: Iterable[_Row], epoch: int, acked: int, head: bytes) -> Iterator[tuple[Kind, Payload]]:
    """Yield what the new stream tells of each row; an alarm stands in the place of a damaged or missing one.

    So every row finds its new number by counting (`_remember`). Behind a damaged row the next one is taken at its word.
    """
    expected: int | None = None
    known: bytes | None = head
    for seq, digest, raw in rows:
        for missing in range(seq if expected is None else expected, seq):
            yield Kind.ALARM, {"alarm": DAMAGED, "what": "begins", "epoch": epoch, "seq": missing}
        sound = is_sound(seq, known if seq == (expected or acked + 1) else None, raw, digest)
        if sound:
            yield Kind.REHOMED, carried(epoch, seq, digest, raw)
        else:
            log.error("row %d of stream %016x is damaged and stays behind", seq, epoch)
            yield Kind.ALARM, {"alarm": DAMAGED, "what": "begins", "epoch": epoch, "seq": seq}
        known, expected = digest if sound else None, seq + 1


def _remember(db: apsw.Connection, old: str, order: Rehoming, acked: int, now: Instant) -> None:
    """Write down what has ended, and bring the notes that name rows up to the new numbers."""
    first = db.execute(f"SELECT min(seq) FROM {old} WHERE seq > ?", (acked,)).get
    silent = json.loads(db.execute("SELECT value FROM state WHERE key = ?", (SILENT,)).get or b"[]")
    renumbered = [seq - first + 2 for seq in silent if first is not None and seq >= first]
    db.execute("DELETE FROM personal WHERE seq <= ?", (acked,))
    db.execute("UPDATE personal SET seq = ? - seq", (first or 0,))  # by way of negative numbers, or two would meet
    db.execute("UPDATE personal SET seq = 2 - seq")
    ended = {"epoch": order.epoch, "prefix": acked, "ended_us": now.wall_us}
    db.execute("UPDATE state SET key = ? WHERE key = ?", (f"{EVICTED} {old}", EVICTED))
    for change in (
        set_state(former_key(old), json.dumps(ended).encode()),
        set_state(REHOMED, json.dumps([now.wall_us, order.cause]).encode()),
        set_state(SILENT, json.dumps(renumbered).encode()),
    ):
        db.execute(change.sql, change.values)
