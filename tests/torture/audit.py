"""Holds central against the truth: each reported event once, every chain whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg

from station.core.events import GENESIS, Event, chain, decode
from station.core.rehoming import origin, original

OCCURRENCES = "SELECT raw FROM occurrence WHERE station = %s"
"""Each event once, as central counts them."""


@dataclass
class Account:
    """What was found. `lost`, `doubled`: names of events; `broken`: streams whose chain does not hold."""

    reported: int = 0
    stored: int = 0
    carried: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Messages that central could not use, by kind."""


def audit(db: psycopg.Connection, said: dict[str, list[str]]) -> Account:
    """Compare what central holds of each station with what its writer reported."""
    account = Account(reported=sum(map(len, said.values())))
    counted = db.execute("SELECT code, sum(count) FROM rejected GROUP BY code").fetchall()
    account.refused = {str(code): int(count) for code, count in counted}
    for station, names in said.items():
        held = _names(_rows(db, station, account), account)
        account.lost += [name for name in names if name not in held]
        counted = Counter(name for (raw,) in db.execute(OCCURRENCES, (station,)) if (name := _name(original(raw))))
        account.doubled += [name for name in held if counted[name] != 1]
    return account


def held_up_to(db: psycopg.Connection, station: str, epoch: int) -> int:
    """Return up to which row central holds a stream without a gap."""
    query = (
        "SELECT h.last FROM held h JOIN stream s ON s.id = h.stream "
        "WHERE s.station = %s AND s.epoch = %s AND h.first = 1"
    )
    row = db.execute(query, (station, epoch)).fetchone()
    return int(row[0]) if row else 0


def _rows(db: psycopg.Connection, station: str, account: Account) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield (epoch, seq, hash, raw) of a station's rows; check the chain of each stream on the way."""
    query = (
        "SELECT s.epoch, e.seq, e.hash, e.raw FROM event e JOIN stream s ON s.id = e.stream "
        "WHERE s.station = %s ORDER BY s.epoch, e.seq"
    )
    heads = dict[int, tuple[int, bytes]]()
    for epoch, seq, digest, raw in db.execute(query, (station,)):
        before, head = heads.get(epoch, (0, GENESIS))
        if seq == before:
            account.broken.append(f"{station} {epoch:016x}: row {seq} twice")
        elif seq == before + 1 and chain(head, raw) != digest:
            account.broken.append(f"{station} {epoch:016x}: chain at row {seq}")
        heads[epoch] = (seq, digest)
        account.stored += 1
        yield epoch, seq, digest, raw


def _names(rows: Iterable[tuple[int, int, bytes, bytes]], account: Account) -> set[str]:
    """Return the names of all events among a station's rows."""
    found = set[str]()
    for _, _, _, raw in rows:
        account.carried += origin(decode(raw)) is not None
        found.add(_name(original(raw)))
    return found - {""}


def _name(event: Event) -> str:
    return str(event.payload.get("cti", ""))
