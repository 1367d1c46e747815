"""gate-central lost: rows that no station keeps any more and central never had."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from sync.central import skip
from sync.central.arguments import Commands, action, group, with_office
from sync.central.certificate_table import CertificateTable
from sync.central.command_table import CommandTable
from sync.central.database_commands import opened, with_database
from sync.central.document_commands import with_config
from sync.central.keys import Keyring
from sync.central.lost_table import Lost
from sync.central.office_trust import newest_bundle


def add(commands: Commands) -> None:
    """Declare the commands."""
    lost = group(commands, "lost", "rows that no station keeps any more and central never had")
    with_config(action(lost, "list", _list, "list them"))
    go_on = action(lost, "skip", _skip, "let some of them go, by a signed command, so that the journal goes on")
    with_config(go_on)
    go_on.add_argument("station", metavar="STATION")
    go_on.add_argument("epoch", metavar="EPOCH", type=hexadecimal, help="16 digits, as listed")
    go_on.add_argument("first", metavar="FIRST", type=int, help="first row")
    go_on.add_argument("last", metavar="LAST", type=int, help="last row")
    with_office(go_on, _skip)
    go_on.add_argument("--key", required=True, metavar="NAME", help="signing key, with the role command")


def hexadecimal(text: str) -> int:
    """Return the number that hexadecimal digits stand for. Raises ValueError."""
    return int(text, 16)


def _list(options: argparse.Namespace) -> Iterator[str]:
    def work(url: str) -> Iterator[str]:
        with opened(url) as store:
            yield from map(_line, store.lost())

    return with_database(work, options)


def _line(lost: Lost) -> str:
    state = f"skipped {_time(lost.skipped_us)}" if lost.skipped_us else "waits for a decision"
    return f"{lost.station} {lost.epoch:016x} {lost.first} {lost.last} noticed {_time(lost.noted_us)}, {state}"


def _time(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _skip(options: argparse.Namespace) -> Iterator[str]:
    now = int(time.time())
    wanted = skip.Skip(options.station, options.epoch, options.first, options.last, now)
    command = skip.sign(wanted, Keyring(options.office).key(options.key))

    def work(url: str) -> Iterator[str]:
        with opened(url) as store:
            # What is written down is what the trust bundle bears out, not what was typed.
            verified = skip.verify(command, newest_bundle(options.office), _zone(url, options.station), now)
            store.skip_lost(verified, command)
        yield f"{verified.station} {verified.epoch:016x}: rows {verified.first} to {verified.last} are let go"

    return with_database(work, options)


def _zone(url: str, station: str) -> str:
    """Return where a station stands: what the office gave it; without certificates, as in the demo, what it says."""
    given, said = CertificateTable(url), CommandTable(url)
    try:
        return given.zone(station) or next((to.zone for to in said.addressees() if to.station == station), "")
    finally:
        given.close()
        said.close()
