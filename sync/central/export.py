"""Events of the central database as a file for people: CSV, Excel workbook or Parquet.

The file gets its name only when it is whole, and only its owner may read it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, tzinfo
from pathlib import Path

from sync.central.export_files import SINKS
from sync.central.export_rows import AT_ONCE, Choice, Row, rows

FORMATS = tuple(SINKS)


def export(url: str, choice: Choice, path: Path, kind: str, zone: tzinfo = UTC) -> int:
    """Write events to a file and return how many. `kind`: one of FORMATS; `zone`: of the times in CSV and workbook.

    Raises ExportError, OSError, sqlalchemy.exc.DBAPIError; then whatever was at `path` is still there.
    """
    count = 0
    with _whole(path) as beside, closing(rows(url, choice)) as found:
        sink = SINKS[kind](beside, zone)
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
