"""Commands to stations and what became of them: the tables `command` and `command_text`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from station.core import command as commands
from sync import wire
from sync.central import tables
from sync.central.database import Database, ensure, now_us, storable

UNHEARD = "unheard"
"""Outcome where the broker had nobody to pass the command on to; an answer that comes all the same takes its place."""
c, t = tables.command.c, tables.command_text.c


@dataclass(frozen=True, slots=True)
class Addressee:
    """A station as it last said hello. `zone`: empty where it did not say; `epoch`: None where it never did."""

    station: str
    zone: str
    epoch: int | None
    boot_nonce: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What is commanded. `arguments`: JSON values; `expires`: Unix seconds; `kid`: of the key that signs."""

    verb: str
    arguments: Mapping[str, object]
    expires: int
    kid: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that no collector has taken to the broker yet."""

    id: str
    station: str
    raw: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A command and what is known of it. `outcome`: empty where there is no answer yet."""

    id: str
    station: str
    counter: int
    verb: str
    published: bool
    outcome: str
    reason: str
    detail: str
    texts: tuple[str, ...] = ()


class CommandTable(Database):
    """Any number of offices may issue, and any number of collectors publish, at one time."""

    def addressees(self) -> list[Addressee]:
        """Return all stations, by their ids."""
        with self._engine.begin() as db:
            query = sa.select(tables.station.c.id, tables.station.c.hello).order_by(tables.station.c.id)
            return [_addressee(row.id, row.hello) for row in db.execute(query)]

    def issue(self, to: Addressee, order: Order, sign: Callable[[int], bytes]) -> str:
        """Store a command under the station's next counter; return its id. `sign(counter)` makes its bytes."""
        with self._engine.begin() as db:
            # Whoever holds the station's row takes its next counter; a station that never spoke gets a row here.
            ensure(db, tables.station, id=to.station, first_seen_us=now_us(), last_seen_us=0)
            db.execute(sa.select(tables.station.c.id).where(tables.station.c.id == to.station).with_for_update())
            # A database restored from a backup learns from a refusal how far the station is.
            last = sa.select(sa.func.max(c.counter), sa.func.max(c.station_counter)).where(c.station == to.station)
            counter = max(seen or 0 for seen in db.execute(last).one()) + 1
            raw = sign(counter)
            number = commands.number(raw)
            db.execute(
                sa.insert(tables.command).values(
                    id=number,
                    station=to.station,
                    epoch=to.epoch,
                    counter=counter,
                    verb=order.verb,
                    body=msgspec.json.encode(order.arguments).decode(),
                    kid=order.kid,
                    raw=raw,
                    issued_us=now_us(),
                    expires=order.expires,
                )
            )
        return number

    # --- on their way ----------------------------------------------------------------------------------------------

    def waiting(self, now_s: int) -> list[Waiting]:
        """Return what is to be taken to the broker and has not expired."""
        query = sa.select(c.id, c.station, c.raw, c.expires).where(c.published_us.is_(None), c.expires >= now_s)
        with self._engine.begin() as db:
            return [Waiting(row.id, row.station, bytes(row.raw), row.expires) for row in db.execute(query.limit(1000))]

    def claim(self, number: str) -> bool:
        """Take a command over for publication; False where another collector was faster."""
        taken = sa.update(tables.command).where(c.id == number, c.published_us.is_(None)).values(published_us=now_us())
        with self._engine.begin() as db:
            return db.execute(taken).rowcount == 1

    def give_back(self, numbers: Iterable[str]) -> None:
        """Let commands be published once more: nobody knows whether the broker had them; stations take each once."""
        with self._engine.begin() as db:
            for number in numbers:
                mine = (c.id == number, c.outcome.is_(None))
                db.execute(sa.update(tables.command).where(*mine).values(published_us=None))

    def unheard(self, number: str) -> None:
        """Note that the station was not connected."""
        with self._engine.begin() as db:
            mine = (c.id == number, c.outcome.is_(None))
            db.execute(sa.update(tables.command).where(*mine).values(outcome=UNHEARD))

    # --- what became of them ---------------------------------------------------------------------------------------

    def answer(self, station: str, told: wire.Response) -> bool:
        """Take a station's answer; False where it is to no command of its own. What was done stays done.

        Raises one of database.UNSTORABLE, nothing changed, where the database will not take it.
        """
        mine = (c.id == told.id, c.station == station)
        with self._engine.begin() as db:
            found = db.execute(sa.select(c.outcome).where(*mine).with_for_update()).one_or_none()
            if found is None:
                return False
            values: dict[str, object] = {"station_counter": told.counter}
            if found.outcome != "done":
                values |= {
                    "outcome": told.outcome,
                    "reason": storable(told.reason),
                    "detail": storable(told.detail),
                    "answered_us": now_us(),
                }
            db.execute(sa.update(tables.command).where(*mine).values(**values))
            if told.text:
                row = {"command": told.id, "part": told.part, "parts": told.parts, "text": storable(told.text)}
                ensure(db, tables.command_text, **row)
        return True

    def issued(self, numbers: Iterable[str]) -> list[Issued]:
        """Return what is known of commands, in the order of their stations."""
        wanted = list(numbers)
        query = sa.select(tables.command).where(c.id.in_(wanted)).order_by(c.station, c.counter)
        texts = sa.select(tables.command_text).where(t.command.in_(wanted)).order_by(t.part)
        with self._engine.begin() as db:
            rows, found = db.execute(query).all(), db.execute(texts).all()
        return [_issued(row, [part for part in found if part.command == row.id]) for row in rows]


def _issued(row: sa.Row[tuple[object, ...]], parts: list[sa.Row[tuple[object, ...]]]) -> Issued:
    whole = tuple(str(part.text) for part in parts) if parts and len(parts) == parts[0].parts else ()
    missing = bool(parts) and not whole
    return Issued(
        id=row.id,
        station=row.station,
        counter=row.counter,
        verb=row.verb,
        published=row.published_us is not None,
        outcome="" if missing else row.outcome or "",
        reason=row.reason or "",
        detail=row.detail or "",
        texts=whole,
    )


def _addressee(station: str, hello: str) -> Addressee:
    try:
        told = wire.decode(hello.encode(), wire.Hello)
    except wire.WireError:
        return Addressee(station, "", None, b"")
    return Addressee(station, told.zone, told.epoch, bytes.fromhex(told.boot_nonce))
