"""gate-central announce: what the loudspeakers of the gates say."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from station.core.announcement_source import read_source
from station.core.announcements import read_list
from station.core.documents import DocumentType
from sync.central.arguments import HOUR_S, Commands, group, signing, valid, with_office
from sync.central.config import load
from sync.central.document_commands import with_config
from sync.central.issuer import DocumentError, DocumentShelf, read_fields
from sync.central.keys import Keyring
from sync.central.publication import announce
from sync.central.store import Store

KIND = DocumentType.ANNOUNCEMENT
Row = Mapping[str, Any]


def add(commands: Commands) -> None:
    """Declare the commands."""
    actions = group(commands, "announce", "what the loudspeakers of the gates say")
    replace = actions.add_parser("sign", help="sign and publish a list from its source, in place of the one in force")
    replace.add_argument("source", type=Path, help="TOML file with [[announcement]] tables")
    _publishing(replace, _sign)
    say = actions.add_parser("say", help="add one announcement, said once as soon as each gate is idle, and publish")
    say.add_argument("id", help="1 to 40 small letters, digits and hyphens; a gate says an id once")
    say.add_argument("--zh", required=True, metavar="TEXT", help="the words in Chinese")
    say.add_argument("--en", required=True, metavar="TEXT", help="the words in English")
    say.add_argument("--hours", type=float, default=2.0, help="a gate that hears of it later is silent; default 2")
    say.add_argument("--volume", type=int, help="0 to 100; default: the gate's own, quiet hours included")
    _publishing(say, _say)
    end = actions.add_parser("end", help="take an announcement off the list and publish")
    end.add_argument("id", help="the announcement")
    _publishing(end, _end)
    with_office(actions.add_parser("list", help="list the announcements of the newest document"), _list)


def _publishing(parser: argparse.ArgumentParser, run: Any) -> None:
    signing(parser, run, days=30)
    with_config(parser)
    parser.add_argument("--scope", default="all", help="all, or a 12-digit zone")
    parser.add_argument("--no-publish", action="store_true", help="only sign; `documents publish` hands it over later")


def _sign(options: argparse.Namespace) -> Iterator[str]:
    try:
        rows = read_source(options.source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentError(f"{options.source}: {error}") from error
    yield from _issue(options, rows)


def _say(options: argparse.Namespace) -> Iterator[str]:
    now = int(time.time())
    others = [row for row in _rows(options.office) if row["to"] > now]
    if any(row["id"] == options.id for row in others):
        raise DocumentError(
            f"{options.id} is announced already; other words need another id, or every gate stays silent"
        )
    row: dict[str, Any] = {
        "id": options.id,
        "text": {"zh": options.zh, "en": options.en},
        "from": now,
        "to": now + round(options.hours * HOUR_S),
    }
    yield from _issue(options, [*others, row if options.volume is None else {**row, "volume": options.volume}])


def _end(options: argparse.Namespace) -> Iterator[str]:
    rows = _rows(options.office)
    kept = [row for row in rows if row["id"] != options.id]
    if len(kept) == len(rows):
        raise DocumentError(f"{options.id} is not announced; gate-central announce list shows what is")
    yield from _issue(options, kept)


def _list(options: argparse.Namespace) -> Iterator[str]:
    for row in _rows(options.office):
        begins, ends = (time.strftime("%Y-%m-%d %H:%M %z", time.localtime(row[name])) for name in ("from", "to"))
        days = " ".join(row.get("days") or ["every day"])
        when = f"at {' '.join(row['at'])} on {days}" if row.get("at") else "once"
        yield f"{row['id']}: {begins} to {ends}, {when}: {row['text']['zh']} / {row['text']['en']}"


def _rows(office: Path) -> list[Row]:
    path = DocumentShelf(office).path(KIND)
    return list(read_fields(path)["announcements"]) if path.exists() else []


def _issue(options: argparse.Namespace, rows: list[Any]) -> Iterator[str]:
    """Sign the list and hand it over, unless only signing was asked for. Raises DocumentError."""
    try:
        read_list(rows)
    except ValueError as error:
        raise DocumentError(f"the announcements would be refused: {error}") from error
    shelf = DocumentShelf(options.office)
    shelf.sign_announcements(rows, Keyring(options.office).key(options.key), valid(options.days))
    yield f"{shelf.path(KIND)}: {KIND} {shelf.seq(KIND)}, {len(rows)} in it"
    if options.no_publish:
        return
    store = Store(load(options.config).database.url)
    try:
        store.open()
        announce(options.office, store, options.scope)
    finally:
        store.close()
    yield f"{KIND} {shelf.seq(KIND)} to {options.scope}"
