"""gate-central export: events as a file for spreadsheets and analysis."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from station.core.events import Kind
from sync.central import export
from sync.central.arguments import Commands, action
from sync.central.database_commands import with_database
from sync.central.document_commands import with_config
from sync.central.export_rows import Choice, ExportError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = action(commands, "export", _export, "write events of the central database to a file")
    with_config(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="file to write; one that is there is replaced")
    parser.add_argument("--format", choices=export.FORMATS, default="csv", help="default csv")
    parser.add_argument(
        "--from", dest="begin", metavar="TIME", help="first moment, ISO 8601: 2026-11-01 or with a time"
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="moment before which it ends, ISO 8601")
    parser.add_argument("--zone", default="UTC", metavar="NAME", help="time zone of all times, default UTC")
    parser.add_argument("--station", action="append", default=[], metavar="ID", help="may be repeated; default all")
    parser.add_argument(
        "--kind", action="append", default=[], choices=[kind.value for kind in Kind], help="may be repeated"
    )


def _export(options: argparse.Namespace) -> Iterator[str]:
    zone = _zone(options.zone)
    begin, end = _moment(options.begin, "--from", zone), _moment(options.end, "--to", zone)
    choice = Choice(begin, end, tuple(options.station), tuple(options.kind))

    def work(url: str) -> Iterator[str]:
        count = export.export(url, choice, options.file, options.format, zone)
        yield f"{count} events in {options.file}"

    return with_database(work, options)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # also where the machine has no time zone database
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ExportError(f"--zone {name}: no time zone is called so; for example Asia/Shanghai") from error


def _moment(text: str | None, option: str, zone: tzinfo) -> int | None:
    """Return a moment as Unix microseconds; without a zone of its own it is meant in `zone`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ExportError(f"{option} {text}: not ISO 8601; for example 2026-11-01 or 2026-11-01T06:00") from error
    return ((moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH) // timedelta(microseconds=1)
