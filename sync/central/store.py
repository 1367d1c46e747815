"""The central database: commits batches of journals exactly once and says what it holds. SQLite or PostgreSQL.

The streams of a transaction are locked before their ranges are read, so any number of collectors may write. What is in
`held` is in `event` or was let go by an operator, because all of it changes in one transaction.
"""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from station.core.events import GENESIS, chain
from station.core.passback import Passage
from sync import wire
from sync.central import ranges, schema, streams, tables
from sync.central.database import ensure, now_us, storable
from sync.central.document_table import DocumentTable
from sync.central.event_rows import Fresh
from sync.central.lost_table import LostTable
from sync.central.origins import insert_origins
from sync.central.passage_table import PassageTable, insert_passages
from sync.central.person_table import PersonTable, insert_personal
from sync.central.ranges import CrowdedError, ForkError, Range
from sync.central.streams import Stream, StreamKey

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is committed of one stream. `forked`: a batch just offered was refused because other rows are held."""

    station: str
    epoch: int
    held: tuple[Range, ...]
    forked: bool = False
    passages: tuple[Passage, ...] = ()
    """Those that were committed just now, of a station whose passages other gates want to know."""
    fresh: int = 0
    """Events that were committed just now."""
    doubled: int = 0
    """Events that were offered just now and held already."""
    crowded: int = 0
    """Batches that were refused just now, as the stream is held in too many ranges already."""

    def after(self, earlier: Standing | None) -> Standing:
        """Return this standing as the outcome of two commits, the one before it being `earlier`.

        Its passages are the later ones only: they are told of after each commit.
        """
        if earlier is None:
            return self
        fresh, doubled = earlier.fresh + self.fresh, earlier.doubled + self.doubled
        forked, crowded = self.forked or earlier.forked, earlier.crowded + self.crowded
        return replace(self, forked=forked, fresh=fresh, doubled=doubled, crowded=crowded)


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


class Store(DocumentTable, PassageTable, LostTable, PersonTable):
    """The whole database. Methods raise sqlalchemy.exc.DBAPIError, having changed nothing, where it is lost."""

    def __init__(self, url: str, telling: Collection[str] = ()) -> None:
        """`telling`: stations whose passages are kept for the other gates of their sites."""
        super().__init__(url)
        self._telling = frozenset(telling)
        self._generation, self._partitions_wait = "", False

    def open(self) -> None:
        """Create the tables of an empty database. To be called before anything else, again after it raised.

        Raises schema.SchemaError where the tables are those of another version.
        """
        with self._engine.begin() as db:
            self._dialect.lock_schema(db)
            schema.require(db)
            ensure(db, tables.meta, key="generation", value=secrets.token_hex(8))
            self._generation = _generation(db)
        self.keep_partitions()

    @property
    def generation(self) -> str:
        """Which database this was at the last commit; minted with it, and anew after a restore (`new_generation`)."""
        return self._generation

    def new_generation(self) -> str:
        """Mint another generation, after a restore: then every station says hello again."""
        value = secrets.token_hex(8)
        with self._engine.begin() as db:
            db.execute(sa.update(tables.meta).where(tables.meta.c.key == "generation").values(value=value))
        self._generation = value
        return value

    def keep_partitions(self) -> list[str]:
        """Make the partitions that events will soon need. Returns the names of the new ones.

        They are made months ahead. So where a dump or an export holds the table for long, it is done another time.
        """
        made = self._dialect.tend_partitions(self._engine, now_us())
        if made is None and not self._partitions_wait:
            log.warning("no new partitions now: somebody reads all events (a dump, an export); trying again in hours")
        self._partitions_wait = made is None
        return made or []

    # --- journals ---------------------------------------------------------------------------------------------------

    def commit_batches(self, offers: Sequence[Offer], asked: Iterable[StreamKey] = ()) -> dict[StreamKey, Standing]:
        """Commit batches and return, from behind the COMMIT, what each of their streams and of those `asked` holds.

        A batch that contradicts what is held is left out whole, and its stream's standing is `forked`; so is one that
        would begin a range too many, and is counted there as `crowded`.
        """
        by_stream = defaultdict[StreamKey, list[Offer]](list)
        for one in offers:
            by_stream[one.station, one.batch.epoch].append(one)
        fresh, standing = list[Fresh](), dict[StreamKey, Standing]()
        with self._engine.begin() as db:
            locked = streams.lock(db, {*by_stream, *asked})
            for stream in locked:
                standing[stream.key] = self._take(db, stream, by_stream[stream.key], fresh)
            if fresh:
                self._dialect.insert_events(db, fresh, now_us())
            streams.write(db, locked)
            self._generation = _generation(db)  # a restore may have happened while this collector ran
        return standing

    def _take(self, db: sa.Connection, stream: Stream, offers: list[Offer], fresh: list[Fresh]) -> Standing:
        """Take a stream's batches into what it holds; their events that are missing are added to `fresh`."""
        station, epoch = stream.key
        forked, crowded, told, came, doubled = False, 0, list[Passage](), 0, 0
        for one in sorted(offers, key=lambda o: o.batch.first_seq):
            try:
                new = _take_one(db, stream, one)
            except ForkError:
                forked = True
                continue
            except CrowdedError:
                crowded += 1
                continue
            fresh += new
            insert_origins(db, new)
            missing = sum(len(some.raws) for some in new)
            came, doubled = came + missing, doubled + one.batch.n - missing
            if one.batch.sealed:
                insert_personal(db, stream.number, one.batch, new)
            if station in self._telling:
                numbered = [(seq, raw) for some in new for seq, raw, _ in some.numbered()]
                told += insert_passages(db, stream.number, station, numbered)
        if forked:
            c = tables.stream.c
            mark = sa.update(tables.stream).where(c.id == stream.number, c.forked_us.is_(None))
            db.execute(mark.values(forked_us=now_us()))
        return Standing(station, epoch, tuple(stream.held), forked, tuple(told), came, doubled, crowded)

    # --- stations ---------------------------------------------------------------------------------------------------

    def last_seen(self, stations: Collection[str]) -> dict[str, int]:
        """Return when each of these stations last said hello or told of its health, Unix microseconds."""
        c = tables.station.c
        with self._engine.begin() as db:
            rows = db.execute(sa.select(c.id, c.last_seen_us).where(c.id.in_(stations)))
            return {row.id: row.last_seen_us for row in rows}

    def note_stations(self, said: Iterable[Said]) -> None:
        """Record what stations said, in one transaction; what they said last counts."""
        moment, kinds = now_us(), defaultdict[tuple[str, bool], dict[str, str]](dict)
        for one in said:
            kinds[one.what, one.alive][one.station] = one.text
        names = sorted({name for texts in kinds.values() for name in texts})
        if not names:
            return
        station, times = tables.station, {"first_seen_us": moment, "last_seen_us": moment}
        with self._engine.begin() as db:
            insert = self._dialect.insert(station).on_conflict_do_nothing()
            db.execute(insert, [{"id": name, **times} for name in names])
            # All rows at once and in order, as in commit_batches: two collectors must not wait for each other.
            db.execute(sa.select(station.c.id).where(station.c.id.in_(names)).order_by(station.c.id).with_for_update())
            for (what, alive), texts in kinds.items():
                columns = {what: sa.bindparam("text"), **({"last_seen_us": moment} if alive else {})}
                change = sa.update(station).where(station.c.id == sa.bindparam("name")).values(columns)
                db.execute(change, [{"name": name, "text": text} for name, text in texts.items()])

    def reject(self, station: str, code: str, detail: str) -> None:
        """Count a message that could not be used."""
        with self._engine.begin() as db:
            ensure(db, tables.rejected, station=station, code=code, count=0, last_us=0, detail="")
            rejected = tables.rejected.c
            change = sa.update(tables.rejected).where(rejected.station == station, rejected.code == code)
            db.execute(change.values(count=rejected["count"] + 1, last_us=now_us(), detail=storable(detail)[:500]))


def _generation(db: sa.Connection) -> str:
    return str(db.execute(sa.select(tables.meta.c.value).where(tables.meta.c.key == "generation")).scalar_one())


def _take_one(db: sa.Connection, stream: Stream, one: Offer) -> list[Fresh]:
    """Take a batch into the ranges; return what is missing of it. Raises ForkError or CrowdedError, nothing changed."""
    batch, hashes = one.batch, one.hashes
    first, last = batch.first_seq, batch.last_seq
    gaps = ranges.missing(stream.stored, first, last)
    if gaps != [(first, last)]:
        _compare(db, stream, one)
    held = ranges.merge(stream.held, Range(first, last, bytes.fromhex(batch.prev_hash), hashes[-1]))
    if stream.skipped and ranges.without(stream.skipped, gaps) != stream.skipped:
        _compare(db, stream, one)
        _compare_after(db, stream, one)
        streams.unskip(db, stream, gaps)
    stream.held = ranges.joined(held, stream.skipped) if stream.skipped else held
    return [
        Fresh(
            stream.number,
            start,
            list(map(bytes, batch.events[start - first : stop + 1 - first])),
            list(hashes[start - first : stop + 1 - first]),
        )
        for start, stop in gaps
    ]


def _compare(db: sa.Connection, stream: Stream, one: Offer) -> None:
    """Compare a batch with the rows that are stored under its numbers and with the one before it."""
    batch, c = one.batch, tables.event.c
    known = sa.select(c.seq, c.hash).where(
        c.stream == stream.number, c.seq.between(batch.first_seq - 1, batch.last_seq)
    )
    expected = (bytes.fromhex(batch.prev_hash), *one.hashes)
    for seq, stored in db.execute(known):
        if bytes(stored) != expected[seq - batch.first_seq + 1]:
            raise ForkError(f"another event {seq} is stored")


def _compare_after(db: sa.Connection, stream: Stream, one: Offer) -> None:
    """Compare a batch with the row that follows it, where no range ends between the two."""
    c = tables.event.c
    where = (c.stream == stream.number, c.seq == one.batch.last_seq + 1)
    row = db.execute(sa.select(c.raw, c.hash).where(*where)).one_or_none()
    if row is not None and chain(one.hashes[-1], bytes(row.raw)) != bytes(row.hash):
        raise ForkError(f"event {one.batch.last_seq + 1} does not follow")
