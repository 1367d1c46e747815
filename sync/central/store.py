"""The central database: commits batches of journals exactly once and says what it holds. SQLite or PostgreSQL.

A stream's row is locked (SQLite: the whole file, BEGIN IMMEDIATE) before its ranges are read, so any number of
collectors may write. What is in `held` is in `event`, because both change in one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import sqlalchemy as sa

from station.core.events import GENESIS
from station.core.passback import Passage
from sync import wire
from sync.central import ranges, tables
from sync.central.database import ensure, now_us
from sync.central.document_table import DocumentTable
from sync.central.passage_table import Numbered, PassageTable, insert_passages
from sync.central.ranges import ForkError, Range

_COLUMN_LIMIT = 200
_EVENT_FIELDS = 8
_BIGINT = 2**63
StreamKey = tuple[str, int]
"""Station and epoch."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is committed of one stream. `forked`: a batch just offered was refused because other rows are held."""

    station: str
    epoch: int
    held: tuple[Range, ...]
    forked: bool = False
    passages: tuple[Passage, ...] = ()
    """Those that were committed just now, of a station whose passages other gates want to know."""

    def after(self, earlier: Standing | None) -> Standing:
        """Return this standing as the outcome of two commits, the one before it being `earlier`."""
        if earlier is None:
            return self
        together = (*earlier.passages, *self.passages)
        return replace(self, forked=self.forked or earlier.forked, passages=together)


@dataclass(frozen=True, slots=True)
class Offer:
    """A batch of a station whose own chain has been verified; `hashes` after each of its events."""

    station: str
    batch: wire.Batch
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What a station said about itself. `what`: state, tele or hello; `alive`: it is a sign of life."""

    station: str
    what: str
    text: str
    alive: bool


def offer(station: str, batch: wire.Batch) -> Offer:
    """Verify a batch's own chain. Raises wire.WireError."""
    found = wire.hashes(batch)
    if batch.first_seq == 1 and bytes.fromhex(batch.prev_hash) != GENESIS:
        raise wire.WireError("chain", "the first event does not follow on 32 zero bytes")
    return Offer(station, batch, tuple(found))


class Store(DocumentTable, PassageTable):
    """The whole database. Methods raise sqlalchemy.exc.DBAPIError, having changed nothing, where it is lost."""

    def __init__(self, url: str, telling: Collection[str] = ()) -> None:
        """`telling`: stations whose passages are kept for the other gates of their sites."""
        super().__init__(url)
        self._telling = frozenset(telling)
        self._generation = ""

    def open(self) -> None:
        """Create what is missing. To be called before anything else, again after it raised."""
        with self._engine.begin() as db:
            if db.dialect.name == "postgresql":
                # Two collectors that create the tables at one time would trip over each other.
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(0x67617465)))
            tables.metadata.create_all(db)
            ensure(db, tables.meta, key="generation", value=secrets.token_hex(8))
            self._generation = db.execute(
                sa.select(tables.meta.c.value).where(tables.meta.c.key == "generation")
            ).scalar_one()

    @property
    def generation(self) -> str:
        """Which database this is: minted when it was created; a restore mints another (`new_generation`)."""
        return self._generation

    def new_generation(self) -> str:
        """Mint another generation, after a restore: then every station says hello again."""
        value = secrets.token_hex(8)
        with self._engine.begin() as db:
            db.execute(sa.update(tables.meta).where(tables.meta.c.key == "generation").values(value=value))
        self._generation = value
        return value

    # --- journals ---------------------------------------------------------------------------------------------------

    def commit_batches(self, offers: Sequence[Offer], asked: Iterable[StreamKey] = ()) -> dict[StreamKey, Standing]:
        """Commit batches and return, from behind the COMMIT, what each of their streams and of those `asked` holds.

        A batch that contradicts what is held is left out whole, and its stream's standing is `forked`.
        """
        wanted = sorted({(o.station, o.batch.epoch) for o in offers} | set(asked))
        standing = dict[StreamKey, Standing]()
        with self._engine.begin() as db:
            for station, epoch in wanted:  # in order, so that two collectors never wait for each other
                mine = [o for o in offers if (o.station, o.batch.epoch) == (station, epoch)]
                standing[station, epoch] = self._commit_stream(db, station, epoch, mine)
        return standing

    def _commit_stream(self, db: sa.Connection, station: str, epoch: int, offers: list[Offer]) -> Standing:
        number = self._lock_stream(db, station, epoch)
        before = held = self._held(db, number)
        forked, told = False, list[Passage]()
        for one in sorted(offers, key=lambda o: o.batch.first_seq):
            try:
                held, fresh = self._commit_one(db, number, held, one)
            except ForkError:
                forked = True
            else:
                told += insert_passages(db, number, station, fresh) if station in self._telling else ()
        self._write_held(db, number, before, held)
        if forked:
            mark = sa.update(tables.stream).where(tables.stream.c.id == number, tables.stream.c.forked_us.is_(None))
            db.execute(mark.values(forked_us=now_us()))
        return Standing(station, epoch, tuple(held), forked, tuple(told))

    def _commit_one(
        self, db: sa.Connection, number: int, held: list[Range], one: Offer
    ) -> tuple[list[Range], list[Numbered]]:
        """Insert what is missing of one batch; return the ranges then held, and the events that were missing.

        Raises ForkError, nothing changed.
        """
        batch = one.batch
        first, last = batch.first_seq, batch.last_seq
        new = Range(first, last, bytes.fromhex(batch.prev_hash), one.hashes[-1])
        gaps = ranges.missing(ranges.spans(held), first, last)
        if gaps != [(first, last)]:
            self._compare(db, number, one)
        merged = ranges.merge(held, new)
        seqs = (seq for start, stop in gaps for seq in range(start, stop + 1))
        fresh = [(seq, bytes(batch.events[seq - first])) for seq in seqs]
        if fresh:
            rows = [_row(number, seq, raw, one.hashes[seq - first]) for seq, raw in fresh]
            db.execute(sa.insert(tables.event), rows)
        return merged, fresh

    @staticmethod
    def _compare(db: sa.Connection, number: int, one: Offer) -> None:
        """Compare a batch with the rows that are stored under its numbers and with the one before it."""
        batch = one.batch
        known = sa.select(tables.event.c.seq, tables.event.c.hash).where(
            tables.event.c.stream == number, tables.event.c.seq.between(batch.first_seq - 1, batch.last_seq)
        )
        expected = (bytes.fromhex(batch.prev_hash), *one.hashes)
        for seq, stored in db.execute(known):
            if bytes(stored) != expected[seq - batch.first_seq + 1]:
                raise ForkError(f"another event {seq} is stored")

    def _lock_stream(self, db: sa.Connection, station: str, epoch: int) -> int:
        where = (tables.stream.c.station == station, tables.stream.c.epoch == epoch)
        query = sa.select(tables.stream.c.id).where(*where).with_for_update()
        number = db.execute(query).scalar_one_or_none()
        if number is None:
            moment = now_us()
            ensure(db, tables.station, id=station, first_seen_us=moment, last_seen_us=moment)
            ensure(db, tables.stream, station=station, epoch=epoch, first_seen_us=moment)
            number = db.execute(query).scalar_one()
        return int(number)

    @staticmethod
    def _held(db: sa.Connection, number: int) -> list[Range]:
        query = sa.select(tables.held).where(tables.held.c.stream == number).order_by(tables.held.c.first)
        return [Range(r.first, r.last, bytes(r.prev_hash), bytes(r.last_hash)) for r in db.execute(query)]

    @staticmethod
    def _write_held(db: sa.Connection, number: int, before: list[Range], after: list[Range]) -> None:
        gone, come = set(before) - set(after), set(after) - set(before)
        if gone:
            first = tables.held.c.first.in_([r.first for r in gone])
            db.execute(sa.delete(tables.held).where(tables.held.c.stream == number, first))
        if come:
            rows = [
                {"stream": number, "first": r.first, "last": r.last, "prev_hash": r.prev_hash, "last_hash": r.last_hash}
                for r in sorted(come)
            ]
            db.execute(sa.insert(tables.held), rows)

    def note_lost(self, station: str, epoch: int, first_kept: int) -> list[ranges.Span]:
        """Write down what a station no longer keeps and is not held. Returns the ranges that are new."""
        with self._engine.begin() as db:
            number = self._lock_stream(db, station, epoch)
            known = sa.select(tables.lost_range).where(tables.lost_range.c.stream == number)
            covered = ranges.spans(self._held(db, number)) + [(r.first, r.last) for r in db.execute(known)]
            lost = ranges.missing(covered, 1, first_kept - 1)
            for first, last in lost:
                ensure(db, tables.lost_range, stream=number, first=first, last=last, noted_us=now_us())
        return lost

    # --- stations ---------------------------------------------------------------------------------------------------

    def last_seen(self, stations: Collection[str]) -> dict[str, int]:
        """Return when each of these stations last said hello or told of its health, Unix microseconds."""
        c = tables.station.c
        with self._engine.begin() as db:
            rows = db.execute(sa.select(c.id, c.last_seen_us).where(c.id.in_(stations)))
            return {row.id: row.last_seen_us for row in rows}

    def note_stations(self, said: Iterable[Said]) -> None:
        """Record what stations said, in one transaction."""
        moment = now_us()
        with self._engine.begin() as db:
            for one in sorted(said, key=lambda s: s.station):  # in order, as in commit_batches
                ensure(db, tables.station, id=one.station, first_seen_us=moment, last_seen_us=moment)
                columns: dict[str, str | int] = {one.what: one.text}
                if one.alive:
                    columns["last_seen_us"] = moment
                db.execute(sa.update(tables.station).where(tables.station.c.id == one.station).values(columns))

    def reject(self, station: str, code: str, detail: str) -> None:
        """Count a message that could not be used."""
        clean = detail.encode("utf-8", "replace").decode().replace("\0", "\\0")[:500]
        with self._engine.begin() as db:
            ensure(db, tables.rejected, station=station, code=code, count=0, last_us=0, detail="")
            rejected = tables.rejected.c
            change = sa.update(tables.rejected).where(rejected.station == station, rejected.code == code)
            db.execute(change.values(count=rejected["count"] + 1, last_us=now_us(), detail=clean))


def _row(number: int, seq: int, raw: bytes, digest: bytes) -> dict[str, object]:
    """Return the event's columns. Whatever the content is, the row is stored: its bytes are what counts."""
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = None
    whole = isinstance(fields, list) and len(fields) == _EVENT_FIELDS
    wall, kind, payload = (fields[1], fields[6], fields[7]) if whole else (None, None, None)
    told = payload if isinstance(payload, dict) else {}
    columns = {name: _text(told.get(name)) for name in ("lane", "outcome", "reason", "rule", "cti")}
    in_range = isinstance(wall, int) and -_BIGINT <= wall < _BIGINT
    return {
        "stream": number,
        "seq": seq,
        "wall_us": wall if in_range else None,
        "kind": _text(kind, 40),
        **columns,
        "raw": raw,
        "hash": digest,
    }


def _text(value: object, limit: int = _COLUMN_LIMIT) -> str | None:
    """Return a text that every database takes, else None: PostgreSQL knows no NUL, and no lone surrogates."""
    if not isinstance(value, str) or "\0" in value:
        return None
    return value[:limit].encode("utf-8", "ignore").decode()
