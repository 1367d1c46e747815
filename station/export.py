"""The journal as a table for people and spreadsheets: read only, also while the station runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import apsw

from station.core.events import GENESIS, Event, chain, decode
from station.journal import FILE

COLUMNS = (
    "seq",
    "time",
    "clock",
    "kind",
    "lane",
    "outcome",
    "reason",
    "rule",
    "cti",
    "class",
    "band",
    "skin_c",
    "payload",
)


class ExportError(Exception):
    """The journal cannot be read. The message says what to do."""


def events(directory: Path, since: int = 1) -> Iterator[Event]:
    """Yield the events from seq `since` on; every hash is checked against the bytes. Raises ExportError."""
    path = directory / FILE
    try:
        db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        head = db.execute("SELECT hash FROM event WHERE seq = ?", (since - 1,)).get or GENESIS
        for seq, raw, digest in db.execute("SELECT seq, raw, hash FROM event WHERE seq >= ? ORDER BY seq", (since,)):
            head = chain(head, raw)
            if head != digest:
                raise ExportError(f"{path}: event {seq} was changed after it was written; keep the file, tell central")
            yield decode(raw)
    except (apsw.Error, TypeError) as error:
        raise ExportError(f"{path}: cannot be read ({error}); name the state folder in the configuration") from error


def write_csv(rows: Iterator[Event], out: TextIO) -> int:
    """Write events as CSV; return how many."""
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for event in rows:
        time = datetime.fromtimestamp(event.wall_us / 1e6, UTC).isoformat(timespec="milliseconds")
        picked = [event.payload.get(column, "") for column in COLUMNS[4:-1]]
        writer.writerow(
            [event.seq, time, event.clock, event.kind, *picked, json.dumps(event.payload, ensure_ascii=False)]
        )
        count += 1
    return count


def write_jsonl(rows: Iterator[Event], out: TextIO) -> int:
    """Write events as JSON lines; return how many."""
    count = 0
    for event in rows:
        row = {name: getattr(event, name) for name in Event.__slots__}
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count
