"""The files that an export can be: CSV, Excel workbook, Parquet. Each takes rows in portions."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol

from sync.central.export_rows import COLUMNS, ExportError, Row

ROW_GROUP = 20_000
"""Rows of one row group of a Parquet file."""
SHEET_ROWS = 1_048_576
"""Rows of a sheet at most (Microsoft: Excel specifications and limits), the head among them."""
CELL = 32_767
"""Characters of a cell at most (the same)."""
_TIMES = frozenset({"time", "received"})
_NUMBERS = frozenset({"seq", "uncertainty_ms"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With these a spreadsheet takes a cell for a formula (OWASP: CSV Injection)."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML 1.0 cannot hold (2.2)."""


class Sink(Protocol):
    """A file that is being written."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Write what is left."""

    def close(self) -> None:
        """Let go of the file, finished or not."""


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


SINKS: dict[str, Callable[[Path, tzinfo], Sink]] = {"csv": _Csv, "xlsx": _Workbook, "parquet": _Parquet}
