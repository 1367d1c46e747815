"""Events of the central database as a file for people: CSV, Excel workbook or Parquet, row by row in constant memory.

The database sends the rows as they are asked for (PostgreSQL: a server-side cursor; SQLite: a reader that does not hold
up the collectors). The file gets its name only when it is whole, and only its owner may read it.
"""

from __future__ import annotations

import csv
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from sync.central import tables
from sync.central.database import dialect_of

AT_ONCE = 2000
"""Rows that are in memory at a time."""
ROW_GROUP = 20_000
"""Rows of one row group of a Parquet file."""
SHEET_ROWS = 1_048_576
"""Rows of a sheet at most (Microsoft: Excel specifications and limits), the head among them."""
CELL = 32_767
"""Characters of a cell at most (the same)."""
FORMATS = ("csv", "xlsx", "parquet")

COLUMNS = (
    "station",
    "epoch",
    "seq",
    "time",
    "clock",
    "uncertainty_ms",
    "kind",
    "lane",
    "outcome",
    "reason",
    "rule",
    "cti",
    "received",
    "payload",
)
_TIMES = frozenset({"time", "received"})
_NUMBERS = frozenset({"seq", "uncertainty_ms"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With these a spreadsheet takes a cell for a formula (OWASP: CSV Injection)."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML 1.0 cannot hold (2.2)."""

Row = tuple[Any, ...]
"""The values of COLUMNS; `time` and `received` as Unix microseconds, None where there is none."""


class ExportError(ValueError):
    """The file cannot be written. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events. `begin`, `end`: of the station's time, Unix microseconds, the end not included; None: no limit."""

    begin_us: int | None = None
    end_us: int | None = None
    stations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class _Event(msgspec.Struct, array_like=True, gc=False):
    """What only the event's own bytes tell."""

    seq: msgspec.Raw
    wall_us: msgspec.Raw
    mono_us: msgspec.Raw
    boot: msgspec.Raw
    clock: str
    uncertainty_ms: int
    kind: msgspec.Raw
    payload: msgspec.Raw


_DECODER = msgspec.json.Decoder(_Event)


def rows(url: str, choice: Choice) -> Generator[Row, None, None]:
    """Yield events by stream and number. Raises ExportError, sqlalchemy.exc.DBAPIError."""
    engine = _reading(url)
    try:
        with engine.connect() as db:
            streams = _streams(db, choice)
            db.execution_options(stream_results=True, yield_per=AT_ONCE)
            with closing(db.execute(_query(choice, streams))) as found:
                for row in found:
                    yield _row(row, *streams[row.stream])
    finally:
        engine.dispose()


def _reading(url: str) -> sa.Engine:
    """Return an engine for one long reading. On SQLite the usual one would lock the file against the collectors."""
    if not url.startswith("sqlite:///"):
        return dialect_of(url).engine(url)
    path = f"file:{quote(url.removeprefix('sqlite:///'))}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path, uri=True))


def _streams(db: sa.Connection, choice: Choice) -> dict[int, tuple[str, int]]:
    """Return station and epoch of each stream that is meant. Raises ExportError for a station nobody knows."""
    c = tables.stream.c
    query = sa.select(c.id, c.station, c.epoch)
    if choice.stations:
        known = set(
            db.execute(sa.select(tables.station.c.id).where(tables.station.c.id.in_(choice.stations))).scalars()
        )
        if unknown := sorted(set(choice.stations) - known):
            raise ExportError(f"central has never heard of {', '.join(unknown)}; is the name right?")
        query = query.where(c.station.in_(choice.stations))
    return {row.id: (row.station, row.epoch) for row in db.execute(query)}


def _query(choice: Choice, streams: dict[int, tuple[str, int]]) -> sa.Select[Any]:
    c = tables.event.c
    names = ("stream", "seq", "received_us", "wall_us", "kind", "lane", "outcome", "reason", "rule", "cti", "raw")
    query = sa.select(*(c[name] for name in names)).order_by(c.stream, c.seq)
    if choice.stations:
        query = query.where(c.stream.in_(sorted(streams)))
    if choice.begin_us is not None:
        query = query.where(c.wall_us >= choice.begin_us)
    if choice.end_us is not None:
        query = query.where(c.wall_us < choice.end_us)
    return query.where(c.kind.in_(choice.kinds)) if choice.kinds else query


def _row(row: Any, station: str, epoch: int) -> Row:
    raw = bytes(row.raw)
    try:
        event = _DECODER.decode(raw)
        own: tuple[Any, Any, str] = (event.clock, event.uncertainty_ms, bytes(event.payload).decode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        own = (None, None, raw.decode("utf-8", "replace"))
    clock, uncertainty_ms, payload = own
    told = (row.kind, row.lane, row.outcome, row.reason, row.rule, row.cti)
    return (
        station,
        f"{epoch:016x}",
        row.seq,
        row.wall_us,
        clock,
        uncertainty_ms,
        *told,
        row.received_us or None,
        payload,
    )


# --- files ----------------------------------------------------------------------------------------------------------


class Sink(Protocol):
    """A file that is being written."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Write what is left."""

    def close(self) -> None:
        """Let go of the file, finished or not."""


def export(url: str, choice: Choice, path: Path, kind: str, zone: tzinfo = UTC) -> int:
    """Write events to a file and return how many. `kind`: one of FORMATS; `zone`: of the times in CSV and workbook.

    Raises ExportError, OSError, sqlalchemy.exc.DBAPIError; then whatever was at `path` is still there.
    """
    count = 0
    with _whole(path) as beside, closing(rows(url, choice)) as found:
        sink = _SINKS[kind](beside, zone)
        try:
            for some in _portions(found):
                sink.write(some)
                count += len(some)
            sink.finish()
        finally:
            sink.close()  # before the file gets its name
    return count


def _portions(found: Iterator[Row]) -> Iterator[list[Row]]:
    portion = list[Row]()
    for row in found:
        portion.append(row)
        if len(portion) == AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give the name of a new file beside `path` with mode 0600, which takes its place when all went well."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
    try:
        beside.chmod(0o600)
        yield beside
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shown(us: int | None, zone: tzinfo) -> str | None:
    """Return a time as ISO 8601 with its zone, None where no calendar holds it."""
    if us is None:
        return None
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
        return moment.astimezone(zone).isoformat(timespec="microseconds")
    except (OverflowError, ValueError):
        return None


def harmless(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula: what begins like one gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _cells(row: Row, zone: tzinfo) -> list[Any]:
    return [shown(value, zone) if name in _TIMES else harmless(value) for name, value in zip(COLUMNS, row, strict=True)]


class _Csv:
    """RFC 4180, UTF-8 with a byte order mark, without which Excel takes Chinese for another encoding."""

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self._zone = zone
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows(_cells(row, self._zone) for row in rows)

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Workbook:
    """A workbook; where a sheet is full, another one follows."""

    def __init__(self, path: Path, zone: tzinfo) -> None:
        try:
            from openpyxl import Workbook  # noqa: PLC0415 - an optional package
            from openpyxl.utils.exceptions import WorkbookAlreadySaved  # noqa: PLC0415
        except ImportError as error:
            raise _missing("openpyxl", error) from error
        self._path, self._zone = path, zone
        self._book, self._saved = Workbook(write_only=True), WorkbookAlreadySaved
        self._sheet, self._rows = self._new_sheet(), 1

    def _new_sheet(self) -> Any:
        sheet = self._book.create_sheet(f"events {len(self._book.sheetnames) + 1}")
        sheet.append(COLUMNS)
        return sheet

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._rows == SHEET_ROWS:
                self._sheet, self._rows = self._new_sheet(), 1
            self._sheet.append([_printable(cell) for cell in _cells(row, self._zone)])
            self._rows += 1

    def finish(self) -> None:
        self._book.save(self._path)

    def close(self) -> None:
        for sheet in self._book.worksheets:
            with suppress(self._saved):
                sheet.close()


def _printable(cell: Any) -> Any:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", cell)[:CELL] if isinstance(cell, str) else cell


class _Parquet:
    """Columns with types: times are microseconds in UTC, and nothing has to be made harmless."""

    def __init__(self, path: Path, _zone: tzinfo) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an optional package
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as error:
            raise _missing("pyarrow", error) from error
        types = {name: pa.timestamp("us", tz="UTC") for name in _TIMES} | dict.fromkeys(_NUMBERS, pa.int64())
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
        self._table = pa.Table
        self._arrays = pa.array
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting = list[Row]()

    def write(self, rows: Sequence[Row]) -> None:
        self._waiting += rows
        if len(self._waiting) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._waiting, strict=True)
        arrays = [self._arrays(column, kind.type) for column, kind in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._table.from_arrays(arrays, schema=self._schema))
        self._waiting = []

    def finish(self) -> None:
        if self._waiting:
            self._flush()

    def close(self) -> None:
        self._writer.close()


def _missing(package: str, error: ImportError) -> ExportError:
    return ExportError(f"{package} cannot be used ({error}); install it with: pip install 'gate-station[export]'")


_SINKS: dict[str, Callable[[Path, tzinfo], Sink]] = {"csv": _Csv, "xlsx": _Workbook, "parquet": _Parquet}
